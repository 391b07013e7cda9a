"""Procedure steps: what may be created and changed, what survives a crash, what the archive is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.core.statuses import Status
from diana_dimse.core.steps.keeping import ProcedureSteps
from diana_dimse.core.steps.model import Step, StepRefused, StepStatus, changed, created
from diana_dimse.stores.steps import SqliteSteps
from tests.support.commitment_fakes import CT, Watched, Weighed

STATUS, STEP_ID, SCHEDULED, SERIES = "00400252", "00400253", "00400270", "00400340"
DAY = 86_400.0


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def begun(*study_uids: str, **others: dict[str, Any]) -> dict[str, Any]:
    """Attributes of an N-CREATE."""
    return {
        "00080060": element("CS", "CT"),
        "00100010": element("PN", {"Alphabetic": "Doe^Jane"}),
        "00400241": element("AE", "CT1"),
        "00400244": element("DA", "20260102"),
        "00400245": element("TM", "101500"),
        STATUS: element("CS", "IN PROGRESS"),
        STEP_ID: element("SH", "7"),
        SCHEDULED: element("SQ", *({"0020000D": element("UI", uid)} for uid in study_uids or ("1.2",))),
        SERIES: element("SQ"),
        **others,
    }


def ended(status: str, *uids: str) -> dict[str, Any]:
    """Attributes of the N-SET that ends it."""
    images = [{"00081150": element("UI", CT), "00081155": element("UI", uid)} for uid in uids]
    series = [{"0020000E": element("UI", "1.2.1"), "00081140": element("SQ", *images)}] if uids else []
    return {
        STATUS: element("CS", status),
        "00400250": element("DA", "20260102"),
        "00400251": element("TM", "103000"),
        SERIES: element("SQ", *series),
    }


def step(*study_uids: str) -> Step:
    return created("default", "1.5", "CT1", begun(*study_uids))


def test_a_step_goes_on_and_is_completed() -> None:
    began = step("1.2", "1.3")
    assert (began.status, began.study_uids) == (StepStatus.IN_PROGRESS, ("1.2", "1.3"))
    went_on = changed(began, "CT2", {"00400280": element("ST", "a comment")})
    over = changed(went_on, "CT2", ended("COMPLETED", "1.2.1.1", "1.2.1.2", "1.2.1.1"))
    assert (over.status, over.source) == (StepStatus.COMPLETED, "CT2")
    assert over.sop_instance_uids == ("1.2.1.1", "1.2.1.2")
    assert over.attributes["00400280"] == element("ST", "a comment")


def test_who_and_when_it_began_cannot_be_changed() -> None:
    went_on = changed(step(), "CT1", {"00100010": element("PN", {"Alphabetic": "Other"}), STEP_ID: element("SH", "8")})
    assert went_on.attributes == step().attributes


def test_a_step_may_be_discontinued_without_a_series() -> None:
    assert changed(step(), "CT1", ended("DISCONTINUED")).status is StepStatus.DISCONTINUED


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_one_that_is_over_is_not_updated_any_more(status: str) -> None:
    over = changed(step(), "CT1", ended(status, "1.2.1.1"))
    with pytest.raises(StepRefused) as refused:
        changed(over, "CT1", {"00400280": element("ST", "late")})
    assert (refused.value.status, refused.value.error_id) == (Status.PROCESSING_FAILURE, 0xA710)


@pytest.mark.parametrize(
    ("tag", "value", "status"),
    [
        (STEP_ID, None, Status.MISSING_ATTRIBUTE),
        (STEP_ID, element("SH"), Status.MISSING_ATTRIBUTE_VALUE),
        (SCHEDULED, None, Status.MISSING_ATTRIBUTE),
        (SCHEDULED, element("SQ"), Status.MISSING_ATTRIBUTE_VALUE),
        (SCHEDULED, element("SQ", {}), Status.MISSING_ATTRIBUTE),
        (SCHEDULED, element("SQ", {"0020000D": element("UI", "x")}), Status.INVALID_ATTRIBUTE_VALUE),
        (SCHEDULED, element("LO", "text"), Status.MISSING_ATTRIBUTE_VALUE),
        (STATUS, element("CS", "COMPLETED"), Status.INVALID_ATTRIBUTE_VALUE),
        (STATUS, element("CS", "SCHEDULED"), Status.INVALID_ATTRIBUTE_VALUE),
    ],
)
def test_a_creation_that_lacks_something_is_refused(tag: str, value: dict[str, Any] | None, status: Status) -> None:
    attributes = {**begun(), tag: value}
    with pytest.raises(StepRefused) as refused:
        created("default", "1.5", "CT1", {name: one for name, one in attributes.items() if one is not None})
    assert refused.value.status is status


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ({STATUS: element("CS", "COMPLETED")}, Status.MISSING_ATTRIBUTE),
        (ended("COMPLETED"), Status.MISSING_ATTRIBUTE_VALUE),
        (ended("FINISHED", "1.2.1.1"), Status.INVALID_ATTRIBUTE_VALUE),
        ({**ended("COMPLETED", "1.2.1.1"), "00400251": element("TM")}, Status.MISSING_ATTRIBUTE_VALUE),
    ],
)
def test_an_end_that_lacks_something_is_refused(end: dict[str, Any], status: Status) -> None:
    with pytest.raises(StepRefused) as refused:
        changed(step(), "CT1", end)
    assert refused.value.status is status


class Site:
    """Procedure steps in a real file, among fakes."""

    def __init__(self, folder: Path, most: int = 10) -> None:
        self.folder, self.most = folder, most
        self.evidence, self.watched, self.now = Weighed(), Watched(), 1_000_000.0
        self.start_again()

    def start_again(self) -> None:
        """As after kill -9."""
        self.store = SqliteSteps(self.folder / "steps.sqlite", self.most)
        self.steps = ProcedureSteps(self.store, self.evidence, self.watched, 30 * DAY, lambda: self.now)

    def told(self) -> list[tuple[str, StepStatus]]:
        """What the archive has been told since the last time: study and status."""
        told = [(study_uid, one.status) for _, study_uid, one in self.evidence.told]
        self.evidence.told.clear()
        return told


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_archive_hears_of_each_study_and_each_change_even_after_a_crash(site: Site) -> None:
    site.steps.create("trial", "1.5", "CT1", begun("1.2", "1.3"))
    site.start_again()
    assert site.steps.tell_next() == 0
    assert {origin for origin, _, _ in site.evidence.told} == {Origin("trial", "CT1")}
    assert site.told() == [("1.2", StepStatus.IN_PROGRESS), ("1.3", StepStatus.IN_PROGRESS)]
    assert site.steps.tell_next() > 60
    site.steps.change("trial", "1.5", "CT1", ended("COMPLETED", "1.2.1.1"))
    site.start_again()
    site.steps.tell_next()
    assert site.told() == [("1.2", StepStatus.COMPLETED), ("1.3", StepStatus.COMPLETED)]
    assert site.store.count_untold() == 0


def test_an_archive_that_does_not_answer_is_told_later(site: Site) -> None:
    site.steps.create("default", "1.5", "CT1", begun())
    site.evidence.refusal = Reason.PEER_UNAVAILABLE
    assert [site.steps.tell_next() for _ in range(3)] == [1, 2, 4]
    site.steps.change("default", "1.5", "CT1", ended("DISCONTINUED"))
    site.evidence.refusal = None
    site.steps.tell_next()
    assert site.told() == [("1.2", StepStatus.DISCONTINUED)]


def test_a_change_while_the_archive_is_told_is_told_too(site: Site) -> None:
    site.steps.create("default", "1.5", "CT1", begun())
    untold = site.store.untold()
    assert untold is not None
    site.steps.change("default", "1.5", "CT1", ended("DISCONTINUED"))
    site.store.told(untold)
    assert site.store.count_untold() == 1


def test_evidence_that_the_archive_will_not_have_is_given_up_visibly(site: Site) -> None:
    site.steps.create("default", "1.5", "CT1", begun())
    site.evidence.refusal = Reason.INVALID_FIELD
    assert site.steps.tell_next() == 0
    assert site.watched.refused == [("1.5", Reason.INVALID_FIELD)]
    assert site.store.count_untold() == 0


def test_steps_are_forgotten_after_a_while_but_not_untold_ones(site: Site) -> None:
    site.steps.create("default", "1.5", "CT1", begun())
    site.now += 31 * DAY
    site.steps.tell_next()
    site.steps.create("default", "1.6", "CT1", begun())
    site.steps.tell_next()
    site.steps.tell_next()
    with pytest.raises(StepRefused) as refused:
        site.steps.get("default", "1.5")
    assert refused.value.status is Status.NO_SUCH_INSTANCE
    assert site.steps.get("default", "1.6").uid == "1.6"


def test_a_step_of_one_store_is_unknown_in_another(site: Site) -> None:
    site.steps.create("default", "1.5", "CT1", begun())
    with pytest.raises(StepRefused) as refused:
        site.steps.change("trial", "1.5", "CT1", ended("DISCONTINUED"))
    assert refused.value.status is Status.NO_SUCH_INSTANCE
    site.steps.create("trial", "1.5", "CT1", begun())


def test_no_more_than_so_many_are_kept(tmp_path: Path) -> None:
    site = Site(tmp_path, most=2)
    for number in range(2):
        site.steps.create("default", f"1.5.{number}", "CT1", begun())
    with pytest.raises(DianaError) as refused:
        site.steps.create("default", "1.5.2", "CT1", begun())
    assert refused.value.reason is Reason.OVERLOADED


def test_the_worker_tells_by_itself(site: Site) -> None:
    site.steps.start()
    try:
        site.steps.create("default", "1.5", "CT1", begun())
        assert site.evidence.heard.wait(20)
    finally:
        site.steps.stop()
    assert site.watched.faults == []
