"""Kill -9 while several clients store, delete, describe, verify and follow: all is as it was acknowledged."""

from __future__ import annotations

import json
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana.operation.v1 import operation_service_pb2 as operations
from diana.operation.v1.operation_service_pb2_grpc import OperationServiceStub
from diana_client.feed import FeedWatch
from diana_common.position import Position
from tests.support.mesh import Mesh
from tests.support.power_cut_workload import SETTINGS, STORES, Client, clients
from tests.support.promises import Promises, broken_promises
from tests.support.upload import archive_stub

ENDLESS = 1_000_000
FOLLOWERS = 3


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
        """See tests.support.power_cut_workload.Teller."""
        with self._lock:
            self.promises.take(json.dumps({"kind": kind, **fields}).encode())
            self._stored += kind == "stored"
            if self._stored >= self._goal:
                self.enough.set()


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


def run(client: Any, address: str, killed: threading.Event, faults: list[str]) -> None:
    """Work until the archive is killed."""
    try:
        with archive_stub(address) as stub:
            client.run(stub)
    except grpc.RpcError as error:
        if not killed.is_set():
            faults.append(str(error))
    except Exception as error:
        faults.append(repr(error))


def verify_over_and_over(client: Client, address: str, killed: threading.Event, faults: list[str]) -> None:
    """Start a verification that mends, again and again."""
    try:
        with archive_stub(address) as stub:
            while not killed.wait(0.05):
                stub.VerifyStore(pb.VerifyStoreRequest(store="default", repair=True))
    except grpc.RpcError as error:
        if not killed.is_set():
            faults.append(str(error))


def work_and_kill(mesh: Mesh, ledger: Ledger, cycle: int, chance: random.Random) -> list[str]:
    """Set clients to work, kill the archive at some moment; what went wrong before it."""
    killed, faults = threading.Event(), list[str]()
    ledger.expect(chance.randint(20, 60))
    workers = clients(cycle + 1, ENDLESS, ledger, chance.randrange(1 << 30))
    threads = [threading.Thread(target=run, args=(one, mesh.archive, killed, faults)) for one in workers]
    threads.append(threading.Thread(target=verify_over_and_over, args=(workers[0], mesh.archive, killed, faults)))
    for thread in threads:
        thread.start()
    assert ledger.enough.wait(60), mesh.processes["archive"].log()
    threading.Event().wait(chance.random() * 0.3)
    # Set before: what fails from now on may be the kill's doing.
    killed.set()
    mesh.processes["archive"].kill()
    for thread in threads:
        thread.join()
    return faults


def kill_at_work(directory: Path, cycles: int, seed: int) -> None:
    chance, ledger = random.Random(seed), Ledger()
    state, copy = directory / "state", directory / "copy"
    with Mesh(state, "archive", settings=SETTINGS) as mesh:
        followers = [Follower(mesh.archive) for _ in range(FOLLOWERS)]
        try:
            for cycle in range(cycles):
                assert work_and_kill(mesh, ledger, cycle, chance) == []
                # Opened as it was left, beside the one that goes on.
                shutil.copytree(state / "archive", copy)
                assert broken_promises(copy, ledger.promises, STORES) == [], f"after kill {cycle}"
                shutil.rmtree(copy)
                mesh.processes["archive"].start()
            await_verified(mesh.archive)
            await_head(mesh.archive, followers)
        finally:
            for follower in followers:
                follower.end()
    assert [follower.faults for follower in followers] == [[]] * FOLLOWERS
    assert all(follower.seen == followers[0].seen for follower in followers)
    assert broken_promises(state / "archive", ledger.promises, STORES) == []


def await_verified(address: str) -> None:
    """Every verification ends, those that were killed on the way too, and finds nothing."""
    with grpc.insecure_channel(address) as channel:
        stub = OperationServiceStub(channel)
        listed = stub.ListOperations(operations.ListOperationsRequest(page_size=100)).operations
        assert listed
        for one in listed:
            ended = one
            while ended.state in (ended.STATE_QUEUED, ended.STATE_RUNNING):
                ended = stub.WaitOperation(operations.WaitOperationRequest(name=one.name)).operation
            result = pb.VerifyStoreResult()
            assert ended.state == ended.STATE_SUCCEEDED and ended.result.Unpack(result), ended
            assert (result.damaged_count, result.orphan_count) == (0, 0)


def await_head(address: str, followers: list[Follower]) -> None:
    """Each follower has seen all there is."""
    with archive_stub(address) as stub:
        while True:
            head = stub.GetStatistics(pb.GetStatisticsRequest()).head_position
            if all(len(one.seen) == Position.parse(head).sequence or one.faults for one in followers):
                return
            threading.Event().wait(0.05)


@pytest.mark.timeout(180)
def test_an_archive_killed_at_work_keeps_every_promise(tmp_path: Path) -> None:
    kill_at_work(tmp_path, cycles=5, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 6))
def test_an_archive_killed_at_work_forty_times_keeps_every_promise(tmp_path: Path, seed: int) -> None:
    kill_at_work(tmp_path, cycles=40, seed=seed)
