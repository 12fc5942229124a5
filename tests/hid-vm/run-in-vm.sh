#!/bin/bash
# run-in-vm.sh [OPTIONS] [--] COMMAND [ARGUMENT…]
#
# Boots a throw-away virtual machine from what prepare.sh made, runs COMMAND in it, passes its output on as it comes,
# and exits with its status. 124: the time ran out. 125: the machine did not come up, or died without a status.
#
# A COMMAND that is a file of this machine is copied in and run, so this works as cargo's runner and as CMake's
# CMAKE_CROSSCOMPILING_EMULATOR. The shared libraries that programs need are copied too. The command runs in /guest,
# where the scripts of the folder guest/ and this folder's own programs (uhid-device, usb-gadget, qmp) always are.
#
#   H=DIR               (environment) the folder that prepare.sh made; mandatory
#   --bin FILE          copy FILE to /guest (repeatable)
#   --dir DIR           copy the content of DIR to /guest
#   --out DIR           what the command leaves in the guest's /out comes back to DIR
#   --mods "A B"        module groups to load: hid, usb, gadget (default: hid)
#   --usb[=LIST]        QEMU's own USB devices: kbd,mouse,tablet (default: all three); loads the group usb
#   --qmp               QEMU's control channel at /dev/virtio-ports/qmp in the guest (see qmp.c)
#   --smp N             virtual CPUs (default 1: times are steadier)
#   --mem MIB           memory (default 512)
#   --timeout SECONDS   (default 120)
#   --tcg | --kvm       accelerator (default: kvm if the CPU has it and /dev/kvm opens, else emulation)
#   --kernel-log FILE   keep the kernel's messages
#   --qemu "ARGS"       further arguments for QEMU
#   --append "ARGS"     further arguments for the kernel
#   --verbose           print the kernel's messages at the end
#   --help
set -u

fail() {
    echo "run-in-vm: $1" >&2
    exit 125
}

usage() {
    sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//p;}' "$0"
}

ACCELERATOR=
BINARIES=()
DIRECTORY=
OUT=
GROUPS_WANTED=hid
USB_DEVICES=
QMP=
CPUS=1
MEMORY=512
TIMEOUT=120
KERNEL_LOG=
EXTRA_QEMU=()
APPEND=
VERBOSE=

while [ $# -gt 0 ]; do
    case $1 in
    --bin) BINARIES+=("$2"); shift ;;
    --dir) DIRECTORY=$2; shift ;;
    --out) OUT=$2; shift ;;
    --mods) GROUPS_WANTED=$2; shift ;;
    --usb) USB_DEVICES="kbd mouse tablet" ;;
    --usb=*) USB_DEVICES=$(echo "${1#--usb=}" | tr , ' ') ;;
    --qmp) QMP=1 ;;
    --smp) CPUS=$2; shift ;;
    --mem) MEMORY=$2; shift ;;
    --timeout) TIMEOUT=$2; shift ;;
    --tcg) ACCELERATOR=tcg ;;
    --kvm) ACCELERATOR=kvm ;;
    --kernel-log) KERNEL_LOG=$2; shift ;;
    --qemu) read -ra words <<< "$2"; EXTRA_QEMU+=("${words[@]}"); shift ;;
    --append) APPEND=$2; shift ;;
    --verbose) VERBOSE=1 ;;
    --help) usage; exit 0 ;;
    --) shift; break ;;
    -*) fail "unknown option $1 (try --help)" ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || { usage >&2; exit 125; }
HERE=$(cd "$(dirname "$0")" && pwd)
[ -n "${H:-}" ] && [ -s "$H/vmlinux" ] || fail "H must name a folder that prepare.sh made"

# /dev/kvm can exist and not work: only the CPU's own flags tell.
if [ -z "$ACCELERATOR" ]; then
    ACCELERATOR=tcg
    grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ] && ACCELERATOR=kvm
fi

WORK=$(mktemp -d "${TMPDIR:-/tmp}/hid-vm.XXXXXX")
QEMU_PID=
READERS=()

