#!/usr/bin/env bash
# The C ABI, as a C compiler sees it through the headers, is the one of the dump that is checked in for this SONAME:
# abi.sh BUILD_DIR C_COMPILER ABI [--write]
#
# The library's own debug information is Rust's view, which changes with every private type. So a small library is made
# that has, for each exported function, a pointer of its type: bound to the real library, so that a missing function fails
# to link; with all that the type leads to, callbacks and structures, in its debug information.
set -euo pipefail
build=$1 compiler=$2 abi=$3 mode=${4:-}
dump=abi/libdmf.so.$abi.abi

for tool in abidw abidiff; do
    if ! command -v $tool >/dev/null; then
        echo "SKIPPED: no $tool (Debian package abigail-tools)"
        exit 77
    fi
done
if [ "$(uname -m)" != x86_64 ]; then
    echo "SKIPPED: the dump is of x86_64"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
    echo '#include <dmf.h>'
    while read -r name; do
        echo "__typeof__($name)* const abi_$name = &$name;"
    done <abi/symbols.txt
    # Types that no function's prototype leads to: those whose pointers are passed as something else.
    grep -rhoE '^} [A-Za-z_0-9]+;' include/dmf/*.h | tr -d '};' | sort -u | while read -r name; do
        echo "$name* abi_type_$name;"
    done
    grep -rhoE '^typedef [A-Za-z_0-9]+ (EVT_[A-Za-z_0-9]+)\(' include/dmf/*.h | sed -E 's/.* (.*)\(/\1/' | sort -u |
        while read -r name; do
            echo "$name* abi_callback_$name;"
        done
} >"$work/abi.c"
"$compiler" -g -O0 -fPIC -shared -fno-eliminate-unused-debug-types -I include "$work/abi.c" -o "$work/libabi.so" \
    -Wl,-soname,"libdmf.so.$abi" -Wl,-z,defs -L "$build" -ldmf
abidw --no-show-locs --no-comp-dir-path --no-corpus-path --no-elf-needed "$work/libabi.so" >"$work/now.abi"

if [ "$mode" = --write ]; then
    # The path of each source is the work folder's.
    sed -E "s/ path='[^']*'//" "$work/now.abi" >"$dump"
    echo "wrote $dump"
    exit 0
fi
# Additions are compatible. Anything else needs a new number in abi/version, and a dump for it.
if ! abidiff --no-added-syms --no-show-locs "$dump" "$work/libabi.so"; then
    echo "The C ABI differs from $dump."
    echo "If that is meant: raise abi/version (before 1.0.0 a new dump alone may do) and run: make abi"
    exit 1
fi
echo "$(wc -l <abi/symbols.txt) functions and the types that they lead to, as in $dump"
