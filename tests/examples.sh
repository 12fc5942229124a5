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

# expect_line LINE PROGRAM ARGUMENT…: it exits with 0, and prints this line among others.
expect_line() {
    local line=$1
    shift
    "$@" >"$out" 2>"$err" || fail "$*: exit code $?"
    grep -qxF "$line" "$out" || fail "$*: does not print \"$line\""
    [ ! -s "$err" ] || fail "$*: complains"
    echo "$(basename "$1"): $line"
}
expect_line "producer 2: 1000 readings, average 2.495" "$build/buffer_pipeline" 1000
expect_line "packet 2, 24 bytes: and whole packets leave." "$build/packet_assembler"
expect_line "6 packets out of 18 pieces; 46 bytes were no packet" "$build/packet_assembler"
expect_line "every event was received in order, or counted as dropped" "$build/event_pipe" 2000
