#!/usr/bin/env bash
# vm.sh address|thread BUILD_DIR CC [CXX]
#
# The tests with real HID devices once more, in the virtual machine, with an instrumented library in every program: all of them
# with AddressSanitizer; with ThreadSanitizer those of the library, and what counts is only what that reports, since it is so
# slow there that the kernel loses reports. run.sh shows that the tools find what there is to be found. Exit status: 77 where
# the toolchain has no sanitizer, or nothing runs the machine.
set -euo pipefail
machine=$(mkdir -p "$2/hid-vm" && cd "$2/hid-vm" && pwd)
. "$(dirname "$0")/build.sh"

build_program hid_stream_test tests/hid-vm/hid_*_test.c tests/hid-vm/hid_test.c
if [ "$kind" = thread ]; then
    tests/hid-vm/prepare.sh "$machine" || exit $?
    H=$machine tests/hid-vm/run-in-vm.sh --mods "hid usb gadget" --timeout 900 --bin "$build_dir/hid_stream_test" -- sh -c '
        failures=0
        for way in descriptor slices; do
            for test in wait watch open ids control errors gadget unplug queued restart backlog shared stop; do
                echo "-- $test, waiting on $way"
                DMF_HID_WAIT=$way hid_stream_test $test
                status=$?
                if [ $status -gt 1 ]; then
                    echo "FAILED with status $status"
                    failures=$((failures + 1))
                fi
            done
        done
        exit $((failures > 0))'
    exit
fi
build_program stream_hid examples-c/stream_hid.c
build_program record_hid examples-c/record_hid.c
[ -z "$cxx" ] || build_program hid_cpp_test tests/hid-vm/hid_cpp_test.cpp
ln -sfn "$machine" "$build_dir/hid-vm"
tests/hid-vm/ctest.sh "$build_dir"
