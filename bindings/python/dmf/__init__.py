"""Streams reports from HID devices and recordings, through the shared library of dmf.

What fails raises Error, which has the NTSTATUS and the library's one line about it. An exception in a callback does not
pass through the library: it stops the stream, and leaving or waiting for the Stream raises it again.
"""

from ._objects import Device, Error, Stream, Target, status_name, version

__all__ = ["Device", "Error", "Stream", "Target", "status_name", "version"]