clean_up() {
    [ -n "$QEMU_PID" ] && kill "$QEMU_PID" 2> /dev/null
    [ ${#READERS[@]} -gt 0 ] && kill "${READERS[@]}" 2> /dev/null
    rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# ---- what is added to the root file system: /guest, its libraries, /vmrun

ROOT=$WORK/root
mkdir -p "$ROOT/vmrun" "$ROOT/guest"
cp "$H"/guest/* "$HERE"/guest/*.sh "$ROOT/guest/"
[ -n "$DIRECTORY" ] && cp -a "$DIRECTORY/." "$ROOT/guest/"

if [[ $1 == */* && -f $1 ]]; then
    BINARIES+=("$1")
    program=/guest/$(basename "$1")
    shift
    set -- "$program" "$@"
fi
for file in "${BINARIES[@]}"; do
    cp "$file" "$ROOT/guest/" || fail "cannot copy $file"
done

is_elf() {
    [ "$(head -c 4 "$1" | tr -d '\0')" = $'\x7fELF' ]
}

copy_libraries_of() {
    local library
    ldd "$1" 2> /dev/null | grep -oE '/[^ ]+\.so[^ ]*' | while read -r library; do
        [ -e "$ROOT$library" ] && continue
        mkdir -p "$ROOT$(dirname "$library")"
        cp -L "$library" "$ROOT$library"
    done
}

while IFS= read -r -d '' file; do
    is_elf "$file" && copy_libraries_of "$file"
done < <(find "$ROOT/guest" -type f -print0)

# The command as a line of shell, every word quoted.
for word in "$@"; do
    printf "'%s' " "${word//\'/\'\\\'\'}"
done > "$ROOT/vmrun/command"

[ -n "$USB_DEVICES" ] && GROUPS_WANTED="$GROUPS_WANTED usb"
cat > "$ROOT/vmrun/environment" << END
MODULE_GROUPS="$GROUPS_WANTED"
HIDRAW_NODES=$(echo "$USB_DEVICES" | wc -w)
END

# The kernel unpacks archives that follow each other one over the other.
(cd "$ROOT" && find . -mindepth 1 | "$H/tools/bin/cpio" -o -H newc --quiet -R 0:0) > "$WORK/extra.cpio"
cat "$H/base.cpio" "$WORK/extra.cpio" > "$WORK/initrd"
rm -rf "$ROOT" "$WORK/extra.cpio"

# ---- QEMU

mkfifo "$WORK/out" "$WORK/err" "$WORK/ctl"
[ -n "$KERNEL_LOG" ] || KERNEL_LOG=$WORK/kernel.log

ARGUMENTS=(
    -accel "$ACCELERATOR" -M pc -smp "$CPUS" -m "$MEMORY"
    -nodefaults -display none -vga none -nic none -no-reboot
    -kernel "$H/vmlinux" -initrd "$WORK/initrd"
    -append "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check cryptomgr.notests random.trust_cpu=on $APPEND"
    -chardev "file,id=console,path=$KERNEL_LOG" -serial chardev:console
    -device virtio-serial-pci,id=serial
)
if [ "$ACCELERATOR" = kvm ]; then
    ARGUMENTS+=(-cpu host)
else
    ARGUMENTS+=(-cpu max)
fi

# add_port NUMBER NAME PATH: a named port of the guest that writes to a file or pipe here.
add_port() {
    ARGUMENTS+=(-chardev "file,id=$2,path=$3" -device "virtserialport,bus=serial.0,nr=$1,chardev=$2,name=$2")
}

add_port 1 out "$WORK/out"
add_port 2 err "$WORK/err"
[ -n "$OUT" ] && add_port 3 files "$WORK/files.tar"
if [ -n "$QMP" ]; then
    # QEMU talks to itself: the monitor listens on a socket, and the guest's port is its client.
    ARGUMENTS+=(
        -chardev "socket,id=monitor,path=$WORK/qmp,server=on,wait=off" -mon chardev=monitor,mode=control
        -chardev "socket,id=qmp,path=$WORK/qmp" -device virtserialport,bus=serial.0,nr=4,chardev=qmp,name=qmp
    )
fi
if [ -n "$USB_DEVICES" ]; then
    ARGUMENTS+=(-device qemu-xhci,id=xhci)
    for device in $USB_DEVICES; do
        ARGUMENTS+=(-device "usb-$device,id=$device,bus=xhci.0")
    done
fi
ARGUMENTS+=("${EXTRA_QEMU[@]}")
# The guest waits for the port ctl, so it comes last.
add_port 9 ctl "$WORK/ctl"

cat "$WORK/out" &
READERS+=($!)
cat "$WORK/err" >&2 &
READERS+=($!)
cat "$WORK/ctl" > "$WORK/status" &
READERS+=($!)
timeout "$TIMEOUT" qemu-system-x86_64 "${ARGUMENTS[@]}" < /dev/null 2> "$WORK/qemu.err" &
QEMU_PID=$!
wait "$QEMU_PID"
QEMU_STATUS=$?
QEMU_PID=

# A QEMU that dies before it opens a pipe leaves its reader waiting for a writer: be that writer for a moment.
index=0
for pipe in out err ctl; do
    kill -0 "${READERS[$index]}" 2> /dev/null && timeout 0.2 bash -c ": > '$WORK/$pipe'" 2> /dev/null
    index=$((index + 1))
done
wait "${READERS[@]}"
READERS=()

[ -n "$VERBOSE" ] && cat "$KERNEL_LOG" >&2
STATUS=$(sed -n 's/^EXIT //p' "$WORK/status" | tail -n 1)
if [ -z "$STATUS" ]; then
    cat "$WORK/qemu.err" >&2
    tail -n 25 "$KERNEL_LOG" >&2
    if [ "$QEMU_STATUS" -eq 124 ]; then
        echo "run-in-vm: the time ran out after $TIMEOUT s" >&2
        exit 124
    fi
    fail "the guest gave no exit status (QEMU's own: $QEMU_STATUS)"
fi
if [ -n "$OUT" ]; then
    mkdir -p "$OUT"
    tar -C "$OUT" -xf "$WORK/files.tar"
fi
exit "$STATUS"
