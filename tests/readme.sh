#!/usr/bin/env bash
# Compiles each C and C++ program of README.md and of the docs and runs it, each Python program too, as they stand there:
# readme.sh BUILD_DIR C_COMPILER [CXX_COMPILER [PYTHON]]. Without one of the latter its programs are named and left out.
set -euo pipefail
build=$(cd "$1" && pwd) compiler=$2 cxx=${3:-} python=${4:-}
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

# programs_of DOCUMENT FOLDER: each ```c, ```cpp and ```python block becomes a file of its own, with the line numbers of the document in the
# compiler's messages.
programs_of() {
    awk -v folder="$2" -v document="$1" '
        /^```/ && file != "" { close(file); file = ""; next }
        /^```(c|cpp|python)$/ {
            language = substr($0, 4)
            file = sprintf("%s/example%02d.%s", folder, ++count, language)
            if (language == "python") printf "" > file
            else printf "#line %d \"%s\"\n", NR + 1, document > file
            next
        }
        file != "" { print > file }
        END { if (file != "") { print document ": the last block has no end"; exit 1 } }
    ' "$1"
}

# run DOCUMENT SOURCE
run() {
    local document=$1 source=$2 program=${2%.*} code=0 name needs compile command
    name="$document, $(basename "$program")"
    local common=(-Wall -Wextra -Wpedantic -Werror -Iinclude "$source" -o "$program" -L"$build" -Wl,-rpath,"$build" -ldmf -pthread)
    command=("$program")
    case $source in
    *.c) needs=$compiler compile=("$compiler" -std=c11 -Iinclude/dmf/compat "${common[@]}") ;;
    *.cpp) needs=$cxx compile=("$cxx" -std=c++17 "${common[@]}") ;;
    *) needs=$python compile=(true) command=("$python" "$source") ;;
    esac
    command -v "$needs" >/dev/null || { echo "$name: not tried, nothing here runs it"; return; }
    "${compile[@]}" || fail "$name: does not compile"
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=bindings/python DMF_LIBRARY="$build/libdmf.so.0" \
        "${command[@]}" >"$work/out" 2>"$work/err" || code=$?
    [ $code = 0 ] || fail "$name: exit code $code: $(cat "$work/err")"
    [ ! -s "$work/err" ] || fail "$name: complains: $(cat "$work/err")"
    [ -s "$work/out" ] || fail "$name: prints nothing"
    # What it prints stands below it, in a block of its own.
    while read -r line; do
        grep -qxF -- "$line" "$document" || fail "$name: prints \"$line\", which $document does not show"
        echo "$name: $line"
    done <"$work/out"
}

# blocks_are_known DOCUMENT: each block is one that a test runs, or says that it is only text. newcomer.sh runs the commands
# (sh) of the READMEs, and the project (cmake) of README.md.
blocks_are_known() {
    local known="c|cpp|python|text"
    case $1 in
    README.md) known+="|sh|cmake" ;;
    bindings/*) known+="|sh" ;;
    esac
    awk '/^ *```/ { if (!inside) print FILENAME ":" FNR ": " $0; inside = !inside }' "$1" |
        grep -vE ": *\`\`\`($known)\$" >"$work/unknown" || return 0
    fail "no test runs this block: $(cat "$work/unknown")"
}

# headings DOCUMENT: as links name them.
headings() {
    sed -n 's/^##* //p' "$1" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}

# links_lead_somewhere DOCUMENT: what it links to is a file of the project.
links_lead_somewhere() {
    local target file
    while read -r target; do
        file=$(dirname "$1")/${target%%#*}
        [ -e "$file" ] || fail "$1 links to $target, which is not there"
        [[ $target != *#* ]] || headings "$file" | grep -xF "${target#*#}" >/dev/null || fail "$1: $file has no heading #${target#*#}"
    done < <(awk '/^ *```/ { inside = !inside } !inside' "$1" | grep -oE '\]\([^)# ]+[^) ]*\)' | sed 's/^](//; s/)$//' | grep -vE '^https?:')
}

for document in $(git ls-files '*.md' 2>/dev/null || find . -name '*.md' -not -path '*/target/*' -not -path '*/build*/*'); do
    links_lead_somewhere "$document"
done
shopt -s nullglob
for document in README.md docs/*.md docs/modules/*.md bindings/*/README.md; do
    blocks_are_known "$document"
    folder=$work/$document
    mkdir -p "$folder"
    programs_of "$document" "$folder"
    programs=("$folder"/*.c "$folder"/*.cpp "$folder"/*.python)
    case $document in
    README.md | docs/modules/* | bindings/*) [ ${#programs[@]} -gt 0 ] || fail "$document has no program" ;;
    esac
    for source in "${programs[@]}"; do
        run "$document" "$source"
    done
done
