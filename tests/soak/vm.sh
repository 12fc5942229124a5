#!/usr/bin/env bash
# Unplugs and replugs devices in the virtual machine all the time, half of it with each way to wait: vm.sh BUILD_DIR SECONDS
# 77: this machine cannot run it.
set -uo pipefail
build=$(cd "$1" && pwd)
seconds=$(($2 / 2))
vm=$(cd "$(dirname "$0")/../hid-vm" && pwd)

"$vm/prepare.sh" "$build/hid-vm" || exit $?
options=(--bin "$build/hid_stream_test")
for library in "$build"/libdmf.so.*; do
    options+=(--bin "$library")
done
H=$build/hid-vm "$vm/run-in-vm.sh" --mods hid --timeout $((2 * seconds + 400)) "${options[@]}" -- sh -c "
    DMF_HID_WAIT=descriptor hid_stream_test soak $seconds && DMF_HID_WAIT=slices hid_stream_test soak $seconds"
