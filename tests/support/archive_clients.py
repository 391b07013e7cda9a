"""Clients of an archive at work, that tell of what they ask for and what is answered."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import resources_pb2
from tests.support.dicom_files import make_ct
from tests.support.upload import reason_of

ROOT = "1.2.826.0.1.77"
CHUNK = 128 * 1024
SMALL, LARGE = 64, 512
COMPRESSED = "packed"


class Teller(Protocol):
    """Who is told of what is asked for and answered (tests.support.promises understands it)."""

    def tell(self, kind: str, **fields: Any) -> None:
        """It happens now."""


class Client:
    """What all clients have; each has a study of its own in each store."""

    def __init__(self, number: int, amount: int, marks: Teller, chance: random.Random) -> None:
        self.number = number
        self.amount = amount
        self.marks = marks
        self.chance = chance
        self.sent: dict[int, tuple[str, str]] = {}
        self._made = 0

    def make(self, side: int = SMALL) -> tuple[str, bytes]:
        """A new instance, of so many rows and columns, and its UID."""
        self._made += 1
        uid = f"{ROOT}.{self.number}.9.{self._made}"
        return uid, self.instance(uid, side)

    def instance(self, uid: str, side: int) -> bytes:
        """The one that `make` made with that UID."""
        series_uid = f"{ROOT}.{self.number}.2"
        return make_ct(rows=side, cols=side, study_uid=self.study_uid, series_uid=series_uid, sop_uid=uid)

    @property
    def study_uid(self) -> str:
        return f"{ROOT}.{self.number}.1"

    def put(self, stub: Any, messages: Iterator[list[pb.UploadChunk]], store: str) -> None:
        """One stream, until it is answered or broken."""
        requests = (pb.UploadInstancesRequest(store=store, chunks=chunks) for chunks in messages)
        for answer in stub.UploadInstances(requests):
            for result in answer.results:
                self.settle(result, store)

    def settle(self, result: pb.UploadResult, store: str) -> None:
        """Every instance is to be stored."""
        uid, digest = self.sent[result.tag]
        if result.HasField("status"):
            raise RuntimeError(f"{uid}: {result.status}")
        self.marks.tell("stored", store=store, uid=uid, sha256=digest, position=result.position)

    def send(self, tag: int, uid: str, data: bytes, store: str) -> None:
        """It is asked for from now on."""
        digest = hashlib.sha256(data).hexdigest()
        self.sent[tag] = (uid, digest)
        self.marks.tell("sending", store=store, uid=uid, sha256=digest)

    def chunks(self, tag: int, uid: str, data: bytes, store: str, start: int = 0) -> list[pb.UploadChunk]:
        """One instance's chunks, from a byte of it on; an empty one where that is its end."""
        self.send(tag, uid, data, store)
        pieces = [(offset, data[offset : offset + CHUNK]) for offset in range(start, max(len(data), start + 1), CHUNK)]
        return [
            pb.UploadChunk(tag=tag, write_offset=offset, data=piece, finish=offset + len(piece) == len(data))
            for offset, piece in pieces
        ]


class Small(Client):
    """Many small instances, one or several a message."""

    store = "default"

    def run(self, stub: Any) -> None:
        """Send them."""
        self.put(stub, self._messages(), self.store)

    def _messages(self) -> Iterator[list[pb.UploadChunk]]:
        tag = 0
        for _ in range(self.amount):
            chunks = []
            for _ in range(self.chance.choice((1, 1, 4, 12))):
                chunks += self.chunks(tag := tag + 1, *self.make(), self.store)
            yield chunks


class SmallCompressed(Small):
    """The same to a store that compresses them."""

    store = COMPRESSED


class Large(Client):
    """Larger instances in chunks, two at a time."""

    def run(self, stub: Any) -> None:
        """Send them."""
        self.put(stub, self._messages(), "default")

    def _messages(self) -> Iterator[list[pb.UploadChunk]]:
        for tag in range(0, self.amount // 4, 2):
            pair = [self.chunks(one, *self.make(LARGE), "default") for one in (tag, tag + 1)]
            for chunks in zip(*pair, strict=True):
                yield list(chunks)


class Fickle(Client):
    """Stores, stores again, deletes, restores, describes."""

    stores = ("default", "short", COMPRESSED)

    def run(self, stub: Any) -> None:
        """Do something else each time."""
        kept: dict[str, list[tuple[str, bytes]]] = {store: [] for store in self.stores}
        for number in range(self.amount):
            store = self.chance.choice(self.stores)
            if len(kept[store]) < 3:
                self._store(stub, store, kept[store])
            action = self.chance.choice((self._store, self._again, self._delete, self._describe))
            action(stub, store, kept[store])
            if number % 8 == 0:
                self._delete_and_restore(stub, kept["default"])

    def _store(self, stub: Any, store: str, kept: list[tuple[str, bytes]]) -> None:
        kept.append(self.make())
        self.put(stub, iter([self.chunks(1, *kept[-1], store)]), store)

    def _again(self, stub: Any, store: str, kept: list[tuple[str, bytes]]) -> None:
        self.put(stub, iter([self.chunks(1, *self.chance.choice(kept), store)]), store)

    def _delete(self, stub: Any, store: str, kept: list[tuple[str, bytes]]) -> None:
        uid, _ = kept.pop(self.chance.randrange(len(kept)))
        self._told("delet", store, uid, stub.DeleteInstances, pb.DeleteInstancesRequest)

    def _delete_and_restore(self, stub: Any, kept: list[tuple[str, bytes]]) -> None:
        if kept:
            uid, _ = self.chance.choice(kept)
            self._told("delet", "default", uid, stub.DeleteInstances, pb.DeleteInstancesRequest)
            self._told("undelet", "default", uid, stub.UndeleteInstances, pb.UndeleteInstancesRequest)

    def _told(self, verb: str, store: str, uid: str, call: Callable[[Any], Any], request: Any) -> None:
        selector = resources_pb2.Selector(study_uid=self.study_uid, sop_instance_uids=[uid])
        self.marks.tell(f"{verb}ing", store=store, uid=uid)
        call(request(store=store, selector=selector))
        self.marks.tell(f"{verb}ed", store=store, uid=uid)

    def _describe(self, stub: Any, store: str, kept: list[tuple[str, bytes]]) -> None:
        value = str(self.chance.random())
        self.marks.tell("describing", store=store, study_uid=self.study_uid, value=value)
        stub.UpdateStudyAttributes(
            pb.UpdateStudyAttributesRequest(store=store, study_uid=self.study_uid, set={"note": value})
        )
        self.marks.tell("described", store=store, study_uid=self.study_uid, value=value)


def is_refused(result: pb.UploadResult, *reasons: str) -> bool:
    """Whether it is, for one of these reasons."""
    return result.HasField("status") and reason_of(result) in reasons
