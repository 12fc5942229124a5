#!/usr/bin/env bash
# Installs the library, moves the prefix, and builds this folder's program against it in each way a project may choose:
# run.sh CMAKE BUILD_DIR C_COMPILER
set -euo pipefail
cmake=$1 build=$2 compiler=$3
source=$(cd "$(dirname "$0")" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log"
prefix=$work/moved
mv "$work/first" "$prefix"

echo "== find_package"
"$cmake" -S "$source" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" >"$work/configure.log"
"$cmake" --build "$work/build"
for kind in shared static dmf; do
    "$work/build/consumer_$kind"
done

echo "== pkg-config"
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name dmf.pc)")
libdir=$(dirname "$PKG_CONFIG_PATH")
# shellcheck disable=SC2046  # the flags are words
"$compiler" "$source/main.c" -o "$work/with_pkg_config" $(pkg-config --cflags --libs dmf)
LD_LIBRARY_PATH=$libdir "$work/with_pkg_config"

echo "== pkg-config --static"
# -ldmf alone would take the shared library, which stands in the same folder.
flags=$(pkg-config --static --libs dmf)
# shellcheck disable=SC2046,SC2086
"$compiler" "$source/main.c" -o "$work/with_pkg_config_static" $(pkg-config --cflags dmf) ${flags/-ldmf/-l:libdmf.a}
"$work/with_pkg_config_static"
if ldd "$work/with_pkg_config_static" | grep -q libdmf; then
    echo "the static program loads the shared library"
    exit 1
fi
