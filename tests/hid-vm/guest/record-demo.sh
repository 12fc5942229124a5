#!/bin/sh
# record-demo.sh NAME: records QEMU's USB mouse, which is moved meanwhile, to /out/NAME.
# Needs: --usb=mouse --qmp; record_hid and the library in /guest.
. ./checks.sh

recording=/out/$1
record_hid --output "$recording" --seconds 11 "$(hidraw_node 'QEMU USB Mouse')" &
record_pid=$!
wait_for "$recording" '^I:' > /dev/null
qmp curve 10 100
wait "$record_pid"
