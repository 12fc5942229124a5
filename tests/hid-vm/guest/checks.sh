# shellcheck shell=sh disable=SC2034  # its variables are for the scripts that read it
# What the guest's test scripts share; they read it with ". ./checks.sh".

failures=0

# check WHAT GOT EXPECTED: one line of the table.
check() {
    if [ "$2" = "$3" ]; then
        printf '%-7s %-58s %s\n' ok "$1" "$2"
    else
        printf '%-7s %-58s %s, expected %s\n' FAILED "$1" "$2" "$3"
        failures=$((failures + 1))
    fi
}

# note WHAT VALUE: a line that is worth knowing and judges nothing.
note() {
    printf '%-7s %-58s %s\n' note "$1" "$2"
}

# wait_for FILE PATTERN: waits until a line matches, ten seconds at most, and prints the first one's last word.
wait_for() {
    tries=0
    until grep -q "$2" "$1" 2> /dev/null || [ $tries -ge 1000 ]; do
        tries=$((tries + 1))
        usleep 10000
    done
    grep -m 1 "$2" "$1" 2> /dev/null | sed 's/.* //'
}

# start_uhid_device [OPTION…]: sets $node; say_to_device then gives it commands, /tmp/device.out has its events.
start_uhid_device() {
    rm -f /tmp/device.in /tmp/device.out
    mkfifo /tmp/device.in
    uhid-device --exit-on-eof "$@" < /tmp/device.in > /tmp/device.out &
    device_pid=$!
    exec 3> /tmp/device.in
    node=$(wait_for /tmp/device.out '^NODE')
}

say_to_device() {
    echo "$*" >&3
}

end_uhid_device() {
    exec 3>&-
    wait "$device_pid"
}

# hidraw_node NAME: the node of the device with that name.
hidraw_node() {
    grep -l "HID_NAME=.*$1" /sys/class/hidraw/*/device/uevent 2> /dev/null | sed 's:.*\(hidraw[0-9]*\).*:/dev/\1:'
}
