"""What Requests are sent to: HID devices, recordings, and the program itself. And which HID devices there are."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from ctypes import byref, c_int32, c_size_t
from dataclasses import dataclass
from enum import IntEnum
from typing import Callable, Optional, Union

from . import _abi
from ._abi import Status
from ._core import Bytes, Device, Object, callback, check, memory, object_of, text, _live
from ._library import lib


class Kind(IntEnum):
    """What a Request asks."""

    READ = _abi.ContinuousRequestTarget_RequestType.ContinuousRequestTarget_RequestType_Read
    WRITE = _abi.ContinuousRequestTarget_RequestType.ContinuousRequestTarget_RequestType_Write
    IOCTL = _abi.ContinuousRequestTarget_RequestType.ContinuousRequestTarget_RequestType_Ioctl
    INTERNAL_IOCTL = _abi.ContinuousRequestTarget_RequestType.ContinuousRequestTarget_RequestType_InternalIoctl


@dataclass(frozen=True)
class Statistics:
    """What a target has counted since it was opened."""

    requests_completed: int
    requests_failed: int
    requests_canceled: int
    bytes_in: int
    bytes_out: int
    reports_dropped: int
    overruns_suspected: int


class Target(Object):
    """Something that a Stream reads and a Sender sends to."""

    _on_removal: Optional[Callable[[], object]] = None

    @classmethod
    def recording(
        cls, device: Device, path: Union[str, os.PathLike[str]], speed: float = 1.0, repeat: int = 1
    ) -> Target:
        """speed 0: as fast as reports are asked for; repeat 0: for ever."""
        target = Target(device)
        params = _abi.DMF_REPLAY_PARAMS(ctypes.sizeof(_abi.DMF_REPLAY_PARAMS), speed, repeat)
        target._made(
            lib.DMF_IoTarget_ReplayOpen(device._handle, os.fsencode(path), byref(params), byref(target._handle))
        )
        return target

    @classmethod
    def hid(
        cls,
        device: Device,
        path: Optional[str] = None,
        vendor: int = 0,
        product: int = 0,
        serial_number: Optional[str] = None,
        wait: float = 0,
    ) -> Target:
        """The first HID device that matches; None and 0 stand for any. Waits so many seconds for one."""
        target = Target(device)
        params = hid_params(path, vendor, product, serial_number)
        params.WaitMilliseconds = round(wait * 1000)
        target._made(lib.DMF_IoTarget_HidOpen(device._handle, byref(params), byref(target._handle)))
        return target

    def statistics(self) -> Statistics:
        counts = _abi.DMF_IO_TARGET_STATISTICS(ctypes.sizeof(_abi.DMF_IO_TARGET_STATISTICS))
        check(lib.DMF_IoTarget_StatisticsGet(self._handle, byref(counts)))
        return Statistics(*(getattr(counts, field[0]) for field in list(counts._fields_)[1:]))

    def on_removal(self, callback: Optional[Callable[[], object]]) -> None:
        """Called once when the device has gone, after its last report."""
        self._on_removal = callback
        check(lib.DMF_IoTarget_RemovalCallbackSet(self._handle, _removed if callback else None, None))


@callback(_abi.EVT_DMF_IoTarget_Removal)
def _removed(handle: Optional[int], context: Optional[int]) -> None:
    target = object_of(handle)
    if isinstance(target, Target) and target._on_removal is not None:
        target._call(target._on_removal, instead=None)


class IncomingRequest:
    """A Request that a ClientTarget has to answer: by what its function returns, or later with complete()."""

    def __init__(self, handle: int, kind: Kind, ioctl: int, data: bytes, output: Optional[int], output_size: int) -> None:
        self._handle = handle
        self.kind, self.ioctl, self.data, self.output_size = kind, ioctl, data, output_size
        self._output = output
        self._lock = threading.Lock()
        self.done = False

    def complete(self, data: Bytes = b"", status: int = Status.SUCCESS) -> bool:
        """From any thread. False: it was completed or canceled before."""
        if not self._take():
            return False
        status, count = self._fill(data, status)
        lib.WdfRequestCompleteWithInformation(self._handle, status, count)
        return True

    def _take(self) -> bool:
        """Whether the caller is the one to complete it. After a cancellation its buffers are the sender's again."""
        with self._lock:
            if self.done:
                return False
            self.done = True
        _incoming.pop(self._handle, None)
        status: int = lib.WdfRequestUnmarkCancelable(self._handle)
        return status == Status.SUCCESS

    def _fill(self, data: Bytes, status: int) -> tuple[int, int]:
        if len(data) > self.output_size:
            return Status.BUFFER_TOO_SMALL, 0
        if data:
            memory(self._output, self.output_size)[: len(data)] = bytes(data)
        elif self.kind is Kind.WRITE and status == Status.SUCCESS:
            return status, len(self.data)
        return status, len(data)


