#!/usr/bin/env bash
# The shared library has the name that programs are bound to, and stays loaded: soname.sh READELF LIBRARY SONAME
set -euo pipefail
dynamic=$("$1" --dynamic --wide "$2")
for expected in "Library soname: [$3]" NODELETE; do
    if ! grep -qF "$expected" <<<"$dynamic"; then
        printf 'no "%s" in the dynamic section of %s:\n%s\n' "$expected" "$2" "$dynamic"
        exit 1
    fi
done
