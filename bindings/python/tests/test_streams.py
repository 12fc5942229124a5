import threading
from typing import List, Optional

import dmf

from .support import RECORDING, REPORTS, TestWithDevice


class Stream(TestWithDevice):
    def setUp(self) -> None:
        super().setUp()
        self.recording = dmf.Target.recording(self.device, RECORDING, speed=0)

    def test_shows_each_report(self) -> None:
        reports: List[bytes] = []
        with dmf.Stream(self.device, self.recording, reports.append, reads=4) as stream:
            self.assertTrue(stream.wait(60))
            self.assertEqual(stream.ended_with, dmf.Status.DEVICE_NOT_CONNECTED)
        self.assertEqual(len(reports), REPORTS)

    def test_ends_when_the_callback_says_so(self) -> None:
        reports: List[bytes] = []

        def on_report(report: bytes) -> bool:
            reports.append(report)
            return len(reports) < 3

        with dmf.Stream(self.device, self.recording, on_report) as stream:
            stream.wait()
        self.assertEqual((len(reports), stream.ended_with), (3, dmf.Status.SUCCESS))

    def test_can_be_stopped(self) -> None:
        endless = dmf.Target.recording(self.device, RECORDING, speed=1, repeat=0)
        stream = dmf.Stream(self.device, endless, lambda report: None, reads=2)
        self.assertFalse(stream.wait(0.05))
        self.assertEqual(stream.streaming, 2)
        stream.stop()
        self.assertEqual(stream.streaming, 0)

    def test_raises_what_the_callback_raised(self) -> None:
        seen: List[bytes] = []

        def on_report(report: bytes) -> None:
            seen.append(report)
            raise KeyError("from the callback")

        stream = dmf.Stream(self.device, self.recording, on_report, reads=4)
        with self.assertRaises(KeyError):
            stream.wait()
        stream.close()
        self.assertEqual(len(seen), 1)

    def test_can_be_closed_in_its_callback(self) -> None:
        holder: List[dmf.Stream] = []
        ready, closed = threading.Event(), threading.Event()

        def on_report(report: bytes) -> None:
            ready.wait()
            holder[0].close()
            closed.set()

        holder.append(dmf.Stream(self.device, self.recording, on_report))
        ready.set()
        self.assertTrue(closed.wait(30))

    def test_sleeps_and_wakes_with_its_device(self) -> None:
        reports: List[bytes] = []
        endless = dmf.Target.recording(self.device, RECORDING, speed=0, repeat=0)
        dmf.Stream(self.device, endless, reports.append)
        self.wait_for(lambda: reports)
        self.device.sleep()
        count = len(reports)
        self.device.wake()
        self.wait_for(lambda: len(reports) > count)

    def test_that_cannot_start_is_no_stream(self) -> None:
        self.assert_status(
            dmf.Status.BUFFER_TOO_SMALL, lambda: dmf.Stream(self.device, self.recording, lambda report: None, size=1)
        )


class Sender(TestWithDevice):
    def setUp(self) -> None:
        super().setUp()
        self.kept: List[dmf.IncomingRequest] = []
        self.target = dmf.ClientTarget(self.device, self.answer)
        self.sender = dmf.Sender(self.device, self.target)

    def answer(self, request: dmf.IncomingRequest) -> "Optional[dmf.Status | bytes]":
        if request.kind is dmf.Kind.READ:
            return b"report"
        if request.kind is dmf.Kind.WRITE:
            return dmf.Status.SUCCESS if request.data == b"\0out" else dmf.Status.INVALID_PARAMETER
        if request.ioctl == dmf.IOCTL_HID_GET_FEATURE:
            return request.data[::-1]
        self.kept.append(request)
        return None

    def test_reads_writes_and_asks(self) -> None:
        self.assertEqual(self.sender.read(8), b"report")
        self.sender.write(b"\0out")
        self.assert_status(dmf.Status.INVALID_PARAMETER, lambda: self.sender.write(b"other"))
        self.assertEqual(self.sender.ioctl(dmf.IOCTL_HID_GET_FEATURE, b"abc", 8), b"cba")
        self.assert_status(dmf.Status.BUFFER_TOO_SMALL, lambda: self.sender.read(2))

    def test_sends_without_waiting(self) -> None:
        sent = [self.sender.send_async(dmf.Kind.READ, size=8) for _ in range(20)]
        self.assertEqual([one.result(30) for one in sent], [b"report"] * 20)
        self.assertEqual(self.sender._sent, {})

    def test_cancels_what_is_under_way(self) -> None:
        sent = self.sender.send_async(dmf.Kind.IOCTL, code=1, size=8)
        self.wait_for(lambda: self.kept)
        self.assertTrue(sent.cancel())
        self.assert_status(dmf.Status.CANCELLED, lambda: sent.result(30))
        self.assertFalse(self.kept[0].complete(b"late"))
        self.assertFalse(sent.cancel())

    def test_does_not_wait_longer_than_told(self) -> None:
        self.assert_status(dmf.Status.IO_TIMEOUT, lambda: self.sender.ioctl(1, timeout=0.02))
        self.assert_status(dmf.Status.IO_TIMEOUT, lambda: self.sender.send_async(dmf.Kind.IOCTL, code=1, timeout=0.02).result(30))

    def test_ends_what_is_under_way_when_it_closes(self) -> None:
        sent = self.sender.send_async(dmf.Kind.IOCTL, code=1)
        self.sender.close()
        self.assert_status(dmf.Status.CANCELLED, lambda: sent.result(30))

    def test_gets_the_report_descriptor_of_a_recording(self) -> None:
        recording = dmf.Target.recording(self.device, RECORDING, speed=0)
        sender = dmf.Sender(self.device, recording)
        descriptor = sender.send(dmf.Kind.INTERNAL_IOCTL, size=4096, code=dmf.IOCTL_HID_GET_REPORT_DESCRIPTOR)
        line = next(line for line in RECORDING.read_text().splitlines() if line.startswith("R: ")).split()
        self.assertEqual(descriptor, bytes(int(byte, 16) for byte in line[2:]))
