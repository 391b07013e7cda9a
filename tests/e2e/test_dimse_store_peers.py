"""Senders that users have, and C-STORE to a live mesh: DCMTK, pynetdicom, Orthanc; objects are stored as they came."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from bench.peers import orthanc
from diana_client import UploadItem
from diana_common.uid import is_uid
from diana_dimse.core.sop_classes import transfer_syntaxes
from tests.support.corpus import CORPUS, needs_corpus
from tests.support.dicom_files import ROOT, make_ct
from tests.support.dimse_door import SECONDS, Door, needs_dcmtk, needs_orthanc, run, running_door, study_of, written
from tests.support.dimse_sender import SUCCESS, Object, Sender, send

NOT_SUPPORTED = 0x0122


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with running_door(tmp_path_factory.mktemp("mesh")) as door:
        yield door


def all_stored(door: Door, files: Sequence[bytes], store: str = "peers") -> None:
    for one in map(Object.of, files):
        assert door.stored(one.sop_instance_uid, store) == one.data_set


@needs_dcmtk
def test_echoscu_is_answered(door: Door) -> None:
    assert "Received Echo Response (Success)" in run("echoscu", "-v", "-aec", "DIANA", door.host, door.port)
    many = run("echoscu", "-v", "-aec", "ECHO", "-pts", 38, "-ppc", 128, door.host, door.port)
    assert "Received Echo Response (Success)" in many


@needs_dcmtk
@pytest.mark.parametrize("sender", ["storescu", "dcmsend"])
@pytest.mark.parametrize("more", [(), ("-pdu", "4096", "--max-send-pdu", "4096"), ("-pdu", "131072")], ids=str)
def test_dcmtk_stores(door: Door, tmp_path: Path, sender: str, more: tuple[str, ...]) -> None:
    files = study_of(1000 + len(sender) * 10 + len(more), 3, make=make_ct)
    run(sender, "-aec", "PEERS", *more, door.host, door.port, *written(tmp_path, files))
    all_stored(door, files)


@needs_dcmtk
def test_dcmtk_stores_over_tls(door: Door, tmp_path: Path) -> None:
    files = study_of(2, 3, make=make_ct)
    tls = ("+tla", "+cf", door.authority)
    run("echoscu", *tls, "-aec", "PEERS", door.host, door.tls_port)
    run("storescu", *tls, "-aec", "PEERS", door.host, door.tls_port, *written(tmp_path, files))
    all_stored(door, files)


@needs_dcmtk
def test_an_association_that_ends_with_an_abort_keeps_what_was_acknowledged(door: Door, tmp_path: Path) -> None:
    files = study_of(3, 2)
    run("storescu", "--abort", "-aec", "PEERS", door.host, door.port, *written(tmp_path, files))
    all_stored(door, files)


@needs_dcmtk
def test_eight_of_dcmtk_at_once_are_all_served(door: Door, tmp_path: Path) -> None:
    studies = [study_of(10 + one, 10) for one in range(8)]
    senders = [
        threading.Thread(
            target=run,
            args=("dcmsend", "-aec", "PEERS", door.host, door.port, *written(tmp_path / str(place), files)),
        )
        for place, files in enumerate(studies)
    ]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    for files in studies:
        all_stored(door, files)


@needs_dcmtk
def test_a_sender_killed_in_the_midst_of_an_instance_leaves_nothing(door: Door, tmp_path: Path) -> None:
    [path] = written(tmp_path, [make_ct(rows=6000, cols=6000, SOPInstanceUID=f"{ROOT}.78.1")])
    spool = door.mesh.processes["dimse"].state / "spool" / "dimse"
    sender = subprocess.Popen(["storescu", "-aec", "PEERS", door.host, door.port, str(path)])
    until = time.monotonic() + SECONDS
    while not any(spool.iterdir()) and sender.poll() is None and time.monotonic() < until:
        pass
    sender.kill()
    sender.wait()
    while any(spool.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert send(door.address, study_of(4, 1), called="PEERS") == [SUCCESS]


def test_pynetdicoms_storescu_stores(door: Door, tmp_path: Path) -> None:
    files = study_of(5, 3)
    written(tmp_path, files)
    run(sys.executable, "-m", "pynetdicom", "storescu", door.host, door.port, tmp_path, "-aec", "PEERS", "-cx")
    all_stored(door, files)


@needs_orthanc
def test_orthanc_stores(door: Door, tmp_path: Path) -> None:
    files = study_of(6, 5, make=make_ct)
    modality = {"DicomModalities": {"diana": ["PEERS", door.host, int(door.port)]}}
    with orthanc.running(tmp_path, modality) as server:
        orthanc.upload(server, written(tmp_path / "files", files), 1)
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=SECONDS)
        with closing(connection):
            connection.request("POST", "/modalities/diana/echo", "{}")
            assert connection.getresponse().read() is not None
            connection.request("POST", "/modalities/diana/store", json.dumps(server.get("/instances")))
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert json.loads(answer.read())["FailedInstancesCount"] == 0
    for one in map(Object.of, files):
        found = pydicom.dcmread(
            __import__("io").BytesIO(b"".join(door.archive.read(one.sop_instance_uid, store="peers")))
        )
        assert found.SOPInstanceUID == one.sop_instance_uid


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, bytes, Object]]:
    """The first of each SOP Instance UID, of those that can be proposed and named in a command at all."""
    seen = set()
    for path in paths:
        with suppress(pydicom.errors.InvalidDicomError, AttributeError, RecursionError):
            data = path.read_bytes()
            one = Object.of(data)
            can_be_asked = is_uid(one.sop_class_uid) and one.transfer_syntax in transfer_syntaxes()
            if one.sop_instance_uid not in seen and can_be_asked:
                seen.add(one.sop_instance_uid)
                yield path, data, one


def _same_as_by_upload(door: Door, paths: Sequence[Path]) -> set[str]:
    """Send files: what an upload stores is stored, byte for byte, and what it refuses is refused. The syntaxes."""
    files = list(_files(paths))
    uploaded = door.archive.upload(
        [UploadItem(place, data) for place, (_, data, _) in enumerate(files)], store="reference"
    )
    refused = {result.key: result.error.reason for result in uploaded if result.error is not None}
    syntaxes = set()
    for start in range(0, len(files), 100):
        batch = files[start : start + 100]
        with Sender(door.address, [one for _, _, one in batch], called="ALL") as sender:
            for place, (path, _, one) in enumerate(batch, start):
                status = sender.store(one) if sender.context_for(one) else NOT_SUPPORTED
                assert (status != SUCCESS) == (place in refused), (path, hex(status), refused.get(place))
                if status == SUCCESS:
                    assert door.stored(one.sop_instance_uid, "all") == one.data_set
                    syntaxes.add(one.transfer_syntax)
    return syntaxes


def test_each_transfer_syntax_of_pydicoms_files_is_stored_as_it_came(door: Door) -> None:
    paths = sorted(one for one in (Path(pydicom.data.__file__).parent / "test_files").rglob("*") if one.is_file())
    assert len(_same_as_by_upload(door, paths)) >= 9


@needs_corpus
def test_the_corpus_is_stored_as_it_came(door: Door) -> None:
    paths = sorted(one for one in (CORPUS / "dicom").rglob("*") if one.is_file() and "fuzz" not in str(one))
    assert len(_same_as_by_upload(door, paths)) >= 9
