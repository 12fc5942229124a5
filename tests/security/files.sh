#!/usr/bin/env bash
# What the library opens, and what of the environment it listens to: files.sh BUILD_DIR CC
#
# A program that calls every function is traced. It may open its recordings, which it names itself; everything else comes from
# /sys, /dev, /proc and the system's own libraries, where only root writes. It starts no program and makes no connection.
set -uo pipefail
build=$(cd "$1" && pwd)
cc=$2
cd "$(dirname "$0")/../.."
work=$build/security
rm -rf "$work"
mkdir -p "$work"

failures=0
fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

# ---- files

if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    strace -f -qq -e trace=open,openat,openat2,creat,execve,execveat,connect,bind,socket -o "$work/trace" \
        env -i TMPDIR=/tmp "$build/tests/test_process" digest >"$work/digest" || fail "the program failed under strace"
    grep -oE '(open|openat|openat2|creat)\([^)]*\)' "$work/trace" | grep -oE '"[^"]*"' | tr -d '"' | sort -u >"$work/opened"
    [ "$(wc -l <"$work/opened")" -gt 5 ] || fail "the trace is empty"
    # The C library reads its cache, its locales and its zones when the program asks for a locale.
    while read -r path; do
        case $path in
            /sys/* | /dev/hidraw* | /proc/* | /etc/ld.so.* | /lib/* | /lib64/* | /usr/lib/* | /usr/share/locale/* | "$build"/*) ;;
            /tmp/dmf-recording-??????) ;;
            *) fail "opened: $path" ;;
        esac
    done <"$work/opened"
    # The first is strace's own start of env, the second env's of the program.
    [ "$(grep -c 'execve(.*= 0' "$work/trace")" -le 2 ] || fail "another program was started"
    grep -E '(connect|bind|socket)\(' "$work/trace" && fail "a socket was made"
    echo "opened: $(sed 's/-recording-.*/-recording-/' "$work/opened" | grep -v "^$build" | sort -u | tr '\n' ' ')"
    traced=yes
else
    echo "SKIPPED: strace is missing or may not trace; what is opened was not looked at"
    traced=no
fi

# ---- a program with its file's rights does not listen to its environment

cat >"$work/misuse.c" <<'END'
#include <dmf.h>
int main(void)
{
    WdfObjectDelete(NULL);
    return 0;
}
END
libraries=$(sed -n 's/^Libs.private: *//p' "$build/dmf.pc" 2>/dev/null)
"$cc" -Iinclude "$work/misuse.c" "$build/libdmf.a" ${libraries:--lgcc_s -lutil -lrt -lpthread -lm -ldl -lc} -o "$work/misuse" ||
    fail "the program is not built"
(DMF_MISUSE=abort "$work/misuse") >/dev/null 2>&1
[ $? = 134 ] || fail "DMF_MISUSE=abort does not abort an ordinary program"
if [ "$(id -u)" = 0 ]; then
    place=$(mktemp -d)
    chmod 755 "$place"
    cp "$work/misuse" "$place/misuse"
    chown nobody "$place/misuse"
    chmod 4755 "$place/misuse"
    (DMF_MISUSE=abort "$place/misuse") >/dev/null 2>&1
    status=$?
    rm -rf "$place"
    [ $status = 0 ] || fail "a setuid program listens to DMF_MISUSE: status $status"
else
    echo "SKIPPED: only root can make a program run as another user; that it ignores its environment then was not looked at"
fi

[ $failures = 0 ] || exit 1
[ $traced = yes ] || exit 77
echo "nothing from where an unprivileged user writes"
