"""The library dmf: Modules for buffers, notification and streaming, and HID devices, behind Python classes.

What fails raises Error, which has the status and the library's one line about it. An exception in a callback does not
pass through the library, and is not lost: see bindings/python/README.md.
"""

from ._abi import (
    IOCTL_GET_NUM_DEVICE_INPUT_BUFFERS,
    IOCTL_HID_FLUSH_QUEUE,
    IOCTL_HID_GET_COLLECTION_INFORMATION,
    IOCTL_HID_GET_DEVICE_ATTRIBUTES,
    IOCTL_HID_GET_FEATURE,
    IOCTL_HID_GET_INDEXED_STRING,
    IOCTL_HID_GET_INPUT_REPORT,
    IOCTL_HID_GET_MANUFACTURER_STRING,
    IOCTL_HID_GET_PRODUCT_STRING,
    IOCTL_HID_GET_REPORT_DESCRIPTOR,
    IOCTL_HID_GET_SERIALNUMBER_STRING,
    IOCTL_HID_READ_REPORT,
    IOCTL_HID_SET_FEATURE,
    IOCTL_HID_SET_OUTPUT_REPORT,
    IOCTL_HID_WRITE_REPORT,
    IOCTL_SET_NUM_DEVICE_INPUT_BUFFERS,
    Status,
)
from ._buffers import Buffer, BufferPool, BufferQueue, Enumeration, PingPongBuffer, RingBuffer
from ._core import Device, Error, Object, set_misuse_handler, status_name, version
from ._notify import NotifyUserWithRequest
from ._stream import Sender, Sent, Stream
from ._targets import (
    ClientTarget,
    Completion,
    HidDevice,
    HidWatch,
    IncomingRequest,
    Kind,
    Request,
    Statistics,
    Target,
    hid_devices,
)
from ._work import QueuedWorkItem, ThreadedBufferQueue

__all__ = [
    "Buffer",
    "BufferPool",
    "BufferQueue",
    "ClientTarget",
    "Completion",
    "Device",
    "Enumeration",
    "Error",
    "HidDevice",
    "HidWatch",
    "IOCTL_GET_NUM_DEVICE_INPUT_BUFFERS",
    "IOCTL_HID_FLUSH_QUEUE",
    "IOCTL_HID_GET_COLLECTION_INFORMATION",
    "IOCTL_HID_GET_DEVICE_ATTRIBUTES",
    "IOCTL_HID_GET_FEATURE",
    "IOCTL_HID_GET_INDEXED_STRING",
    "IOCTL_HID_GET_INPUT_REPORT",
    "IOCTL_HID_GET_MANUFACTURER_STRING",
    "IOCTL_HID_GET_PRODUCT_STRING",
    "IOCTL_HID_GET_REPORT_DESCRIPTOR",
    "IOCTL_HID_GET_SERIALNUMBER_STRING",
    "IOCTL_HID_READ_REPORT",
    "IOCTL_HID_SET_FEATURE",
    "IOCTL_HID_SET_OUTPUT_REPORT",
    "IOCTL_HID_WRITE_REPORT",
    "IOCTL_SET_NUM_DEVICE_INPUT_BUFFERS",
    "IncomingRequest",
    "Kind",
    "NotifyUserWithRequest",
    "Object",
    "PingPongBuffer",
    "QueuedWorkItem",
    "Request",
    "RingBuffer",
    "Sender",
    "Sent",
    "Statistics",
    "Status",
    "Stream",
    "Target",
    "ThreadedBufferQueue",
    "hid_devices",
    "set_misuse_handler",
    "status_name",
    "version",
]
