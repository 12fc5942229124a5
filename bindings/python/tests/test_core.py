import ctypes
import ctypes.util
import gc
import os
import subprocess
import sys
import threading
import time
import unittest
from typing import Any, List
from unittest import mock

import dmf
from dmf import _core
from dmf._library import library_path

from .support import RECORDING, REPORTS, TOP, TestWithDevice


class Failure(TestWithDevice):
    def test_has_the_status_its_name_and_a_reason(self) -> None:
        with self.assertRaises(dmf.Error) as caught:
            dmf.Target.recording(self.device, "no such file")
        self.assertIs(caught.exception.status, dmf.Status.OBJECT_NAME_NOT_FOUND)
        self.assertIn("STATUS_OBJECT_NAME_NOT_FOUND: ", str(caught.exception))

    def test_of_a_closed_object(self) -> None:
        ring = dmf.RingBuffer(self.device, 1, 1)
        ring.close()
        ring.close()
        self.assert_status(dmf.Status.INVALID_HANDLE, lambda: ring.write(b"x"))
        self.assertEqual([method for method, _ in self.misuse], ["DMF_RingBuffer_Write"])
        self.misuse.clear()

    def test_of_a_number_that_does_not_fit_is_no_other_number(self) -> None:
        for items in (2**32 + 4, -1):
            with self.assertRaises(OverflowError):
                dmf.RingBuffer(self.device, items, 1)
        with dmf.PingPongBuffer(self.device, 8) as packets:
            for start, length in ((2**32, 1), (0, -1)):
                with self.assertRaises(ctypes.ArgumentError):
                    packets.consume(start, length)

    def test_of_a_closed_device_is_no_object_without_one(self) -> None:
        device = dmf.Device()
        device.close()
        self.assert_status(dmf.Status.INVALID_HANDLE, lambda: dmf.RingBuffer(device, 1, 1))
        self.assert_status(dmf.Status.INVALID_HANDLE, lambda: dmf.Target.recording(device, RECORDING))


class Device(unittest.TestCase):
    def test_closes_what_was_made_with_it_the_youngest_first(self) -> None:
        closed: List[str] = []

        class Ring(dmf.RingBuffer):
            name = ""

            def close(self) -> None:
                closed.append(self.name)
                super().close()

        with dmf.Device() as device:
            for name in "abc":
                Ring(device, 1, 1).name = name
            next(iter(device._children)).close()
        self.assertEqual(closed, ["a", "c", "b"])

    def test_leaves_nothing_behind(self) -> None:
        before = dict(_core._live)
        with dmf.Device() as device:
            target = dmf.Target.recording(device, RECORDING, speed=0)
            dmf.Stream(device, target, lambda report: None).wait()
        self.assertEqual(_core._live, before)


class Callback(unittest.TestCase):
    def test_lives_on_when_the_program_forgets_its_object(self) -> None:
        reports: List[bytes] = []
        with dmf.Device() as device:
            dmf.Stream(device, dmf.Target.recording(device, RECORDING, speed=0), reports.append)
            gc.collect()
            end = time.monotonic() + 30
            while len(reports) < REPORTS:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)

    def test_that_raises_is_not_lost_when_its_device_closes(self) -> None:
        device = dmf.Device()
        queue = dmf.BufferQueue(device, 1, 1, on_reuse=lambda buffer: 1 // 0)
        buffer = queue.fetch()
        assert buffer is not None
        queue.enqueue(buffer)
        with self.assertRaises(ZeroDivisionError):
            device.close()

    def test_second_exception_goes_to_the_hook_of_threads(self) -> None:
        seen: List[Any] = []
        with mock.patch.object(threading, "excepthook", seen.append), dmf.Device() as device:
            queue = dmf.BufferQueue(device, 2, 1, on_reuse=lambda buffer: 1 // 0)
            for buffer in (queue.fetch(), queue.fetch()):
                assert buffer is not None
                queue.enqueue(buffer)
            with self.assertRaises(ZeroDivisionError):
                queue.flush()
        self.assertEqual([one.exc_type for one in seen], [ZeroDivisionError])

    def test_exception_at_the_end_of_the_program_is_printed(self) -> None:
        program = f"""
import dmf
device = dmf.Device()
stream = dmf.Stream(device, dmf.Target.recording(device, {str(RECORDING)!r}, speed=0), lambda report: 1 // 0)
while stream.streaming: pass
"""
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        self.assertIn("ZeroDivisionError", ended.stderr)


class Misuse(unittest.TestCase):
    def test_is_told_to_the_handler(self) -> None:
        told: List[str] = []
        dmf.set_misuse_handler(lambda method, message: told.append(method))
        try:
            with dmf.Device() as device:
                dmf.PingPongBuffer(device, 4).shift(3)
        finally:
            dmf.set_misuse_handler(None)
        self.assertEqual(told, ["DMF_PingPongBuffer_Shift"])


class Library(unittest.TestCase):
    def test_has_the_version_of_the_sources(self) -> None:
        text = (TOP / "Cargo.toml").read_text()
        self.assertIn('version = "{}.{}.{}"'.format(*dmf.version()), text)
        self.assertIn('version = "{}.{}.{}"'.format(*dmf.version()), (TOP / "bindings/python/pyproject.toml").read_text())

    def test_is_the_one_that_the_environment_names_first(self) -> None:
        with mock.patch.dict(os.environ, DMF_LIBRARY="/some/where/libdmf.so.0"):
            self.assertEqual(library_path(), "/some/where/libdmf.so.0")

    def test_that_is_another_cannot_be_imported(self) -> None:
        for path in ("/no/such/library", str(RECORDING), ctypes.util.find_library("c")):
            with self.subTest(path):
                asked = subprocess.run(
                    [sys.executable, "-c", "import dmf"],
                    env={**os.environ, "DMF_LIBRARY": path or ""}, capture_output=True, text=True, check=False,
                )
                self.assertIn("ImportError: ", asked.stderr)

    def test_is_asked_of_the_loader_when_nothing_names_it(self) -> None:
        with mock.patch.dict(os.environ, PKG_CONFIG_LIBDIR="/nowhere", PKG_CONFIG_PATH=""):
            os.environ.pop("DMF_LIBRARY", None)
            with mock.patch("ctypes.CDLL", side_effect=OSError), self.assertRaises(ImportError):
                library_path()
            with mock.patch("ctypes.CDLL"):
                self.assertEqual(library_path(), "libdmf.so.0")
