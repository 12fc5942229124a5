#!/usr/bin/env bash
# What the install rules put where, DESTDIR, other folders than the usual, and uninstall:
# install.sh CMAKE BUILD_DIR VERSION ABI
set -euo pipefail
cmake=$1 build=$2 version=$3 abi=$4
source=$PWD

fail() {
    echo "$*"
    exit 1
}

# has ROOT LIBDIR INCLUDEDIR: everything that is promised, and each file of include/.
has() {
    local lib=$1/$2 include=$1/$3 file
    [ "$(readlink "$lib/libdmf.so")" = "libdmf.so.$abi" ] || fail "$lib/libdmf.so does not point to libdmf.so.$abi"
    [ "$(readlink "$lib/libdmf.so.$abi")" = "libdmf.so.$abi.${version#*.}" ] || fail "$lib/libdmf.so.$abi points elsewhere"
    for file in "libdmf.so.$abi.${version#*.}" libdmf.a pkgconfig/dmf.pc \
        cmake/dmf/dmf{Config,ConfigVersion,Targets}.cmake; do
        [ -f "$lib/$file" ] || fail "$lib/$file is not there"
    done
    (cd "$source/include" && find . -name '*.h' -o -name '*.hpp') | while read -r file; do
        cmp "$source/include/$file" "$include/$file"
    done
    [[ $(pkg-config_of "$lib" --libs) == *-ldmf* ]] || fail "dmf.pc does not name the library"
    [[ $(pkg-config_of "$lib" --static --libs) == *" $native"* ]] || fail "dmf.pc does not name, for static programs: $native"
    grep -qF "INTERFACE_LINK_LIBRARIES \"${native// /;}\"" "$lib/cmake/dmf/dmfTargets.cmake" ||
        fail "dmf::static does not name: $native"
    [ "$(pkg-config_of "$lib" --modversion)" = "$version" ] || fail "dmf.pc has another version"
}
pkg-config_of() {
    PKG_CONFIG_LIBDIR=$1/pkgconfig pkg-config "${@:2}" dmf
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What rustc says that a static library needs.
native=$(rustc --crate-name probe --crate-type staticlib --print native-static-libs -o "$work/probe.a" - </dev/null 2>&1 |
    sed -n 's/.*native-static-libs: //p')
[ -n "$native" ] || fail "rustc names no system libraries"
# A build folder of its own, as the manifest of what was installed stands in it. Cargo has built the library already.
configure() {
    "$cmake" -S . -B "$work/build" -DDMF_BUILD_TESTS=OFF -DDMF_BUILD_EXAMPLES=OFF "$@" >"$work/log"
    "$cmake" --build "$work/build" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
}

configure -DCMAKE_INSTALL_LIBDIR=lib
"$cmake" --install "$work/build" --prefix "$work/usual" >"$work/log"
has "$work/usual" lib include
[ -f "$work/usual/share/dmf/70-dmf-hid.rules" ] || fail "no udev rule"
cmp abi/abi.json "$work/usual/share/dmf/abi.json"
for file in LICENSE-MIT LICENSE-APACHE THIRD-PARTY-NOTICES; do
    cmp "$file" "$work/usual/share/doc/dmf/$file"
done
for page in docs/man/*.1; do
    cmp "$page" "$work/usual/share/man/man1/$(basename "$page")"
done

# SameMinorVersion: another minor version is refused, an earlier one too.
IFS=. read -r major minor _ <<<"$version"
others=("$major.$((minor + 1))" "$((major + 1)).0")
if [ "$minor" -gt 0 ]; then
    others+=("$major.$((minor - 1))")
fi
for asked in "$major.$minor" "$major.$minor.0" "${others[@]}" "COMPONENTS nonsense"; do
    mkdir -p "$work/find"
    cat >"$work/find/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.22)
project(find NONE)
find_package(dmf $asked QUIET PATHS "$work/usual" NO_DEFAULT_PATH)
file(WRITE "$work/found" "\${dmf_FOUND}")
CMAKE
    "$cmake" -S "$work/find" -B "$work/find/build" >"$work/log"
    case $asked in
    "$major.$minor"*) expected=1 ;;
    *) expected=0 ;;
    esac
    [ "$(cat "$work/found")" = $expected ] || fail "find_package(dmf $asked) found: $(cat "$work/found")"
done

"$cmake" -P "$work/build/Uninstall.cmake" >"$work/log" 2>&1
[ -z "$(find "$work/usual" ! -type d)" ] || fail "left after uninstall: $(find "$work/usual" ! -type d)"
[ -z "$(find "$work/usual" -path '*/dmf*')" ] || fail "left after uninstall: $(find "$work/usual" -path '*/dmf*')"

# DESTDIR, and folders that are usual elsewhere. What somebody else put there stays.
configure -DCMAKE_INSTALL_LIBDIR=lib/some-machine -DCMAKE_INSTALL_INCLUDEDIR=include/dmf-headers -DDMF_INSTALL_UDEV_RULE=ON
DESTDIR=$work/root "$cmake" --install "$work/build" --prefix /opt/dmf >"$work/log"
has "$work/root/opt/dmf" lib/some-machine include/dmf-headers
[ -f "$work/root/opt/dmf/lib/udev/rules.d/70-dmf-hid.rules" ] || fail "no udev rule where udev reads it"
touch "$work/root/opt/dmf/include/dmf-headers/dmf/foreign.h"
DESTDIR=$work/root "$cmake" -P "$work/build/Uninstall.cmake" >"$work/log" 2>&1
[ "$(find "$work/root" ! -type d)" = "$work/root/opt/dmf/include/dmf-headers/dmf/foreign.h" ] ||
    fail "after uninstall there is: $(find "$work/root" ! -type d)"

# Absolute folders.
configure -DCMAKE_INSTALL_LIBDIR="$work/abs/libraries" -DCMAKE_INSTALL_INCLUDEDIR="$work/abs/headers" \
    -DCMAKE_INSTALL_PREFIX="$work/abs" -DDMF_INSTALL_UDEV_RULE=OFF
"$cmake" --install "$work/build" >"$work/log"
has "$work/abs" libraries headers
[ "$(pkg-config_of "$work/abs/libraries" --cflags)" = "-I$work/abs/headers " ] ||
    [ "$(pkg-config_of "$work/abs/libraries" --cflags)" = "-I$work/abs/headers" ] || fail "dmf.pc has other headers"
mkdir -p "$work/consumer"
cp "$source"/tests/consumer/{CMakeLists.txt,stream.c,stream.cpp} "$work/consumer"
"$cmake" -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_PREFIX_PATH="$work/abs/libraries" \
    -Ddmf_DIR="$work/abs/libraries/cmake/dmf" >"$work/log"
"$cmake" --build "$work/consumer/build" --target c_static >"$work/log" 2>&1 || fail "$(cat "$work/log")"
echo "installed, found, and taken away again"