Answer = Union[Bytes, int, None]
_incoming: dict[int, IncomingRequest] = {}


class ClientTarget(Target):
    """A target that the program implements. on_request runs on the target's thread, for one Request after the other.

    It returns the bytes that answer the Request, or a Status, or None to keep it and complete() it later; a kept one
    that its sender cancels is done. If it raises, the Request ends with STATUS_UNSUCCESSFUL.
    """

    def __init__(self, device: Device, on_request: Callable[[IncomingRequest], Answer]) -> None:
        super().__init__(device)
        self._on_request = on_request
        self._made(lib.DMF_IoTarget_ClientCreate(device._handle, _asked, None, byref(self._handle)))

    def _answer(self, request: IncomingRequest) -> Answer:
        answer = self._on_request(request)
        if answer is not None and not isinstance(answer, (int, bytes, bytearray, memoryview)):
            raise TypeError(f"on_request returned {answer!r}, which is neither bytes nor a Status nor None")
        return answer


@callback(_abi.EVT_DMF_IoTarget_Request)
def _asked(
    handle: Optional[int],
    request: int,
    kind: int,
    ioctl: int,
    data: Optional[int],
    size: int,
    output: Optional[int],
    output_size: int,
    information: int,
    context: Optional[int],
) -> int:
    target = object_of(handle)
    if not isinstance(target, ClientTarget):
        return Status.CANCELLED
    incoming = IncomingRequest(request, Kind(kind), ioctl, bytes(memory(data, size)), output, output_size)
    _incoming[request] = incoming
    marked: int = lib.WdfRequestMarkCancelableEx(request, _canceled)
    if marked != Status.SUCCESS:
        _incoming.pop(request, None)
        return marked
    failed: Answer = Status.UNSUCCESSFUL
    answer = target._call(target._answer, incoming, instead=failed)
    if answer is None or not incoming._take():
        return Status.PENDING
    if isinstance(answer, int):
        status, count = incoming._fill(b"", answer)
    else:
        status, count = incoming._fill(answer, Status.SUCCESS)
    c_size_t.from_address(information).value = count
    return status


@callback(_abi.EVT_WDF_REQUEST_CANCEL)
def _canceled(request: int) -> None:
    incoming = _incoming.pop(request, None)
    if incoming is not None:
        incoming.done = True
    lib.WdfRequestComplete(request, Status.CANCELLED)


@dataclass(frozen=True)
class HidDevice:
    """A HID device as it is listed; "" and 0 stand for what is not known."""

    path: str
    vendor: int
    product: int
    release: int
    usage_page: int
    usage: int
    interface: int
    manufacturer_name: str
    product_name: str
    serial_number: str


def hid_params(path: Optional[str], vendor: int, product: int, serial_number: Optional[str]) -> _abi.DMF_HID_OPEN_PARAMS:
    params = _abi.DMF_HID_OPEN_PARAMS()
    lib.DMF_HID_OPEN_PARAMS_INIT(byref(params))
    params.Path = None if path is None else os.fsencode(path)
    params.VendorId, params.ProductId = vendor, product
    params.SerialNumber = None if serial_number is None else serial_number.encode()
    return params


def _hid_device(address: int) -> HidDevice:
    told = _abi.DMF_HID_DEVICE_INFORMATION.from_address(address)
    return HidDevice(
        text(told.Path),
        told.VendorId,
        told.ProductId,
        told.ReleaseNumber,
        told.UsagePage,
        told.Usage,
        told.InterfaceNumber,
        text(told.Manufacturer),
        text(told.Product),
        text(told.SerialNumber),
    )


_numbers = itertools.count(1)
_lists: dict[int, list[HidDevice]] = {}
_watches: dict[int, HidWatch] = {}


