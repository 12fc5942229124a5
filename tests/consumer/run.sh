#!/usr/bin/env bash
# Installs the library, moves the prefix, and builds this folder's programs against it in each way that a project may choose:
# run.sh CMAKE BUILD_DIR C_COMPILER CXX_COMPILER RECORDING
set -euo pipefail
cmake=$1 build=$2 c=$3 cxx=$4 recording=$5
# shellcheck source=tests/consumer/check.sh
. "$(dirname "$0")/check.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/moved"
if grep -rIl "$work/first" "$work/moved"; then
    echo "these name the prefix that they were installed to"
    exit 1
fi
builds_four_ways "$cmake" "$c" "$cxx" "$work/moved" "$work" "$recording"
