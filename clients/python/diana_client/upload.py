"""Uploads with threads: one takes the caller's items, one a stream listens, and gRPC's own ones send."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator

import grpc

from diana.type.v1.origin_pb2 import Origin
from diana_client.errors import MeshError, translated
from diana_client.items import Uploadable, UploadItem, UploadResult, as_item
from diana_client.ledger import Entry, Lane, Ledger, packed
from diana_client.packing import Packer, upload_method
from diana_client.resumable import packed_from, progress_of

LINGER = 0.002
"""Seconds that a message which is not full waits for more; a caller that waits for answers loses no more."""

FAREWELL = 5.0
"""Seconds that the streams get to end well once everything on them is answered."""


class Upload:
    """One call of `upload`. Its threads end with it, except one that waits within the caller's iterable.

    `tell` is called, from any of the threads, whenever `take`, `over` or `running` may have changed.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        store: str,
        origin: Origin | None,
        window: int,
        attempts: int,
        timeout: float | None,
    ) -> None:
        self._method = upload_method(channel)
        self._progress = progress_of(channel)
        self._store, self._origin = store, origin
        self._attempts, self._timeout = attempts, timeout
        self._ledger = Ledger(window, store)
        # One lock, and a condition for each who waits: for room, for items to send, for results and the end.
        self._lock = threading.RLock()
        self._room, self._work, self._news = (threading.Condition(self._lock) for _ in range(3))
        self._calls: set[grpc.RpcContext] = set()
        self.running = 0
        self.tell: Callable[[], None] = lambda: None

    @property
    def over(self) -> bool:
        """Whether no further result will come."""
        with self._lock:
            return self._ledger.finished and not self._ledger.results

    @property
    def error(self) -> BaseException | None:
        """Why the upload ended before its time, or what the caller's iterable raised."""
        return self._ledger.error

    def run(self, items: Iterable[Uploadable], streams: int) -> Generator[UploadResult, None, None]:
        """The results as they come. Closing the iterator gives the upload up."""
        self.start(items, streams)
        try:
            while not self.over:
                with self._news:
                    self._news.wait_for(lambda: self._ledger.results or self.over)
                yield from self.take()
            self._wait_for_lanes()
            if self.error is not None:
                raise self.error
        finally:
            self.cancel()
            self._wait_for_lanes()

    def start(self, items: Iterable[Uploadable], streams: int) -> None:
        """Begin: the threads run from now on."""
        self.running = streams
        self._start_thread(lambda: self._feed(items))
        for _ in range(streams):
            self._start_thread(self._run_lane)

    def take(self) -> list[UploadResult]:
        """The results that are there; the room of their items is free again."""
        with self._lock:
            results = [self._ledger.take() for _ in range(len(self._ledger.results))]
            if self._ledger.wants_more:
                self._room.notify()
            return results

    def cancel(self) -> None:
        """Give up what is still under way."""
        self._close(None)

    def _start_thread(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="diana-upload", daemon=True).start()

    def _wait_for_lanes(self) -> None:
        with self._news:
            self._news.wait_for(lambda: not self.running, FAREWELL)

    def _close(self, error: BaseException | None) -> None:
        with self._lock:
            self._ledger.close(error)
            calls = list(self._calls)
            self._tell()
        for call in calls:
            call.cancel()

    def _tell(self) -> None:
        """Results came, or the end did; the lock is held."""
        self._news.notify_all()
        if self._ledger.finished:
            self._work.notify_all()
            self._room.notify_all()
        self.tell()

    def _feed(self, items: Iterable[Uploadable]) -> None:
        """Take items from the caller as long as there is room for them."""
        failure = None
        try:
            for number, given in enumerate(items):
                if not self._admit(as_item(given, number)):
                    break
        except BaseException as error:  # the caller's own, raised to it once what it gave is answered
            failure = error
        with self._lock:
            self._ledger.exhaust(failure)
            self._work.notify_all()
            self._tell()

    def _admit(self, item: UploadItem) -> bool:
        """Take an item, and wait until there is room for the next; False when there never will be."""
        ledger = self._ledger
        with self._lock:
            ledger.admit(item)
            self._work.notify()
            if not ledger.has_room:
                self._room.wait_for(lambda: ledger.wants_more or ledger.closed)
            return not ledger.closed

    def _run_lane(self) -> None:
        """Open one stream after another as long as there is anything to send."""
        lane = Lane(self._ledger, self._attempts)
        try:
            while self._wait_for_work():
                try:
                    self._run_stream(lane)
                except MeshError as error:
                    self._recover(lane, error)
        except BaseException as error:  # handed to the caller, whose thread raises it
            self._close(error)
        finally:
            with self._lock:
                self.running -= 1
                self._tell()

    def _wait_for_work(self) -> bool:
        with self._work:
            self._work.wait_for(lambda: self._ledger.waiting or self._ledger.finished)
            return not self._ledger.finished

    def _recover(self, lane: Lane, error: MeshError) -> None:
        """Get ready for another stream, or raise `error`."""
        with self._lock:
            if not self._ledger.closed:
                delay = lane.cut(error)
                self._tell()
                self._work.notify_all()
                self._news.wait_for(lambda: self._ledger.finished, delay)

    def _run_stream(self, lane: Lane) -> None:
        ended = threading.Event()
        call = self._method(self._requests(lane, ended), timeout=self._timeout)
        with self._lock:
            self._calls.add(call)
            if self._ledger.closed:
                call.cancel()
        try:
            with translated():
                for response in call:
                    with self._lock:
                        lane.answer(response)
                        self._tell()
                        if self._ledger.waiting:
                            self._work.notify()
            lane.check_complete()
        finally:
            with self._lock:
                self._calls.discard(call)
                ended.set()
                self._work.notify_all()
            call.cancel()

    def _requests(self, lane: Lane, ended: threading.Event) -> Iterator[bytes]:
        """The messages of one stream; gRPC asks for them in a thread of its own."""
        packer = Packer(self._store, self._origin)
        while True:
            entry = self._next_entry(lane, ended, LINGER if packer.pending else None)
            if entry is not None and entry.upload_id:
                if packer.pending:
                    yield packer.flush()  # what is small does not wait until the archive is asked
                yield from packed_from(entry, self._start_of(lane, entry), packer)
            elif entry is not None:
                yield from packed(entry, packer)
            elif packer.pending:
                yield packer.flush()
            else:
                return

    def _start_of(self, lane: Lane, entry: Entry) -> int:
        """The first byte of an item that the archive lacks."""
        start = self._progress(self._store, entry.upload_id) if entry.start is None else entry.start
        with self._lock:
            lane.reach(entry, start)
        return start

    def _next_entry(self, lane: Lane, ended: threading.Event, patience: float | None) -> Entry | None:
        """The next item to send; None when none comes in time, or none will."""
        ledger = self._ledger

        def over() -> bool:
            return ended.is_set() or ledger.closed or (ledger.exhausted and not ledger.waiting)

        with self._work:
            self._work.wait_for(lambda: ledger.waiting or over(), patience)
            return lane.begin() if ledger.waiting and not ended.is_set() and not ledger.closed else None
