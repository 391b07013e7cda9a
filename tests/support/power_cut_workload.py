"""An archive at work, for a recorder: `python -m tests.support.power_cut_workload STATE MARKS SEED AMOUNT`.

A real archive process and its clients, under one strace. Before each request, and after its answer, a line of JSON
goes to MARKS, so that the trace tells what was acknowledged when. In between the archive is killed and started
again, and stopped and started again.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import resources_pb2
from tests.support.dicom_files import make_ct, make_small
from tests.support.mesh import Mesh
from tests.support.upload import archive_stub

ROOT = "1.2.826.0.1.77"
STORES = ("default", "short")
SETTINGS = {"DIANA_ARCHIVE_STORES": '{"short": {"grace_period_seconds": 0, "quiet_period_seconds": 1}}'}
_CHUNK = 128 * 1024


class Teller(Protocol):
    """Who is told of what is asked for and answered (tests.support.promises understands it)."""

    def tell(self, kind: str, **fields: Any) -> None:
        """It happens now."""


class Marks:
    """Tells the recorder what is asked for and what is answered."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()

    def tell(self, kind: str, **fields: Any) -> None:
        """One mark."""
        with self._lock:
            os.write(self._descriptor, json.dumps({"kind": kind, **fields}).encode() + b"\n")


class Client:
    """What all clients have; each has a study of its own in each store."""

    def __init__(self, number: int, amount: int, marks: Teller, chance: random.Random) -> None:
        self.number = number
        self.amount = amount
        self.marks = marks
        self.chance = chance
        self.sent: dict[int, tuple[str, str]] = {}
        self._made = 0

    def make(self, large: bool = False) -> tuple[str, bytes]:
        """A new instance and its UID."""
        self._made += 1
        uid = f"{ROOT}.{self.number}.9.{self._made}"
        make = make_ct if large else make_small
        return uid, make(study_uid=self.study_uid, series_uid=f"{ROOT}.{self.number}.2", sop_uid=uid)

    @property
    def study_uid(self) -> str:
        return f"{ROOT}.{self.number}.1"

    def put(self, stub: Any, messages: Iterator[list[pb.UploadChunk]], store: str) -> None:
        """One stream, until it is answered or broken."""
        requests = (pb.UploadInstancesRequest(store=store, chunks=chunks) for chunks in messages)
        for answer in stub.UploadInstances(requests):
            for result in answer.results:
                uid, digest = self.sent[result.tag]
                if result.HasField("status"):
                    raise RuntimeError(f"{uid}: {result.status}")
                self.marks.tell("stored", store=store, uid=uid, sha256=digest, position=result.position)

    def chunks(self, tag: int, uid: str, data: bytes, store: str, size: int = _CHUNK) -> list[pb.UploadChunk]:
        """One instance's chunks."""
        digest = hashlib.sha256(data).hexdigest()
        self.sent[tag] = (uid, digest)
        self.marks.tell("sending", store=store, uid=uid, sha256=digest)
        pieces = [(offset, data[offset : offset + size]) for offset in range(0, len(data), size)]
        return [
            pb.UploadChunk(tag=tag, write_offset=offset, data=piece, finish=offset + len(piece) == len(data))
            for offset, piece in pieces
        ]


class Small(Client):
    """Many small instances, one or several a message."""

    def run(self, stub: Any) -> None:
        """Send them."""
        self.put(stub, self._messages(), "default")

    def _messages(self) -> Iterator[list[pb.UploadChunk]]:
        tag = 0
        for _ in range(self.amount):
            chunks = []
            for _ in range(self.chance.choice((1, 1, 4, 12))):
                chunks += self.chunks(tag := tag + 1, *self.make(), "default")
            yield chunks


class Large(Client):
    """Larger instances in chunks, two at a time."""

    def run(self, stub: Any) -> None:
        """Send them."""
        self.put(stub, self._messages(), "default")

    def _messages(self) -> Iterator[list[pb.UploadChunk]]:
        for tag in range(0, self.amount // 4, 2):
            pair = [self.chunks(one, *self.make(large=True), "default") for one in (tag, tag + 1)]
            for chunks in zip(*pair, strict=True):
                yield list(chunks)


class Fickle(Client):
    """Stores, stores again, deletes, restores, describes."""

    def run(self, stub: Any) -> None:
        """Do something else each time."""
        kept: dict[str, list[tuple[str, bytes]]] = {store: [] for store in STORES}
        for number in range(self.amount):
            store = self.chance.choice(STORES)
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


def clients(phase: int, amount: int, marks: Teller, seed: int) -> list[Client]:
    """Those of one phase."""
    kinds = (Small, Small, Large, Fickle)
    return [
        kind(10 * phase + number, amount, marks, random.Random(f"{seed} {phase} {number}"))
        for number, kind in enumerate(kinds, start=1)
    ]


def work(address: str, workers: list[Client], broken: threading.Event) -> list[threading.Thread]:
    """Set them to work; what breaks a client ends this process, unless `broken` says that it may."""

    def run(one: Any) -> None:
        try:
            with archive_stub(address) as stub:
                one.run(stub)
        except grpc.RpcError as error:
            if not broken.is_set():
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)

    threads = [threading.Thread(target=run, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    return threads


def main() -> None:
    """Kill it, stop it, let it end."""
    state, marks, seed, amount = Path(sys.argv[1]), Marks(Path(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4])
    with Mesh(state, "archive", settings=SETTINGS) as mesh:
        archive = mesh.processes["archive"]
        broken = threading.Event()
        first = clients(1, amount, marks, seed)
        threads = work(mesh.archive, first, broken)
        threads[0].join()
        broken.set()
        archive.kill()
        for thread in threads:
            thread.join()
        for phase in (2, 3):
            marks.tell("starting")
            archive.start()
            for thread in work(mesh.archive, clients(phase, amount // phase, marks, seed), threading.Event()):
                thread.join()
            if phase == 2:
                archive.stop()
        with archive_stub(mesh.archive) as stub:
            _await_purge(stub)


def _await_purge(stub: Any) -> None:
    """Until what was deleted without a grace period is gone."""
    while stub.GetStatistics(pb.GetStatisticsRequest(store="short")).hidden_instance_count:
        threading.Event().wait(0.1)


if __name__ == "__main__":
    main()
