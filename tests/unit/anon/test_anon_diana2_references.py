"""References in a domain whose UIDs depend on where an instance stands: to its own study, to others, to nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest
from pydicom import Dataset

from diana_anon.core.identities import Identities, Standing
from diana_anon.core.rewriting.actions import ActionLog
from diana_anon.core.rewriting.engine import deidentify
from diana_common.errors import DianaError, Reason
from diana_common.header import scan
from diana_common.hierarchical_uid import diana2_uid
from tests.unit.anon.engine_files import PLANS, Dates, identity, item, read, written
from tests.unit.anon.study_bench import MemoryMint

CT, SEG, KO, RT = (f"1.2.840.10008.5.1.4.1.1.{one}" for one in ("2", "66.4", "88.59", "481.3"))
STUDY_CLASS, STEP_CLASS = "1.2.840.10008.3.1.2.3.1", "1.2.840.10008.3.1.2.3.3"
PATIENT = "NEWID234"
HERE, PRIOR = ("1.9.1", "1.9.1.1", "1.9.1.1.1"), ("1.9.2", "1.9.2.1", "1.9.2.1.1")
FRAME, STEP = "1.9.3", "1.9.4"


def old_uid(place: Iterable[str]) -> str:
    """What an instance, series or study becomes in work that has it."""
    return diana2_uid([PATIENT, *place])


def image(uid: str = PRIOR[2], kind: str = CT, **values: object) -> Dataset:
    return item(ReferencedSOPClassUID=kind, ReferencedSOPInstanceUID=uid, **values)


def head(kind: str, **values: object) -> Dataset:
    """An object of the study `HERE`."""
    made = item(
        SOPClassUID=kind,
        SOPInstanceUID=HERE[2],
        StudyInstanceUID=HERE[0],
        SeriesInstanceUID=HERE[1],
        PatientID="1",
    )
    made.update(item(**values))
    return made


def evidence(study: str, *uids: str) -> Dataset:
    series = item(SeriesInstanceUID=PRIOR[1], ReferencedSOPSequence=list(map(image, uids)))
    return item(StudyInstanceUID=study, ReferencedSeriesSequence=[series])


def made(source: Dataset, standing: Iterable[Standing] = ()) -> tuple[Dataset, ActionLog]:
    """What becomes of an object in work with these instances."""
    data, log = written(source), ActionLog()
    identities = Identities(MemoryMint(), "diana2", lambda: standing)
    header = json.loads(scan(data).dicom_json)
    pseudonyms = identities.pseudonyms(identity(), HERE, header)
    file = deidentify(data, PLANS[Dates.REMOVE], identity(), pseudonyms, log=log)
    log.unplaced(pseudonyms.unplaced)
    return read(b"".join(file.pieces)), log


def unplaced(log: ActionLog) -> list[str]:
    return [path for path, action in log.actions if action == "map-unplaced"]


def key_object() -> Dataset:
    return head(KO, CurrentRequestedProcedureEvidenceSequence=[evidence(PRIOR[0], PRIOR[2])])


def structure_set() -> Dataset:
    series = item(SeriesInstanceUID=PRIOR[1], ContourImageSequence=[image()])
    study = image(PRIOR[0], STUDY_CLASS, RTReferencedSeriesSequence=[series])
    contour = item(ContourSequence=[item(ContourImageSequence=[image()])])
    frame = item(FrameOfReferenceUID=FRAME, RTReferencedStudySequence=[study])
    return head(RT, ReferencedFrameOfReferenceSequence=[frame], ROIContourSequence=[contour])


def segmentation() -> Dataset:
    series = item(SeriesInstanceUID=PRIOR[1], ReferencedInstanceSequence=[image()])
    other = item(StudyInstanceUID=PRIOR[0], ReferencedSeriesSequence=[series])
    source = item(DerivationImageSequence=[item(SourceImageSequence=[image()])])
    return head(
        SEG, StudiesContainingOtherReferencedInstancesSequence=[other], PerFrameFunctionalGroupsSequence=[source]
    )


@pytest.mark.parametrize("build", [key_object, structure_set, segmentation])
def test_an_instance_of_another_study_is_referred_to_by_the_uid_that_a_run_with_it_gives_it(
    build: Callable[[], Dataset],
) -> None:
    new, log = made(build())
    told = {str(element.value) for element in new.iterall() if element.keyword == "ReferencedSOPInstanceUID"}
    assert told - {old_uid(PRIOR[:1])} == {old_uid(PRIOR)}
    nested = {str(one.value) for one in new.iterall() if one.keyword == "SeriesInstanceUID"}
    assert nested == {old_uid(HERE[:2]), old_uid(PRIOR[:2])}
    assert unplaced(log) == []


def test_an_instance_alone_refers_to_its_own_study_as_the_whole_study_does() -> None:
    sibling = (HERE[0], PRIOR[1], PRIOR[2])
    series = item(SeriesInstanceUID=sibling[1], ReferencedInstanceSequence=[image()])
    source = head(SEG, ReferencedSeriesSequence=[series])
    alone, _ = made(source)
    assert alone.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == old_uid(sibling)
    assert alone == made(source, [sibling])[0]


def test_what_the_work_knows_counts_for_more_than_what_an_object_claims() -> None:
    new, _ = made(key_object(), [(HERE[0], HERE[1], PRIOR[2])])
    claimed = new.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert claimed.ReferencedSOPInstanceUID == old_uid((HERE[0], HERE[1], PRIOR[2]))


def test_an_instance_whose_place_nobody_knows_is_told_of_in_the_receipt() -> None:
    source = head(CT, ReferencedImageSequence=[image(), image("1.9.5")], FrameOfReferenceUID=FRAME)
    new, log = made(source, [(HERE[0], HERE[1], "1.9.5")])
    assert unplaced(log) == ["(0008,1140)[0].(0008,1155)"]
    assert new.ReferencedImageSequence[0].ReferencedSOPInstanceUID == old_uid([PRIOR[2]])
    assert new.ReferencedImageSequence[1].ReferencedSOPInstanceUID == old_uid((HERE[0], HERE[1], "1.9.5"))


def test_what_stands_in_no_series_has_one_uid_for_ever_and_is_not_told_of() -> None:
    source = head(
        CT,
        FrameOfReferenceUID=FRAME,
        ReferencedStudySequence=[image(PRIOR[0], STUDY_CLASS)],
        ReferencedPerformedProcedureStepSequence=[image(STEP, STEP_CLASS)],
    )
    pseudonyms = Identities(MemoryMint(), "diana2").pseudonyms(
        identity(), HERE, json.loads(scan(written(source)).dicom_json)
    )
    assert not pseudonyms.unplaced
    assert [pseudonyms.uid(uid) for uid in (FRAME, PRIOR[0], STEP)] == [
        old_uid([FRAME]),
        old_uid(PRIOR[:1]),
        old_uid([STEP]),
    ]


def test_two_references_that_would_become_one_are_refused() -> None:
    seen: dict[str, str] = {}
    uids = (f"{PRIOR[1]}.{number}" for number in range(10_000))
    first, second = next(
        (seen[new], uid) for uid in uids if seen.setdefault(new := old_uid((*PRIOR[:2], uid)), uid) != uid
    )
    with pytest.raises(DianaError) as refused:
        made(head(KO, CurrentRequestedProcedureEvidenceSequence=[evidence(PRIOR[0], first, second)]))
    assert refused.value.reason is Reason.UID_COLLISION


def test_what_one_object_claims_counts_for_no_other() -> None:
    identities = Identities(MemoryMint(), "diana2")
    plain, telling = (json.loads(scan(written(one)).dicom_json) for one in (head(CT), key_object()))
    before, told, after = (
        identities.pseudonyms(identity(), HERE, one).uid(PRIOR[2]) for one in (plain, telling, plain)
    )
    assert before == after == old_uid([PRIOR[2]])
    assert told == old_uid(PRIOR)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_nested_nonsense_is_read_over() -> None:
    source = head(CT, ReferencedImageSequence=[image("not a uid"), item(), image("")])
    source.ReferencedImageSequence[1].SeriesInstanceUID = "1.2\\1.3"
    new, log = made(source)
    assert new.SOPInstanceUID == old_uid(HERE)
    assert unplaced(log) == []


def test_the_accession_numbers_of_a_work_come_from_one_version_of_the_key() -> None:
    asked: list[int] = []

    class Mint(MemoryMint):
        def accession_number(self, domain: str, accession_number: str, key_version: int = 0) -> str:
            asked.append(key_version)
            return "A"

    mint = Mint()
    mint.version = 3
    identities = Identities(mint, "diana2")
    mint.version = 4
    for number in ("A1", "A2", "A1"):
        identities.pseudonyms(identity(), HERE, {}).accession_number(number)
    assert (identities.key_version, asked) == (3, [3, 3])
    assert Identities(mint, "diana2", key_version=2).key_version == 2


def test_more_references_than_anybody_writes_are_refused_and_not_held() -> None:
    header = json.loads(scan(written(head(CT))).dicom_json)
    items: list[object] = [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}] * 80_000
    for _ in range(60):
        items = [{"00081140": {"vr": "SQ", "Value": items}}]
    header |= {"00081140": {"vr": "SQ", "Value": items}}
    with pytest.raises(DianaError) as refused:
        Identities(MemoryMint(), "diana2").pseudonyms(identity(), HERE, header)
    assert refused.value.reason is Reason.DATA_SET_LIMIT
