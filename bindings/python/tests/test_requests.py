import threading
from typing import List

import dmf

from .support import TestWithDevice


class NotifyUserWithRequest(TestWithDevice):
    def test_data_goes_to_requests_and_requests_to_data(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 4, 4, 3)
        first, second = dmf.Request(self.device, output_size=8), dmf.Request(self.device, output_size=2)
        notify.process(first)
        self.assertIsNone(first.completion)
        notify.data(b"abc")
        self.assertEqual(first.wait(30), dmf.Completion(dmf.Status.SUCCESS, b"abc"))
        notify.data(b"d", dmf.Status.DEVICE_BUSY)
        notify.process(second)
        self.assertEqual(second.completion, dmf.Completion(dmf.Status.DEVICE_BUSY, b"d\0"))

    def test_returns_requests_without_data(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 2, 0, 0, time_stamps=True)
        requests = [dmf.Request(self.device) for _ in range(3)]
        notify.add(requests[0])
        notify.add(requests[1])
        self.assertGreater(notify.request_time(requests[0]), 0)
        self.assert_status(dmf.Status.INVALID_DEVICE_STATE, lambda: notify.add(requests[2]))
        self.assertTrue(notify.return_one(dmf.Status.NOT_SUPPORTED))
        notify.return_all(dmf.Status.DEVICE_BUSY)
        self.assertFalse(notify.return_one(dmf.Status.SUCCESS))
        ends = [request.wait(30).status for request in requests[:2]]
        self.assertEqual(ends, [dmf.Status.NOT_SUPPORTED, dmf.Status.DEVICE_BUSY])

    def test_counts_what_it_discards(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 1, 2, 1)
        for data in (b"a", b"b", b"c"):
            notify.data(data)
        self.assertEqual(notify.discarded, 1)
        request = dmf.Request(self.device, output_size=1)
        notify.process(request)
        self.assertEqual(request.wait(30).data, b"b")
        with self.assertRaises(ValueError):
            notify.data(b"too long")

    def test_ends_its_requests_when_it_closes(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 1, 1, 1)
        request = dmf.Request(self.device)
        notify.process(request)
        notify.close()
        self.assertEqual(request.wait(30).status, dmf.Status.CANCELLED)


class Request(TestWithDevice):
    def test_can_be_canceled(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 1, 1, 1)
        ended: List[int] = []
        request = dmf.Request(self.device, on_complete=lambda request: ended.append(request.completion.status))  # type: ignore[union-attr]
        notify.process(request)
        self.assert_status(dmf.Status.IO_TIMEOUT, lambda: request.wait(0.01))
        self.assertTrue(request.cancel())
        self.assertEqual(request.wait(30).status, dmf.Status.CANCELLED)
        self.assertEqual(ended, [dmf.Status.CANCELLED])
        self.assertFalse(request.cancel())

    def test_that_is_pending_is_canceled_when_it_closes(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 1, 1, 1)
        with dmf.Request(self.device) as request:
            notify.process(request)
        self.assertIsNotNone(request.completion)
        self.assertFalse(notify.return_one(dmf.Status.SUCCESS))

    def test_can_be_closed_in_its_completion(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 1, 1, 1)
        closed = threading.Event()

        def on_complete(request: dmf.Request) -> None:
            request.close()
            closed.set()

        notify.process(dmf.Request(self.device, on_complete=on_complete))
        notify.data(b"x")
        self.assertTrue(closed.wait(30))

    def test_raises_what_its_completion_raised(self) -> None:
        notify = dmf.NotifyUserWithRequest(self.device, 1, 1, 1)
        request = dmf.Request(self.device, on_complete=lambda request: 1 // 0)
        notify.process(request)
        notify.data(b"x")
        with self.assertRaises(ZeroDivisionError):
            request.wait(30)
