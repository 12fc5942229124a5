#!/usr/bin/env bash
# This folder's programs, in a project that takes the library's sources in: sources.sh CMAKE WAY SOURCE C CXX RECORDING
set -euo pipefail
cmake=$1 way=$2 source=$3 c=$4 cxx=$5 recording=$6
# shellcheck source=tests/consumer/check.sh
. "$(dirname "$0")/check.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for shared in ON OFF; do
    "$cmake" -S "$(dirname "$0")" -B "$work" -DWAY="$way" -DSOURCE="$source" -DBUILD_SHARED_LIBS=$shared \
        -DCMAKE_C_COMPILER="$c" -DCMAKE_CXX_COMPILER="$cxx" >"$work/configure.log"
    "$cmake" --build "$work" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
    for language in c cpp; do
        runs shared "$work/${language}_shared" "$recording"
        runs static "$work/${language}_static" "$recording"
        runs $([ $shared = ON ] && echo shared || echo static) "$work/${language}_dmf" "$recording"
    done
done
# A part of another project neither builds nor registers nor installs anything of its own.
"$cmake" --install "$work" --prefix "$work/installed" >"$work/install.log"
if [ -e "$work/installed" ]; then
    echo "the library installs with the project: $(find "$work/installed" ! -type d | head -n 3)"
    exit 1
fi
if [ -e "$work/dmf/CTestTestfile.cmake" ] && grep -rq add_test --include=CTestTestfile.cmake "$work"; then
    echo "the library's tests are registered with the project"
    exit 1
fi
if "$cmake" --build "$work" --target help | grep -E 'stream_hid|uninstall'; then
    echo "the library brings targets of its own into the project"
    exit 1
fi
