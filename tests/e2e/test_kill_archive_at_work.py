"""Kill -9 while several clients store, resume, hand over, delete, describe, verify and follow, in every pair of stores:
all is as it was acknowledged."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.operation.v1 import operation_service_pb2 as operations
from diana.operation.v1.operation_service_pb2_grpc import OperationServiceStub
from tests.support.archive_clients import Client
from tests.support.archive_ledger import Follower, Ledger, await_head
from tests.support.archive_places import KINDS, config_of, settings
from tests.support.mesh import Mesh
from tests.support.outside import stop_servers
from tests.support.power_cut_workload import RESUMED, clients, lasting_clients
from tests.support.promises import broken_promises
from tests.support.upload import archive_stub

ENDLESS = 1_000_000
FOLLOWERS = 3


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    """Those that were started for this module end with it."""
    yield
    stop_servers()


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


def work_and_kill(mesh: Mesh, ledger: Ledger, workers: list[Client], chance: random.Random) -> list[str]:
    """Set clients to work, kill the archive at some moment; what went wrong before it."""
    killed, faults = threading.Event(), list[str]()
    ledger.expect(chance.randint(20, 60))
    threads = [threading.Thread(target=run, args=(one, mesh.archive, killed, faults)) for one in workers]
    threads.append(threading.Thread(target=verify_over_and_over, args=(workers[0], mesh.archive, killed, faults)))
    for thread in threads:
        thread.start()
    assert ledger.enough.wait(60), (faults, mesh.processes["archive"].log())
    threading.Event().wait(chance.random() * 0.3)
    # Set before: what fails from now on may be the kill's doing.
    killed.set()
    mesh.processes["archive"].kill()
    for thread in threads:
        thread.join()
    return faults


def kill_at_work(directory: Path, kind: str, cycles: int, seed: int) -> None:
    chance, ledger = random.Random(seed), Ledger()
    state = directory / "state"
    archive = state / "archive"
    lasting = lasting_clients(ENDLESS, ledger, seed, archive)
    with Mesh(state, "archive", settings=settings(archive, kind)) as mesh:
        followers = [Follower(mesh.archive) for _ in range(FOLLOWERS)]
        try:
            for cycle in range(cycles):
                workers = [*clients(cycle + 1, ENDLESS, ledger, chance.randrange(1 << 30)), *lasting]
                assert work_and_kill(mesh, ledger, workers, chance) == []
                assert look_at(directory, kind, ledger) == [], f"after kill {cycle}"
                mesh.processes["archive"].start()
            await_verified(mesh.archive)
            await_head(mesh.archive, followers)
        finally:
            for follower in followers:
                follower.end()
    assert [follower.faults for follower in followers] == [[]] * FOLLOWERS
    assert all(follower.seen == followers[0].seen for follower in followers)
    assert broken_promises(config_of(archive, kind), ledger.promises) == []
    assert len(list((archive / "uploads").iterdir())) <= len(RESUMED)


def look_at(directory: Path, kind: str, ledger: Ledger) -> list[str]:
    """Open what a kill left: a copy, beside the one that goes on, where all is in files."""
    archive, copy = directory / "state" / "archive", directory / "copy"
    if kind != "files":
        return broken_promises(config_of(archive, kind), ledger.promises)
    shutil.copytree(archive, copy)
    broken = broken_promises(config_of(copy), ledger.promises)
    shutil.rmtree(copy)
    return broken


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


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_killed_at_work_keeps_every_promise(tmp_path: Path, kind: str) -> None:
    kill_at_work(tmp_path, kind, cycles=3 if kind == "files" else 2, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_killed_at_work_again_and_again_keeps_every_promise(tmp_path: Path, kind: str) -> None:
    kill_at_work(tmp_path, kind, cycles=12, seed=2)
