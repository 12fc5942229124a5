import threading
from typing import List, Optional

import dmf

from .support import TestWithDevice


def held(buffer: Optional[dmf.Buffer]) -> dmf.Buffer:
    assert buffer is not None
    return buffer


class RingBuffer(TestWithDevice):
    def test_gives_items_back_in_their_order(self) -> None:
        with dmf.RingBuffer(self.device, 3, 2) as ring:
            self.assertEqual(ring.total_size, 6)
            for item in (b"ab", bytearray(b"cd"), memoryview(b"ef")):
                ring.write(item)
            self.assert_status(dmf.Status.UNSUCCESSFUL, lambda: ring.write(b"gh"))
            self.assert_status(dmf.Status.INVALID_BUFFER_SIZE, lambda: ring.write(b"g"))
            self.misuse.clear()
            self.assertEqual(ring.read(), b"ab")
            self.assertEqual(ring.read_all(), [b"cd", b"ef"])
            self.assertIsNone(ring.read())

    def test_drops_the_oldest_if_told_to(self) -> None:
        ring = dmf.RingBuffer(self.device, 2, 1, drop_oldest=True)
        for item in b"abc":
            ring.write(bytes([item]))
        self.assertEqual(ring.read_all(), [b"b", b"c"])

    def test_shows_its_items_and_lets_them_be_changed(self) -> None:
        ring = dmf.RingBuffer(self.device, 3, 2)
        for item in (b"ab", b"ac", b"bd"):
            ring.write(item)
        self.assertEqual(ring.find(b"a"), [b"ab", b"ac"])

        def visit(item: memoryview) -> Optional[bool]:
            item[0] = ord("z")
            return item[1] != ord("c")

        ring.enumerate(visit)
        self.assertEqual(ring.read_all(), [b"zb", b"zc", b"bd"])

    def test_raises_what_an_enumeration_raised_and_shows_no_more(self) -> None:
        ring = dmf.RingBuffer(self.device, 2, 1)
        ring.write(b"a")
        ring.write(b"b")
        seen: List[bytes] = []

        def visit(item: memoryview) -> None:
            seen.append(bytes(item))
            raise KeyError("here")

        with self.assertRaises(KeyError):
            ring.enumerate(visit)
        self.assertEqual(seen, [b"a"])
        self.assertEqual(ring.read(), b"a")


class PingPongBuffer(TestWithDevice):
    def test_takes_packets_out(self) -> None:
        packets = dmf.PingPongBuffer(self.device, 8)
        self.assertEqual(packets.write(b"xabc"), 4)
        self.assertEqual(packets.write(b"de"), 6)
        self.assertEqual(packets.consume(1, 3), b"abc")
        self.assertEqual(packets.peek(), b"de")
        self.assert_status(dmf.Status.INSUFFICIENT_RESOURCES, lambda: packets.write(b"1234567"))
        packets.shift(1)
        self.assertEqual(packets.peek(), b"e")
        packets.reset()
        self.assertEqual(packets.peek(), b"")

    def test_refuses_a_packet_beyond_its_end(self) -> None:
        packets = dmf.PingPongBuffer(self.device, 8)
        with self.assertRaises(dmf.Error):
            packets.consume(4, 8)
        self.assertEqual(len(self.misuse), 1)
        self.misuse.clear()


class BufferPool(TestWithDevice):
    def test_hands_out_zeroed_buffers_and_takes_them_back(self) -> None:
        pool = dmf.BufferPool.source(self.device, 2, 4, context_size=2)
        first, second = held(pool.get()), held(pool.get())
        self.assertEqual((bytes(first.data), bytes(first.context)), (bytes(4), bytes(2)))
        self.assertIsNone(pool.get())
        first.data[:] = b"used"
        pool.put(first)
        pool.put_at_head(second)
        self.assertEqual(len(pool), 2)
        with self.assertRaises(ValueError):
            first.data[0]
        with self.assertRaises(ValueError):
            pool.put(first)

    def test_makes_more_with_look_aside(self) -> None:
        pool = dmf.BufferPool.source(self.device, 1, 4, look_aside=True)
        for buffer in (held(pool.get()), held(pool.get())):
            pool.put(buffer)

    def test_a_sink_shows_its_buffers(self) -> None:
        source, sink = dmf.BufferPool.source(self.device, 3, 1, 1), dmf.BufferPool.sink(self.device, 1, 1)
        for letter in b"abc":
            buffer = held(source.get())
            buffer.data[0], buffer.context[0] = letter, letter + 1
            sink.put(buffer)

        def visit(buffer: dmf.Buffer) -> dmf.Enumeration:
            found = buffer.data[0] == ord("b") and buffer.context[0] == ord("c")
            return dmf.Enumeration.REMOVE_AND_STOP if found else dmf.Enumeration.CONTINUE

        taken = held(sink.enumerate(visit))
        self.assertEqual(bytes(taken.data), b"b")
        self.assertEqual(len(sink), 2)
        source.put(taken)
        self.assertIsNone(sink.enumerate(lambda buffer: None))
        with self.assertRaises(ZeroDivisionError):
            sink.enumerate(lambda buffer: dmf.Enumeration(1 // 0))

    def test_a_timer_gives_the_buffer_back(self) -> None:
        source, sink = dmf.BufferPool.source(self.device, 1, 1, timers=True), dmf.BufferPool.sink(self.device, 1)
        expired = threading.Event()

        def on_expired(buffer: dmf.Buffer) -> None:
            source.put(buffer)
            expired.set()

        sink.put_with_timer(held(source.get()), 0.01, on_expired)
        self.assertTrue(expired.wait(30))
        self.wait_for(lambda: len(source) == 1)
        sink.put_with_timer(held(source.get()), 3600, on_expired)
        source.put(held(sink.get()))


class BufferQueue(TestWithDevice):
    def test_moves_buffers_from_side_to_side(self) -> None:
        reused: List[bytes] = []
        queue = dmf.BufferQueue(self.device, 2, 1, on_reuse=lambda buffer: reused.append(bytes(buffer.data)))
        for letter in b"ab":
            buffer = held(queue.fetch())
            buffer.data[0] = letter
            queue.enqueue(buffer)
        self.assertIsNone(queue.fetch())
        self.assertEqual(len(queue), 2)
        buffer = held(queue.dequeue())
        self.assertEqual(bytes(buffer.data), b"a")
        queue.enqueue_at_head(buffer)
        seen: List[bytes] = []
        queue.enumerate(lambda buffer: seen.append(bytes(buffer.data)))
        self.assertEqual(seen, [b"a", b"b"])
        queue.reuse(held(queue.dequeue()))
        queue.flush()
        self.assertEqual((reused, len(queue)), ([b"a", b"b"], 0))

    def test_a_timer_takes_work_out(self) -> None:
        queue = dmf.BufferQueue(self.device, 1, 1, timers=True)
        expired: List[dmf.Buffer] = []
        queue.enqueue_with_timer(held(queue.fetch()), 0, expired.append)
        self.wait_for(lambda: expired)
        queue.reuse(expired[0])

    def test_raises_what_on_reuse_raised(self) -> None:
        queue = dmf.BufferQueue(self.device, 1, 1, on_reuse=lambda buffer: 1 // 0)
        with self.assertRaises(ZeroDivisionError):
            queue.reuse(held(queue.fetch()))
