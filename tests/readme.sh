#!/usr/bin/env bash
# Compiles each C program of README.md and runs it, as it stands there: readme.sh BUILD_DIR C_COMPILER
set -euo pipefail
build=$(cd "$1" && pwd) compiler=$2
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

# Each ```c block becomes a file of its own, with the line numbers of README.md in the compiler's messages.
awk -v folder="$work" '
    /^```/ && file != "" { close(file); file = ""; next }
    /^```c$/ {
        file = sprintf("%s/example%02d.c", folder, ++count)
        printf "#line %d \"README.md\"\n", NR + 1 > file
        next
    }
    file != "" { print > file }
    END { if (file != "") { print "README.md: the last block has no end"; exit 1 } }
' README.md

shopt -s nullglob
programs=("$work"/*.c)
[ ${#programs[@]} -gt 0 ] || fail "README.md has no C program"

for source in "${programs[@]}"; do
    program=${source%.c}
    "$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude "$source" -o "$program" \
        -L"$build" -Wl,-rpath,"$build" -ldmf -pthread || fail "README.md, $(basename "$program"): does not compile"
    code=0
    "$program" >"$work/out" 2>"$work/err" || code=$?
    [ $code = 0 ] || fail "README.md, $(basename "$program"): exit code $code: $(cat "$work/err")"
    [ ! -s "$work/err" ] || fail "README.md, $(basename "$program"): complains: $(cat "$work/err")"
    # What it prints stands below it, in a block of its own.
    while read -r line; do
        grep -qxF -- "$line" README.md || fail "README.md, $(basename "$program"): prints \"$line\", which README.md does not show"
        echo "$(basename "$program"): $line"
    done <"$work/out"
done
