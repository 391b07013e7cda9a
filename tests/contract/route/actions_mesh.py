"""All the services that actions work with, in this process, on free ports; and a DICOM peer that only stores."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.peers.dcmtk import await_port
from diana_anon.__main__ import make_server as make_anon
from diana_anon.config import AnonConfig
from diana_archive.__main__ import make_server as make_archive
from diana_archive.config import ArchiveConfig, StoreConfig
from diana_client import ArchiveClient, Channel, IndexClient, connect
from diana_common.settings import build
from diana_dimse.__main__ import make_server as make_dimse
from diana_dimse.config import DimseConfig, EntityConfig, PeerEntityConfig
from diana_guid.__main__ import make_server as make_guid
from diana_guid.config import GuidConfig
from diana_index.__main__ import make_server as make_index
from diana_index.config import IndexConfig
from diana_notify.__main__ import make_server as make_notify
from diana_notify.config import NotifyConfig
from diana_route.adapters.outgoing import OutgoingFolder
from diana_route.core.actions import Action
from diana_route.core.model import Item
from diana_route.core.rules import Delete, Put, Rule, Spec
from diana_route.peers.actions import Services, make_actions
from diana_route.peers.channels import Channels
from diana_server.config import PeerConfig, ServerConfig
from diana_server.server import Server
from tests.support.awaiting import awaited
from tests.support.dicom_files import ROOT, make_small
from tests.support.route_tasks import MemoryNotes, rule_of, task_of
from tests.unit.notify.hooks import Hooks

LOOPBACK = ServerConfig(listen="127.0.0.1:0")
_STILL = StoreConfig(quiet_period_seconds=0, settle_period_seconds=0)
STORES = {"default": _STILL, "trial": _STILL, "copy": _STILL, "both": replace(_STILL, conflict_policy="keep_both")}
NOTIFY = {
    "channels": {"atlas-north": "Atlas at North"},
    "subscribers": [{"name": "Ada", "file": "ada.jsonl", "channels": ["atlas-north"]}],
    "templates": {
        "arrived": {
            "subject": "{{ item.attributes.trial }}",
            "body": "{{ item.store|d('files') }} by {{ values.rule }}",
        }
    },
}


class Anon:
    """The service that de-identifies, which can be stopped and started again where it was."""

    def __init__(self, config: AnonConfig) -> None:
        self._server = make_anon(config)
        self.config = replace(config, server=ServerConfig(listen=self._server.start()))

    def stop(self) -> None:
        """Stop it, whatever it is at."""
        self._server.stop(0)

    def start(self) -> None:
        """Start it again."""
        self._server = make_anon(self.config)
        self._server.start()


@dataclass
class ActionsMesh:
    """What actions find, and tests look at."""

    folder: Path
    services: Services
    hooks: Hooks
    anon: Anon
    archive: ArchiveClient
    far: ArchiveClient
    notes: MemoryNotes

    def put(self, number: int, count: int = 2, store: str = "", **overrides: object) -> str:
        """A study of its own in a store; its UID."""
        uid = f"{ROOT}.88.{number}"
        names = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1", "PatientID": f"P{number}", **overrides}
        files = [make_small(**names, SOPInstanceUID=f"{uid}.1.{one}") for one in range(1, count + 1)]
        assert not [result.error for result in self.archive.upload(files, store=store) if result.error]
        return uid

    def act(self, item: Item, *actions: Spec, step: int = 0, number: int = 1, **settings: Any) -> None:
        """Carry out one action of a rule; `settings` are the services' other than those that are there."""
        made = make_actions(rule_of(actions), replace(self.services, **settings), _no_files)
        made[step].carry_out(task_of(item, actions, step, number, self.notes))

    def count(self, store: str) -> int:
        """How many instances a store has."""
        return self.archive.statistics(store=store).instance_count

    def await_index(self) -> None:
        """Wait until the index knows what the archive has."""
        position = self.archive.statistics().head_position
        list(IndexClient(self.services.channels.index).find("study", {}, at_least_position=position))

    def await_posted(self, count: int) -> list[Any]:
        """What webhooks brought, once there are so many."""
        awaited(lambda: len(self.hooks.requests) >= count)
        return [posted.json for posted in self.hooks.requests]


@contextmanager
def actions_mesh(folder: Path) -> Iterator[ActionsMesh]:
    """Start it."""
    with ExitStack() as stack:

        def start(server: Server) -> PeerConfig:
            stack.callback(server.stop, 0)
            return PeerConfig(server.start())

        plain, door = _free_port(), _free_port()
        archive = start(make_archive(ArchiveConfig(LOOPBACK, folder / "archive", STORES)))
        far = start(make_archive(ArchiveConfig(LOOPBACK, folder / "far", STORES)))
        guid = start(make_guid(GuidConfig(LOOPBACK, folder / "guid")))
        anon = Anon(AnonConfig(LOOPBACK, folder / "anon", archive=archive, guid=guid))
        stack.callback(anon.stop)
        (folder / "files").mkdir()
        index = start(
            make_index(IndexConfig(LOOPBACK, folder / "index", archive=archive, folder_dirs=(folder / "files",)))
        )
        hooks = stack.enter_context(Hooks())
        notify = start(make_notify(build(NotifyConfig, _notify(folder, archive, hooks.url))))
        dimse = start(make_dimse(_dimse(folder, archive, index, plain, door)))
        stack.enter_context(_storescp(folder / "pacs", plain))
        (folder / "out").mkdir()

        def reach(peer: PeerConfig) -> Channel:
            return stack.enter_context(connect(peer.address))

        notes = MemoryNotes()
        channels = Channels(
            archive=reach(archive),
            index=reach(index),
            anon=reach(PeerConfig(anon.config.server.listen)),
            notify=reach(notify),
            dimse=reach(dimse),
            archives={"research": reach(far)},
        )
        services = Services(channels, partial(OutgoingFolder, roots=[folder / "out"]), notes, notes)
        archives = ArchiveClient(channels.archive), ArchiveClient(channels.archives["research"])
        yield ActionsMesh(folder, services, hooks, anon, *archives, notes)


def _notify(folder: Path, archive: PeerConfig, hooks: str) -> dict[str, object]:
    own = {"server": {"listen": "127.0.0.1:0"}, "archive": {"address": archive.address}}
    return {**NOTIFY, **own, "state_dir": str(folder / "notify"), "webhook": {"allowed": [hooks]}}


def _dimse(folder: Path, archive: PeerConfig, index: PeerConfig, plain: int, door: int) -> DimseConfig:
    """A door with a peer that only stores, and one that is the door itself, with a store of its own."""
    return DimseConfig(
        LOOPBACK,
        folder / "dimse",
        archive,
        index,
        listen=f"127.0.0.1:{door}",
        entities={"DIANA": EntityConfig(), "COPY": EntityConfig(store="copy")},
        peers={
            "plain": PeerEntityConfig("PLAIN", "127.0.0.1", plain, timeout_seconds=10),
            "queried": PeerEntityConfig("COPY", "127.0.0.1", door, timeout_seconds=10),
            "own": PeerEntityConfig("DIANA", "127.0.0.1", door, timeout_seconds=10),
            "absent": PeerEntityConfig("ABSENT", "127.0.0.1", 9, timeout_seconds=10),
        },
    )


@contextmanager
def _storescp(folder: Path, port: int) -> Iterator[None]:
    folder.mkdir()
    command = ["storescp", "-aet", "PLAIN", "-od", str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            await_port(port)
            yield
        finally:
            child.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _no_files(rule: Rule, spec: Put | Delete) -> Action:
    raise AssertionError("these rules are not about files")
