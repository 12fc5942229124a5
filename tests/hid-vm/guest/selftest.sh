#!/bin/sh
# Proves the machine itself, without the library: every kind of device sends reports, and a plain read gets them.
# When this passes and a test of the library fails, the library is to blame.
# Needs: --mods "hid usb gadget" --usb=mouse --qmp
. ./checks.sh

# read_reports NODE SIZE COUNT: prints how many whole reports came within ten seconds.
read_reports() {
    timeout 10 dd if="$1" of=/tmp/reports bs="$2" count="$3" 2> /tmp/dd.err
    sed -n 's/+.* records in$//p' /tmp/dd.err
}

uhid_reports_arrive() {
    start_uhid_device
    (
        wait_for /tmp/device.out '^OPEN' > /dev/null
        say_to_device "blast 2000 1000"
    ) &
    check "a uhid device's reports at 1,000/s" "$(read_reports "$node" 64 2000)" 2000
    # Little-endian, behind the report ID.
    sequence=$(tail -c 63 /tmp/reports | head -c 2 | hexdump -v -e '1/2 "%u"')
    check "  the last one's sequence number" "$sequence" 1999
    end_uhid_device
}

mouse_reports_arrive() {
    (
        usleep 500000
        qmp move 1 1 40 100 > /tmp/qmp.out
    ) &
    check "QEMU's USB mouse, moved from outside" "$(read_reports "$(hidraw_node 'QEMU USB Mouse')" 4 10)" 10
    wait_for /tmp/qmp.out '^MOVED' > /dev/null
    check "  what the mover says" "$(cat /tmp/qmp.out)" "MOVED events=40 dx=40 dy=40 clicks=0"
}

wait_for_gadget_node() {
    tries=0
    while [ -z "$(hidraw_node 'gadget test device')" ] && [ $tries -lt 500 ]; do
        tries=$((tries + 1))
        usleep 10000
    done
    hidraw_node 'gadget test device'
}

gadget_reports_arrive() {
    mkfifo /tmp/gadget.in
    usb-gadget < /tmp/gadget.in > /tmp/gadget.out &
    gadget_pid=$!
    exec 4> /tmp/gadget.in
    gadget=$(wait_for_gadget_node)
    (
        usleep 500000
        for i in 1 2 3 4 5; do
            echo "input 01$(printf '%0126d' $i)" >&4
        done
    ) &
    check "a gadget's reports, through a USB host" "$(read_reports "$gadget" 64 5)" 5
    echo quit >&4
    exec 4>&-
    wait "$gadget_pid"
    check "  after it is unplugged" "$(hidraw_node 'gadget test device')" ""
}

uhid_reports_arrive
mouse_reports_arrive
gadget_reports_arrive
exit $((failures > 0))
