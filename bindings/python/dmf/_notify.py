"""NotifyUserWithRequest: Requests wait for data, and data for Requests."""

from __future__ import annotations

from ctypes import byref
from typing import Optional

from . import _abi
from ._abi import Status
from ._core import Bytes, Device, Object, callback, check, memory, object_of
from ._library import lib
from ._targets import Request


class NotifyUserWithRequest(Object):
    """The oldest Request that waits gets the oldest data, as much as its output has room for."""

    def __init__(
        self,
        device: Device,
        requests: int,
        data_buffers: int,
        data_size: int,
        time_stamps: bool = False,
        look_aside: bool = False,
    ) -> None:
        """How many of each may wait. When all data_buffers are in use the oldest is discarded, except with look_aside."""
        super().__init__(device)
        self._data_size = data_size
        config, attributes = _abi.DMF_CONFIG_NotifyUserWithRequest(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        config.MaximumNumberOfPendingRequests = requests
        config.MaximumNumberOfPendingDataBuffers = data_buffers
        config.SizeOfDataBuffer = data_size
        config.TimeStamping, config.EnableLookAside = time_stamps, look_aside
        self._made(lib.DMF_NotifyUserWithRequest_Create(device._handle, byref(attributes), None, byref(self._handle)))

    @property
    def discarded(self) -> int:
        """Data that was discarded, because all its buffers were in use."""
        count: int = lib.DMF_NotifyUserWithRequest_DiscardedCountGet(self._handle)
        return count

    def add(self, request: Request) -> None:
        """The Request waits, also if there is data."""
        check(lib.DMF_NotifyUserWithRequest_EventRequestAdd(self._handle, request._handle))
        request._submitted = True

    def process(self, request: Request) -> None:
        """The Request waits; if there is data, the oldest Request gets it."""
        check(lib.DMF_NotifyUserWithRequest_RequestProcess(self._handle, request._handle))
        request._submitted = True
        self._raise()

    def data(self, data: Bytes, status: int = Status.SUCCESS) -> None:
        """The data waits; if there is a Request, the oldest data goes to the oldest of them, with its status. Shorter
        data is filled up with zeros to data_size."""
        if len(data) > self._data_size:
            raise ValueError(f"{len(data)} bytes do not fit an entry of {self._data_size}")
        entry = bytes(data).ljust(self._data_size, b"\0")
        lib.DMF_NotifyUserWithRequest_DataProcess(self._handle, _deliver, entry, status)
        check(lib.DMF_LastStatusGet())
        self._raise()

    def return_one(self, status: int) -> bool:
        """Completes the oldest Request without data; False if none waits."""
        answer: int = lib.DMF_NotifyUserWithRequest_RequestReturnEx(self._handle, None, None, status)
        if answer != Status.UNSUCCESSFUL:
            check(answer)
        return answer == Status.SUCCESS

    def return_all(self, status: int) -> None:
        """Completes the Requests that wait now, without data."""
        lib.DMF_NotifyUserWithRequest_RequestReturnAll(self._handle, None, None, status)

    def request_time(self, request: Request) -> int:
        """When it was queued, in nanoseconds of the monotonic clock; 0 without time_stamps."""
        time: int = lib.DMF_NotifyUserWithRequest_RequestTimestampGet(self._handle, request._handle)
        return time


@callback(_abi.EVT_DMF_NotifyUserWithRequest_Complete)
def _deliver(module: Optional[int], handle: Optional[int], data: Optional[int], status: int) -> None:
    notify, request = object_of(module), object_of(handle)
    if isinstance(notify, NotifyUserWithRequest) and isinstance(request, Request):
        request._answer(memory(data, notify._data_size), status)
    else:
        lib.WdfRequestComplete(handle, Status.CANCELLED)
