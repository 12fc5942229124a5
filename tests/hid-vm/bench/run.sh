#!/bin/bash
# run.sh BUILD_DIR [ROUNDS [REPORTS]]
#
# Runs the benchmark hid_bench in the virtual machine: this library against a loop on poll and read and one on the C library hidapi,
# and what 64 idle streams use. BUILD_DIR has libdmf.so.* and hid_stream_test; the machine is made in BUILD_DIR/hid-vm.
#
# Exit status: 0 done; 77 this machine cannot run it.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
VM=$HERE/..
BUILD_DIR=$(cd "${1:?usage: run.sh BUILD_DIR [ROUNDS [REPORTS]]}" && pwd)
shift
readonly SKIP=77

"$VM/prepare.sh" "$BUILD_DIR/hid-vm"

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

have_hidapi() {
    [ -e /usr/include/hidapi/hidapi.h ]
}

install_hidapi() {
    as_root apt-get update -qq && as_root apt-get install -qq -y --no-install-recommends libhidapi-dev
}

have_hidapi || install_hidapi > /dev/null 2>&1 || true
if ! have_hidapi; then
    echo "bench-hid: skipped: needs the C library hidapi (Debian: libhidapi-dev)" >&2
    exit "$SKIP"
fi

library=$(echo "$BUILD_DIR"/libdmf.so.[0-9])
gcc -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -pthread -I "$VM/../../include" -o "$BUILD_DIR/hid_bench" \
    "$HERE/hid_bench.c" "$VM/hid_test.c" "$library" -lhidapi-hidraw

H=$BUILD_DIR/hid-vm "$VM/run-in-vm.sh" --timeout 600 \
    --bin "$BUILD_DIR/hid_bench" --bin "$BUILD_DIR/hid_stream_test" --bin "$library" -- \
    sh -c "hid_bench $* && hid_stream_test idle 10 && hid_stream_test rate 60"
