"""A program that is a device itself: a target of its own answers reads, the readings go through a RingBuffer, and who
asks for one gets it through a NotifyUserWithRequest. No HID device and no recording is needed."""

import itertools
import struct
import threading

import dmf

COUNT = 100
numbers = itertools.count()


def answer(request: dmf.IncomingRequest) -> "bytes | dmf.Status":
    """A reading is two bytes; after the last one the device is gone."""
    number = next(numbers)
    return struct.pack("<H", number * number % 1000) if number < COUNT else dmf.Status.DEVICE_NOT_CONNECTED


answers: "list[int]" = []
all_there = threading.Event()


def answered(request: dmf.Request) -> None:
    assert request.completion is not None
    answers.extend(struct.unpack("<H", request.completion.data))
    if len(answers) == 3:
        all_there.set()


with dmf.Device() as device:
    last = dmf.RingBuffer(device, items=10, item_size=2, drop_oldest=True)
    waiting = dmf.NotifyUserWithRequest(device, requests=8, data_buffers=4, data_size=2)
    for _ in range(3):
        waiting.process(dmf.Request(device, output_size=2, on_complete=answered))

    def on_report(report: bytes) -> None:
        last.write(report)
        waiting.data(report)

    with dmf.Stream(device, dmf.ClientTarget(device, answer), on_report, size=2) as stream:
        stream.wait()
    all_there.wait()
    discarded = waiting.discarded
    readings = [reading for item in last.read_all() for reading in struct.unpack("<H", item)]
print("the last readings:", *readings)
print("who asked first got:", *answers)
print("discarded, as nobody asked any more:", discarded)
