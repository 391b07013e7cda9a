"""Reports de-identified by a real anon, with a real archive and mint, before they are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from diana_anon.__main__ import make_server as make_anon
from diana_anon.config import AnonConfig
from diana_archive.__main__ import make_server as make_archive
from diana_archive.config import ArchiveConfig
from diana_client import ArchiveClient, UploadItem, connect
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Checkable
from diana_endpoints.reports import Reports
from diana_endpoints.services import Services
from diana_guid.__main__ import make_server as make_guid
from diana_guid.config import GuidConfig
from diana_server.config import PeerConfig, ServerConfig
from diana_server.server import Server
from tests.support.dicom_files import ROOT, make_small

_LOOPBACK = ServerConfig(listen="127.0.0.1:0")
_TEXT = "Ms. Plantagenet (MRN 4711-ABC), born 1930-02-03, has a small nodule in the left lung."
_STUDY = f"{ROOT}.2.1"


@dataclass(frozen=True)
class Mesh:
    anon: str
    archive: str
    guid: str


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    state = tmp_path_factory.mktemp("mesh")
    with ExitStack() as stack:

        def start(server: Server) -> str:
            stack.callback(server.stop, 0)
            return server.start()

        archive = start(make_archive(ArchiveConfig(_LOOPBACK, state / "archive")))
        guid = start(make_guid(GuidConfig(_LOOPBACK, state / "guid")))
        peers: dict[str, Any] = {"archive": PeerConfig(archive), "guid": PeerConfig(guid)}
        yield Mesh(start(make_anon(AnonConfig(_LOOPBACK, state / "anon", **peers))), archive, guid)


def _reports(path: Path, mesh: Mesh, **settings: Any) -> Reports:
    anon = {"address": mesh.anon, **settings.pop("anon", {})}
    entry = {"ctype": "reports", "path": str(path), "anonymize": True, "anon": anon, **settings}
    made = Services({"reports": entry}, {}).endpoint("reports")
    assert isinstance(made, Reports)
    return made


def _written(path: Path) -> str:
    [file] = path.iterdir()
    return file.read_text()


def test_whom_an_item_names_its_written_report_does_not(mesh: Mesh, tmp_path: Path) -> None:
    meta = {"id": "ACC-1", "PatientName": "Plantagenet^Philippa", "PatientID": "4711-ABC"}
    [put] = _reports(tmp_path, mesh).put([Item(dict(meta), data={"text": _TEXT})])
    assert put.failure is None
    assert put.meta["outcome"] == "anonymized"
    text = _written(tmp_path)
    assert "a small nodule in the left lung" in text
    assert not [word for word in ("Plantagenet", "4711-ABC", "1930-02-03") if word in text]
    assert "ACC-1" not in next(tmp_path.iterdir()).name


def test_names_of_files_are_kept_on_request(mesh: Mesh, tmp_path: Path) -> None:
    item = Item({"id": "case-1", "patient_name": "Plantagenet^Philippa"}, data={"text": _TEXT})
    assert [one.failure for one in _reports(tmp_path, mesh, keep_names=True).put([item])] == [None]
    assert next(tmp_path.iterdir()).name == "case-1.txt"


def test_the_studys_headers_tell_whom_a_report_is_about(mesh: Mesh, tmp_path: Path) -> None:
    with connect(mesh.archive) as channel:
        data = make_small(PatientName="Plantagenet^Philippa", PatientID="4711-ABC")
        list(ArchiveClient(channel).upload([UploadItem("one", data, len(data))]))
    items = [Item({"id": str(n), "study_uid": uid}, data={"text": _TEXT}) for n, uid in enumerate((_STUDY, "1.2.3"))]
    first, second = _reports(tmp_path, mesh, anon={"store": "default"}).put(items)
    assert first.failure is None
    assert "Plantagenet" not in _written(tmp_path)
    assert second.failure is not None
    assert second.failure.reason == "STUDY_NOT_FOUND"


def test_a_report_of_nobody_knows_whom_is_never_written(mesh: Mesh, tmp_path: Path) -> None:
    [item] = _reports(tmp_path, mesh).put([Item({"id": "x"}, data={"text": _TEXT})])
    assert item.failure is not None
    assert item.failure.reason == "NOT_DEIDENTIFIABLE"
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_is_not_there_keeps_the_report_back(mesh: Mesh, tmp_path: Path) -> None:
    item = Item({"id": "x", "PatientName": "Plantagenet^Philippa"}, data={"text": _TEXT})
    [put] = _reports(tmp_path, mesh, anon={"profile": "none"}).put([item])
    assert put.failure is not None
    assert put.failure.reason == "PROFILE_UNKNOWN"
    assert list(tmp_path.iterdir()) == []


def test_a_profile_domain_or_store_that_is_none_is_told_by_its_health(mesh: Mesh) -> None:
    entries = {"anon": {"ctype": "anon", "address": mesh.anon}, "guid": {"ctype": "guid", "address": mesh.guid}}
    with Services({**entries, "archive": {"ctype": "archive", "address": mesh.archive}}, {}) as services:
        health = {
            text: cast(Checkable, services.endpoint(text)).check()
            for text in ("anon:", "anon:default", "anon:nope", "guid:default", "guid:nope", "archive:../x")
        }
    assert [one.ok for one in health.values()] == [True, True, False, True, False, False]
    assert health["anon:nope"].detail == "there is no profile nope"
    assert health["guid:nope"].detail == "there is no domain nope"
    assert "store" in health["archive:../x"].detail
