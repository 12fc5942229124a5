#!/usr/bin/env bash
# vm.sh address|thread BUILD_DIR CC [CXX]
#
# The tests with real HID devices once more, in the virtual machine, with an instrumented library in every program. What the
# programs were shown to find is run.sh's matter. Exit status: 77 where the toolchain has no sanitizer, or nothing runs the machine.
set -euo pipefail
machine=$(mkdir -p "$2/hid-vm" && cd "$2/hid-vm" && pwd)
. "$(dirname "$0")/build.sh"

options=tests/sanitizers/options_$kind.c
build_program stream_hid examples-c/stream_hid.c "$options"
build_program record_hid examples-c/record_hid.c "$options"
build_program hid_stream_test tests/hid-vm/hid_*_test.c tests/hid-vm/hid_test.c "$options"
[ -z "$cxx" ] || build_program hid_cpp_test tests/hid-vm/hid_cpp_test.cpp "$options"
ln -sfn "$machine" "$build_dir/hid-vm"
tests/hid-vm/ctest.sh "$build_dir"
