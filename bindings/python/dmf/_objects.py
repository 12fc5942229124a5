"""Devices, targets and streams as context managers."""

import ctypes
import os
import time
from types import TracebackType
from typing import Callable, Optional, Type, TypeVar, Union

from . import _abi
from ._abi import lib

S = TypeVar("S", bound="_Object")


class Error(OSError):
    """A call failed; `status` is its NTSTATUS."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status_name(status)}: {message}")
        self.status = status


def status_name(status: int) -> str:
    """Such as "STATUS_UNSUCCESSFUL"."""
    name: bytes = lib.DMF_StatusName(status)
    return name.decode()


def version() -> "tuple[int, int, int]":
    """Of the library in use."""
    number: int = lib.DMF_VersionGet()
    return number >> 16, number >> 8 & 255, number & 255


def _check(status: int) -> None:
    if status < 0:
        raise Error(status, lib.DMF_LastErrorMessageGet().decode(errors="replace"))


class _Object:
    """Owns a handle; close() or the end of `with` deletes it."""

    def __init__(self) -> None:
        self._handle = ctypes.c_void_p()

    def close(self) -> None:
        handle, self._handle = self._handle, ctypes.c_void_p()
        if handle:
            lib.WdfObjectDelete(handle)

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class Device(_Object):
    """What others belong to. Close it last: its deletion deletes them."""

    def __init__(self) -> None:
        super().__init__()
        _check(lib.DMF_Device_Create(None, ctypes.byref(self._handle)))


class Target(_Object):
    """A recording or a HID device that a Stream reads."""

    @classmethod
    def recording(
        cls, device: Device, path: "Union[str, os.PathLike[str]]", speed: float = 1.0, repeat: int = 1
    ) -> "Target":
        """speed 0: as fast as reports are asked for; repeat 0: for ever."""
        target = cls()
        params = _abi.ReplayParams(ctypes.sizeof(_abi.ReplayParams), speed, repeat)
        _check(lib.DMF_IoTarget_ReplayOpen(device._handle, os.fsencode(path), params, ctypes.byref(target._handle)))
        return target

    @classmethod
    def hid(cls, device: Device, path: Optional[str] = None, vendor: int = 0, product: int = 0) -> "Target":
        """The first HID device that matches; None and 0 stand for any."""
        target = cls()
        params = _abi.HidOpenParams()
        lib.DMF_HID_OPEN_PARAMS_INIT(params)
        params.Path = None if path is None else path.encode()
        params.VendorId, params.ProductId = vendor, product
        _check(lib.DMF_IoTarget_HidOpen(device._handle, params, ctypes.byref(target._handle)))
        return target


class Stream(_Object):
    """Calls on_report(report) for each report, on the library's thread, until it returns False or the target ends."""

    def __init__(
        self, device: Device, target: Target, on_report: Callable[[bytes], Optional[bool]], reads: int = 1, size: int = 64
    ) -> None:
        super().__init__()
        self._error: Optional[BaseException] = None

        def arrived(module: int, report: int, length: int, context: int, status: int) -> int:
            # ctypes would print what is raised here and answer 0, which is misuse.
            try:
                if status >= 0 and on_report(ctypes.string_at(report, length)) is not False:
                    return _abi.BUFFER_BACK_AND_CONTINUE
            except BaseException as error:
                self._error = error
            return _abi.BUFFER_BACK_AND_STOP

        self._arrived = _abi.BufferOutput(arrived)  # lives as long as the Module may call it
        config, attributes = _abi.StreamConfig(), _abi.ModuleAttributes()
        lib.DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(config, attributes)
        config.RequestType = _abi.REQUEST_TYPE_READ
        config.ContinuousRequestCount = reads
        config.BufferCountOutput = 2 * reads
        config.BufferOutputSize = size
        config.EvtContinuousRequestTargetBufferOutput = self._arrived
        _check(lib.DMF_ContinuousRequestTarget_Create(device._handle, attributes, None, ctypes.byref(self._handle)))
        try:
            _check(lib.DMF_ContinuousRequestTarget_IoTargetSet(self._handle, target._handle))
            _check(lib.DMF_ContinuousRequestTarget_Start(self._handle))
        except Error:
            super().close()
            raise

    def wait(self) -> None:
        """Until the stream has ended."""
        while lib.DMF_ContinuousRequestTarget_StreamingCountGet(self._handle) > 0:
            time.sleep(0.01)
        self._raise()

    def close(self) -> None:
        """Stops the stream, waits for its callback, and raises what that raised."""
        super().close()
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
