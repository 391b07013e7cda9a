"""PostgreSQL is killed under an archive at work: it says so, loses nothing, and goes on by itself once it is back."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from diana.archive.v1 import archive_service_pb2 as pb
from tests.support.archive_clients import Client
from tests.support.archive_doors import Resumed
from tests.support.archive_ledger import Follower, Ledger, await_head
from tests.support.archive_places import config_of, settings
from tests.support.mesh import SERVICES, Mesh, serves
from tests.support.outside import postgres, stop_servers
from tests.support.postgres import Postgres
from tests.support.promises import broken_promises
from tests.support.upload import archive_stub, read, reason_of, requests_for

AWAY = "PEER_UNAVAILABLE"
SENDERS = 4
A_BATCH = 5


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    """Those that were started for this module end with it."""
    yield
    stop_servers()


class Patient(Client):
    """Uploads batches until told to end, and what is refused for the database's sake again and again."""

    def __init__(self, number: int, ledger: Ledger) -> None:
        super().__init__(number, 0, ledger, random.Random(number))
        self.refused = threading.Event()
        self.stored = threading.Event()
        self.end = threading.Event()

    def run(self, stub: Any) -> None:
        while not self.end.is_set():
            waiting = dict(self.make() for _ in range(A_BATCH))
            while waiting:
                self._upload(stub, waiting)

    def _upload(self, stub: Any, waiting: dict[str, bytes]) -> None:
        """Once; what was stored does not wait any more."""
        batch = list(waiting.items())
        for tag, (uid, data) in enumerate(batch):
            self.send(tag, uid, data, "default")
        for answer in stub.UploadInstances(requests_for(data for _, data in batch)):
            for result in answer.results:
                if reason_of(result) == AWAY:
                    assert result.status.code == grpc.StatusCode.UNAVAILABLE.value[0]
                    self.refused.set()
                else:
                    self.settle(result, "default")
                    del waiting[batch[result.tag][0]]
        if waiting:
            self.end.wait(0.05)
        else:
            self.stored.set()


class PatientResumed(Patient, Resumed):
    """The same under upload ids."""

    def run(self, stub: Any) -> None:
        self.amount = 1
        while not self.end.is_set():
            Resumed.run(self, stub)
            self.stored.set()

    def finish(self, stub: Any, upload: Any, *forgiven: str) -> None:
        super().finish(stub, upload, AWAY, *forgiven)


class Work:
    """Senders at work."""

    def __init__(self, address: str, ledger: Ledger) -> None:
        self._address = address
        self.faults: list[str] = []
        self.senders = [Patient(number, ledger) for number in range(10, 10 + SENDERS)]
        self.all = [*self.senders, PatientResumed(1, ledger)]
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in self.all]
        for thread in self._threads:
            thread.start()

    def await_stored(self) -> None:
        """Each has stored more."""
        for one in self.all:
            one.stored.clear()
        for one in self.all:
            assert one.stored.wait(60), self.faults

    def await_refused(self) -> None:
        """Each is told that the database is away."""
        for one in self.senders:
            one.refused.clear()
        for one in self.senders:
            assert one.refused.wait(60), self.faults

    def stop(self) -> None:
        for one in self.all:
            one.end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, one: Patient) -> None:
        try:
            with archive_stub(self._address) as stub:
                one.run(stub)
        except Exception as error:
            self.faults.append(repr(error))


def revive(server: Postgres) -> None:
    """Start it as soon as the processes that outlived its head are gone."""
    for _ in range(100):
        try:
            return server.start()
        except psycopg.OperationalError:
            threading.Event().wait(0.1)
    raise RuntimeError("the database does not start")


def check_away(address: str, known: str) -> None:
    """What needs the catalogue is refused in so many words, and the archive is not ready."""
    calls: list[Any] = [
        lambda stub: stub.ListStudies(pb.ListStudiesRequest()),
        lambda stub: read(stub, known),
        lambda stub: list(stub.WatchFeed(pb.WatchFeedRequest(stop_at_head=True))),
        lambda stub: stub.VerifyStore(pb.VerifyStoreRequest()),
    ]
    with archive_stub(address) as stub:
        for call in calls:
            with pytest.raises(grpc.RpcError) as caught:
                call(stub)
            assert reason_in(caught.value) == (grpc.StatusCode.UNAVAILABLE, AWAY)
    assert not serves(address, SERVICES["archive"].contract, 5)


def reason_in(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status else ():
        detail.Unpack(info)
    return error.code(), info.reason


def kill_database(directory: Path, kind: str, kills: int) -> None:
    archive, ledger = directory / "state" / "archive", Ledger()
    with Mesh(archive.parent, "archive", settings=settings(archive, kind)) as mesh:
        process = mesh.processes["archive"].popen
        work, followers = Work(mesh.archive, ledger), [Follower(mesh.archive) for _ in range(2)]
        try:
            for _ in range(kills):
                work.await_stored()
                postgres().stop(signal.SIGKILL)
                work.await_refused()
                check_away(mesh.archive, next(uid for (store, uid), may in ledger.known() if may == {True}))
                revive(postgres())
            work.await_stored()
            work.stop()
            await_head(mesh.archive, followers)
        finally:
            work.stop()
            for follower in followers:
                follower.end()
        assert process and process.poll() is None, "it was not started anew"
    assert (work.faults, [follower.faults for follower in followers]) == ([], [[], []])
    assert followers[0].seen == followers[1].seen
    assert broken_promises(config_of(archive, kind), ledger.promises) == []


@pytest.mark.timeout(180)
def test_an_archive_goes_on_by_itself_after_its_database_was_killed(tmp_path: Path) -> None:
    kill_database(tmp_path, "postgres", kills=2)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["postgres", "postgres-s3"])
def test_an_archive_goes_on_after_its_database_was_killed_again_and_again(tmp_path: Path, kind: str) -> None:
    kill_database(tmp_path, kind, kills=10)
