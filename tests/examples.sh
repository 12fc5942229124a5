#!/usr/bin/env bash
# Runs the examples as a user does, without a device: examples.sh BUILD_DIR
set -euo pipefail
build=$1
cd "$(dirname "$0")/.."

out=$(mktemp) err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT

fail() {
    echo "FAILED: $1"
    cat "$out" "$err"
    exit 1
}

# Every report of a recording arrives, and the summary says so.
recordings=$(grep -l '^E: ' examples-c/data/*)
for recording in $recordings; do
    reports=$(grep -c '^E: ' "$recording")
    "$build/stream_hid" --speed 0 "$recording" >"$out" 2>"$err" || fail "stream_hid $recording: exit code $?"
    grep -q "^$reports reports, " "$out" || fail "$recording has $reports reports"
    echo "$recording: $(grep '^[0-9]* reports, ' "$out")"
done

# expect_one_line PROGRAM ARGUMENT…: it exits with 1 and says why in one line.
expect_one_line() {
    local code=0
    "$@" >"$out" 2>"$err" || code=$?
    [ $code = 1 ] || fail "$*: exit code $code, not 1"
    [ "$(wc -l <"$err")" = 1 ] || fail "$*: not one line"
    echo "$(basename "$1"): $(cat "$err")"
}
expect_one_line "$build/stream_hid" /dev/hidraw-of-nobody
expect_one_line "$build/stream_hid" ffff:fffe
expect_one_line "$build/record_hid" --output /dev/null /dev/hidraw-of-nobody
