#!/bin/bash
# prepare.sh DIR [KERNEL-PACKAGE]
#
# Makes everything that run-in-vm.sh boots, from nothing, in DIR:
#   DIR/vmlinux     a Debian kernel
#   DIR/base.cpio   the guest's root file system: busybox, the kernel modules, guest/init
#   DIR/guest/      the programs of this folder that run in the guest, statically linked
#   DIR/tools/      busybox and cpio, unpacked from their packages, not installed
# A second call finds its work done and returns at once; a changed source is rebuilt.
#
# What is missing on this machine is installed with apt-get (as root, or with sudo when that asks for no password).
# Exit status: 0 ready; 77 this machine cannot do it, with one line that says what to install; 1 a defect in this folder.
set -euo pipefail

readonly SKIP=77

skip() {
    echo "hid-vm: skipped: $1" >&2
    exit "$SKIP"
}

[ $# -ge 1 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 1; }
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || skip "the virtual machine runs this machine's programs, so it needs Linux on x86-64"

HERE=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
KERNEL_PACKAGE=${2:-}
LOG=$DIR/prepare.log

# Two tests that start together must not build the same files.
exec 9> "$DIR/lock"
flock 9
: > "$LOG"

# ---- what this machine has to have

have_static_libc() {
    echo 'int main(void) { return 0; }' | gcc -static -x c - -o /dev/null 2>> "$LOG"
}

missing_packages() {
    command -v qemu-system-x86_64 > /dev/null || echo qemu-system-x86
    have_static_libc || echo gcc libc6-dev
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

apt_update() {
    as_root apt-get update -qq >> "$LOG" 2>&1
}

# A package list that is missing or too old shows as a failure: fetch new lists and try once more.
with_fresh_lists() {
    "$@" >> "$LOG" 2>&1 && return 0
    apt_update && "$@" >> "$LOG" 2>&1
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"
}

install_missing_packages() {
    local packages
    packages=$(missing_packages | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    command -v apt-get > /dev/null || skip "install QEMU for x86-64, a C compiler and a static libc (here: $packages)"
    # shellcheck disable=SC2086  # a list of words on purpose
    with_fresh_lists apt_install $packages || skip "run: apt-get install --no-install-recommends $packages"
}

# ---- packages that are unpacked, not installed

# Fetches PACKAGE into the current folder and prints the file's name.
download() {
    local package=$1
    with_fresh_lists apt-get download "$package" || skip "cannot download the package $package with apt-get (see $LOG)"
    ls "$package"_*.deb
}

unpack_tools() {
    local tools=$DIR/tools
    [ -x "$tools/bin/busybox" ] && [ -x "$tools/bin/cpio" ] && return 0
    rm -rf "$tools" "$DIR/download"
    mkdir -p "$tools" "$DIR/download"
    cd "$DIR/download"
    local package archive
    for package in busybox-static cpio; do
        archive=$(download "$package") || exit
        dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$tools"
    done
    # Packages of a merged /usr bring usr/bin instead of bin.
    if [ -d "$tools/usr/bin" ]; then
        mkdir -p "$tools/bin"
        cp -a "$tools/usr/bin/." "$tools/bin/"
    fi
    rm -rf "$DIR/download"
}

newest_kernel_package() {
    apt-cache depends linux-image-amd64 2>> "$LOG" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1
}

find_kernel_package() {
    [ -n "$KERNEL_PACKAGE" ] || KERNEL_PACKAGE=$(newest_kernel_package)
    if [ -z "$KERNEL_PACKAGE" ]; then
        apt_update || true
        KERNEL_PACKAGE=$(newest_kernel_package)
    fi
    [ -n "$KERNEL_PACKAGE" ] || skip "no package linux-image-amd64 here: the guest needs a Debian kernel, or name one as the second argument"
}

# ---- the kernel and its modules

declare -A MODULE_FILE=()
declare -A MODULE_SEEN=()

index_modules() {
    local file name
    while read -r file; do
        name=$(basename "$file" .ko)
        MODULE_FILE[${name//-/_}]=$file
    done < <(find "$1" -name '*.ko')
}

# The kernel package has no modules.dep, but each module says in its .modinfo section what it stands on.
module_dependencies() {
    LC_ALL=C tr '\0' '\n' < "$1" | LC_ALL=C sed -n 's/^depends=//p' | head -n 1 | tr , ' '
}

# Prints the module and everything below it, in the order in which insmod wants them.
module_closure() {
    local name=${1//-/_} dependency
    [ -z "${MODULE_SEEN[$name]:-}" ] || return 0
    MODULE_SEEN[$name]=1
    if [ -z "${MODULE_FILE[$name]:-}" ]; then
        grep -qE "/${name//_/[-_]}\.ko" "$BUILTIN" && return 0
        echo "hid-vm: the kernel package has no module $name" >&2
        return 1
    fi
    for dependency in $(module_dependencies "${MODULE_FILE[$name]}"); do
        module_closure "$dependency"
    done
    echo "$name"
}

# module_group NAME MODULE…: copies the modules and writes the list that the guest's init loads.
module_group() {
    local group=$1 module
    shift
    MODULE_SEEN=()
    for module in "$@"; do
        module_closure "$module"
    done > "$DIR/modules/$group.list"
    while read -r module; do
        cp "${MODULE_FILE[$module]}" "$DIR/modules/$module.ko"
    done < "$DIR/modules/$group.list"
}

# An uncompressed kernel spares every boot the decompression, which takes longer than the rest of the boot under emulation.
place_kernel() {
    local image
    image=$(ls "$DIR"/kernel/boot/vmlinuz-*)
    python3 "$HERE/extract-vmlinux.py" "$image" "$DIR/vmlinux.new" 2>> "$LOG" || cp "$image" "$DIR/vmlinux.new"
    mv "$DIR/vmlinux.new" "$DIR/vmlinux"
}

unpack_kernel() {
    [ -s "$DIR/vmlinux" ] && [ -s "$DIR/modules/complete" ] && return 0
    local archive
    find_kernel_package
    rm -rf "$DIR/kernel" "$DIR/modules" "$DIR/download"
    mkdir -p "$DIR/kernel" "$DIR/modules" "$DIR/download"
    cd "$DIR/download"
    archive=$(download "$KERNEL_PACKAGE") || exit
    dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$DIR/kernel"
    index_modules "$DIR/kernel"
    BUILTIN=$(find "$DIR/kernel" -name modules.builtin)
    module_group core virtio_pci virtio_console
    module_group hid uhid hid_generic
    module_group usb xhci_pci usbhid
    module_group gadget dummy_hcd libcomposite usb_f_fs
    place_kernel
    echo "$KERNEL_PACKAGE" > "$DIR/modules/complete"
    # The package unpacks to several hundred megabytes, of which the guest needs three.
    cd "$DIR"
    rm -rf "$DIR/kernel" "$DIR/download"
}

# ---- the root file system and the programs in it

pack_root() {
    local base=$DIR/base.cpio root=$DIR/root applet
    [ "$base" -nt "$HERE/guest/init" ] && [ "$base" -nt "$DIR/modules/complete" ] && return 0
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,proc,sys,run,tmp,out,guest,etc,root,lib}
    cp "$DIR/tools/bin/busybox" "$root/bin/"
    for applet in $("$DIR/tools/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    ln -s bin "$root/sbin"
    cp -r "$DIR/modules" "$root/lib/modules"
    cp "$HERE/guest/init" "$root/init"
    chmod 755 "$root/init"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' > "$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
    cd "$root"
    find . -mindepth 1 | "$DIR/tools/bin/cpio" -o -H newc --quiet -R 0:0 > "$base.new"
    mv "$base.new" "$base"
    cd "$DIR"
    rm -rf "$root"
}

compile_guest_programs() {
    local program binary
    mkdir -p "$DIR/guest"
    for program in uhid-device usb-gadget qmp; do
        binary=$DIR/guest/$program
        [ "$binary" -nt "$HERE/$program.c" ] && continue
        gcc -std=c11 -O2 -static -Wall -Wextra -Wpedantic -Werror -pthread -o "$binary" "$HERE/$program.c" -lm
    done
}

is_ready() {
    local program
    [ -s "$DIR/vmlinux" ] && [ -s "$DIR/modules/complete" ] && [ "$DIR/base.cpio" -nt "$HERE/guest/init" ] || return 1
    [ "$DIR/base.cpio" -nt "$DIR/modules/complete" ] && command -v qemu-system-x86_64 > /dev/null || return 1
    for program in uhid-device usb-gadget qmp; do
        [ "$DIR/guest/$program" -nt "$HERE/$program.c" ] || return 1
    done
}

is_ready && exit 0
install_missing_packages
command -v apt-get > /dev/null || skip "the guest's kernel and busybox come from Debian packages, which needs apt-get"
unpack_tools
unpack_kernel
pack_root
compile_guest_programs
echo "hid-vm: $DIR is ready ($(cat "$DIR/modules/complete"))"
