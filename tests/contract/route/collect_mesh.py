"""What collections need, in this process and on free ports: an archive, anon and guid; and folders as endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diana.operation.v1.operation_service_pb2 import Operation
from diana.route.v1 import collect_service_pb2 as pb
from diana_anon.__main__ import make_server as make_anon
from diana_anon.config import AnonConfig
from diana_archive.__main__ import make_server as make_archive
from diana_archive.config import ArchiveConfig, StoreConfig
from diana_client import ArchiveClient, Channel, CollectClient, OperationClient, collect_request, connect
from diana_common.settings import build
from diana_guid.__main__ import make_server as make_guid
from diana_guid.config import GuidConfig
from diana_route.__main__ import make_server as make_route
from diana_route.config import RouteConfig
from diana_server.config import PeerConfig, ServerConfig
from diana_server.server import Server
from tests.support.dicom_files import ROOT, make_small

LOOPBACK = ServerConfig(listen="127.0.0.1:0")
_STILL = StoreConfig(quiet_period_seconds=0, settle_period_seconds=0)
STORES = dict.fromkeys(("default", "staging", "trial", "copy"), _STILL)
NOBODY = "127.0.0.1:1"


def study_uid(number: int) -> str:
    return f"{ROOT}.99.{number}"


def instances(number: int, count: int = 2, **overrides: object) -> list[bytes]:
    """A study's files; its accession number is A and the number."""
    uid = study_uid(number)
    names = {
        "StudyInstanceUID": uid,
        "SeriesInstanceUID": f"{uid}.1",
        "AccessionNumber": f"A{number}",
        "PatientID": f"P{number}",
        "PatientName": f"Secret^Person{number}",
        **overrides,
    }
    return [make_small(**names, SOPInstanceUID=f"{uid}.1.{one}") for one in range(1, count + 1)]


def write_study(folder: Path, number: int, count: int = 2, **overrides: object) -> None:
    """The same, in a folder."""
    folder.mkdir(exist_ok=True)
    for place, data in enumerate(instances(number, count, **overrides)):
        (folder / f"{number}-{place}.dcm").write_bytes(data)


@dataclass
class CollectMesh:
    """What collections find, and tests look at."""

    folder: Path
    archive: ArchiveClient
    services: Mapping[str, str]
    stack: ExitStack
    route: Server | None = None
    channel: Channel | None = None
    address: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def start_route(self, **settings: Any) -> None:
        """Start the route service, or start it again, with the state that it had."""
        self.stop_route()
        endpoints = {
            "pacs": {"ctype": "folder", "path": str(self.folder / "pacs")},
            "out": {"ctype": "folder", "path": str(self.folder / "out")},
        }
        own = {
            "server": {"listen": "127.0.0.1:0"},
            "state_dir": str(self.folder / "route"),
            "endpoints": endpoints,
            "collect": {"staging_store": "staging", "attempts": 3},
            "retry": {"first_seconds": 0.05, "longest_seconds": 0.1},
            **{name: {"address": self.services.get(name, NOBODY)} for name in ("archive", "anon", "index", "dimse")},
        }
        self.route = make_route(build(RouteConfig, {**own, **self.settings, **settings}))
        self.address = self.route.start()
        self.channel = connect(self.address)

    def stop_route(self) -> None:
        """Stop it, whatever it is at."""
        if self.route and self.channel:
            self.channel.close()
            self.route.stop(0)
        self.route = self.channel = None

    @property
    def client(self) -> CollectClient:
        assert self.channel
        return CollectClient(self.channel)

    @property
    def operations(self) -> OperationClient:
        assert self.channel
        return OperationClient(self.channel)

    def collect(self, *numbers: str, **asked: Any) -> Operation:
        """Start a collection from the folder "pacs" of accession numbers, into the store trial unless told."""
        whole = {"source": {"endpoint": "pacs"}, "destination": {"store": "trial"}, **asked}
        return self.client.start(collect_request(accession_numbers=numbers, **whole))

    def ended(self, operation: Operation) -> Operation:
        """Its end."""
        return self.operations.wait(operation.name, timeout=60)

    def items(self, operation: Operation) -> list[pb.CollectedItem]:
        return list(self.client.items(operation.name))

    def states(self, operation: Operation) -> dict[str, str]:
        """The states of items by accession number, in words."""
        told = self.items(operation)
        return {one.accession_number: pb.CollectedItem.State.Name(one.state)[6:].lower() for one in told}

    def count(self, store: str) -> int:
        return self.archive.statistics(store=store).instance_count


@contextmanager
def collect_mesh(folder: Path) -> Iterator[CollectMesh]:
    """Start it."""
    with ExitStack() as stack:

        def start(server: Server) -> str:
            stack.callback(server.stop, 0)
            return server.start()

        archive = start(make_archive(ArchiveConfig(LOOPBACK, folder / "archive", STORES)))
        guid = start(make_guid(GuidConfig(LOOPBACK, folder / "guid")))
        anon = start(
            make_anon(AnonConfig(LOOPBACK, folder / "anon", archive=PeerConfig(archive), guid=PeerConfig(guid)))
        )
        for name in ("pacs", "out"):
            (folder / name).mkdir()
        client = ArchiveClient(stack.enter_context(connect(archive)))
        mesh = CollectMesh(folder, client, {"archive": archive, "anon": anon}, stack)
        stack.callback(mesh.stop_route)
        yield mesh
