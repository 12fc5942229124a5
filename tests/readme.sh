#!/usr/bin/env bash
# Compiles each C program of README.md and of the docs and runs it, as it stands there: readme.sh BUILD_DIR C_COMPILER
set -euo pipefail
build=$(cd "$1" && pwd) compiler=$2
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

# programs_of DOCUMENT FOLDER: each ```c block becomes a file of its own, with the line numbers of the document in the
# compiler's messages.
programs_of() {
    awk -v folder="$2" -v document="$1" '
        /^```/ && file != "" { close(file); file = ""; next }
        /^```c$/ {
            file = sprintf("%s/example%02d.c", folder, ++count)
            printf "#line %d \"%s\"\n", NR + 1, document > file
            next
        }
        file != "" { print > file }
        END { if (file != "") { print document ": the last block has no end"; exit 1 } }
    ' "$1"
}

# run DOCUMENT SOURCE
run() {
    local document=$1 source=$2 program=${2%.c} code=0 name
    name="$document, $(basename "$program")"
    "$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude -Iinclude/dmf/compat "$source" -o "$program" \
        -L"$build" -Wl,-rpath,"$build" -ldmf -pthread || fail "$name: does not compile"
    "$program" >"$work/out" 2>"$work/err" || code=$?
    [ $code = 0 ] || fail "$name: exit code $code: $(cat "$work/err")"
    [ ! -s "$work/err" ] || fail "$name: complains: $(cat "$work/err")"
    [ -s "$work/out" ] || fail "$name: prints nothing"
    # What it prints stands below it, in a block of its own.
    while read -r line; do
        grep -qxF -- "$line" "$document" || fail "$name: prints \"$line\", which $document does not show"
        echo "$name: $line"
    done <"$work/out"
}

shopt -s nullglob
for document in README.md docs/*.md docs/modules/*.md; do
    folder=$work/$document
    mkdir -p "$folder"
    programs_of "$document" "$folder"
    programs=("$folder"/*.c)
    case $document in
    README.md | docs/modules/*) [ ${#programs[@]} -gt 0 ] || fail "$document has no C program" ;;
    esac
    for source in "${programs[@]}"; do
        run "$document" "$source"
    done
done
