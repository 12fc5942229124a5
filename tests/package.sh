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

# A system of its own. What it depends on is this machine's: the C library is looked for below, by name.
root=$work/root
mkdir -p "$root/etc" "$root/bin" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info"
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
# Installed as dpkg does it, which takes root; else unpacked. The packages' scripts run ldconfig for that system.
printf '#!/bin/sh\nexec /sbin/ldconfig -r "$DPKG_ROOT" "$@"\n' >"$root/bin/ldconfig"
chmod +x "$root/bin/ldconfig"
dpkg_here() {
    PATH=$root/bin:$PATH dpkg --root="$root" --log=/dev/null --force-script-chrootless --force-depends "$@" >"$work/log" 2>&1 ||
        fail "dpkg $*: $(cat "$work/log")"
}
install() {
    if [ "$(id -u)" = 0 ]; then dpkg_here --install "$1"; else dpkg-deb -x "$1" "$root"; fi
}
install "$runtime"
rule=$root/usr/lib/udev/rules.d/70-dmf-hid.rules
grep -q '^SUBSYSTEM=="hidraw".*TAG+="uaccess"' "$rule" || fail "the runtime package has no udev rule"
[ -z "$(find "$root" -name '*.h' -o -name '*.a' -o -name 'libdmf.so')" ] || fail "the runtime package has files for developers"
[ "$(find "$root" -name "libdmf.so.$abi")" ] || fail "the runtime package has no library"
install "$dev"
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

if [ "$(id -u)" = 0 ]; then
    dpkg_here --verify "libdmf$abi" libdmf-dev
    [ ! -s "$work/log" ] || fail "dpkg finds other files than it installed: $(cat "$work/log")"
    [[ $(/sbin/ldconfig -r "$root" -p) == *"libdmf.so.$abi "* ]] || fail "the loader of that system does not know the library"
fi
mkdir "$work/with-debs" "$work/with-tarball"
builds_four_ways "$cmake" "$c" "$cxx" "$root/usr" "$work/with-debs" "$recording"
if [ "$(id -u)" = 0 ]; then
    dpkg_here --purge libdmf-dev "libdmf$abi"
    left=$(find "$root" -name '*dmf*' ! -path '*/var/lib/dpkg/*')
    [ -z "$left" ] || fail "left after purging: $left"
    echo "== installed, verified and purged by dpkg"
else
    echo "== unpacked only: dpkg installs as root"
fi

tar -C "$work" -xzf "$packages"/dmf-*.tar.gz
tarball=$(echo "$work"/dmf-*/)
for file in LICENSE-MIT LICENSE-APACHE THIRD-PARTY-NOTICES; do
    cmp "$file" "$tarball/share/doc/dmf/$file"
done
builds_four_ways "$cmake" "$c" "$cxx" "$tarball" "$work/with-tarball" "$recording"
