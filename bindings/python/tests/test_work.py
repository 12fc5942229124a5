import threading
from typing import List, Optional

import dmf

from .support import TestWithDevice


class ThreadedBufferQueue(TestWithDevice):
    def test_works_through_its_buffers_on_one_thread(self) -> None:
        done: List[bytes] = []
        threads = {threading.get_ident()}
        life: List[str] = []

        def work(buffer: dmf.Buffer) -> None:
            done.append(bytes(buffer.data))
            threads.add(threading.get_ident())

        queue = dmf.ThreadedBufferQueue(
            self.device, 4, 2, work, on_start=lambda: life.append("start"), on_end=lambda: life.append("end")
        )
        queue.enqueue(b"b")
        queue.enqueue(b"a", at_head=True)
        self.assertEqual(len(queue), 2)
        queue.start()
        queue.enqueue_and_wait(b"cd")
        buffer = queue.fetch()
        assert buffer is not None
        buffer.data[:] = b"ef"
        queue.enqueue_and_wait(buffer)
        queue.stop()
        self.assertEqual(done, [b"a\0", b"b\0", b"cd", b"ef"])
        self.assertEqual(len(threads), 2)
        self.assertEqual(life, ["start", "end"])

    def test_says_how_the_work_ended(self) -> None:
        queue = dmf.ThreadedBufferQueue(self.device, 1, 8, lambda buffer: dmf.Status.NOT_SUPPORTED)
        queue.start()
        self.assert_status(dmf.Status.NOT_SUPPORTED, lambda: queue.enqueue_and_wait(b"x"))
        self.assert_status(dmf.Status.BUFFER_TOO_SMALL, lambda: queue.enqueue(b"123456789"))

    def test_ends_work_that_was_pending(self) -> None:
        pending: List[dmf.Buffer] = []

        def work(buffer: dmf.Buffer) -> int:
            pending.append(buffer)
            return dmf.Status.PENDING

        queue = dmf.ThreadedBufferQueue(self.device, 1, 1, work)
        queue.start()
        failed: List[int] = []

        def enqueue() -> None:
            try:
                queue.enqueue_and_wait(b"x")
            except dmf.Error as error:
                failed.append(error.status)

        waiting = threading.Thread(target=enqueue)
        waiting.start()
        self.wait_for(lambda: pending)
        queue.work_completed(pending[0], dmf.Status.DEVICE_BUSY)
        waiting.join()
        self.assertEqual(failed, [dmf.Status.DEVICE_BUSY])

    def test_flushes_what_waits(self) -> None:
        reused: List[bytes] = []
        queue = dmf.ThreadedBufferQueue(
            self.device, 1, 1, lambda buffer: None, on_reuse=lambda buffer: reused.append(bytes(buffer.data))
        )
        queue.enqueue(b"x")
        self.assert_status(dmf.Status.UNSUCCESSFUL, lambda: queue.enqueue(b"y"))
        queue.flush()
        self.assertEqual((reused, len(queue)), ([b"x"], 0))

    def test_raises_what_the_work_raised(self) -> None:
        def work(buffer: dmf.Buffer) -> Optional[int]:
            raise KeyError("on the thread")

        # A buffer may come back a moment after its work was told to be done.
        queue = dmf.ThreadedBufferQueue(self.device, 2, 1, work)
        queue.start()
        with self.assertRaises(KeyError):
            queue.enqueue_and_wait(b"x")
        queue.enqueue(b"x")
        self.wait_for(lambda: queue._error)
        with self.assertRaises(KeyError):
            queue.close()


class QueuedWorkItem(TestWithDevice):
    def test_works_on_copies_in_order(self) -> None:
        done: List[bytes] = []
        items = dmf.QueuedWorkItem(self.device, 8, 4, lambda data: done.append(data))
        for data in (b"", b"a", b"abcd"):
            items.enqueue(data)
        items.flush()
        self.assertEqual(done, [b"", b"a", b"abcd"])
        self.assert_status(dmf.Status.BUFFER_TOO_SMALL, lambda: items.enqueue(b"abcde"))

    def test_says_what_the_work_returned_or_raised(self) -> None:
        def work(data: bytes) -> Optional[int]:
            if data == b"raise":
                raise KeyError("on the thread")
            return dmf.Status.DEVICE_BUSY if data == b"busy" else None

        items = dmf.QueuedWorkItem(self.device, 1, 8, work)
        items.enqueue_and_wait(b"fine")
        self.assert_status(dmf.Status.DEVICE_BUSY, lambda: items.enqueue_and_wait(b"busy"))
        with self.assertRaises(KeyError):
            items.enqueue_and_wait(b"raise")

    def test_does_accepted_work_before_it_closes(self) -> None:
        done: List[bytes] = []
        with dmf.QueuedWorkItem(self.device, 4, 1, lambda data: done.append(data)) as items:
            for data in (b"a", b"b", b"c"):
                items.enqueue(data)
        self.assertEqual(done, [b"a", b"b", b"c"])
