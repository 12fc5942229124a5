#!/usr/bin/env bash
# The man pages are well formed, and have every option that the programs' own help has, and no other: man.sh BUILD_DIR
set -euo pipefail
build=$1
cd "$(dirname "$0")/.."

fail() {
    echo "FAILED: $1"
    exit 1
}

options() {
    grep -oE -- '--[a-z]+' | sort -u
}

for program in stream_hid record_hid; do
    page=docs/man/$program.1
    in_help=$("$build/$program" --help | options)
    in_page=$(sed -n 's/^\.It Fl -\([a-z]*\).*/--\1/p' "$page" | options)
    [ "$in_help" = "$in_page" ] || fail "$page and --help differ: $(diff <(echo "$in_help") <(echo "$in_page") || true)"
    synopsis=$(sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/s/.*Fl -\([a-z]*\).*/--\1/p' "$page" | options)
    [ "$in_help" = "$synopsis" ] || fail "$page: its synopsis lacks an option, or has one too many"
    echo "$page: $(echo "$in_help" | wc -l) options"
done

if ! command -v mandoc >/dev/null; then
    echo "SKIPPED: mandoc is not installed"
    exit 77
fi
mandoc -T lint -W warning docs/man/*.1 || fail "mandoc complains"
