"""The package with the real library. Runs under pytest and under `python3 -m unittest`."""

import ctypes
import os
import subprocess
import unittest
from pathlib import Path

import dmf
from dmf import _abi

TOP = Path(__file__).resolve().parents[3]
RECORDING = TOP / "examples-c/data/usb-mouse.hid"


class Structures(unittest.TestCase):
    def test_are_what_the_c_compiler_takes_them_for(self) -> None:
        lines = ["#include <dmf.h>"]
        for name, structure in _abi.STRUCTURES.items():
            lines.append(f'_Static_assert(sizeof({name}) == {ctypes.sizeof(structure)}, "{name}");')
            for field in structure._fields_:
                member = getattr(structure, field[0])
                where = f"offsetof({name}, {field[0]}) == {member.offset}"
                size = f"sizeof((({name}*)0)->{field[0]}) == {member.size}"
                lines.append(f'_Static_assert({where} && {size}, "{name}.{field[0]}");')
        for name in ("BufferDisposition_ContinuousRequestTargetAndContinueStreaming", "BufferDisposition_"
                     "ContinuousRequestTargetAndStopStreaming", "RequestType_Read"):
            value = {"g": _abi.BUFFER_BACK_AND_CONTINUE, "d": _abi.REQUEST_TYPE_READ}[name[-1]]
            if "StopStreaming" in name:
                value = _abi.BUFFER_BACK_AND_STOP
            lines.append(f'_Static_assert(ContinuousRequestTarget_{name} == {value}, "{name}");')
        command = [os.environ.get("CC", "cc"), "-std=c11", f"-I{TOP}/include", "-fsyntax-only", "-xc", "-"]
        compiled = subprocess.run(command, input="\n".join(lines), text=True, capture_output=True, check=False)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)


class Streaming(unittest.TestCase):
    def stream(self, on_report: "object") -> None:
        with dmf.Device() as device, dmf.Target.recording(device, RECORDING, speed=0) as target:
            with dmf.Stream(device, target, on_report) as stream:  # type: ignore[arg-type]
                stream.wait()

    def test_shows_each_report(self) -> None:
        reports: "list[bytes]" = []
        self.stream(reports.append)
        self.assertEqual(len(reports), 1020)

    def test_ends_when_the_callback_says_so(self) -> None:
        reports: "list[bytes]" = []
        self.stream(lambda report: bool(reports.append(report)))
        self.assertEqual(len(reports), 1)

    def test_raises_what_the_callback_raised(self) -> None:
        def fail(report: bytes) -> None:
            raise KeyError("from the callback")

        with self.assertRaises(KeyError):
            self.stream(fail)


class Failure(unittest.TestCase):
    def test_has_the_status_and_its_name(self) -> None:
        with dmf.Device() as device, self.assertRaises(dmf.Error) as caught:
            dmf.Target.recording(device, "no such file")
        self.assertEqual(caught.exception.status & 0xFFFFFFFF, 0xC0000034)
        self.assertIn("STATUS_OBJECT_NAME_NOT_FOUND", str(caught.exception))

    def test_of_a_closed_device(self) -> None:
        device = dmf.Device()
        handle = ctypes.c_void_p(device._handle.value)
        device.close()
        device.close()
        device._handle = handle
        with self.assertRaises(dmf.Error):
            dmf.Target.recording(device, RECORDING)


class Version(unittest.TestCase):
    def test_is_that_of_the_sources(self) -> None:
        text = (TOP / "Cargo.toml").read_text()
        self.assertIn('version = "{}.{}.{}"'.format(*dmf.version()), text)


if __name__ == "__main__":
    unittest.main()