@callback(_abi.EVT_DMF_Hid_Enumeration)
def _listed(information: int, context: int) -> int:
    _lists[context].append(_hid_device(information))
    return True


def hid_devices() -> list[HidDevice]:
    """The HID devices of the system."""
    number = next(_numbers)
    found = _lists[number] = []
    try:
        check(lib.DMF_Hid_Enumerate(_listed, number))
    finally:
        del _lists[number]
    return found


class HidWatch(Object):
    """Calls on_change(device, arrived) for each HID device that is there, before the constructor returns, and then for
    each that comes and goes, on a thread of the watch."""

    def __init__(
        self,
        device: Device,
        on_change: Callable[[HidDevice, bool], object],
        path: Optional[str] = None,
        vendor: int = 0,
        product: int = 0,
    ) -> None:
        super().__init__(device)
        self._on_change = on_change
        self._key = next(_numbers)
        _watches[self._key] = self
        params = hid_params(path, vendor, product, None)
        try:
            self._made(
                lib.DMF_Hid_WatchStart(device._handle, byref(params), _changed, self._key, byref(self._handle))
            )
        except BaseException:
            del _watches[self._key]
            raise

    def _delete(self) -> None:
        super()._delete()
        _watches.pop(self._key, None)


@callback(_abi.EVT_DMF_Hid_Change)
def _changed(information: int, arrived: int, context: int) -> None:
    watch = _watches.get(context)
    if watch is not None:
        watch._call(watch._on_change, _hid_device(information), bool(arrived), instead=None)


@dataclass(frozen=True)
class Completion:
    """How a Request ended, and its bytes."""

    status: int
    data: bytes


class Request(Object):
    """A Request of the program's own, for a NotifyUserWithRequest. on_complete runs on the thread that ends it."""

    def __init__(
        self,
        device: Device,
        data: Bytes = b"",
        output_size: int = 0,
        ioctl: int = 0,
        on_complete: Optional[Callable[[Request], object]] = None,
    ) -> None:
        super().__init__(device)
        self._input = ctypes.create_string_buffer(bytes(data), len(data)) if data else None
        self._output = ctypes.create_string_buffer(output_size) if output_size else None
        self._on_complete = on_complete
        self._completion: Optional[Completion] = None
        self._submitted = False
        self._made(
            lib.DMF_Request_Create(
                device._handle, self._input, len(data), self._output, output_size, ioctl, _completed, None,
                byref(self._handle),
            )
        )  # fmt: skip

    @property
    def completion(self) -> Optional[Completion]:
        """None while it is pending."""
        return self._completion

    def cancel(self) -> bool:
        """Whether the cancellation was delivered."""
        return bool(lib.DMF_Request_Cancel(self._handle))

    def wait(self, timeout: Optional[float] = None) -> Completion:
        """Until it is complete, so many seconds at most (STATUS_IO_TIMEOUT then); and on_complete has returned."""
        check(lib.DMF_Request_Wait(self._handle, milliseconds(timeout), None, None))
        self._raise()
        assert self._completion is not None
        return self._completion

    def close(self) -> None:
        """A pending one is canceled first."""
        if self._handle and self._submitted and self._completion is None:
            self.cancel()
            lib.DMF_Request_Wait(self._handle, 0, None, None)
        try:
            super().close()
        finally:
            # Also from inside on_complete: no other callback comes.
            _live.pop(self._number, None)
            if self._device is not None:
                self._device._children.pop(self, None)

    def _answer(self, data: Bytes, status: int) -> None:
        """Completes it, from a callback of a Module that has it."""
        size = len(self._output) if self._output is not None else 0
        count = min(len(data), size)
        if self._output is not None:
            ctypes.memmove(self._output, bytes(data), count)
        lib.WdfRequestCompleteWithInformation(self._handle, status, count)


@callback(_abi.EVT_DMF_Request_Completion)
def _completed(handle: Optional[int], status: int, information: int, context: Optional[int]) -> None:
    request = object_of(handle)
    if not isinstance(request, Request):
        return
    data = request._output.raw[:information] if request._output is not None else b""
    request._completion = Completion(c_int32(status).value, data)
    if request._on_complete is not None:
        request._call(request._on_complete, request, instead=None)


def milliseconds(timeout: Optional[float]) -> int:
    """For the library, 0 is for ever."""
    return 0 if timeout is None else max(1, round(timeout * 1000))


