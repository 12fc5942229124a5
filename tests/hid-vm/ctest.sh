#!/bin/bash
# ctest.sh BUILD_DIR
#
# Runs every test that needs a real HID device, nearly all in one boot of the virtual machine: first the machine's own (guest/selftest.sh),
# then the library's (guest/hid-stream.sh). BUILD_DIR has stream_hid, record_hid, hid_stream_test and libdmf.so*; the
# machine is made in BUILD_DIR/hid-vm.
#
# Exit status: 0 passed; 1 failed; 77 this machine cannot run it (with HID_VM_REQUIRED=1 in the environment: 1).
set -u

HERE=$(cd "$(dirname "$0")" && pwd)
BUILD_DIR=$(cd "${1:?usage: ctest.sh BUILD_DIR}" && pwd)
SKIP=77

"$HERE/prepare.sh" "$BUILD_DIR/hid-vm"
status=$?
if [ $status -eq $SKIP ] && [ "${HID_VM_REQUIRED:-0}" = 1 ]; then
    echo "hid-vm: HID_VM_REQUIRED is set, so this counts as a failure" >&2
    exit 1
fi
[ $status -eq 0 ] || exit $status

OPTIONS=()
for program in stream_hid record_hid hid_stream_test; do
    if [ ! -x "$BUILD_DIR/$program" ]; then
        echo "hid-vm: $BUILD_DIR/$program is missing" >&2
        exit 1
    fi
    OPTIONS+=(--bin "$BUILD_DIR/$program")
done
# Where there is a C++ compiler.
[ -x "$BUILD_DIR/hid_cpp_test" ] && OPTIONS+=(--bin "$BUILD_DIR/hid_cpp_test")
# A program that is linked statically needs none; the others ask for the library by its short name.
for library in "$BUILD_DIR"/libdmf.so.*; do
    [ -e "$library" ] && OPTIONS+=(--bin "$library")
done

# The kernel has 64 hidraw nodes, so 64 devices get boots of their own, without the mouse, at the same time.
many() {
    local way failed=0
    for way in descriptor slices; do
        echo "-- many, waiting on $way"
        H=$BUILD_DIR/hid-vm "$HERE/run-in-vm.sh" --mods "hid" --timeout 200 "${OPTIONS[@]}" -- \
            sh -c "DMF_HID_WAIT=$way hid_stream_test many" || failed=1
    done
    [ $failed -eq 0 ] || echo "hid-vm: many devices: failed"
    return $failed
}
many > "$BUILD_DIR/hid-vm/many.log" 2>&1 &
MANY=$!

H=$BUILD_DIR/hid-vm "$HERE/run-in-vm.sh" --mods "hid usb gadget" --usb=mouse --qmp --timeout 600 "${OPTIONS[@]}" -- \
    sh -c 'selftest.sh && hid-stream.sh'
status=$?
[ $status -eq 0 ] || echo "hid-vm: failed with status $status" >&2

wait $MANY
many=$?
cat "$BUILD_DIR/hid-vm/many.log"
exit $((status != 0 || many))
