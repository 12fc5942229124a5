#!/usr/bin/env bash
# Runs the examples as a user does, without a device: examples.sh BUILD_DIR
set -euo pipefail
build=$1
cd "$(dirname "$0")/.."

out=$(mktemp) err=$(mktemp) csv=$(mktemp)
trap 'rm -f "$out" "$err" "$csv"' EXIT

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
# expect_usage PROGRAM ARGUMENT…: it exits with 2, says what is wrong, and how it is to be called.
expect_usage() {
    local code=0
    "$@" >"$out" 2>"$err" || code=$?
    [ $code = 2 ] || fail "$*: exit code $code, not 2"
    grep -qi '^usage: ' "$err" || fail "$*: no usage"
    echo "$(basename "$1"): $(head -n 1 "$err")"
}
for program in stream_hid record_hid; do
    expect_usage "$build/$program" 046d:
    expect_usage "$build/$program" zz:zz
    expect_usage "$build/$program" 0x1:-0x2
    expect_usage "$build/$program" examples-c
done
expect_usage "$build/stream_hid" --csv
expect_usage "$build/packet_assembler" 3

# For scripts: JSON, an object a line, and a row of CSV for each report.
recording=examples-c/data/usb-mouse.hid
reports=$(grep -c '^E: ' $recording)
"$build/stream_hid" --speed 4 --json --csv "$csv" $recording >"$out" 2>"$err" || fail "stream_hid --json: exit code $?"
python3 -c '
import csv, json, sys
objects = [json.loads(line) for line in open(sys.argv[1])]
rows = list(csv.DictReader(open(sys.argv[2])))
reports = int(sys.argv[3])
assert [o["type"] for o in objects] == ["progress"] * (len(objects) - 1) + ["summary"], objects
assert len(objects) >= 2, objects
summary = objects[-1]
assert summary["reports"] == reports == len(rows), (summary, len(rows))
assert summary["bytes"] == sum(int(row["bytes"]) for row in rows)
between = summary["milliseconds_between_reports"]
assert sum(c["count"] for c in between["classes"]) == reports - 1, between
longest = max(float(row["seconds_since_the_last"]) for row in rows)
assert abs(between["longest"] - longest * 1e3) < 0.002, (between, longest)
times = [float(row["seconds"]) for row in rows]
assert times == sorted(times)
for before, row in zip(times, rows[1:]):
    assert abs(float(row["seconds"]) - before - float(row["seconds_since_the_last"])) < 0.000003, row
' "$out" "$csv" "$reports" 2>>"$err" || fail "stream_hid --json --csv: not what it should be"
echo "stream_hid --json --csv: $(tail -n 1 "$out" | cut -c 1-100)..."
expect_one_line "$build/stream_hid" --csv /no/such/folder/file $recording
# What cannot be written is not lost in silence.
code=0
"$build/stream_hid" --speed 0 $recording >/dev/full 2>"$err" || code=$?
[ $code = 1 ] && grep -q 'cannot write all of its output' "$err" || fail "stream_hid >/dev/full: exit code $code"

expect_line "producer 2: 1000 readings, average 2.495" "$build/buffer_pipeline" 1000
expect_line "packet 2, 24 bytes: and whole packets leave." "$build/packet_assembler"
expect_line "6 packets out of 18 pieces; 46 bytes were no packet" "$build/packet_assembler"
expect_line "every event was received in order, or counted as dropped" "$build/event_pipe" 2000

# The C++ pipeline adds up what the recording says, where there is a C++ compiler.
pipeline=$build/tests/report_pipeline.cpp17
if [ -x "$pipeline" ]; then
    "$pipeline" $recording >"$out" 2>"$err" || fail "report_pipeline: exit code $?"
    python3 -c '
import sys
lines = [line.split()[3:] for line in open(sys.argv[1]) if line.startswith("E: ")]
reports = [[byte - 256 if at and byte > 127 else byte for at, byte in enumerate(int(word, 16) for word in words)] for words in lines]
buttons, number = 0, 0
for start in range(0, len(reports), 300):
    part, clicks = reports[start:start + 300], 0
    for report in part:
        clicks += report[0] != 0 and buttons == 0
        buttons = report[0]
    number += 1
    x, y = (sum(report[axis] for report in part) for axis in (1, 2))
    print(f"summary {number}: {len(part)} reports, {clicks} clicks, moved by {x}, {y}")
' $recording | diff - "$out" || fail "report_pipeline: the recording says otherwise"
    echo "report_pipeline: $(tail -n 1 "$out")"
fi
