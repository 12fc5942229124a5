"""RingBuffer, PingPongBuffer, BufferPool and BufferQueue."""

from __future__ import annotations

import ctypes
import itertools
from ctypes import byref, c_uint32, c_void_p
from enum import IntEnum
from typing import Any, Callable, Optional

from . import _abi
from ._abi import BufferPool_EnumerationDispositionType as _Disposition
from ._abi import BufferPool_ModeType, RingBuffer_ModeType, Status
from ._core import Bytes, Device, Object, callback, check, memory, object_of
from ._library import lib

_numbers = itertools.count(1)


class RingBuffer(Object):
    """A fixed number of items of a fixed size, first in, first out."""

    def __init__(self, device: Device, items: int, item_size: int, drop_oldest: bool = False) -> None:
        """drop_oldest: what a write into a full ring does; else it raises Error with STATUS_UNSUCCESSFUL."""
        super().__init__(device)
        self.item_size = item_size
        config, attributes = _abi.DMF_CONFIG_RingBuffer(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        config.ItemCount, config.ItemSize = items, item_size
        config.Mode = (
            RingBuffer_ModeType.RingBuffer_Mode_DeleteOldestIfFullOnWrite
            if drop_oldest
            else RingBuffer_ModeType.RingBuffer_Mode_FailIfFullOnWrite
        )
        self._made(lib.DMF_RingBuffer_Create(device._handle, byref(attributes), None, byref(self._handle)))

    @property
    def total_size(self) -> int:
        """Bytes of all items that it can hold."""
        size = c_uint32()
        lib.DMF_RingBuffer_TotalSizeGet(self._handle, byref(size))
        return size.value

    def write(self, item: Bytes) -> None:
        check(lib.DMF_RingBuffer_Write(self._handle, bytes(item), len(item)))

    def read(self) -> Optional[bytes]:
        """The oldest item; None if there is none."""
        item = ctypes.create_string_buffer(self.item_size)
        status: int = lib.DMF_RingBuffer_Read(self._handle, item, self.item_size)
        if status == Status.UNSUCCESSFUL:
            return None
        check(status)
        return item.raw

    def read_all(self) -> list[bytes]:
        """All items, which leave the ring."""
        room, size = ctypes.create_string_buffer(self.total_size), c_uint32()
        check(lib.DMF_RingBuffer_ReadAll(self._handle, room, len(room), byref(size)))
        return [room.raw[at : at + self.item_size] for at in range(0, size.value, self.item_size)]

    def enumerate(self, visit: Callable[[memoryview], Optional[bool]]) -> None:
        """Calls visit(item) for each item, the oldest first, until it returns False. It may change the item's bytes,
        which are valid during the call; the ring's other Methods fail meanwhile."""
        with _Visit(self, visit) as number:
            lib.DMF_RingBuffer_Enumerate(self._handle, True, _item_shown, number)

    def find(self, start: Bytes) -> list[bytes]:
        """Copies of the items that begin so."""
        found: list[bytes] = []
        with _Visit(self, lambda item: found.append(bytes(item))) as number:
            lib.DMF_RingBuffer_EnumerateToFindItem(self._handle, _item_shown, number, bytes(start), len(start))
        return found


class _Visit:
    """An enumeration that is going on. What its function raises ends it, and is raised again by the Method."""

    def __init__(self, owner: Object, function: Callable[..., Any]) -> None:
        self.owner, self.function, self.number = owner, function, next(_numbers)

    def __enter__(self) -> int:
        _visits[self.number] = self
        return self.number

    def __exit__(self, *unused: object) -> None:
        del _visits[self.number]
        self.owner._raise()


_visits: dict[int, _Visit] = {}


@callback(_abi.EVT_DMF_RingBuffer_Enumeration)
def _item_shown(module: Optional[int], item: int, size: int, context: int) -> int:
    visit, view = _visits[context], memory(item, size)
    try:
        return visit.owner._error is None and visit.owner._call(visit.function, view, instead=False) is not False
    finally:
        view.release()


class PingPongBuffer(Object):
    """Collects bytes in one buffer while the packet that was taken out before is in the other."""

    def __init__(self, device: Device, size: int) -> None:
        super().__init__(device)
        config, attributes = _abi.DMF_CONFIG_PingPongBuffer(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        config.BufferSize = size
        self._made(lib.DMF_PingPongBuffer_Create(device._handle, byref(attributes), None, byref(self._handle)))

    def write(self, data: Bytes) -> int:
        """Appends; how many bytes there are now. STATUS_INSUFFICIENT_RESOURCES, and nothing is written: no room."""
        size = c_uint32()
        check(lib.DMF_PingPongBuffer_Write(self._handle, bytes(data), len(data), byref(size)))
        return size.value

    def peek(self) -> bytes:
        """A copy of what was written."""
        size = c_uint32()
        address = lib.DMF_PingPongBuffer_Get(self._handle, byref(size))
        return bytes(memory(address, size.value))

    def consume(self, start: int, length: int) -> bytes:
        """A copy of the packet that begins at start; it goes, with what is before it, and what is behind it stays."""
        address: Optional[int] = lib.DMF_PingPongBuffer_Consume(self._handle, start, length)
        if address is None:
            check(lib.DMF_LastStatusGet())
        return bytes(memory(address, length))

    def shift(self, start: int) -> None:
        """What is before start goes."""
        lib.DMF_PingPongBuffer_Shift(self._handle, start)

    def reset(self) -> None:
        lib.DMF_PingPongBuffer_Reset(self._handle)


class Buffer:
    """A buffer that the program holds: `data` and `context` are its memory, until it is given to a pool or queue.

    Then they are released. A slice of them must not be used any more either.
    """

    def __init__(self, address: int, size: int, context: Optional[int], context_size: int) -> None:
        self._address: Optional[int] = address
        self.data = memory(address, size)
        self.context = memory(context, context_size)

    def _give(self) -> int:
        if self._address is None:
            raise ValueError("the buffer is not the program's any more")
        self.data.release()
        self.context.release()
        address, self._address = self._address, None
        return address


class Enumeration(IntEnum):
    """What becomes of a buffer that an enumeration has shown, and whether it goes on."""

    CONTINUE = _Disposition.BufferPool_EnumerationDisposition_ContinueEnumeration
    STOP = _Disposition.BufferPool_EnumerationDisposition_StopEnumeration
    REMOVE_AND_STOP = _Disposition.BufferPool_EnumerationDisposition_RemoveAndStopEnumeration
    STOP_TIMER_AND_CONTINUE = _Disposition.BufferPool_EnumerationDisposition_StopTimerAndContinueEnumeration
    STOP_TIMER_AND_STOP = _Disposition.BufferPool_EnumerationDisposition_StopTimerAndStopEnumeration
    RESET_TIMER_AND_CONTINUE = _Disposition.BufferPool_EnumerationDisposition_ResetTimerAndContinueEnumeration
    RESET_TIMER_AND_STOP = _Disposition.BufferPool_EnumerationDisposition_ResetTimerAndStopEnumeration


class Buffers(Object):
    """What the classes that hand out Buffers have in common."""

    def __init__(self, device: Device, size: int, context_size: int) -> None:
        super().__init__(device)
        self._size, self._context_size = size, context_size
        self._timers: dict[int, Callable[[Buffer], object]] = {}

    def _got(self, function: Callable[..., int]) -> Optional[Buffer]:
        """From Get, Fetch or Dequeue; None where that has no buffer."""
        address, context = c_void_p(), c_void_p()
        status = function(self._handle, byref(address), byref(context))
        if status == Status.UNSUCCESSFUL:
            return None
        check(status)
        self._timers.pop(address.value or 0, None)
        return Buffer(address.value or 0, self._size, context.value, self._context_size)

    def _enumerate(
        self, function: Callable[..., None], visit: Callable[[Buffer], Optional[Enumeration]]
    ) -> Optional[Buffer]:
        address, context = c_void_p(), c_void_p()
        with _Visit(self, visit) as number:
            function(self._handle, _buffer_shown, number, byref(address), byref(context))
        if not address.value:
            return None
        self._timers.pop(address.value, None)
        return Buffer(address.value, self._size, context.value, self._context_size)

    def _expired(self, address: int, context: Optional[int]) -> None:
        on_expired = self._timers.pop(address)
        self._call(on_expired, Buffer(address, self._size, context, self._context_size), instead=None)


@callback(_abi.EVT_DMF_BufferPool_Enumeration)
def _buffer_shown(module: Optional[int], address: int, context: Optional[int], number: int) -> int:
    visit = _visits[number]
    owner = visit.owner
    assert isinstance(owner, Buffers)
    buffer = Buffer(address, owner._size, context, owner._context_size)
    answer = owner._call(_asked, visit, buffer, instead=Enumeration.STOP)
    buffer._give()
    return answer


def _asked(visit: _Visit, buffer: Buffer) -> Enumeration:
    answer = visit.function(buffer)
    return Enumeration.CONTINUE if answer is None else Enumeration(answer)


@callback(_abi.EVT_DMF_BufferPool_TimerCallback)
def _expired(module: Optional[int], address: int, context: Optional[int], number: Optional[int]) -> None:
    owner = object_of(module)
    if isinstance(owner, Buffers):
        owner._expired(address, context)


class BufferPool(Buffers):
    """A list of buffers: a source() makes them, a sink() takes those of any Source with that size."""

    @classmethod
    def source(
        cls,
        device: Device,
        count: int,
        size: int,
        context_size: int = 0,
        look_aside: bool = False,
        timers: bool = False,
    ) -> BufferPool:
        """look_aside: makes more when the list is empty; timers: its buffers can be put with put_with_timer()."""
        pool = BufferPool(device, size, context_size)
        config, attributes = pool._configs()
        config.BufferPoolMode = BufferPool_ModeType.BufferPool_Mode_Source
        set_source(config.Mode.SourceSettings, count, size, context_size, look_aside, timers)
        return pool._create(attributes)

    @classmethod
    def sink(cls, device: Device, size: int, context_size: int = 0) -> BufferPool:
        """size, context_size: of the Sources whose buffers come."""
        pool = BufferPool(device, size, context_size)
        config, attributes = pool._configs()
        config.BufferPoolMode = BufferPool_ModeType.BufferPool_Mode_Sink
        return pool._create(attributes)

    def _configs(self) -> tuple[_abi.DMF_CONFIG_BufferPool, _abi.DMF_MODULE_ATTRIBUTES]:
        config, attributes = _abi.DMF_CONFIG_BufferPool(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        self._config = config  # the attributes point to it
        return config, attributes

    def _create(self, attributes: _abi.DMF_MODULE_ATTRIBUTES) -> BufferPool:
        assert self._device is not None
        self._made(lib.DMF_BufferPool_Create(self._device._handle, byref(attributes), None, byref(self._handle)))
        return self

    def __len__(self) -> int:
        count: int = lib.DMF_BufferPool_Count(self._handle)
        return count

    def __bool__(self) -> bool:
        return True

    def get(self) -> Optional[Buffer]:
        """The first of the list; None if there is none. A Source's is zeroed."""
        return self._got(lib.DMF_BufferPool_Get)

    def put(self, buffer: Buffer) -> None:
        lib.DMF_BufferPool_Put(self._handle, buffer._give())

    def put_at_head(self, buffer: Buffer) -> None:
        lib.DMF_BufferPool_PutAtHead(self._handle, buffer._give())

    def put_with_timer(self, buffer: Buffer, seconds: float, on_expired: Callable[[Buffer], object]) -> None:
        """Into a Sink. If nobody takes it in time, on_expired gets it, on the timers' thread, and owns it."""
        address = buffer._give()
        self._timers[address] = on_expired
        lib.DMF_BufferPool_PutInSinkWithTimer(self._handle, address, round(seconds * 1000), _expired, None)

    def enumerate(self, visit: Callable[[Buffer], Optional[Enumeration]]) -> Optional[Buffer]:
        """Shows each buffer of a Sink; the one that REMOVE_AND_STOP took out. The pool's Methods fail meanwhile."""
        return self._enumerate(lib.DMF_BufferPool_Enumerate, visit)


def set_source(
    settings: _abi.BufferPool_SourceSettings, count: int, size: int, context_size: int, look_aside: bool, timers: bool
) -> None:
    settings.BufferCount, settings.BufferSize, settings.BufferContextSize = count, size, context_size
    settings.EnableLookAside, settings.CreateWithTimer = look_aside, timers


class BufferQueue(Buffers):
    """Unused buffers on one side, buffers with work on the other. on_reuse(buffer) sees each that becomes unused."""

    def __init__(
        self,
        device: Device,
        count: int,
        size: int,
        context_size: int = 0,
        look_aside: bool = False,
        timers: bool = False,
        on_reuse: Optional[Callable[[Buffer], object]] = None,
    ) -> None:
        super().__init__(device, size, context_size)
        self._on_reuse = on_reuse
        config, attributes = _abi.DMF_CONFIG_BufferQueue(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        set_source(config.SourceSettings, count, size, context_size, look_aside, timers)
        if on_reuse is not None:
            config.EvtBufferQueueReuseCleanup = reused
        self._made(lib.DMF_BufferQueue_Create(device._handle, byref(attributes), None, byref(self._handle)))

    def __len__(self) -> int:
        """Buffers with work."""
        count: int = lib.DMF_BufferQueue_Count(self._handle)
        return count

    def __bool__(self) -> bool:
        return True

    def fetch(self) -> Optional[Buffer]:
        """An unused, zeroed buffer; None if none is left."""
        return self._got(lib.DMF_BufferQueue_Fetch)

    def enqueue(self, buffer: Buffer) -> None:
        lib.DMF_BufferQueue_Enqueue(self._handle, buffer._give())

    def enqueue_at_head(self, buffer: Buffer) -> None:
        lib.DMF_BufferQueue_EnqueueAtHead(self._handle, buffer._give())

    def enqueue_with_timer(self, buffer: Buffer, seconds: float, on_expired: Callable[[Buffer], object]) -> None:
        """If nobody dequeues it in time, on_expired gets it, on the timers' thread, and owns it."""
        address = buffer._give()
        self._timers[address] = on_expired
        check(
            lib.DMF_BufferQueue_EnqueueWithTimer(self._handle, address, round(seconds * 1000), _expired, None)
        )

    def dequeue(self) -> Optional[Buffer]:
        """The oldest buffer with work; None if there is none."""
        return self._got(lib.DMF_BufferQueue_Dequeue)

    def reuse(self, buffer: Buffer) -> None:
        lib.DMF_BufferQueue_Reuse(self._handle, buffer._give())
        self._raise()

    def flush(self) -> None:
        """All work becomes unused."""
        lib.DMF_BufferQueue_Flush(self._handle)
        self._raise()

    def enumerate(self, visit: Callable[[Buffer], Optional[Enumeration]]) -> Optional[Buffer]:
        """Shows each buffer with work; the one that REMOVE_AND_STOP took out."""
        return self._enumerate(lib.DMF_BufferQueue_Enumerate, visit)


@callback(_abi.EVT_DMF_BufferQueue_ReuseCleanup)
def reused(module: Optional[int], address: int, context: Optional[int]) -> None:
    owner = object_of(module)
    on_reuse: Optional[Callable[[Buffer], object]] = getattr(owner, "_on_reuse", None)
    if isinstance(owner, Buffers) and on_reuse is not None:
        buffer = Buffer(address, owner._size, context, owner._context_size)
        owner._call(on_reuse, buffer, instead=None)
        buffer._give()
