import threading
from typing import List, Tuple

import dmf

from .support import RECORDING, REPORTS, TestWithDevice


class Target(TestWithDevice):
    def test_counts(self) -> None:
        recording = dmf.Target.recording(self.device, RECORDING, speed=0, repeat=2)
        removed = threading.Event()
        recording.on_removal(removed.set)
        with dmf.Stream(self.device, recording, lambda report: None) as stream:
            stream.wait()
        counts = recording.statistics()
        self.assertEqual(counts.requests_completed, 2 * REPORTS)
        self.assertGreater(counts.bytes_in, counts.requests_completed)
        self.assertTrue(removed.wait(30))

    def test_a_hid_device_that_is_not_there(self) -> None:
        self.assert_status(
            dmf.Status.OBJECT_NAME_NOT_FOUND, lambda: dmf.Target.hid(self.device, "/dev/hidraw-of-nobody")
        )
        self.assert_status(
            dmf.Status.NO_SUCH_DEVICE,
            lambda: dmf.Target.hid(self.device, vendor=0xFFFF, product=0xFFFE, serial_number="none", wait=0.01),
        )


class ClientTarget(TestWithDevice):
    def test_feeds_a_stream(self) -> None:
        reports = iter(range(5))
        seen: List[bytes] = []

        def answer(request: dmf.IncomingRequest) -> "bytes | dmf.Status":
            number = next(reports, None)
            return dmf.Status.DEVICE_NOT_CONNECTED if number is None else bytes([0, number])

        target = dmf.ClientTarget(self.device, answer)
        with dmf.Stream(self.device, target, seen.append) as stream:
            stream.wait()
        self.assertEqual(seen, [bytes([0, number]) for number in range(5)])

    def test_answers_later_from_another_thread(self) -> None:
        target = dmf.ClientTarget(
            self.device, lambda request: threading.Timer(0.01, request.complete, [request.data * 2]).start()
        )
        self.assertEqual(dmf.Sender(self.device, target).ioctl(1, b"ab", 8, timeout=30), b"abab")

    def test_that_raises_fails_the_request_and_says_so_when_closed(self) -> None:
        target = dmf.ClientTarget(self.device, lambda request: bytes(1 // 0))
        self.assert_status(dmf.Status.UNSUCCESSFUL, lambda: dmf.Sender(self.device, target).read(8))
        with self.assertRaises(ZeroDivisionError):
            target.close()

    def test_an_answer_that_is_none_is_an_error(self) -> None:
        target = dmf.ClientTarget(self.device, lambda request: "text")  # type: ignore[arg-type, return-value]
        self.assert_status(dmf.Status.UNSUCCESSFUL, lambda: dmf.Sender(self.device, target).read(8))
        with self.assertRaises(TypeError):
            target.close()


class Hid(TestWithDevice):
    """Devices themselves are tested in C, in a virtual machine; here, that the list and the watch agree."""

    def test_the_watch_begins_with_the_list(self) -> None:
        try:
            listed = dmf.hid_devices()
        except dmf.Error as error:
            self.skipTest(str(error))
        changes: List[Tuple[str, bool]] = []
        with dmf.HidWatch(self.device, lambda device, arrived: changes.append((device.path, arrived))):
            paths = {device.path for device in listed}
            self.assertEqual(set(changes), {(path, True) for path in paths})
        changes.clear()
        with dmf.HidWatch(self.device, lambda device, arrived: changes.append((device.path, arrived)), vendor=0xFFFF):
            self.assertEqual(changes, [])
