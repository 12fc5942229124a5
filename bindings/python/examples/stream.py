"""Streams a recording, or the HID device /dev/hidrawN, and prints how many reports came and their digest (FNV-1a, 64)."""

import sys

import dmf

digest, reports = 0xCBF29CE484222325, 0


def on_report(report: bytes) -> None:
    global digest, reports
    for byte in report:
        digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    reports += 1


path = sys.argv[1]
with dmf.Device() as device:
    target = dmf.Target.hid(device, path) if path.startswith("/dev/") else dmf.Target.recording(device, path, speed=0)
    with target, dmf.Stream(device, target, on_report) as stream:
        stream.wait()
print(f"{reports} reports {digest:016x}")
