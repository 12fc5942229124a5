#!/bin/sh
# The stream of Read Requests and the examples, on real HID devices.
# Needs: --mods "hid usb" --usb=mouse --qmp; hid_stream_test, stream_hid, record_hid and the library in /guest.
. ./checks.sh

# ---- the library, through a test program: each test is a process of its own

run_test() {
    hid_stream_test "$@" || failures=$((failures + 1))
}

# ---- stream_hid

# forget FILE: what an earlier program said there is not what the next one says.
forget() {
    rm -f "$1"
}

# stream_ten_thousand REQUESTS: 64-byte reports at 1,000/s. The last one's number and the count leave no room for a gap.
stream_ten_thousand() {
    start_uhid_device
    forget /tmp/stream.out
    stream_hid --requests "$1" --count 10000 --seconds 60 "$node" > /tmp/stream.out &
    stream_pid=$!
    # Its first line says that it streams.
    wait_for /tmp/stream.out 'reports/s' > /dev/null
    say_to_device "blast 10000 1000"
    wait "$stream_pid"
    check "stream_hid with $1 Requests: exit status" $? 0
    check "  reports and bytes" "$(sed -n 's/^\(.* bytes\) in .*/\1/p' /tmp/stream.out)" "10000 reports, 640000 bytes"
    # A machine that pauses the reader makes it catch up for long, which is suspicious, though nothing is lost.
    check "  lost by the library" "$(sed -n 's/.*; \(.* dropped\), .* suspected$/\1/p' /tmp/stream.out)" "0 dropped"
    note "  suspected of the system" "$(sed -n 's/.* dropped, \(.* suspected\)$/\1/p' /tmp/stream.out)"
    # 9999 is 270f; the report ID stands before it.
    check "  ID and number of the last one" "$(sed -n 's/^last report: \(.. .. ..\).*/\1/p' /tmp/stream.out)" "01 0f 27"
    end_uhid_device
}

stream_until_interrupted() {
    start_uhid_device
    forget /tmp/stream.out
    stream_hid "$node" > /tmp/stream.out &
    stream_pid=$!
    wait_for /tmp/stream.out 'reports/s' > /dev/null
    say_to_device "blast 100 1000"
    wait_for /tmp/device.out '^BLAST' > /dev/null
    sleep 1
    kill -INT "$stream_pid"
    wait "$stream_pid"
    check "stream_hid, interrupted: exit status" $? 0
    check "  its summary" "$(sed -n 's/^\(.* bytes\) in .*/\1/p' /tmp/stream.out)" "100 reports, 6400 bytes"
    end_uhid_device
}

stream_until_unplugged() {
    start_uhid_device
    forget /tmp/stream.out
    stream_hid "$node" > /tmp/stream.out 2> /tmp/stream.err &
    stream_pid=$!
    wait_for /tmp/stream.out 'reports/s' > /dev/null
    say_to_device destroy
    wait "$stream_pid"
    check "stream_hid, unplugged: exit status" $? 1
    check "  lines of explanation" "$(grep -c 'the device is gone' /tmp/stream.err)" 1
    end_uhid_device
}

# refused WHAT PATTERN COMMAND…: one line that matches, exit status 1.
refused() {
    what=$1
    pattern=$2
    shift 2
    "$@" > /tmp/refused.out 2> /tmp/refused.err
    check "$what: exit status" $? 1
    check "  lines of explanation, and of them to the point" \
        "$(wc -l < /tmp/refused.err) $(grep -c "$pattern" /tmp/refused.err)" "1 1"
}

stream_hid_refuses() {
    start_uhid_device
    refused "stream_hid without such a device" "no\|not" stream_hid dead:beef
    chmod 600 "$node"
    refused "stream_hid without permission" "udev" su -s /bin/sh nobody -c "exec stream_hid $node"
    check "stream_hid --list has the device's path and numbers" \
        "$(stream_hid --list | awk -v node="$node" '$1 == node { print $2 }')" "1209:0001"
    end_uhid_device
}

# ---- record_hid

descriptor_of_node() {
    hexdump -v -e '1/1 " %02x"' "/sys/class/hidraw/${node#/dev/}/device/report_descriptor"
}

# The numbers of the recorded reports, one after another; a gap shows.
recorded_numbers_in_order() {
    awk '/^E:/ { if ($5 != sprintf("%02x", n)) bad = 1; n++ } END { print n " reports", bad ? "with gaps" : "in order" }' "$1"
}

record_and_replay() {
    start_uhid_device
    descriptor=$(descriptor_of_node)
    size=$(echo "$descriptor" | wc -w)
    forget /tmp/record.err
    record_hid --output /tmp/recording.hid --count 50 --seconds 60 "$node" 2> /tmp/record.err &
    record_pid=$!
    # The head is in the file once the stream runs.
    wait_for /tmp/recording.hid '^I:' > /dev/null
    say_to_device "blast 50 100"
    wait "$record_pid"
    check "record_hid: exit status" $? 0
    [ "$(sed -n 's/^R: //p' /tmp/recording.hid)" = "$size$descriptor" ] && same=equal || same=different
    check "  its R: line and the device's report descriptor" "$same" equal
    check "  its E: lines" "$(recorded_numbers_in_order /tmp/recording.hid)" "50 reports in order"
    end_uhid_device
    stream_hid --speed 0 /tmp/recording.hid > /tmp/replay.out
    check "stream_hid replays it: exit status" $? 0
    check "  reports and bytes" "$(sed -n 's/^\(.* bytes\) in .*/\1/p' /tmp/replay.out)" "50 reports, 3200 bytes"
}

# ---- dmf.hpp

cpp_until_unplugged() {
    start_uhid_device
    forget /tmp/cpp.out
    hid_cpp_test "$node" > /tmp/cpp.out &
    cpp_pid=$!
    wait_for /tmp/cpp.out '^READY' > /dev/null
    say_to_device "blast 300 1000"
    say_to_device destroy
    wait "$cpp_pid"
    check "hid_cpp_test: exit status" $? 0
    check "  what it has seen" "$(sed -n 's/^SEEN //p' /tmp/cpp.out)" \
        "listed 1 thrown 1 arrived 1 gone 1 removed 1 threw 1 reports 300 gaps 0"
    end_uhid_device
}

# run_both_ways TEST…: with the descriptor, and through hidapi's own read.
run_both_ways() {
    for way in descriptor slices; do
        echo "-- $*, waiting on $way"
        DMF_HID_WAIT=$way run_test "$@"
    done
}

run_test refuse
run_test wait
run_test watch
for test in open ids control errors gadget unplug queued restart backlog overrun shared mouse; do
    run_both_ways $test
done
# One device at 1,000 reports/s for HID_RATE_SECONDS seconds, or 5.
run_both_ways rate "${HID_RATE_SECONDS:-5}"
export DMF_HID_SLICE_MS=1000
run_both_ways stop
unset DMF_HID_SLICE_MS
for requests in 1 4 16; do
    run_both_ways numbered $requests
done
for requests in 1 4 16; do
    stream_ten_thousand $requests
done
stream_until_interrupted
stream_until_unplugged
stream_hid_refuses
record_and_replay
! command -v hid_cpp_test > /dev/null || cpp_until_unplugged
check "crashes that the kernel saw" "$(dmesg | grep -c 'segfault\|general protection\|Oops\|BUG:')" 0

if [ "$failures" = 0 ]; then
    echo "all checks passed"
else
    echo "$failures failed"
fi
exit $((failures > 0))
