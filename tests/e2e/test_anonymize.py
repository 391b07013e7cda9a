"""Studies leave de-identified: references resolve, output is the same everywhere, nothing tells who it was."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from diana.archive.v1.feed_pb2 import COMPLETION_REASON_COUNTED_AGAINST_SOURCE
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import AnonClient, ArchiveClient, GuidClient, OperationClient, connect, study_result
from tests.support.dicom_files import ROOT, make_ct, make_small
from tests.support.mesh import Mesh, Process
from tests.support.referring import presentation_state, report, segmentation

PLACES = 16
"""At least as many as there are tests: each has a study and stores of its own."""

PLANTED = {
    "PatientName": "Plantagenet^Philippa",
    "PatientID": "PLANTED-4711",
    "PatientBirthDate": "19330711",
    "AccessionNumber": "PLANTEDACC9",
    "ReferringPhysicianName": "Plantref^Rufus",
    "StudyDescription": "Plantation of values",
}


class Stack:
    """The mesh with a client for each service that a study passes, and places that no other test uses."""

    def __init__(self, mesh: Mesh, channels: ExitStack, number: int) -> None:
        self.mesh = mesh
        self.study = f"{ROOT}.2.{number}"
        self.deid, self.second = f"deid{number}", f"second{number}"
        anon = channels.enter_context(connect(mesh.anon))
        self.anon, self.operations = AnonClient(anon), OperationClient(anon)
        self.archive = ArchiveClient(channels.enter_context(connect(mesh.archive)))
        self.guid = GuidClient(channels.enter_context(connect(mesh.guid)))

    def put(self, *instances: bytes, store: str = "") -> None:
        """Upload; all must be stored."""
        assert [one.error for one in self.archive.upload(instances, store=store)] == [None] * len(instances)

    def ct(self, number: int, series: int = 1, study_uid: str = "", **overrides: str) -> bytes:
        """One slice of the patient whose values are planted."""
        values = {**PLANTED, **overrides}
        patient_id, study_uid = values.pop("PatientID"), study_uid or self.study
        series_uid, sop_uid = f"{study_uid}.{series}", f"{study_uid}.{series}.{number}"
        return make_small(patient_id=patient_id, study_uid=study_uid, series_uid=series_uid, sop_uid=sop_uid, **values)

    def begin(self) -> str:
        """Begin to de-identify the study; the operation's name."""
        return self.anon.anonymize_study(self.study, self.deid).name

    def run(self, study_uid: str = "", target: str = "", profile: str = "") -> Operation:
        """De-identify a study and wait for the end."""
        started = self.anon.anonymize_study(study_uid or self.study, target or self.deid, profile=profile)
        return self.operations.wait(started.name, timeout=120)

    def files(self, study_uid: str, store: str) -> dict[str, bytes]:
        """A study's files by SOP Instance UID."""
        return {one.instance.sop_instance_uid: one.read() for one in self.archive.download(study_uid, store=store)}

    def mapped(self, *uids: str) -> list[str]:
        """The new UIDs, as the mint maps them."""
        return list(self.guid.map_identifiers(uids).uids)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    stores: dict[str, dict[str, str]] = {
        f"{name}{number}": {} for name in ("deid", "second") for number in range(PLACES)
    }
    settings = {
        "DIANA_ARCHIVE_STORES": json.dumps(stores),
        "DIANA_ANON_PROFILES": "{longitudinal: {use: research-longitudinal}}",
        **{f"DIANA_{name}_SERVER__LOG_LEVEL": "debug" for name in ("ANON", "ARCHIVE", "GUID")},
    }
    with Mesh(tmp_path_factory.mktemp("mesh"), "anon", settings=settings) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Of the places."""
    return itertools.count()


@pytest.fixture
def stack(mesh: Mesh, numbers: Iterator[int]) -> Iterator[Stack]:
    with ExitStack() as channels:
        yield Stack(mesh, channels, next(numbers))


def dataset(file: bytes) -> Dataset:
    return dcmread(BytesIO(file))


def referred(of: Dataset) -> set[str]:
    """All Referenced SOP Instance UIDs, at any depth."""
    return {str(element.value) for element in of.iterall() if element.keyword == "ReferencedSOPInstanceUID"}


def test_what_refers_to_images_of_the_study_still_refers_to_them(stack: Stack) -> None:
    slices = [stack.ct(number, series) for series in (1, 2) for number in (1, 2, 3)]
    images = [dataset(one) for one in slices]
    stack.put(*slices, segmentation(images[:3]), report(images), presentation_state(images[3:]))
    stack.archive.update_attributes(stack.study, {"trial": "atlas", "note": "stays here"})

    operation = stack.operations.wait(
        stack.anon.anonymize_study(
            stack.study, stack.deid, attributes={"site": "north"}, copied_attributes=["trial", "absent"]
        ).name,
        timeout=120,
    )
    result = study_result(operation)
    assert (result.instance_count, result.failed_count, result.completed) == (9, 0, True)
    assert [result.study_uid] == stack.mapped(stack.study)
    assert (operation.progress.done, operation.progress.total) == (9, 9)

    study = stack.archive.study(result.study_uid, store=stack.deid)
    assert (study.instance_count, study.complete) == (9, True)
    assert dict(study.attributes) == {"trial": "atlas", "site": "north"}
    made = {uid: dataset(file) for uid, file in stack.files(result.study_uid, stack.deid).items()}
    image_uids = {uid for uid, one in made.items() if one.Modality == "CT"}
    assert image_uids == set(stack.mapped(*(one.SOPInstanceUID for one in images)))
    by_modality = {one.Modality: one for one in made.values() if one.Modality != "CT"}
    assert referred(by_modality["SEG"]) == set(stack.mapped(*(one.SOPInstanceUID for one in images[:3])))
    assert referred(by_modality["SR"]) == image_uids
    assert referred(by_modality["PR"]) == set(stack.mapped(*(one.SOPInstanceUID for one in images[3:])))
    frames = {one.FrameOfReferenceUID for one in made.values() if "FrameOfReferenceUID" in one}
    assert len(frames) == 1


def test_the_feed_says_who_made_the_new_study_and_that_it_was_counted(stack: Stack) -> None:
    stack.put(stack.ct(1), stack.ct(2))
    operation = stack.run()
    entries = list(stack.archive.watch_feed(stores=[stack.deid], stop_at_head=True))
    events = [entry for batch in entries for entry in batch.entries]
    assert {(one.origin.door, one.origin.operation) for one in events} == {("anon", operation.name)}
    completed = events[-1].study_completed
    assert (completed.reason, completed.instance_count) == (COMPLETION_REASON_COUNTED_AGAINST_SOURCE, 2)
    assert events[-1].position == study_result(operation).position


def test_two_runs_and_two_processes_give_the_same_bytes(stack: Stack, tmp_path: Path) -> None:
    large = make_ct(2048, 2048, study_uid=stack.study, series_uid=f"{stack.study}.3", sop_uid=f"{stack.study}.3.1")
    sources = [stack.ct(1), stack.ct(2, 2), large]
    stack.put(*sources)
    first = {one.instance.sop_instance_uid: one.read() for one in map(stack.anon.anonymize_instance, sources)}
    stack.run(target=stack.deid)
    stack.run(target=stack.second)
    study_uid = stack.mapped(stack.study)[0]
    assert stack.files(study_uid, stack.deid) == stack.files(study_uid, stack.second) == first

    peers = {f"DIANA_ANON_{name}__ADDRESS": getattr(stack.mesh, name.lower()) for name in ("ARCHIVE", "GUID")}
    elsewhere = {"LANG": "tr_TR.UTF-8", "LC_ALL": "C", "TZ": "Pacific/Chatham", "PYTHONHASHSEED": "4711"}
    (tmp_path / "other").mkdir()
    other = Process("anon", tmp_path / "other", {**peers, **elsewhere})
    other.start()
    try:
        with connect(other.address) as channel:
            client = AnonClient(channel)
            assert [client.anonymize_instance(one).read() for one in sources] == list(first.values())
    finally:
        other.stop()


def test_an_operation_whose_process_is_killed_goes_on_and_ends_complete(stack: Stack) -> None:
    count = 1500
    stack.put(*(stack.ct(number) for number in range(1, count + 1)))
    name = stack.begin()
    while not (operation := stack.operations.get(name)).progress.done:
        time.sleep(0.01)
    assert operation.state == Operation.STATE_RUNNING
    stack.mesh.processes["anon"].kill()
    present = stack.archive.statistics(store=stack.deid).instance_count
    assert 0 < present < count
    stack.mesh.processes["anon"].start()

    operation = stack.operations.wait(name, timeout=120)
    result = study_result(operation)
    assert (operation.attempts, operation.progress.done, operation.progress.total) == (2, count, count)
    assert (result.instance_count, result.failed_count, result.completed) == (count, 0, True)
    assert stack.archive.study(result.study_uid, store=stack.deid).instance_count == count
    assert not list(stack.operations.failures(name))


@pytest.mark.parametrize("peer", ["guid", "archive"])
def test_a_peer_that_is_killed_is_waited_for(stack: Stack, peer: str) -> None:
    stack.put(*(stack.ct(number, PatientID=f"PLANTED-{number}") for number in range(1, 601)))
    name = stack.begin()
    while not stack.operations.get(name).progress.done:
        time.sleep(0.01)
    stack.mesh.processes[peer].kill()
    stack.mesh.processes[peer].start()
    operation = stack.operations.wait(name, timeout=120)
    assert (study_result(operation).instance_count, study_result(operation).completed) == (600, True)


def test_an_operation_that_runs_does_not_hold_a_stop_up_and_goes_on_afterwards(stack: Stack) -> None:
    stack.put(*(stack.ct(number) for number in range(1, 1201)))
    name = stack.begin()
    while not stack.operations.get(name).progress.done:
        time.sleep(0.01)
    assert stack.mesh.processes["anon"].stop() == 0
    assert 0 < stack.archive.statistics(store=stack.deid).instance_count < 1200
    stack.mesh.processes["anon"].start()
    operation = stack.operations.wait(name, timeout=120)
    assert (study_result(operation).instance_count, study_result(operation).completed) == (1200, True)


def test_shifted_dates_keep_their_distance_and_removed_ones_are_gone(stack: Stack) -> None:
    days = {f"{ROOT}.2.11": "20240228", f"{ROOT}.2.12": "20240311"}
    for study_uid, day in days.items():
        stack.put(stack.ct(1, study_uid=study_uid, StudyDate=day, ContentDate=day))
        for profile, store in (("longitudinal", stack.deid), ("", stack.second)):
            assert study_result(stack.run(study_uid, store, profile=profile)).completed

    def study(uid: str, store: str) -> Dataset:
        (file,) = stack.files(uid, store).values()
        return dataset(file)

    shifted = [study(uid, stack.deid) for uid in stack.mapped(*days)]
    for keyword in ("StudyDate", "ContentDate"):
        assert date_of(shifted[1], keyword) - date_of(shifted[0], keyword) == timedelta(days=12)
    assert not {one.StudyDate for one in shifted} & set(days.values())
    assert shifted[0].PatientID == shifted[1].PatientID
    removed = [study(uid, stack.second) for uid in stack.mapped(*days)]
    assert {one.StudyDate for one in removed} == {""}


def date_of(of: Dataset, keyword: str) -> datetime:
    return datetime.strptime(of[keyword].value, "%Y%m%d")


def test_no_log_holds_a_patient_value_whatever_goes_wrong(stack: Stack) -> None:
    nobody = stack.ct(3, PatientID="", PatientName="Plantnobody^Nora")
    stack.put(stack.ct(1), stack.ct(2), nobody)
    failed = stack.run()
    assert [one.item for one in stack.operations.failures(failed.name)] == [f"{stack.study}.1.3"]
    assert (study_result(failed).instance_count, study_result(failed).completed) == (2, False)
    conflicting = stack.run(profile="longitudinal")
    assert study_result(conflicting).failed_count == 3
    with pytest.raises(Exception, match="SUBJECT_INVALID"):
        stack.anon.anonymize_instance(nobody)
    with pytest.raises(Exception, match="DATA_SET"):
        stack.anon.anonymize_instance(stack.ct(1)[:-3000])

    logs = "".join(process.log() for process in stack.mesh.processes.values())
    assert "serving" in logs
    told = [value for text in (*PLANTED.values(), "Plantnobody^Nora") for value in text.split("^") if value in logs]
    assert not told
    for file in stack.files(study_result(failed).study_uid, stack.deid).values():
        assert not [text for text in PLANTED.values() if text.encode() in file]
