"""C-FIND and the modality worklist, asked by findscu (DCMTK), pynetdicom's findscu and its AE, of a live mesh."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.data import get_charset_files
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from diana_client import ArchiveClient, IndexClient, UploadItem, connect
from diana_dimse.core.sop_classes import STUDY_ROOT_FIND
from tests.support.dicom_files import ROOT, make_small
from tests.support.findscu import Door, keys
from tests.support.mesh import Mesh
from tests.support.smtp import free_port
from tests.support.worklist_files import step, worklist_file

pytestmark = pytest.mark.skipif(
    shutil.which("findscu") is None and "CI" not in os.environ, reason="DCMTK is not installed"
)

CHARSET_FILES = [Path(one) for pattern in ("chrH31", "chrI2", "chrGreek", "chrRuss", "chrFren", "chrX2")
                 for one in get_charset_files(f"{pattern}.dcm")]  # fmt: skip
NAMES = {one["PatientID"].value: str(one.PatientName) for one in map(pydicom.dcmread, CHARSET_FILES)}
COMPARED = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
            "StudyDescription", "AccessionNumber", "ModalitiesInStudy", "NumberOfStudyRelatedInstances")  # fmt: skip
STUDIES = 4
SERIES = 2


def _files() -> Iterator[bytes]:
    """What both archives hold."""
    for study in range(STUDIES):
        for series in range(SERIES):
            uid = f"{ROOT}.9.{study}.{series}"
            yield make_small(
                PatientID=f"Q{study}",
                PatientName=f"Query^Person{study}",
                StudyInstanceUID=f"{ROOT}.9.{study}",
                SeriesInstanceUID=uid,
                SOPInstanceUID=f"{uid}.1",
                StudyDate=f"2026010{study + 1}",
                Modality=("CT", "MR")[series],
            )
    yield from (path.read_bytes() for path in CHARSET_FILES)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    state = tmp_path_factory.mktemp("mesh")
    worklist, told = state / "worklist", state / "dicom.address"
    worklist.mkdir()
    settings = {
        "DIANA_DIMSE_LISTEN": "127.0.0.1:0",
        "DIANA_DIMSE_LISTEN_FILE": str(told),
        "DIANA_DIMSE_WORKLIST_DIR": str(worklist),
    }
    with Mesh(state, "dimse", settings=settings) as mesh:
        archive, index = connect(mesh.archive), connect(mesh.index)
        results = list(ArchiveClient(archive).upload(UploadItem(key, data) for key, data in enumerate(_files())))
        assert not [one.error for one in results if one.error]
        IndexClient(index).count("study", at_least_position=results[-1].position)
        yield Door(told.read_text(), worklist, state / "answers")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The DICOM port of an Orthanc that has the same instances."""
    if shutil.which("Orthanc") is None and "CI" not in os.environ:
        pytest.skip("Orthanc is not installed")
    folder = tmp_path_factory.mktemp("orthanc")
    dicom, http = free_port(), free_port()
    settings = {"StorageDirectory": str(folder), "DicomPort": dicom, "HttpPort": http, "DicomAlwaysAllowFind": True}
    (folder / "orthanc.json").write_text(json.dumps({**settings, "DefaultEncoding": "Utf8", "Plugins": []}))
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while not _answers(http):
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)
        for data in _files():
            urllib.request.urlopen(f"http://127.0.0.1:{http}/instances", data).close()
        yield dicom
    finally:
        running.kill()  # what it holds goes with the test
        running.wait(30)


def _answers(http: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{http}/system").close()
    except OSError:
        return False
    return True


def _values(answers: Sequence[Dataset], keyword: str) -> list[str]:
    return sorted(str(one[keyword].value) for one in answers)


@pytest.mark.parametrize("asker", ["dcmtk", "pynetdicom"])
def test_each_level_is_found_below_the_one_above(door: Door, asker: str) -> None:
    def ask(*arguments: str, model: str = "-S") -> list[Dataset]:
        if asker == "dcmtk":
            return door.dcmtk(*arguments, model=model)[0]
        return door.pynetdicom(*arguments, model=model)

    patient = ask(*keys("PATIENT", "PatientID=Q1", "PatientName", "NumberOfPatientRelatedStudies"), model="-P")
    assert (_values(patient, "PatientName"), patient[0].NumberOfPatientRelatedStudies) == (["Query^Person1"], 1)
    (study,) = ask(*keys("STUDY", "PatientID=Q1", "StudyInstanceUID", "ModalitiesInStudy", "SOPClassesInStudy",
                         "NumberOfStudyRelatedInstances", "AccessionNumber"))  # fmt: skip
    assert (study.RetrieveAETitle, study.InstanceAvailability, study.QueryRetrieveLevel) == ("DIANA", "ONLINE", "STUDY")
    assert (list(study.ModalitiesInStudy), study.NumberOfStudyRelatedInstances) == (["CT", "MR"], 2)
    series = ask(*keys("SERIES", f"StudyInstanceUID={study.StudyInstanceUID}", "SeriesInstanceUID", "Modality"))
    assert _values(series, "Modality") == ["CT", "MR"]
    above = (f"StudyInstanceUID={study.StudyInstanceUID}", f"SeriesInstanceUID={series[0].SeriesInstanceUID}")
    (image,) = ask(*keys("IMAGE", *above, "SOPInstanceUID", "SOPClassUID", "KVP", "PatientName"))
    assert (image.PatientName, image.KVP is not None) == ("Query^Person1", True)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("PatientID=Q*",), ["Q0", "Q1", "Q2", "Q3"]),
        (("PatientID=Q?", "PatientName=query^person[13]"), []),
        (("PatientID", "PatientName=query^person3"), ["Q3"]),
        (("PatientID=Q*", "StudyDate=20260102-20260103"), ["Q1", "Q2"]),
        (("PatientID=Q*", "StudyDate=-20260102"), ["Q0", "Q1"]),
        (("PatientID", f"StudyInstanceUID={ROOT}.9.0\\{ROOT}.9.3"), ["Q0", "Q3"]),
        (("PatientID=Q*", "ModalitiesInStudy=MR"), ["Q0", "Q1", "Q2", "Q3"]),
        (("PatientID=Q*", "ModalitiesInStudy=US"), []),
    ],
)
def test_wildcards_ranges_and_lists_of_uids(door: Door, asked: tuple[str, ...], found: list[str]) -> None:
    assert _values(door.dcmtk(*keys("STUDY", *asked))[0], "PatientID") == found


