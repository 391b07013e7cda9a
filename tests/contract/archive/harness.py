"""The archive behind two doors: its servicer called directly, and a real server through the stub."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub, add_ArchiveServiceServicer_to_server
from diana_archive.adapters.metrics import PrometheusMeter
from diana_archive.adapters.sources import HostSources
from diana_archive.adapters.spools import DirectorySpool
from diana_archive.core.archive import Archive
from diana_archive.core.model import ConflictPolicy, QuotaPolicy, StorePolicy
from diana_archive.core.ports import Draft, Objects, OpenDraft, Sidecars
from diana_archive.servicer import ArchiveServicer
from diana_archive.stores.backup import DirectoryBackup
from diana_archive.stores.catalogue import SqliteCatalogue
from diana_archive.stores.memory import MemoryObjects, MemorySealKeys, MemorySidecars
from diana_archive.stores.outside import OutsideState
from diana_archive.stores.parts import FileParts
from diana_archive.stores.postgres import PostgresCatalogue
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason
from diana_server.config import ServerConfig
from diana_server.operations import Operation, OperationQueue
from diana_server.server import Server
from tests.support.dicom_files import ROOT, make_small
from tests.support.outside import open_state
from tests.support.upload import reason_of

SECOND = 1_000_000
QUIET = 60 * SECOND
GRACE = 3600 * SECOND
SETTLE = 5 * SECOND
RETENTION = 86_400 * SECOND
LIFETIME = 86_400 * SECOND
START = 1_800_000_000 * SECOND
STUDY = f"{ROOT}.2.1"
SERIES = f"{ROOT}.3.1"
POLICIES = (
    StorePolicy("default", ConflictPolicy.REFUSE, QUIET, GRACE),
    StorePolicy("both", ConflictPolicy.KEEP_BOTH, QUIET, GRACE),
    StorePolicy("patient", ConflictPolicy.REFUSE, 0, GRACE),
    StorePolicy("aging", ConflictPolicy.KEEP_BOTH, QUIET, GRACE, retention_us=RETENTION),
    # Room for four small instances, and for ten: eleven while it deletes, nine when it is done.
    StorePolicy("small", ConflictPolicy.KEEP_BOTH, QUIET, GRACE, quota_bytes=45_000),
    StorePolicy("rolling", ConflictPolicy.KEEP_BOTH, QUIET, GRACE, 0, 0, 110_000, QuotaPolicy.DELETE_OLDEST),
)
NAMES = [policy.name for policy in POLICIES]
KEYS = {"k1": bytes(range(32))}


class Clock:
    """A clock that moves when told to, and by a microsecond each time it is read."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        self.now += 1
        return self.now

    def advance(self, microseconds: int) -> None:
        """Let time pass."""
        self.now += microseconds


class FaultyObjects:
    """Objects on a disk that is full while `full` says so, and fails to sync while `broken` does.

    The first `stuck` objects that are to be removed cannot be.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.full = False
        self.broken = False
        self.stuck = 0

    def create(self, store: str) -> OpenDraft:
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        return self._objects.create(store)

    def place(self, store: str, data: bytes) -> Draft:
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        return self._objects.place(store, data)

    def adopt(self, store: str, path: Path) -> OpenDraft:
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        return self._objects.adopt(store, path)

    def make_durable(self, drafts: Sequence[Draft]) -> list[OSError | None]:
        failures = self._objects.make_durable(drafts)
        return [OSError(errno.EIO, "broken") for _ in failures] if self.broken else failures

    def remove(self, objects: Sequence[tuple[str, int]]) -> list[OSError | None]:
        stuck = [OSError(errno.EACCES, "stuck") for _ in objects[: self.stuck]]
        return [*stuck, *self._objects.remove(objects[self.stuck :])]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)


class Rig:
    """One archive over one kind of store, with its faults and its clock at hand."""

    def __init__(self, kind: str, directory: Path, clock: Clock, max_instance_bytes: int = 1 << 26) -> None:
        self.clock = clock
        self.parts = directory.with_name("uploads")
        self.spool = directory.with_name("spool")
        self.imports = directory.with_name("imports")
        self.state: StateDirectory | OutsideState | None = None
        catalogue: SqliteCatalogue | PostgresCatalogue
        sidecars: Sidecars
        if kind == "memory":
            catalogue, sidecars, objects = SqliteCatalogue(None, NAMES, clock), MemorySidecars(), MemoryObjects()
            self.objects = FaultyObjects(objects)
        else:
            self.state = open_state(kind, directory, NAMES, clock)
            catalogue, sidecars = self.state.catalogue, self.state.sidecars
            self.objects = FaultyObjects(self.state.objects)
        self.sidecars = sidecars
        self.catalogue = catalogue
        self.archive = Archive(
            policies=POLICIES,
            catalogue=catalogue,
            objects=self.objects,
            sidecars=sidecars,
            seal_keys=MemorySealKeys(KEYS),
            clock=clock,
            meter=PrometheusMeter(),
            max_instance_bytes=max_instance_bytes,
            parts=FileParts(self.parts),
            upload_lifetime_us=LIFETIME,
            spools={"door": DirectorySpool(self.spool)},
        )
        self.archive.start(with_upkeep=False)
        self.backup: Callable[[], DirectoryBackup] | None = None
        if isinstance(catalogue, SqliteCatalogue):
            self.backup = partial(DirectoryBackup, directory.with_name("backup"), catalogue)
        self.queue = OperationQueue(directory / "operations.sqlite", "archive")
        self.queue.start()

    def close(self) -> None:
        """Stop it, as a server does."""
        self.queue.stop()
        self.archive.close()
        if self.state:
            self.state.close()


class DirectDoor:
    """Calls the servicer's methods in this process."""

    def __init__(self, rig: Rig) -> None:
        self._servicer = ArchiveServicer(
            rig.archive, rig.queue, threading.Event(), rig.backup, HostSources([rig.imports])
        )

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        method = getattr(self._servicer, name)
        return lambda request: method(request, _Context())

    def DownloadInstances(self, request: pb.DownloadInstancesRequest) -> Iterator[pb.DownloadInstancesResponse]:
        """Its answers are packed already."""
        packed = cast(
            Iterator[bytes], self._servicer.DownloadInstances(request, cast(grpc.ServicerContext, _Context()))
        )
        return map(pb.DownloadInstancesResponse.FromString, packed)


