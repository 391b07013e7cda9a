"""What an archive at work has promised to its clients and told its followers."""

from __future__ import annotations

import threading
from typing import Any

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana_client.feed import FeedWatch
from diana_common.position import Position
from tests.support.promises import Promises
from tests.support.upload import archive_stub


class Ledger:
    """Keeps what the archive has promised, and signals once enough is."""

    def __init__(self) -> None:
        self.promises = Promises()
        self.enough = threading.Event()
        self._lock = threading.Lock()
        self._stored = 0
        self._goal = 0

    def expect(self, count: int) -> None:
        """Signal after so many more are stored."""
        with self._lock:
            self._goal = self._stored + count
            self.enough.clear()

    def tell(self, kind: str, **fields: Any) -> None:
        """See tests.support.archive_clients.Teller."""
        with self._lock:
            self.promises.tell(kind, **fields)
            self._stored += kind == "stored"
            if self._stored >= self._goal:
                self.enough.set()

    def known(self) -> list[tuple[tuple[str, str], frozenset[bool]]]:
        """Instances by store and UID, and whether they must be there, or may."""
        with self._lock:
            return list(self.promises.presence.items())


class Follower:
    """Follows the feed over all kills, and keeps what it saw by position."""

    def __init__(self, address: str) -> None:
        self.seen: dict[int, bytes] = {}
        self.faults: list[str] = []
        self._channel = grpc.insecure_channel(address)
        method = ArchiveServiceStub(self._channel).WatchFeed
        self._watch = FeedWatch(method, pb.WatchFeedRequest(omit_headers=True), True)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            for page in self._watch:
                for entry in page.entries:
                    self._take(Position.parse(entry.position).sequence, entry.SerializeToString(deterministic=True))
        except Exception as error:
            self.faults.append(repr(error))

    def _take(self, sequence: int, entry: bytes) -> None:
        if sequence != len(self.seen) + 1:
            self.faults.append(f"{sequence} came after {len(self.seen)}")
        self.seen[sequence] = entry

    def end(self) -> None:
        """Follow no more."""
        self._watch.cancel()
        self._thread.join()
        self._channel.close()


def await_head(address: str, followers: list[Follower]) -> None:
    """Each follower has seen all there is."""
    with archive_stub(address) as stub:
        while True:
            head = stub.GetStatistics(pb.GetStatisticsRequest()).head_position
            if all(len(one.seen) == Position.parse(head).sequence or one.faults for one in followers):
                return
            threading.Event().wait(0.05)