@pytest.mark.parametrize("patient_id", NAMES)
def test_names_of_the_world_come_right(door: Door, patient_id: str) -> None:
    answers, said = door.dcmtk(*keys("STUDY", f"PatientID={patient_id}", "PatientName"))
    assert [str(one.PatientName) for one in answers] == [NAMES[patient_id]]
    assert answers[0].SpecificCharacterSet == "ISO_IR 192"
    assert NAMES[patient_id] in said
    (other,) = door.pynetdicom(*keys("STUDY", f"PatientID={patient_id}", "PatientName"))
    assert str(other.PatientName) == NAMES[patient_id]


@pytest.mark.parametrize(
    ("terms", "name", "patient_id"),
    [
        ("ISO_IR 192", "山田*", "H31EXAMPLE"),
        ("ISO_IR 192", "*홍^길동", "I2EXAMPLE"),
        ("ISO_IR 126", "Διονυ*", "SCSGREEK"),
        ("ISO_IR 144", "Люк*", "SCSRUSS"),
        ("ISO_IR 100", "buc^jérôme", "SCSFREN"),
    ],
)
def test_names_are_matched_and_answered_in_the_requestors_character_set(
    door: Door, tmp_path: Path, terms: str, name: str, patient_id: str
) -> None:
    asked = Dataset()
    asked.SpecificCharacterSet = terms
    asked.QueryRetrieveLevel, asked.PatientName, asked.PatientID = "STUDY", name, ""
    path = tmp_path / "identifier.dcm"
    asked.save_as(path, implicit_vr=False, little_endian=True)
    (answer,) = door.pynetdicom("-f", str(path))
    assert (answer.PatientID, str(answer.PatientName)) == (patient_id, NAMES[patient_id])
    assert answer.SpecificCharacterSet == terms


def test_a_query_that_is_cancelled_ends_in_order(door: Door) -> None:
    answers, said = door.dcmtk("--cancel", "1", *keys("STUDY", "PatientID"))
    assert answers
    assert "Sending Cancel Request" in said
    assert "Releasing Association" in said


def test_a_query_that_skips_a_level_needs_to_be_negotiated(door: Door) -> None:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientID, asked.SeriesInstanceUID, asked.Modality = "SERIES", "Q2", "", "MR"
    assert _negotiated(door, asked, b"\0") == [(0xA900, None)]
    (status, series), end = _negotiated(door, asked, b"\1")
    assert (status, end) == (0xFF00, (0x0000, None))
    assert series is not None
    assert series.SeriesInstanceUID == f"{ROOT}.9.2.1"


def test_names_match_by_sound_once_negotiated(door: Door) -> None:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientName, asked.PatientID = "STUDY", "Person3^Querry", "Q3"
    assert [status for status, _ in _negotiated(door, asked, b"\0\0\0")] == [0x0000]
    assert [status for status, _ in _negotiated(door, asked, b"\0\0\1")] == [0xFF00, 0x0000]


@pytest.mark.parametrize(("code", "count"), [("24627-2", 1), ("24627*", 1), ("9", 0)])
def test_items_of_sequences_are_matched(door: Door, code: str, count: int) -> None:
    sequence = "ProcedureCodeSequence[0]"
    answers, _ = door.dcmtk(*keys("STUDY", "PatientID=Q1", f"{sequence}.CodeValue={code}", f"{sequence}.CodeMeaning"))
    assert len(answers) == count


