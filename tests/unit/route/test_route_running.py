"""Rules are run on items that people name, and on all that a rule missed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_route.adapters.folders import HostFolder
from diana_route.core.archive import StudySummary
from diana_route.core.deciding import Decider
from diana_route.core.examining import Examiner
from diana_route.core.intake import Intake
from diana_route.core.journal import Learnt
from diana_route.core.model import FileItem, Job, NewJob, State, StudyItem, Task
from diana_route.core.rules import Rule
from diana_route.core.running import Running
from diana_route.stores.sqlite import SqliteJournal
from tests.support.dicom_files import make_small
from tests.unit.route.route_fakes import FakeArchive, FakeIndex
from tests.unit.route.rule_files import header, rule

CT, MR = header(Modality="CT"), header(Modality="MR")
STUDY = StudyItem("inbox", "1.2")
SENDING = rule("{store: inbox}", when="Modality = CT", name="send")
WATCHING = rule('{folder: /incoming, layout: "{site}"}', "[put: inbox]", name="watch")


class Desk:
    """Where people ask."""

    def __init__(self, folder: Path) -> None:
        self.archive = FakeArchive()
        self.folder = folder / "incoming"
        self.folder.mkdir()
        self.journal = SqliteJournal(folder / "jobs.sqlite")
        self.intake = Intake(self.journal, "rules", lambda: None, lambda rule, why: None)
        self.change(SENDING, WATCHING)

    def change(self, *rules: Rule) -> None:
        """The rules are others now."""
        examiner = Examiner(
            self.archive, FakeIndex(), {"watch": HostFolder(self.folder, "{site}")}.__getitem__, self.journal
        )
        decider = Decider(rules, lambda rule, item: ["target"] * len(rule.actions))
        self.running = Running(rules, examiner, decider, self.intake, self.journal, self.archive)

    def die(self, job: Job) -> None:
        """A job is given up."""
        self.journal.dead(Task(job, "target"), "refused", 5.0)

    def dead(self, digest: str = "old") -> Job:
        """A dead job of the study."""
        (job,) = self.journal.add([NewJob("send", digest, STUDY, ["send"], ["target"], "p0")], 1.0)
        self.die(job)
        return job


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.journal.close()


def refused(desk: Desk, reason: Reason, name: str = "send", item: StudyItem | FileItem = STUDY) -> str:
    with pytest.raises(DianaError) as caught:
        desk.running.run(name, item)
    assert caught.value.reason is reason
    return caught.value.message


def test_an_item_is_run_again_as_the_rule_is_now_and_what_died_names_its_successor(desk: Desk) -> None:
    desk.archive.add_study("1.2", 0, CT)
    dead = desk.dead()
    job = desk.running.run("send", STUDY)
    assert (job.state, job.digest, job.item) == (
        State.WAITING,
        SENDING.digest,
        StudyItem("inbox", "1.2", {"site": "a"}),
    )
    now = desk.journal.get(dead.name)
    assert (now.state, now.successor) == (State.DEAD, job.name)


def test_the_same_request_makes_one_job_and_another_one_waits_for_that(desk: Desk) -> None:
    desk.archive.add_study("1.2", 0, CT)
    job = desk.running.run("send", STUDY, "mine")
    assert desk.running.run("send", STUDY, "mine") == job
    assert job.name in refused(desk, Reason.JOB_WAITING)
    desk.die(job)
    assert desk.running.run("send", STUDY, "mine").state is State.DEAD
    assert desk.running.run("send", STUDY, "another").state is State.WAITING


def test_where_the_rule_does_not_fire_it_is_said_why(desk: Desk) -> None:
    desk.archive.add_study("1.2", 0, MR)
    assert "the condition is false: Modality = CT" in refused(desk, Reason.RULE_NOT_FIRING)
    desk.archive.add_study("1.2", 0, CT)
    desk.journal.add([], 1.0, Learnt(trails={("inbox", "1.2"): ("send",)}))
    assert "made by this rule itself" in refused(desk, Reason.RULE_NOT_FIRING)
    desk.intake._stopped["send"] = "it fed itself"
    assert "it was stopped: it fed itself" in refused(desk, Reason.RULE_NOT_FIRING)


def test_what_is_not_there_cannot_be_run(desk: Desk) -> None:
    refused(desk, Reason.STUDY_NOT_FOUND)
    refused(desk, Reason.RULE_NOT_FOUND, "sned")
    refused(desk, Reason.SOURCE_NOT_FOUND, "watch", FileItem("watch", "a/b.dcm", ""))
    assert desk.journal.page(None, 9, None, "") == []


def test_a_file_that_stays_is_run_with_what_its_folder_says(desk: Desk) -> None:
    path = desk.folder / "hospital_a" / "1.dcm"
    path.parent.mkdir()
    path.write_bytes(make_small())
    desk.change(WATCHING)
    item = desk.running.run("watch", FileItem("watch", "hospital_a/1.dcm", "")).item
    assert isinstance(item, FileItem)
    assert item.attributes == {"site": "hospital_a"} and item.stamp


def test_a_job_of_other_actions_is_retried_by_another_one_each_time_by_the_same(desk: Desk) -> None:
    desk.archive.add_study("1.2", 0, CT)
    dead = desk.dead()
    job = desk.running.retry(dead.name)
    assert (job.digest, job.state) == (SENDING.digest, State.WAITING)
    desk.die(job)
    assert desk.running.retry(dead.name) == desk.journal.get(job.name)
    again = desk.running.retry(job.name)  # its actions are the rule's: it goes on
    assert (again.name, again.state) == (job.name, State.WAITING)


def test_a_job_whose_rule_is_no_more_is_not_retried(desk: Desk) -> None:
    desk.change(WATCHING)
    with pytest.raises(DianaError) as caught:
        desk.running.retry(desk.dead().name)
    assert caught.value.reason is Reason.RULE_NOT_FOUND


def test_a_rule_makes_up_for_what_it_missed_once(desk: Desk) -> None:
    desk.archive.add_study("1.2", 0, CT)
    desk.dead()
    for number, found in enumerate((CT, MR, CT, CT), 3):
        desk.archive.add_study(f"1.{number}", 0, found)
    desk.archive.add_study("1.6", 0, CT)  # completes once more
    desk.archive.add_study("1.7", 0, CT, rule="send")
    desk.archive.summaries.pop("1.5")  # deleted since
    backfill = desk.running.backfill("send", -1.0)
    made = list(backfill)
    assert [job.item.key for job in made] == ["study inbox 1.3", "study inbox 1.6"]
    assert (backfill.entry_count, backfill.job_count) == (7, 2)
    assert list(desk.running.backfill("send", -1.0)) == []


def test_a_backfill_tells_of_what_it_cannot_read_and_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.archive.add_study("1.2", 0, CT)
    desk.archive.add_study("1.3", 0, CT)
    whole = desk.archive.study

    def study(store: str, study_uid: str) -> StudySummary:
        if study_uid == "1.2":
            raise DianaError(Reason.INTERNAL, "Broken.")
        return whole(store, study_uid)

    monkeypatch.setattr(desk.archive, "study", study)
    dead, job = desk.running.backfill("send", -1.0)
    assert (dead.state, dead.steps[0].last_error) == (State.DEAD, "its header cannot be read (INTERNAL)")
    assert job.state is State.WAITING
    monkeypatch.undo()
    assert desk.running.retry(dead.name).state is State.WAITING


@pytest.mark.parametrize(("name", "reason"), [("watch", Reason.INVALID_FIELD), ("send", Reason.STORE_UNKNOWN)])
def test_only_what_has_a_feed_can_be_made_up_for(desk: Desk, name: str, reason: Reason) -> None:
    desk.archive.stores_there = ["trial"]
    with pytest.raises(DianaError) as caught:
        desk.running.backfill(name, -1.0)
    assert caught.value.reason is reason
