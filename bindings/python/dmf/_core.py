"""What all classes have in common: errors, owned handles, and callbacks whose exceptions are not lost.

The library calls functions that live as long as the program (the decorated ones of each file); they find the object by
its handle, which is never used twice, in _live. So no callback can be freed while the library may call it. An object
stays in _live until it is closed, and a Device closes what was made with it.
"""

from __future__ import annotations

import atexit
import os
import threading
from ctypes import byref, c_uint8, c_void_p
from types import TracebackType
from typing import Any, Callable, Optional, Type, TypeVar, Union

from . import _abi
from ._abi import Status
from ._library import lib

T = TypeVar("T")
O = TypeVar("O", bound="Object")
Bytes = Union[bytes, bytearray, memoryview]


class Error(OSError):
    """A call failed; `status` is its NTSTATUS, a Status where it has a name."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status_name(status)}: {message}")
        self.status = as_status(status)


def as_status(status: int) -> int:
    try:
        return Status(status)
    except ValueError:
        return status


def status_name(status: int) -> str:
    """Such as "STATUS_UNSUCCESSFUL"."""
    name: bytes = lib.DMF_StatusName(status)
    return name.decode()


def version() -> tuple[int, int, int]:
    """Of the library in use."""
    number: int = lib.DMF_VersionGet()
    return number >> 16, number >> 8 & 255, number & 255


def check(status: int) -> None:
    if status < 0:
        raise Error(status, lib.DMF_LastErrorMessageGet().decode(errors="replace"))


def text(value: Optional[bytes]) -> str:
    return (value or b"").decode(errors="replace")


def memory(address: Optional[int], size: int) -> memoryview:
    """The library's memory, without a copy."""
    if not address or not size:
        return memoryview(b"")
    return memoryview((c_uint8 * size).from_address(address)).cast("B")


def callback(kind: Any) -> Callable[[Callable[..., Any]], Any]:
    """Makes a function one that the library can call; it lives as long as the program."""

    def made(function: Callable[..., Any]) -> Any:
        return kind(function)

    return made


_live: dict[int, Object] = {}
_running = threading.local()


def object_of(handle: Optional[int]) -> Optional[Object]:
    return _live.get(handle or 0)


class Object:
    """Owns a handle; close() or the end of `with` deletes it and raises what its callbacks raised."""

    def __init__(self, device: Optional[Device]) -> None:
        self._handle: c_void_p = c_void_p()
        if device is not None and not device._handle:
            raise Error(Status.INVALID_HANDLE, "the Device is closed")
        self._number = 0
        self._device = device
        self._error: Optional[BaseException] = None

    def _made(self, status: int) -> None:
        """The library has filled in the handle, or says why not."""
        check(status)
        self._number = self._handle.value or 0
        _live[self._number] = self
        if self._device is not None:
            self._device._children[self] = None

    def _call(self, function: Callable[..., T], *arguments: object, instead: T) -> T:
        """Calls the program's function from a callback. The library cannot pass on what that raises, so it is kept."""
        inside: list[Object] = _running.__dict__.setdefault("objects", [])
        inside.append(self)
        try:
            return function(*arguments)
        except BaseException as error:
            self._keep(error)
            return instead
        finally:
            inside.pop()

    def _keep(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        else:
            report(error)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _delete(self) -> None:
        handle, self._handle = self._handle, c_void_p()
        if handle:
            lib.WdfObjectDelete(handle)
        # From inside its own callback the object is deleted once that has returned, and more callbacks may come until
        # then: it stays until it is closed again, by its Device at the latest.
        if self in _running.__dict__.get("objects", []):
            return
        _live.pop(self._number, None)
        if self._device is not None:
            self._device._children.pop(self, None)

    def close(self) -> None:
        """Waits for its callbacks, except from inside one."""
        self._delete()
        self._raise()

    def __enter__(self: O) -> O:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class Device(Object):
    """What others belong to: closing it closes them, the youngest first."""

    def __init__(self) -> None:
        super().__init__(None)
        self._children: dict[Object, None] = {}
        self._made(lib.DMF_Device_Create(None, byref(self._handle)))

    def close(self) -> None:
        for child in reversed(list(self._children)):
            try:
                child.close()
            except BaseException as error:
                self._keep(error)
        super().close()

    def sleep(self) -> None:
        """Streams stop until wake()."""
        check(lib.DMF_Device_D0Exit(self._handle))

    def wake(self) -> None:
        check(lib.DMF_Device_D0Entry(self._handle))


def report(error: BaseException) -> None:
    """For what nobody is there to catch: as an exception that ends a thread, so threading.excepthook gets it."""
    threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread())))


_process = os.getpid()


@atexit.register
def _close_all() -> None:
    """No callback may run in an interpreter that is going away."""
    if os.getpid() != _process:
        return
    for owner in list(_live.values()):
        if isinstance(owner, Device):
            try:
                owner.close()
            except BaseException as error:
                report(error)


_misuse: Optional[Callable[[str, str], object]] = None


@callback(_abi.EVT_DMF_Misuse)
def _misused(method: Optional[bytes], handle: Optional[int], message: Optional[bytes], context: Optional[int]) -> None:
    handler = _misuse
    if handler is None:
        return
    try:
        handler(text(method), text(message))
    except BaseException as error:
        report(error)


def set_misuse_handler(handler: Optional[Callable[[str, str], object]]) -> None:
    """Gets (Method, what was wrong) when a call breaks the contract, on that call's thread; None: a line on stderr."""
    global _misuse
    _misuse = handler
    lib.DMF_MisuseHandlerSet(None if handler is None else _misused, None)
