"""ContinuousRequestTarget: streams of reports, and single Requests."""

from __future__ import annotations

import ctypes
import itertools
import time
from concurrent.futures import Future
from ctypes import byref, c_size_t, c_void_p
from typing import Any, Callable, Optional, Tuple

from . import _abi
from ._abi import ContinuousRequestTarget_BufferDisposition as _Disposition
from ._abi import Status
from ._core import Bytes, Device, Error, Object, callback, check, memory, object_of, status_name
from ._library import lib
from ._targets import Kind, Target, milliseconds

_BACK_AND_CONTINUE = _Disposition.ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
_BACK_AND_STOP = _Disposition.ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming


class Stream(Object):
    """Calls on_report(report) for each report, on the target's thread, until it returns False or the target ends.

    reads: how many wait at the target at a time; size: bytes that the longest report has. If on_report raises, the
    stream stops, and wait() or close() raises that.
    """

    def __init__(
        self,
        device: Device,
        target: Target,
        on_report: Callable[[bytes], Optional[bool]],
        reads: int = 1,
        size: int = 64,
    ) -> None:
        super().__init__(device)
        self._on_report = on_report
        self._ended_with: int = Status.SUCCESS
        config, attributes = _abi.DMF_CONFIG_ContinuousRequestTarget(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        config.RequestType = Kind.READ
        config.ContinuousRequestCount = reads
        config.BufferCountOutput = 2 * reads
        config.BufferOutputSize = size
        config.EvtContinuousRequestTargetBufferOutput = _arrived
        self._made(lib.DMF_ContinuousRequestTarget_Create(device._handle, byref(attributes), None, byref(self._handle)))
        try:
            check(lib.DMF_ContinuousRequestTarget_IoTargetSet(self._handle, target._handle))
            check(lib.DMF_ContinuousRequestTarget_Start(self._handle))
        except Error:
            self._delete()
            raise

    @property
    def streaming(self) -> int:
        """Reads that are still at work; 0 once the stream has ended."""
        count: int = lib.DMF_ContinuousRequestTarget_StreamingCountGet(self._handle)
        return count

    @property
    def ended_with(self) -> int:
        """The first failure's status: STATUS_DEVICE_NOT_CONNECTED after a recording's last report."""
        return self._ended_with

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Until the stream has ended, or so many seconds; whether it has."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.streaming > 0:
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(0.01)
        self._raise()
        return True

    def stop(self) -> None:
        """Returns when on_report has returned for the last time."""
        lib.DMF_ContinuousRequestTarget_StopAndWait(self._handle)
        self._raise()

    def _report(self, report: Optional[int], size: int) -> bool:
        return self._on_report(ctypes.string_at(report or 0, size)) is not False


@callback(_abi.EVT_DMF_ContinuousRequestTarget_BufferOutput)
def _arrived(module: Optional[int], report: Optional[int], size: int, context: Optional[int], status: int) -> int:
    stream = object_of(module)
    if isinstance(stream, Stream):
        if status >= 0 and stream._error is None and stream._call(stream._report, report, size, instead=False):
            return _BACK_AND_CONTINUE
        if status < 0 and stream._ended_with == Status.SUCCESS:
            stream._ended_with = status
    return _BACK_AND_STOP


class Sent(Future):  # type: ignore[type-arg]
    """A Request under way: result() has the bytes that came back, or raises Error. cancel() says whether the
    cancellation was delivered; the Request then ends with STATUS_CANCELLED."""

    def __init__(self, sender: Sender) -> None:
        super().__init__()
        self._sender, self._id = sender, c_void_p()
        self.set_running_or_notify_cancel()

    def cancel(self) -> bool:
        return bool(lib.DMF_ContinuousRequestTarget_Cancel(self._sender._handle, self._id))


class Sender(Object):
    """Sends single Requests to a target."""

    def __init__(self, device: Device, target: Target) -> None:
        super().__init__(device)
        # What each Request under way uses, by the number that its callback gets.
        self._sent: dict[int, Tuple[Sent, Any, Any]] = {}
        self._numbers = itertools.count(1)
        config, attributes = _abi.DMF_CONFIG_ContinuousRequestTarget(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        self._made(lib.DMF_ContinuousRequestTarget_Create(device._handle, byref(attributes), None, byref(self._handle)))
        try:
            check(lib.DMF_ContinuousRequestTarget_IoTargetSet(self._handle, target._handle))
        except Error:
            self._delete()
            raise

    def read(self, size: int = 64, timeout: Optional[float] = None) -> bytes:
        """The next report. Raises Error with STATUS_IO_TIMEOUT after so many seconds."""
        return self.send(Kind.READ, size=size, timeout=timeout)

    def write(self, report: Bytes, timeout: Optional[float] = None) -> None:
        """An output report, its ID first."""
        self.send(Kind.WRITE, report, timeout=timeout)

    def ioctl(self, code: int, data: Bytes = b"", size: int = 0, timeout: Optional[float] = None) -> bytes:
        """A control code, such as dmf.IOCTL_HID_GET_FEATURE; size: room for the answer."""
        return self.send(Kind.IOCTL, data, size, code, timeout)

    def send(
        self, kind: Kind, data: Bytes = b"", size: int = 0, code: int = 0, timeout: Optional[float] = None
    ) -> bytes:
        """Waits for the end of the Request; the bytes that came back. Not from a callback of the target."""
        request, response, count = _room(data), _room(data, size), c_size_t()
        check(
            lib.DMF_ContinuousRequestTarget_SendSynchronously(
                self._handle, request, len(data), response, size, kind, code, milliseconds(timeout), byref(count)
            )
        )
        return bytes(response.raw[: min(count.value, size)]) if response is not None else b""

    def send_async(
        self, kind: Kind, data: Bytes = b"", size: int = 0, code: int = 0, timeout: Optional[float] = None
    ) -> Sent:
        """As send(), without waiting. Functions that are added to the future run on the thread that ends the Request."""
        sent, number = Sent(self), next(self._numbers)
        request, response = _room(data), _room(data, size)
        self._sent[number] = sent, request, response
        try:
            check(
                lib.DMF_ContinuousRequestTarget_SendEx_2025(
                    self._handle, request, len(data), response, size, kind, code, milliseconds(timeout), _ended, number,
                    byref(sent._id),
                )
            )  # fmt: skip
        except Error:
            del self._sent[number]
            raise
        return sent


def _room(data: Bytes, size: Optional[int] = None) -> Any:
    """A copy of the data for the library; or room for an answer, which may have to say something first (a report's ID)."""
    if size is None:
        return ctypes.create_string_buffer(bytes(data), len(data)) if data else None
    if not size:
        return None
    return ctypes.create_string_buffer(bytes(data)[:size], size)


@callback(_abi.EVT_DMF_RequestTarget_SendCompletion)
def _ended(
    module: Optional[int],
    number: int,
    data: Optional[int],
    written: int,
    response: Optional[int],
    read: int,
    status: int,
) -> None:
    sender = object_of(module)
    if not isinstance(sender, Sender):
        return
    sent, _, room = sender._sent.pop(number)
    if status < 0:
        sent.set_exception(Error(status, f"the Request ended with {status_name(status)}"))
    else:
        sent.set_result(bytes(memory(response, read)) if room is not None else b"")
