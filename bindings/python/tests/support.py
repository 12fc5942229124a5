"""What the tests share: a device for each, no misuse that nobody expected, and a clock."""

import os
import time
import unittest
from pathlib import Path
from typing import Callable, List, Tuple

import dmf
from dmf import _core, _targets

# The tests may be run from a copy, beside an installed package.
TOP = Path(os.environ.get("DMF_SOURCE") or Path(__file__).resolve().parents[3])
RECORDING = TOP / "examples-c/data/usb-mouse.hid"
REPORTS = 1020


class TestWithDevice(unittest.TestCase):
    def setUp(self) -> None:
        self.misuse: List[Tuple[str, str]] = []
        dmf.set_misuse_handler(lambda method, message: self.misuse.append((method, message)))
        self.device = dmf.Device()

    def tearDown(self) -> None:
        self.device.close()
        dmf.set_misuse_handler(None)
        self.assertEqual(self.misuse, [])
        # Nothing is kept of what is over.
        self.assertEqual((_core._live, _targets._incoming, _targets._watches), ({}, {}, {}))

    def assert_status(self, status: int, call: Callable[[], object]) -> None:
        with self.assertRaises(dmf.Error) as caught:
            call()
        self.assertEqual(caught.exception.status, status)

    def wait_for(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end, "it does not happen")
            time.sleep(0.002)
