"""A live mesh's DICOM door for senders: titles with rules of their own, TLS, and the archive behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import trustme

from bench.peers import orthanc
from diana.archive.v1.feed_pb2 import StudyCompleted
from diana.dimse.v1.dimse_service_pb2 import ListLocalEntitiesRequest
from diana.dimse.v1.dimse_service_pb2_grpc import DimseServiceStub
from diana_client import ArchiveClient, connect
from tests.support.dicom_files import ROOT, make_small
from tests.support.dimse_sender import data_set_of
from tests.support.mesh import Mesh

needs_dcmtk = pytest.mark.skipif(
    shutil.which("storescu") is None and "CI" not in os.environ, reason="DCMTK is not installed"
)
needs_orthanc = pytest.mark.skipif(
    not orthanc.BINARY.exists() and "CI" not in os.environ, reason="Orthanc is not installed"
)

SECONDS = 60.0
PRIVATE_CLASS = "1.3.6.1.4.1.54321.7"
ENTITIES: dict[str, dict[str, object]] = {
    "DIANA": {},
    "ALL": {"store": "all", "other_sop_classes": ["*"]},
    "TRIAL": {"store": "trial", "callers": ["ct", "far"], "attributes": {"trial": "atlas"}},
    "PRIVATE": {"other_sop_classes": [PRIVATE_CLASS]},
    "ECHO": {"services": ["echo"]},
    "PEERS": {"store": "peers"},
    "BROKEN": {"store": "broken"},
}
PEERS = {"ct": {"title": "CT1", "addresses": ["127.0.0.0/8"]}, "far": {"title": "FAR", "addresses": ["10.0.0.0/8"]}}


class Door:
    """A mesh's DICOM door, and the archive behind it."""

    def __init__(self, mesh: Mesh, authority: Path, archive: ArchiveClient) -> None:
        self.mesh, self.authority, self.archive = mesh, authority, archive
        self.address = mesh.dicom
        self.host, _, self.port = mesh.dicom.rpartition(":")
        with grpc.insecure_channel(mesh.dimse) as channel:
            answer = DimseServiceStub(channel).ListLocalEntities(ListLocalEntitiesRequest())
        self.tls_port = answer.tls_address.rpartition(":")[2]

    def stored(self, sop_instance_uid: str, store: str = "") -> bytes:
        """A stored instance's data set."""
        return data_set_of(b"".join(self.archive.read(sop_instance_uid, store=store)))

    def count(self, store: str = "") -> int:
        """How many instances a store has."""
        return self.archive.statistics(store=store).instance_count

    def completed(self, study_uid: str, store: str = "default") -> StudyCompleted:
        """How the study was completed; waits for it."""
        feed = self.archive.watch_feed(stores=[store], omit_headers=True)
        stop = threading.Timer(SECONDS, feed.cancel)
        stop.start()
        try:
            for entry in (entry for response in feed for entry in response.entries):
                if entry.WhichOneof("event") == "study_completed" and entry.study_completed.study_uid == study_uid:
                    return entry.study_completed
        finally:
            stop.cancel()
            feed.cancel()
        raise TimeoutError("the study is not complete")


@contextmanager
def running_door(state: Path) -> Iterator[Door]:
    """Start it with its state in a folder; at the end its spool is empty and it has logged no fault."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(state / "ca.pem"))
    ours = authority.issue_cert("127.0.0.1", "localhost")
    ours.private_key_pem.write_to_path(str(state / "key.pem"))
    for blob in ours.cert_chain_pems:
        blob.write_to_path(str(state / "cert.pem"), append=True)
    stores: dict[str, dict[str, int]] = {
        name: {"settle_period_seconds": 0} for name in ("default", "all", "trial", "peers", "reference")
    }
    stores["broken"] = {"settle_period_seconds": 0, "quiet_period_seconds": 1}
    tls = {"listen": "127.0.0.1:0", "cert_file": str(state / "cert.pem"), "key_file": str(state / "key.pem")}
    settings = {
        "DIANA_ARCHIVE_STORES": json.dumps(stores),
        "DIANA_DIMSE_ENTITIES": json.dumps(ENTITIES),
        "DIANA_DIMSE_PEERS": json.dumps(PEERS),
        "DIANA_DIMSE_TLS": json.dumps(tls),
    }
    with Mesh(state, "dimse", settings=settings) as mesh:
        with connect(mesh.archive) as channel:
            yield Door(mesh, state / "ca.pem", ArchiveClient(channel))
        log = mesh.processes["dimse"].log()
    spool = state / "spool" / "dimse"
    assert list(spool.iterdir()) == []
    assert '"error"' not in log
    assert "Traceback" not in log


def study_of(number: int, count: int, *, make: Callable[..., bytes] = make_small) -> list[bytes]:
    """So many instances of a study of its own."""
    uid = f"{ROOT}.77.{number}"
    return [
        make(
            StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", SOPInstanceUID=f"{uid}.1.{one}", InstanceNumber=str(one)
        )
        for one in range(count)
    ]


def written(folder: Path, files: Sequence[bytes]) -> list[Path]:
    """The files, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, data in enumerate(files):
        paths.append(folder / f"{place}.dcm")
        paths[-1].write_bytes(data)
    return paths


def run(*command: object) -> str:
    """What a program said, which must have gone well."""
    ended = subprocess.run([str(one) for one in command], capture_output=True, timeout=120)
    said = (ended.stdout + ended.stderr).decode("utf-8", "replace")
    assert ended.returncode == 0, said
    return said
