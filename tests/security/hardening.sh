#!/usr/bin/env bash
# What the shared library is like for an attacker, and what it may load: hardening.sh READELF LIBRARY
set -euo pipefail
readelf=$1
library=$2

failures=0
fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

segments=$("$readelf" -lW "$library")
dynamic=$("$readelf" -dW "$library")
symbols=$("$readelf" -W --dyn-syms "$library")

grep -q GNU_RELRO <<<"$segments" || fail "nothing is read-only after relocation (RELRO)"
grep -qE '\(FLAGS\).*BIND_NOW|FLAGS_1\).*\bNOW\b' <<<"$dynamic" || fail "symbols are bound late (BIND_NOW)"
grep -qE 'FLAGS_1\).*NODELETE' <<<"$dynamic" || fail "it can be unloaded while its threads run (NODELETE)"
stack=$(grep GNU_STACK <<<"$segments" || true)
if [ -z "$stack" ] || grep -qE 'R?WE' <<<"$stack"; then
    fail "the stack is executable"
fi
if grep -E '^ *LOAD' <<<"$segments" | grep -q 'RWE'; then
    fail "a segment is writable and executable"
fi
grep -qE '\((RPATH|RUNPATH)\)' <<<"$dynamic" && fail "it names a folder to load libraries from (RPATH)"
grep -qE '\(TEXTREL\)|FLAGS\).*TEXTREL' <<<"$dynamic" && fail "code is relocated (TEXTREL)"
while read -r needed; do
    case $needed in
        libc.so.* | libgcc_s.so.* | libm.so.* | libpthread.so.* | libdl.so.* | librt.so.* | ld-linux*.so.*) ;;
        *) fail "it loads $needed" ;;
    esac
done < <(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")
for name in dlopen dlmopen system popen execve execvp posix_spawn fork connect socket mkstemp tmpfile tempnam; do
    grep -qE "UND +$name(@|\$)" <<<"$symbols" && fail "it calls $name"
done

[ $failures = 0 ] || exit 1
echo "RELRO, BIND_NOW, NODELETE, no executable stack, no RPATH, no text relocations, no dlopen; loads $(grep -c '(NEEDED)' <<<"$dynamic") libraries of the system"