class GrpcDoor:
    """Calls a server on a free port; statuses become the errors they were made of."""

    def __init__(self, stub: ArchiveServiceStub, server: Server, address: str) -> None:
        self.stub = stub
        self.server = server
        self.address = address

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        method = getattr(self.stub, name)

        def call(request: Any) -> Any:
            with translated():
                answer = method(request, timeout=60)
            return _each(answer) if hasattr(answer, "__next__") else answer

        return call


class _Context:
    """As much of a ServicerContext as the servicer uses."""

    def add_callback(self, callback: Callable[[], None]) -> bool:
        return True

    def peer_identities(self) -> None:
        return None

    def peer(self) -> str:
        return "unix:"


def _each(answers: Iterator[Any]) -> Iterator[Any]:
    with translated():
        yield from answers


@contextmanager
def translated() -> Iterator[None]:
    """Around calls of a stub: an RpcError becomes the DianaError its details tell of."""
    try:
        yield
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        info = error_details_pb2.ErrorInfo()
        for detail in status.details if status else ():
            if detail.Unpack(info):
                raise DianaError(Reason[info.reason], str(status)) from None
        raise


@contextmanager
def open_door(kind: str, rig: Rig) -> Iterator[Any]:
    """A door to the rig's archive: "direct" or "grpc"."""
    with ExitStack() as stack:
        if kind == "direct":
            yield DirectDoor(rig)
            return
        server = Server("archive", ServerConfig(listen="127.0.0.1:0"))
        server.add(
            pb.DESCRIPTOR.services_by_name["ArchiveService"],
            add_ArchiveServiceServicer_to_server,
            ArchiveServicer(rig.archive, rig.queue, server.stopping, rig.backup, HostSources([rig.imports])),
            ready=rig.archive.check_ready,
        )
        server.on_stopping(rig.archive.feed.stop)
        address = server.start()
        stack.callback(server.stop, 5)
        channel = stack.enter_context(grpc.insecure_channel(address))
        yield GrpcDoor(ArchiveServiceStub(channel), server, address)


@contextmanager
def refused(reason: Reason) -> Iterator[None]:
    """The block is refused for this reason."""
    with pytest.raises(DianaError) as caught:
        yield
    assert caught.value.reason == reason


def make(number: int, **overrides: Any) -> bytes:
    """Instance `number` of the first study and series."""
    return make_small(**{"sop_uid": uid(number), **overrides})


def uid(number: int) -> str:
    """Its SOP Instance UID."""
    return f"{ROOT}.4.{number}"


def chunk(tag: int, data: bytes, offset: int = 0, finish: bool = True) -> pb.UploadChunk:
    """A chunk; the whole instance by default."""
    return pb.UploadChunk(tag=tag, write_offset=offset, data=data, finish=finish)


def send(door: Any, chunks: Iterable[pb.UploadChunk], store: str = "") -> dict[int, pb.UploadResult]:
    """One stream, a chunk a message; answers by tag."""
    messages = [pb.UploadInstancesRequest(store=store)]
    messages += [pb.UploadInstancesRequest(chunks=[one]) for one in chunks]
    results = [result for answer in door.UploadInstances(iter(messages)) for result in answer.results]
    assert len({result.tag for result in results}) == len(results), "two answers for one tag"
    return {result.tag: result for result in results}


def put(door: Any, *files: bytes, store: str = "") -> list[pb.UploadResult]:
    """Upload whole instances; every one must be stored."""
    answers = send(door, [chunk(tag, data) for tag, data in enumerate(files)], store)
    assert [reason_of(answers[tag]) for tag in range(len(files))] == [""] * len(files)
    return [answers[tag] for tag in range(len(files))]


def get(door: Any, number: int, **fields: Any) -> bytes:
    """Read instance `number`."""
    request = pb.ReadInstanceRequest(sop_instance_uid=uid(number), **fields)
    return b"".join(answer.data for answer in door.ReadInstance(request))


def entries(door: Any, after: str = "", **fields: Any) -> list[Any]:
    """What the feed holds after a position."""
    request = pb.WatchFeedRequest(after_position=after, stop_at_head=True, **fields)
    return [entry for page in door.WatchFeed(request) for entry in page.entries]


def kinds(door: Any, after: str = "") -> list[str]:
    """Which events they are."""
    return [entry.WhichOneof("event") for entry in entries(door, after)]


def ended(rig: Rig, name: str) -> Operation:
    """An operation, once it has ended."""
    return rig.queue.wait(name, 60, lambda: True)
