#!/bin/bash
# record-demo.sh BUILD_DIR [FILE]
#
# Makes the recording that the project ships, FILE (default: examples-c/data/usb-mouse.hid): in the virtual machine,
# record_hid records QEMU's USB mouse for ten seconds while it is moved along a curve, with clicks and turns of the wheel.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
BUILD_DIR=$(cd "${1:?usage: record-demo.sh BUILD_DIR [FILE]}" && pwd)
FILE=${2:-$HERE/../../examples-c/data/usb-mouse.hid}
RESULT=$(mktemp -d)
trap 'rm -rf "$RESULT"' EXIT

OPTIONS=(--bin "$BUILD_DIR/record_hid")
for library in "$BUILD_DIR"/libdmf.so.*; do
    [ -e "$library" ] && OPTIONS+=(--bin "$library")
done

"$HERE/prepare.sh" "$BUILD_DIR/hid-vm"
H=$BUILD_DIR/hid-vm "$HERE/run-in-vm.sh" --usb=mouse --qmp --timeout 120 --out "$RESULT" "${OPTIONS[@]}" -- \
    record-demo.sh recording.hid
{
    echo "# QEMU's USB mouse, moved along a curve for ten seconds, with clicks and turns of the wheel."
    cat "$RESULT/recording.hid"
} > "$FILE"
echo "$FILE: $(grep -c '^E:' "$FILE") reports"
