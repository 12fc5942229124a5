#!/usr/bin/env bash
# Makes the packages and uses them: unpacks the .debs into a scratch root, and the tarball, and builds the consumers there.
# package.sh CMAKE ABI C_COMPILER CXX_COMPILER RECORDING
set -euo pipefail
cmake=$1 abi=$2 c=$3 cxx=$4 recording=$5
# shellcheck source=tests/consumer/check.sh
. "$(dirname "$0")/consumer/check.sh"

fail() {
    echo "$*"
    exit 1
}
for tool in dpkg-deb dpkg-shlibdeps lintian; do
    if ! command -v $tool >/dev/null; then
        echo "SKIPPED: without $tool there are no Debian packages to test"
        exit 77
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
maintainer="Somebody Else <somebody@example.org>"
make -s package BUILD="$work/build" MAINTAINER="$maintainer" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
packages=$work/build/package/packages
runtime=$(echo "$packages/libdmf${abi}"_*.deb)
dev=$(echo "$packages"/libdmf-dev_*.deb)

root=$work/root
mkdir "$root"
dpkg-deb -x "$runtime" "$root"
rule=$root/usr/lib/udev/rules.d/70-dmf-hid.rules
grep -q '^SUBSYSTEM=="hidraw".*TAG+="uaccess"' "$rule" || fail "the runtime package has no udev rule"
[ -z "$(find "$root" -name '*.h' -o -name '*.a' -o -name 'libdmf.so')" ] || fail "the runtime package has files for developers"
[ "$(find "$root" -name "libdmf.so.$abi")" ] || fail "the runtime package has no library"
dpkg-deb -x "$dev" "$root"
for package in "libdmf$abi" libdmf-dev; do
    for file in copyright THIRD-PARTY-NOTICES; do
        [ -s "$root/usr/share/doc/$package/$file" ] || fail "$package has no $file"
    done
done
[[ $(dpkg-deb -f "$dev" Depends) == "libdmf$abi (= "* ]] || fail "libdmf-dev does not depend on its library"
[[ $(dpkg-deb -f "$runtime" Depends) == *libc6* ]] || fail "libdmf$abi does not depend on the C library"

for package in "$runtime" "$dev"; do
    [ "$(dpkg-deb -f "$package" Maintainer)" = "$maintainer" ] || fail "the maintainer is $(dpkg-deb -f "$package" Maintainer)"
done
# Not for Debian's own archive: no changelog of Debian's, and CPack calls ldconfig from scripts instead of by a trigger.
lintian --allow-root --no-cfg --fail-on error \
    --suppress-tags no-changelog,lacks-ldconfig-trigger,no-shlibs "$runtime" "$dev" ||
    fail "lintian finds errors"

mkdir "$work/with-debs" "$work/with-tarball"
builds_four_ways "$cmake" "$c" "$cxx" "$root/usr" "$work/with-debs" "$recording"
tar -C "$work" -xzf "$packages"/dmf-*.tar.gz
builds_four_ways "$cmake" "$c" "$cxx" "$(echo "$work"/dmf-*/)" "$work/with-tarball" "$recording"
