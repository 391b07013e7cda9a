"""Clients of an archive that go on where they were when it was killed: `run` them again."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from tests.support.archive_clients import CHUNK, COMPRESSED, LARGE, SMALL, Client, Teller, is_refused

DOOR = "door"
_STORES = ("default", COMPRESSED)
_SIDES = (LARGE, 900)
"""The second is compressed in more frames than one."""


@dataclass(frozen=True)
class Unfinished:
    """An upload that was begun."""

    store: str
    uid: str
    data: bytes

    @property
    def upload_id(self) -> str:
        """As the archive is told it."""
        return f"upload of {self.uid}"


class Resumed(Client):
    """Larger instances under an upload id, on streams that end in the middle."""

    unfinished: Unfinished | None = None

    def run(self, stub: Any) -> None:
        """Send so many, what was not finished first."""
        for _ in range(self.amount):
            store = self.chance.choice(_STORES)
            self.unfinished = self.unfinished or Unfinished(store, *self.make(self.chance.choice(_SIDES)))
            self.finish(stub, self.unfinished)
            self.unfinished = None

    def finish(self, stub: Any, upload: Unfinished, *forgiven: str) -> None:
        """Go on until it is stored; after refusals for these reasons too."""
        stored = False
        while not stored:
            requests = self._messages(upload, arrived(stub, upload))
            (result,) = [one for answer in stub.UploadInstances(requests) for one in answer.results]
            stored = not is_refused(result, "UPLOAD_INCOMPLETE", *forgiven)
            if stored:
                self.settle(result, upload.store)

    def remake(self, store: str, uid: str, sha256: str) -> Unfinished:
        """An upload that was begun, by its digest."""
        made = [self.instance(uid, side) for side in _SIDES]
        (data,) = [one for one in made if hashlib.sha256(one).hexdigest() == sha256]
        return Unfinished(store, uid, data)

    def _messages(self, upload: Unfinished, start: int) -> Iterator[pb.UploadInstancesRequest]:
        """Some of the chunks that are missing."""
        chunks = self.chunks(1, upload.uid, upload.data, upload.store, start)
        for chunk in chunks[: self.chance.randint(1, len(upload.data) // CHUNK + 2)]:
            chunk.upload_id = upload.upload_id
            if chunk.finish:
                chunk.sha256 = hashlib.sha256(upload.data).digest()
            yield pb.UploadInstancesRequest(store=upload.store, chunks=[chunk])


def arrived(stub: Any, upload: Unfinished) -> int:
    """How many bytes of it the archive has."""
    try:
        return int(stub.GetUpload(pb.GetUploadRequest(store=upload.store, upload_id=upload.upload_id)).write_offset)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.NOT_FOUND:
            return 0
        raise


class Door(Client):
    """Leaves files in its directory, which outlive a power cut then, and hands them over."""

    def __init__(self, number: int, amount: int, marks: Teller, chance: random.Random, directory: Path) -> None:
        super().__init__(number, amount, marks, chance)
        self._directory = directory
        self._left: dict[str, tuple[str, str, bytes]] = {}

    def run(self, stub: Any) -> None:
        """What is left of before, then so many."""
        self._directory.mkdir(parents=True, exist_ok=True)
        _sync(self._directory.parent)
        there = {path.name for path in self._directory.iterdir()}
        for store in _STORES:
            self._hand_over(
                stub, store, [name for name, (to, *_) in self._left.items() if to == store and name in there]
            )
        for _ in range(self.amount):
            store = self.chance.choice(_STORES)
            sides = self.chance.choice(((SMALL,), (SMALL, SMALL, LARGE), _SIDES[1:]))
            self._hand_over(stub, store, [self._leave(store, side) for side in sides])

    def _leave(self, store: str, side: int) -> str:
        uid, data = self.make(side)
        name = f"{uid}.dcm"
        self._left[name] = (store, uid, data)
        with (self._directory / name).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _sync(self._directory)
        self.marks.tell("left", store=store, uid=uid, sha256=hashlib.sha256(data).hexdigest(), name=f"{DOOR}/{name}")
        return name

    def _hand_over(self, stub: Any, store: str, names: list[str]) -> None:
        files = [pb.AdoptFile(tag=tag, name=name) for tag, name in enumerate(names)]
        for file in files:
            _, uid, data = self._left[file.name]
            self.send(file.tag, uid, data, store)
        for answer in stub.AdoptInstances(iter([pb.AdoptInstancesRequest(store=store, spool=DOOR, files=files)])):
            for result in answer.results:
                self.settle(result, store)
                del self._left[names[result.tag]]


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
