#!/usr/bin/env bash
# Makes sure that the tools for building (and testing) are there: tools.sh build|test|all|bench
# Installs what is missing with apt-get where that is possible without a password; else names the command and fails.
set -euo pipefail

# Which package brings which command.
declare -A package_of=(
    [cmake]=cmake
    [cc]=gcc
    [make]=make
    [pkg-config]=pkg-config
)
stage=${1:-build}
if [ "$stage" != build ]; then
    package_of+=(
        [c++]=g++
        [valgrind]=valgrind
        [nm]=binutils
        [readelf]=binutils
        [python3]=python3
    )
fi
if [ "$stage" = all ]; then
    package_of+=(
        [doxygen]=doxygen
        [dot]=graphviz
        [mandoc]=mandoc
        [abidiff]=abigail-tools
        [dpkg-shlibdeps]=dpkg-dev
        [lintian]=lintian
        [git]=git
        [mcs]=mono-mcs
        [mono]=mono-runtime
        [go]=golang-go
        [nim]=nim
        [strace]=strace
    )
fi

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it with rustup (1.95 or later), then run make again." >&2
    exit 1
fi

missing() {
    for tool in "${!package_of[@]}"; do
        command -v "$tool" >/dev/null || echo "${package_of[$tool]}"
    done | sort -u
}

# A compiler without the C library's headers is no compiler; `gcc` only recommends them.
packages=$(missing)
if ! [ -e /usr/include/stdio.h ]; then
    packages+=" libc6-dev"
fi
# cargo-c, which a test builds, speaks TLS.
if [ "$stage" = all ] && ! [ -e /usr/include/openssl/ssl.h ]; then
    packages+=" libssl-dev"
fi
# Debian's Python comes without what `python3 -m venv` needs.
if [ "$stage" = all ] && ! python3 -c 'import ensurepip' 2>/dev/null; then
    packages+=" python3-venv"
fi
# What the benchmark compares with: headers, not commands.
if [ "$stage" = all ] || [ "$stage" = bench ]; then
    declare -A package_with=(
        [ck_ring.h]=libck-dev
        [boost/lockfree/queue.hpp]=libboost-dev
        [concurrentqueue/concurrentqueue.h]=libconcurrentqueue-dev
        [glib-2.0/glib.h]=libglib2.0-dev
        [jack/ringbuffer.h]=libjack-jackd2-dev
        [event2/event.h]=libevent-dev
        [dpdk/rte_ring.h]=dpdk-dev
        [tbb/concurrent_queue.h]=libtbb-dev
        [cds/container/vyukov_mpmc_cycle_queue.h]=libcds-dev
        [xenium/vyukov_bounded_queue.hpp]=libxenium-dev
        [readerwriterqueue/readerwriterqueue.h]=libreaderwriterqueue-dev
    )
    for header in "${!package_with[@]}"; do
        [ -e "/usr/include/$header" ] || packages+=" ${package_with[$header]}"
    done
fi
packages=$(echo $packages)
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Missing: install with your system's package manager what Debian calls: $packages" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
    if ! sudo -n true 2>/dev/null; then
        echo "Missing: run  sudo apt-get install $packages  and then make again." >&2
        exit 1
    fi
fi

echo "Installing $packages with apt-get ..."
"${as_root[@]}" apt-get update -qq
# shellcheck disable=SC2086  # the packages are words
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages >/dev/null

left=$(missing)
if [ -n "$left" ]; then
    echo "Still missing after installing: " $left >&2
    exit 1
fi
