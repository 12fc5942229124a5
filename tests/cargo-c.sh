#!/usr/bin/env bash
# cargo-c installs the library, and the consumers build against that with pkg-config:
# cargo-c.sh CARGO CACHE SONAME C_COMPILER CXX_COMPILER RECORDING
# CACHE keeps cargo-c itself from run to run.
set -euo pipefail
cargo=$1 cache=$2 soname=$3 c=$4 cxx=$5 recording=$6
version=0.10.24
# shellcheck source=tests/consumer/check.sh
. "$(dirname "$0")/consumer/check.sh"

if ! [ -x "$cache/root/bin/cargo-cinstall" ]; then
    # Unoptimised: it runs once or twice, and is built in half the time.
    if ! CARGO_TARGET_DIR=$cache/target "$cargo" install cargo-c --version $version --locked --profile dev --root "$cache/root"; then
        echo "SKIPPED: cargo-c $version cannot be built here"
        exit 77
    fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH="$cache/root/bin:$PATH" "$cargo" cinstall --locked --release --target-dir "$cache/dmf" \
    --prefix "$work/prefix" --libdir lib
diff -r include "$work/prefix/include"
[[ $(readelf --dynamic --wide "$work/prefix/lib/libdmf.so") == *"soname: [$soname]"* ]] || {
    echo "the library is not called $soname"
    exit 1
}
builds_with_pkg_config "$c" "$cxx" "$work/prefix" "$work" "$recording"
