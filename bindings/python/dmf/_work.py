"""ThreadedBufferQueue and QueuedWorkItem: work on threads of the library."""

from __future__ import annotations

from ctypes import byref, c_int32
from typing import Callable, Optional, Union

from . import _abi
from ._abi import ScheduledTask_Result_Type, Status, ThreadedBufferQueue_BufferDisposition
from ._buffers import Buffer, Buffers, set_source
from ._core import Bytes, Device, Error, Object, callback, check, memory, object_of
from ._library import lib


class ThreadedBufferQueue(Buffers):
    """A queue of buffers with a thread of its own, which calls work(buffer) for each, one after the other.

    What work returns reaches who waits: None is success, a Status is that. With STATUS_PENDING the program keeps the
    buffer and ends the work with work_completed(). If it raises, the work ends with STATUS_UNSUCCESSFUL.
    """

    def __init__(
        self,
        device: Device,
        count: int,
        size: int,
        work: Callable[[Buffer], Optional[int]],
        context_size: int = 0,
        look_aside: bool = False,
        on_start: Optional[Callable[[], object]] = None,
        on_end: Optional[Callable[[], object]] = None,
        on_reuse: Optional[Callable[[Buffer], object]] = None,
    ) -> None:
        """on_start, on_end: called on the thread; on_reuse: sees each buffer that becomes unused."""
        super().__init__(device, size, context_size)
        self._work, self._on_start, self._on_end, self._on_reuse = work, on_start, on_end, on_reuse
        config, attributes = _abi.DMF_CONFIG_ThreadedBufferQueue(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_ThreadedBufferQueue_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        set_source(config.BufferQueueConfig.SourceSettings, count, size, context_size, look_aside, False)
        config.EvtThreadedBufferQueueWork = _work
        config.EvtThreadedBufferQueuePre = _thread_started
        config.EvtThreadedBufferQueuePost = _thread_ends
        if on_reuse is not None:
            config.EvtThreadedBufferQueueReuseCleanup = _reused
        self._made(lib.DMF_ThreadedBufferQueue_Create(device._handle, byref(attributes), None, byref(self._handle)))

    def __len__(self) -> int:
        """Buffers that wait for work."""
        count: int = lib.DMF_ThreadedBufferQueue_Count(self._handle)
        return count

    def __bool__(self) -> bool:
        return True

    def start(self) -> None:
        check(lib.DMF_ThreadedBufferQueue_Start(self._handle))

    def stop(self) -> None:
        """Returns when the work that has begun is done; what waits stays queued."""
        lib.DMF_ThreadedBufferQueue_Stop(self._handle)
        self._raise()

    def fetch(self) -> Optional[Buffer]:
        """An unused, zeroed buffer; None if none is left."""
        return self._got(lib.DMF_ThreadedBufferQueue_Fetch)

    def reuse(self, buffer: Buffer) -> None:
        """Gives back a fetched buffer without work."""
        lib.DMF_ThreadedBufferQueue_Reuse(self._handle, buffer._give())
        self._raise()

    def enqueue(self, work: Union[Buffer, Bytes], at_head: bool = False) -> None:
        """A fetched buffer, or bytes that are copied into one (STATUS_UNSUCCESSFUL: none is left)."""
        enqueue = lib.DMF_ThreadedBufferQueue_EnqueueAtHead if at_head else lib.DMF_ThreadedBufferQueue_Enqueue
        enqueue(self._handle, self._filled(work)._give())

    def enqueue_and_wait(self, work: Union[Buffer, Bytes], at_head: bool = False) -> None:
        """Raises what the work raised, or Error with the status that it ended with."""
        enqueue = (
            lib.DMF_ThreadedBufferQueue_EnqueueAtHeadAndWait if at_head else lib.DMF_ThreadedBufferQueue_EnqueueAndWait
        )
        status: int = enqueue(self._handle, self._filled(work)._give())
        self._raise()
        check(status)

    def flush(self) -> None:
        """Ends the work that waits, with STATUS_CANCELLED."""
        lib.DMF_ThreadedBufferQueue_Flush(self._handle)
        self._raise()

    def work_completed(self, buffer: Buffer, status: int = Status.SUCCESS) -> None:
        """Ends work that returned STATUS_PENDING."""
        lib.DMF_ThreadedBufferQueue_WorkCompleted(self._handle, buffer._give(), status)

    def _filled(self, work: Union[Buffer, Bytes]) -> Buffer:
        if isinstance(work, Buffer):
            return work
        if len(work) > self._size:
            raise Error(Status.BUFFER_TOO_SMALL, f"{len(work)} bytes do not fit a buffer of {self._size}")
        buffer = self.fetch()
        if buffer is None:
            raise Error(Status.UNSUCCESSFUL, "no unused buffer is left")
        buffer.data[: len(work)] = bytes(work)
        return buffer


@callback(_abi.EVT_DMF_ThreadedBufferQueue_Callback)
def _work(module: Optional[int], address: int, size: int, context: Optional[int], status: int) -> int:
    queue = object_of(module)
    if not isinstance(queue, ThreadedBufferQueue):
        return ThreadedBufferQueue_BufferDisposition.ThreadedBufferQueue_BufferDisposition_WorkComplete
    buffer = Buffer(address, size, context, queue._context_size)
    failed: Optional[int] = Status.UNSUCCESSFUL
    answer = queue._call(queue._work, buffer, instead=failed)
    if answer == Status.PENDING:
        return ThreadedBufferQueue_BufferDisposition.ThreadedBufferQueue_BufferDisposition_WorkPending
    buffer._give()
    c_int32.from_address(status).value = Status.SUCCESS if answer is None else answer
    return ThreadedBufferQueue_BufferDisposition.ThreadedBufferQueue_BufferDisposition_WorkComplete


@callback(_abi.EVT_DMF_Thread_Function)
def _thread_started(thread: Optional[int]) -> None:
    queue = object_of(lib.DMF_ParentModuleGet(thread))
    if isinstance(queue, ThreadedBufferQueue) and queue._on_start is not None:
        queue._call(queue._on_start, instead=None)


@callback(_abi.EVT_DMF_Thread_Function)
def _thread_ends(thread: Optional[int]) -> None:
    queue = object_of(lib.DMF_ParentModuleGet(thread))
    if isinstance(queue, ThreadedBufferQueue) and queue._on_end is not None:
        queue._call(queue._on_end, instead=None)


@callback(_abi.EVT_DMF_ThreadedBufferQueue_ReuseCleanup)
def _reused(module: Optional[int], address: int, context: Optional[int]) -> None:
    queue = object_of(module)
    if isinstance(queue, ThreadedBufferQueue) and queue._on_reuse is not None:
        buffer = Buffer(address, queue._size, context, queue._context_size)
        queue._call(queue._on_reuse, buffer, instead=None)
        buffer._give()


class QueuedWorkItem(Object):
    """Copies of the program's bytes are worked on in order, one at a time: work(data), on threads that may wait.

    What work returns reaches enqueue_and_wait(): None is success, a Status is that.
    """

    def __init__(
        self,
        device: Device,
        count: int,
        size: int,
        work: Callable[[bytes], Optional[int]],
        look_aside: bool = False,
    ) -> None:
        super().__init__(device)
        self._size, self._work = size, work
        config, attributes = _abi.DMF_CONFIG_QueuedWorkItem(), _abi.DMF_MODULE_ATTRIBUTES()
        lib.DMF_CONFIG_QueuedWorkItem_AND_ATTRIBUTES_INIT(byref(config), byref(attributes))
        # The length goes before the bytes: the callback is told only where they are.
        set_source(config.BufferQueueConfig.SourceSettings, count, size + 4, 0, look_aside, False)
        config.EvtQueuedWorkitemFunction = _item
        self._made(lib.DMF_QueuedWorkItem_Create(device._handle, byref(attributes), None, byref(self._handle)))

    def enqueue(self, data: Bytes) -> None:
        """STATUS_UNSUCCESSFUL: as many wait as there may; STATUS_BUFFER_TOO_SMALL: more bytes than size."""
        packed = self._packed(data)
        check(lib.DMF_QueuedWorkItem_Enqueue(self._handle, packed, len(packed)))

    def enqueue_and_wait(self, data: Bytes) -> None:
        """Raises what the work raised, or Error with the status that it returned."""
        packed = self._packed(data)
        status: int = lib.DMF_QueuedWorkItem_EnqueueAndWait(self._handle, packed, len(packed))
        self._raise()
        check(status)

    def flush(self) -> None:
        """Waits for the work that is queued now."""
        lib.DMF_QueuedWorkItem_Flush(self._handle)
        self._raise()

    @staticmethod
    def _packed(data: Bytes) -> bytes:
        return len(data).to_bytes(4, "little") + bytes(data)


@callback(_abi.EVT_DMF_QueuedWorkItem_Callback)
def _item(module: Optional[int], address: int, context: Optional[int]) -> int:
    items = object_of(module)
    if isinstance(items, QueuedWorkItem):
        packed = memory(address, items._size + 4)
        data = bytes(packed[4 : 4 + int.from_bytes(packed[:4], "little")])
        failed: Optional[int] = Status.UNSUCCESSFUL
        status = items._call(items._work, data, instead=failed)
        lib.DMF_QueuedWorkItem_StatusSet(module, address, Status.SUCCESS if status is None else status)
    return ScheduledTask_Result_Type.ScheduledTask_WorkResult_Success