def _negotiated(door: Door, asked: Dataset, extended: bytes) -> list[tuple[int, Dataset | None]]:
    """Statuses and answers after a SOP Class Extended Negotiation."""
    negotiation = SOPClassExtendedNegotiation()
    negotiation.sop_class_uid = STUDY_ROOT_FIND
    negotiation.service_class_application_information = extended
    ae = AE()
    ae.add_requested_context(STUDY_ROOT_FIND)
    association = ae.associate(door.host, door.port, ae_title="DIANA", ext_neg=[negotiation])
    assert association.is_established
    found = [(status.Status, answer) for status, answer in association.send_c_find(asked, STUDY_ROOT_FIND)]
    association.release()
    return found


def test_a_worklist_is_answered_from_files_as_they_are_now(door: Door) -> None:
    worklist_file(door.worklist / "one.wl", "W1", step(), name="Вишня^Анна")
    worklist_file(door.worklist / "two.wl", "W2", step("MR1", "MR", "20260702"))
    asked = ["-k", "PatientID", "-k", "PatientName", "-k", "ScheduledProcedureStepSequence[0].Modality=CT",
             "-k", "ScheduledProcedureStepSequence[0].ScheduledProcedureStepID"]  # fmt: skip
    answers, said = door.dcmtk(*asked, model="-W")
    assert [(one.PatientID, str(one.PatientName)) for one in answers] == [("W1", "Вишня^Анна")]
    assert answers[0].ScheduledProcedureStepSequence[0].ScheduledProcedureStepID == "CT1-20260701"
    assert "Вишня^Анна" in said
    (door.worklist / "one.wl").unlink()
    assert door.dcmtk(*asked, model="-W")[0] == []
    assert [one.PatientID for one in door.pynetdicom("-k", "PatientID=W*", model="-W")] == ["W2"]


@pytest.mark.parametrize(
    "asked",
    [
        ["PatientName=Doe*"],
        ["ScheduledProcedureStepSequence[0].ScheduledStationAETitle=MR1"],
        ["ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate=20260701-20260702"],
        ["ScheduledProcedureStepSequence[0].Modality=US"],
    ],
)
def test_the_worklist_is_that_of_wlmscpfs(door: Door, wlmscpfs: int, asked: list[str]) -> None:
    returned = ["PatientName", "PatientID", "AccessionNumber"]
    returned += [f"ScheduledProcedureStepSequence[0].{one}" for one in ("Modality", "ScheduledProcedureStepID")]
    unasked = [one for one in returned if not any(key.startswith(f"{one}=") for key in asked)]
    arguments = [part for one in (*asked, *unasked) for part in ("-k", one)]
    ours, theirs = (
        {one.to_json() for one in door.dcmtk(*arguments, model="-W", port=port)[0]} for port in (door.port, wlmscpfs)
    )
    assert ours == theirs


@pytest.fixture
def wlmscpfs(door: Door) -> Iterator[int]:
    """The port of DCMTK's worklist server, with the same folder."""
    folder, port = door.worklist / "DIANA", free_port()
    for path in door.worklist.glob("*.wl"):
        path.unlink()
    folder.mkdir(exist_ok=True)
    (folder / "lockfile").touch()
    for number, title in enumerate(("CT1", "MR1", "MR2")):
        worklist_file(folder / f"{title}.wl", f"D{number}", step(title, title[:2], f"2026070{number + 1}"))
    running = subprocess.Popen(["wlmscpfs", "-s", "-dfr", "-dfp", str(door.worklist), str(port)])
    try:
        until = time.monotonic() + 30
        while not _is_open(port):
            assert time.monotonic() < until
            time.sleep(0.02)
        yield port
    finally:
        running.terminate()
        running.wait(30)


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"PatientID": "Q*"},
        {"PatientID": "?2"},
        {"PatientName": "QUERY^person*"},
        {"PatientName": "*吉洞*"},
        {"StudyDate": "20260102-20260103"},
        {"StudyDate": "20260104"},
        {"ModalitiesInStudy": "MR"},
        {"StudyInstanceUID": [f"{ROOT}.9.0", f"{ROOT}.9.3"]},
        {"StudyDescription": "CT*", "PatientID": "Q1"},
        {"PatientID": "nobody"},
    ],
)
def test_the_answers_are_those_of_orthanc(door: Door, orthanc: int, asked: dict[str, Any]) -> None:
    identifier = Dataset()
    identifier.SpecificCharacterSet, identifier.QueryRetrieveLevel = "ISO_IR 192", "STUDY"
    for keyword in COMPARED:
        setattr(identifier, keyword, asked.get(keyword, ""))
    ours, theirs = (
        {tuple(str(one[keyword].value) for keyword in COMPARED) for one in _found(port, title, identifier)}
        for port, title in ((door.port, "DIANA"), (orthanc, "ORTHANC"))
    )
    assert ours == theirs


def _found(port: int, title: str, identifier: Dataset) -> list[Dataset]:
    ae = AE()
    ae.add_requested_context(STUDY_ROOT_FIND)
    association = ae.associate("127.0.0.1", port, ae_title=title)
    assert association.is_established
    answers = [answer for _, answer in association.send_c_find(identifier, STUDY_ROOT_FIND) if answer]
    association.release()
    return answers
