#!/usr/bin/env bash
# The library type-checks for a system that it is not run on here: portability.sh CARGO TARGET
# Skipped (77) where the target's standard library cannot be had.
set -euo pipefail
cargo=$1 target=$2

if ! command -v rustup >/dev/null; then
    echo "SKIPPED: without rustup there is no standard library for $target"
    exit 77
fi
if ! timeout 120 rustup target add "$target"; then
    echo "SKIPPED: rustup cannot get $target"
    exit 77
fi

# On macOS hidapi brings C code, whose headers only Apple's tools have. Checking Rust needs no objects, only that its
# build script succeeds: so the C compiler's place is taken by one that writes empty objects.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/cc" <<'CC'
#!/bin/sh
case $1 in
-E | '-?') exec cc "$@" ;; # what kind of compiler is this?
esac
while [ $# -gt 0 ]; do
    if [ "$1" = -o ]; then
        : >"$2"
    fi
    shift
done
CC
chmod +x "$work/cc"
case $target in
*-apple-*) export "CC_${target//-/_}=$work/cc" ;;
esac
"$cargo" check --lib --target "$target"
