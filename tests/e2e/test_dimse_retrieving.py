"""C-MOVE and C-GET of a live mesh, asked by DCMTK's movescu and getscu and by Orthanc, to storescp and Orthanc."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from bench.peers import orthanc
from diana_client import ArchiveClient, IndexClient, UploadItem, connect
from diana_dimse.core.sop_classes import STUDY_ROOT_MOVE
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh

pytestmark = pytest.mark.skipif(
    shutil.which("movescu") is None and "CI" not in os.environ, reason="DCMTK is not installed"
)

STUDY = f"{ROOT}.2.1"
COUNT = 8
COMPRESSED = ["MR_small_RLE.dcm", "examples_jpeg2k.dcm", "SC_rgb_jpeg_dcmtk.dcm"]
TITLES = ("DEST", "PLAIN", "REFUSER", "ABORTER", "SLOW", "SECURE", "ORTHANC")


@dataclass
class Door:
    """A mesh's DICOM door, and where it sends to."""

    host: str
    port: str
    ports: dict[str, int]
    folder: Path
    compressed: dict[str, Path]
    """Files by their Study Instance UIDs."""

    def getscu(self, study_uid: str, *options: str) -> tuple[str, list[Dataset]]:
        """What getscu says, and what it got."""
        folder = self._emptied("got")
        said = run("getscu", "-v", "-S", "-aec", "DIANA", "-od", str(folder), *options, *self._asked(study_uid))
        return said, read(folder)

    def movescu(self, study_uid: str, destination: str, *options: str) -> str:
        """What movescu says."""
        return run("movescu", "-v", "-d", "-S", "-aec", "DIANA", "-aem", destination, *options, *self._asked(study_uid))

    @contextmanager
    def storescp(self, title: str, *options: str) -> Iterator[Path]:
        """The folder of a destination that stores."""
        folder = self._emptied(title)
        command = ["storescp", "-v", "-aet", title, "-od", str(folder), *options, str(self.ports[title])]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            try:
                await_port(self.ports[title])
                yield folder
            finally:
                child.kill()

    @property
    def asked_of(self) -> list[str]:
        """Its host and port."""
        return [self.host, self.port]

    def _asked(self, study_uid: str) -> list[str]:
        return [*self.asked_of, "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid}"]

    def _emptied(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder


def run(*command: str) -> str:
    """What a program says, whether it succeeds or not."""
    ended = subprocess.run(command, capture_output=True, timeout=60)
    return (ended.stdout + ended.stderr).decode("utf-8", "replace")


def read(folder: Path) -> list[Dataset]:
    return [dcmread(path) for path in sorted(folder.iterdir())]


def await_port(port: int) -> None:
    """Until somebody listens there."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("nobody listens")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened at a moment ago."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in probes]
    for one in probes:
        one.close()
    return ports


def status(said: str) -> int:
    """That of the last response in DCMTK's words."""
    return int(re.findall(r"DIMSE Status +: (0x[0-9a-f]{4})", said)[-1], 16)


def certificate_of(folder: Path) -> tuple[Path, Path]:
    """A key, and a certificate that it signed itself, for 127.0.0.1."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=peer"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
    )
    return key, certificate


def counts(said: str) -> list[int]:
    """Remaining, completed, failed and warning sub-operations of the last response."""
    return [int(one) for one in re.findall(r"Suboperations +: (\d+|none)", said)[-4:] if one != "none"]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("retrieving")
    ports = dict(zip(TITLES, free_ports(len(TITLES)), strict=True))
    peers: dict[str, Any] = {
        title.lower(): {"title": title, "host": "127.0.0.1", "port": port} for title, port in ports.items()
    }
    key, certificate = certificate_of(folder)
    peers["secure"]["tls"] = {"ca_file": str(certificate), "cert_file": str(certificate), "key_file": str(key)}
    compressed = [Path(str(get_testdata_file(name))) for name in COMPRESSED]
    with Mesh(folder / "mesh", "dimse", settings={"DIANA_DIMSE_PEERS": json.dumps(peers)}) as mesh:
        images = [
            UploadItem(str(number), make_small(sop_uid=f"{ROOT}.4.{number}", InstanceNumber=number))
            for number in range(COUNT)
        ]
        with connect(mesh.archive) as channel:
            uploaded = list(
                ArchiveClient(channel).upload([*images, *(UploadItem(str(one), one) for one in compressed)])
            )
        assert not [one.error for one in uploaded if one.error]
        with connect(mesh.index) as channel:
            IndexClient(channel).count("study", at_least_position=uploaded[-1].position)
        host, _, port = mesh.dicom.rpartition(":")
        studies = {str(dcmread(one, stop_before_pixels=True).StudyInstanceUID): one for one in compressed}
        yield Door(host, port, ports, folder, studies)


def test_getscu_gets_a_study_as_it_is_kept(door: Door) -> None:
    said, got = door.getscu(STUDY)
    assert counts(said) == [0, COUNT, 0, 0], said
    assert {int(one.InstanceNumber) for one in got} == set(range(COUNT))
    expected = dcmread(_file(door, make_small(sop_uid=f"{ROOT}.4.3", InstanceNumber=3)))
    [third] = [one for one in got if one.InstanceNumber == 3]
    assert third == expected


def test_getscu_takes_no_compressed_instances_and_gets_them_without_compression(door: Door) -> None:
    for study_uid, path in door.compressed.items():
        said, got = door.getscu(study_uid)
        assert counts(said) == [0, 1, 0, 0], said
        assert [one.file_meta.TransferSyntaxUID.name for one in got] == ["Explicit VR Little Endian"]
        assert np.array_equal(got[0].pixel_array, dcmread(path).pixel_array)


def test_movescu_has_a_study_sent(door: Door) -> None:
    with door.storescp("DEST") as folder:
        assert status(door.movescu(STUDY, "DEST")) == 0x0000
        assert len(read(folder)) == COUNT


def test_a_patient_is_had_and_a_study_only_with_its_own(door: Door) -> None:
    patient = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=PHANTOM01"]
    study = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}", "-k"]
    for keys, count in ((patient, COUNT), ([*study, "PatientID=PHANTOM01"], COUNT), ([*study, "PatientID=OTHER"], 0)):
        said = run("getscu", "-v", "-P", "-aec", "DIANA", "-od", str(door.folder), *door.asked_of, *keys)
        assert counts(said) == [0, count, 0, 0], said


def test_series_are_had_without_their_study_where_that_was_negotiated(door: Door) -> None:
    ae, relational, identifier = AE(), SOPClassExtendedNegotiation(), Dataset()
    ae.add_requested_context(STUDY_ROOT_MOVE)
    relational.sop_class_uid, relational.service_class_application_information = STUDY_ROOT_MOVE, b"\1"
    identifier.QueryRetrieveLevel, identifier.SeriesInstanceUID = "SERIES", f"{ROOT}.3.1"
    association = ae.associate(door.host, int(door.port), ae_title="DIANA", ext_neg=[relational])
    with door.storescp("DEST") as folder:
        *_, (last, _) = association.send_c_move(identifier, "DEST", STUDY_ROOT_MOVE)
        assert (last.Status, last.NumberOfCompletedSuboperations) == (0, COUNT)
        assert len(read(folder)) == COUNT
    association.release()


def test_a_destination_that_takes_implicit_vr_only_gets_what_was_compressed(door: Door) -> None:
    with door.storescp("PLAIN", "+xi") as folder:
        for study_uid, path in door.compressed.items():
            assert status(door.movescu(study_uid, "PLAIN")) == 0x0000
            [got] = [one for one in read(folder) if one.StudyInstanceUID == study_uid]
            assert got.file_meta.TransferSyntaxUID.name == "Implicit VR Little Endian"
            assert np.array_equal(got.pixel_array, dcmread(path).pixel_array)


def test_a_destination_that_takes_all_syntaxes_gets_instances_as_they_are_kept(door: Door) -> None:
    with door.storescp("DEST", "+xa") as folder:
        for study_uid, path in door.compressed.items():
            door.movescu(study_uid, "DEST")
            [got] = [one for one in read(folder) if one.StudyInstanceUID == study_uid]
            assert got["PixelData"].value == dcmread(path)["PixelData"].value


def test_destinations_that_refuse_or_are_not_there(door: Door) -> None:
    with door.storescp("REFUSER", "--refuse"):
        assert status(door.movescu(STUDY, "REFUSER")) == 0xA702
    assert status(door.movescu(STUDY, "DEST")) == 0xA702  # nobody listens
    assert status(door.movescu(STUDY, "NOWHERE")) == 0xA801


def test_a_destination_that_aborts_gets_nothing_counted_as_sent(door: Door) -> None:
    with door.storescp("ABORTER", "--abort-during"):
        said = door.movescu(STUDY, "ABORTER")
    assert status(said) == 0xA702
    assert re.search(rf"Failed Suboperations +: {COUNT}", said), said


def test_a_move_is_cancelled(door: Door) -> None:
    with door.storescp("SLOW", "--sleep-after", "1") as folder:
        said = door.movescu(STUDY, "SLOW", "--cancel", "1")
        assert status(said) == 0xFE00
        assert len(read(folder)) < COUNT


def test_a_destination_over_tls(door: Door) -> None:
    key, certificate = str(door.folder / "key.pem"), str(door.folder / "certificate.pem")
    with door.storescp("SECURE", "+tls", key, certificate, "+cf", certificate) as folder:
        assert status(door.movescu(STUDY, "SECURE")) == 0x0000
        assert len(read(folder)) == COUNT
    with door.storescp("SECURE"):  # which speaks no TLS
        assert status(door.movescu(STUDY, "SECURE")) == 0xA702


@pytest.mark.skipif(not orthanc.BINARY.exists() and "CI" not in os.environ, reason="Orthanc is not installed")
def test_orthanc_has_a_study_moved_to_itself(door: Door, tmp_path: Path) -> None:
    modality = {"door": ["DIANA", door.host, int(door.port)]}
    with orthanc.running(tmp_path, {"DicomPort": door.ports["ORTHANC"], "DicomModalities": modality}) as pacs:
        asked = {"Level": "Study", "Resources": [{"StudyInstanceUID": STUDY}], "TargetAet": "ORTHANC"}
        with contextlib.closing(orthanc.connect(pacs.http_port)) as connection:
            connection.request("POST", "/modalities/door/move", json.dumps(asked))
            assert connection.getresponse().status == 200
        assert pacs.get("/statistics")["CountInstances"] == COUNT


def _file(door: Door, data: bytes) -> Path:
    path = door.folder / "expected.dcm"
    path.write_bytes(data)
    return path
