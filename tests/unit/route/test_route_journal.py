"""The journal keeps what it took, all or none, across processes."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_route.core.journal import TOGETHER, Counted, Found, Learnt
from diana_route.core.model import Job, State, Task
from diana_route.stores.schema import SCHEMA
from diana_route.stores.sqlite import SqliteJournal
from tests.unit.route.route_bench import DIGEST, file, new_job, study

IN_FORCE = {"rule": DIGEST}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


@pytest.fixture
def changed() -> list[int]:
    return []


@pytest.fixture
def journal(path: Path, changed: list[int]) -> Iterator[SqliteJournal]:
    one = SqliteJournal(path, changed.append)
    yield one
    one.close()


def add(journal: SqliteJournal, *numbers: int, now: float = 100.0, rule: str = "rule") -> list[Job]:
    return journal.add([new_job(study(number), rule) for number in numbers], now)


def taken(journal: SqliteJournal, target: str, now: float = 1000.0) -> Task:
    task = journal.next_for(target, now, [])
    assert task is not None
    return task


def test_what_was_added_is_there_for_the_next_process(path: Path) -> None:
    first = SqliteJournal(path)
    item = file("hospital_a/mammo/1.dcm")
    added = first.add([new_job(item, trail=["other"])], 100.0, Learnt(cursor=("feed", "here")))
    other = SqliteJournal(path)  # the first one was never closed, as after a kill
    assert [other.get(added[0].name)] == added == other.page(None, 10, None, "")
    assert added[0].item == item
    assert added[0].trail == ("other",)
    assert [step.action for step in added[0].steps] == ["do a", "do b", "do c"]
    assert other.cursor("feed") == "here"
    first.close()
    other.close()


def test_only_the_owner_may_read_it(path: Path, journal: SqliteJournal) -> None:
    add(journal, 1)
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}


def test_a_newer_programs_file_is_refused(path: Path, journal: SqliteJournal) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(SCHEMA) + 1}")
    with pytest.raises(DianaError) as caught:
        SqliteJournal(path)
    assert caught.value.reason is Reason.STORE_SCHEMA_NEWER


def test_of_a_rule_an_item_and_an_occasion_there_is_one_job(journal: SqliteJournal, changed: list[int]) -> None:
    (first,) = add(journal, 1)
    again = [new_job(study(1)), new_job(study(1), occasion="p2"), new_job(study(1), rule="other"), new_job(study(2))]
    assert [job.number for job in journal.add(again, 101.0)] == changed[1:] != []
    assert [job.number for job in journal.of_item(study(1).key, 2)] == changed[1:3][::-1]
    assert len(journal.of_item(study(1).key, 10)) == 3
    assert journal.recent_count("rule", study(1).key, 100.0) == 2
    assert journal.recent_count("rule", study(1).key, 100.5) == 1
    assert journal.some([first.number, 999]) == [first]


def test_a_failure_in_the_middle_leaves_nothing_behind(journal: SqliteJournal) -> None:
    broken = new_job(study(2), rule=object())  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        journal.add([new_job(), broken], 100.0, Learnt(("feed", "there"), {("inbox", "1"): ("rule",)}))
    assert not journal.page(None, 10, None, "")
    assert journal.cursor("feed") is None
    assert journal.study_trail("inbox", "1") is None
    assert not journal.counts()


def test_a_job_goes_from_target_to_target_until_it_is_done(journal: SqliteJournal) -> None:
    (job,) = add(journal, 1)
    names = []
    for place, target in enumerate(("target a", "target b", "target c")):
        assert journal.waiting([]) == [(target, 100.0)]  # before what came after it
        task = taken(journal, target)
        assert (task.create_time, task.attempt_count) == (100.0 + place, 0)
        names.append(task.request_id)
        journal.succeeded(task, 101.0 + place)
    assert names == [f"{job.name}/{place}" for place in range(3)]
    done = journal.get(job.name)
    assert (done.state, done.current, done.end_time, done.next_attempt_time) == (State.DONE, 3, 103.0, None)
    assert [(step.done, step.attempt_count) for step in done.steps] == [(True, 1)] * 3
    assert journal.waiting([]) == []


def test_each_target_waits_by_itself_and_what_is_under_way_does_not(journal: SqliteJournal) -> None:
    first, second = add(journal, 1, 2)
    journal.succeeded(taken(journal, "target a"), 100.0)
    assert journal.waiting([]) == [("target a", 100.0), ("target b", 100.0)]
    assert journal.waiting([second.number]) == [("target b", 100.0)]
    task = taken(journal, "target b")
    assert task.job.number == first.number
    journal.failed(task, "no answer", 200.0)
    assert journal.next_for("target b", 150.0, []) is None
    assert journal.next_for("target b", 200.0, [first.number]) is None
    again = taken(journal, "target b", 200.0)
    assert (again.attempt_count, again.step.last_error) == (1, "no answer")
    assert again.request_id == task.request_id


def test_a_step_is_given_up_alone_or_with_all_that_waited_behind_its_target(journal: SqliteJournal) -> None:
    first, second, third = add(journal, 1, 2, 3)
    journal.dead(taken(journal, "target a"), "refused", 105.0)
    journal.succeeded(taken(journal, "target a"), 200.0)
    assert journal.bury("target a", 150.0, "no answer", 300.0) == 1
    assert journal.bury("target b", 150.0, "no answer", 300.0) == 0  # it came there later
    found = [journal.get(one.name) for one in (first, second, third)]
    assert [one.state for one in found] == [State.DEAD, State.WAITING, State.DEAD]
    assert [one.steps[0].last_error for one in found] == ["refused", "", "no answer"]
    assert [one.end_time for one in found] == [105.0, None, 300.0]


def test_what_was_buried_while_it_was_done_goes_on(journal: SqliteJournal) -> None:
    (job,) = add(journal, 1)
    task = taken(journal, "target a")
    journal.bury("target a", 100.0, "no answer", 300.0)
    journal.succeeded(task, 301.0)
    assert (journal.get(job.name).state, journal.get(job.name).current) == (State.WAITING, 1)


def test_memos_and_counts_are_the_current_steps(journal: SqliteJournal, changed: list[int]) -> None:
    (job,) = add(journal, 1)
    journal.write_memo(job.number, '{"operation": "x"}')
    journal.count_instances({job.number: Counted(7, 1, "not Part 10"), 999: Counted(1)})
    task = taken(journal, "target a")
    assert task.step.memo == '{"operation": "x"}'
    journal.succeeded(task, 101.0)
    now = journal.get(job.name)
    assert (now.stored_count, now.refused_count) == (7, 1)
    assert (now.steps[0].last_error, now.steps[1].memo) == ("not Part 10", "")
    assert now.steps[0].memo == ""  # it may lead to what was made of a study
    assert job.number in changed[1:]


def test_a_dead_job_goes_on_where_it_ended_as_if_the_step_were_new(journal: SqliteJournal) -> None:
    (job,) = add(journal, 1)
    journal.succeeded(taken(journal, "target a"), 101.0)
    journal.write_memo(job.number, "memo")
    journal.dead(taken(journal, "target b"), "refused", 102.0)
    assert journal.get(job.name).steps[1].memo == ""
    back = journal.retry(job.name, IN_FORCE, 500.0)
    assert (back.state, back.current, back.next_attempt_time, back.end_time) == (State.WAITING, 1, 500.0, None)
    task = taken(journal, "target b", 500.0)
    assert (task.step.memo, task.step.last_error, task.attempt_count, task.create_time) == ("", "", 0, 500.0)


def test_a_zip_is_done_alone_and_files_together(journal: SqliteJournal) -> None:
    names = ("1.zip", "a.dcm", "2.ZIP", "b.dcm")
    journal.add([new_job(file(name)) for name in names], 100.0)
    done = []
    for _ in range(3):
        task = taken(journal, "target a")
        done.append([job.number for job in task.jobs])
        journal.succeeded(task, 101.0)
    assert done == [[1], [2, 4], [3]]


def test_a_job_that_waits_is_tried_at_once_when_it_is_retried(journal: SqliteJournal) -> None:
    (job,) = add(journal, 1)
    journal.failed(taken(journal, "target a"), "no answer", 9000.0)
    assert journal.retry(job.name, IN_FORCE, 500.0).next_attempt_time == 500.0
    assert taken(journal, "target a", 500.0).attempt_count == 1


@pytest.mark.parametrize("digests", [{}, {"rule": "another"}])
def test_a_job_of_another_rule_than_today_cannot_go_on(journal: SqliteJournal, digests: dict[str, str]) -> None:
    (job,) = add(journal, 1)
    journal.dead(taken(journal, "target a"), "refused", 102.0)
    with pytest.raises(DianaError) as caught:
        journal.retry(job.name, digests, 500.0)
    assert caught.value.reason is Reason.RULE_CHANGED
    assert journal.get(job.name).state is State.DEAD


def test_a_cancelled_job_finishes_the_step_that_is_under_way_and_no_other(journal: SqliteJournal) -> None:
    (job,) = add(journal, 1)
    task = taken(journal, "target a")
    assert journal.cancel(job.name, 101.0).state is State.CANCELLED
    assert journal.cancel(job.name, 102.0).end_time == 101.0
    journal.succeeded(task, 103.0)
    now = journal.get(job.name)
    assert (now.state, now.current, now.next_attempt_time) == (State.CANCELLED, 1, None)
    assert journal.waiting([]) == []
    assert journal.retry(job.name, IN_FORCE, 200.0).current == 1
    assert journal.waiting([]) == [("target b", 200.0)]


def test_a_job_whose_last_step_was_under_way_when_it_was_cancelled_is_done(journal: SqliteJournal) -> None:
    (job,) = journal.add([new_job(steps="a")], 100.0)
    task = taken(journal, "target a")
    journal.cancel(job.name, 101.0)
    journal.succeeded(task, 102.0)
    assert journal.get(job.name).state is State.DONE
    with pytest.raises(DianaError, match="nothing to cancel") as cancelled:
        journal.cancel(job.name, 1.0)
    with pytest.raises(DianaError, match="is done") as retried:
        journal.retry(job.name, IN_FORCE, 1.0)
    with pytest.raises(DianaError) as unknown:
        journal.cancel("jobs/none", 1.0)
    reasons = [caught.value.reason for caught in (cancelled, retried, unknown)]
    assert reasons == [Reason.JOB_ENDED, Reason.JOB_ENDED, Reason.JOB_NOT_FOUND]


def test_files_that_came_together_are_done_together_until_one_was_tried(journal: SqliteJournal) -> None:
    files = [new_job(file(f"{number}.dcm"), occasion="s") for number in range(TOGETHER + 3)]
    added = journal.add([new_job(study()), *files, new_job(file("x.dcm", rule="other"), "other")], 100.0)
    assert taken(journal, "target a").numbers == (added[0].number,)
    journal.dead(taken(journal, "target a"), "refused", 101.0)
    task = taken(journal, "target a")
    assert task.numbers == tuple(job.number for job in added[1 : TOGETHER + 1])
    journal.succeeded(task.part(task.jobs[2:]), 102.0)
    journal.failed(task.part(task.jobs[:2]), "no answer", 103.0)
    rest = taken(journal, "target a", 102.0)
    assert rest.numbers == tuple(job.number for job in added[TOGETHER + 1 : -1])
    journal.dead(rest, "refused", 102.0)
    assert journal.counts()["rule", State.DEAD] == 4
    assert len(taken(journal, "target b").numbers) == TOGETHER - 2
    assert len(taken(journal, "target a", 102.0).numbers) == 1  # the other rule's
    journal.dead(taken(journal, "target a", 102.0), "refused", 102.0)
    assert len(taken(journal, "target a").numbers) == 1  # what was tried goes alone


def test_a_file_that_went_and_came_back_is_another_one(journal: SqliteJournal) -> None:
    jobs = [new_job(file(name), occasion="s1") for name in ("a.dcm", "b.dcm")]
    assert len(journal.add(jobs, 100.0)) == 2
    assert journal.files("rule") == {"a.dcm": "s1", "b.dcm": "s1"}
    assert journal.add(jobs, 101.0) == []
    journal.forget_files("rule", ["a.dcm"])
    assert journal.files("rule") == {"b.dcm": "s1"}
    assert [job.item for job in journal.add(jobs, 102.0)] == [file("a.dcm")]
    assert journal.files("other") == {}


def test_what_ended_long_ago_is_forgotten_with_all_that_it_alone_knew(journal: SqliteJournal) -> None:
    old, newer, waiting = add(journal, 1, 2, 3)
    journal.credit(old.number, "operations/1")
    assert journal.trail_of("operations/1") == journal.trail_of(old.name) == ("rule",)
    journal.dead(Task(old, "target a"), "refused", 200.0)
    journal.dead(Task(newer, "target a"), "refused", 300.0)
    journal.forget(300.0)
    assert [job.number for job in journal.page(None, 9, None, "")] == [waiting.number, newer.number]
    assert journal.trail_of("operations/1") is journal.trail_of(old.name) is None
    assert len(add(journal, 1, 2)) == 1
    assert journal.counts() == {("rule", State.DEAD): 1, ("rule", State.WAITING): 2}


def test_a_page_holds_what_is_older_of_a_state_and_a_rule(journal: SqliteJournal) -> None:
    jobs = [*add(journal, 1), *add(journal, 1, rule="other"), *add(journal, 2)]
    journal.dead(Task(jobs[0], "target a"), "refused", 200.0)
    numbers = [job.number for job in jobs]
    assert [job.number for job in journal.page(None, 2, None, "")] == [numbers[2], numbers[1]]
    assert [job.number for job in journal.page(numbers[1], 2, None, "")] == [numbers[0]]
    assert [job.number for job in journal.page(None, 9, State.WAITING, "rule")] == [numbers[2]]
    assert [job.number for job in journal.page(None, 9, State.DEAD, "")] == [numbers[0]]
    counts = {("rule", State.DEAD): 1, ("rule", State.WAITING): 1, ("other", State.WAITING): 1}
    assert journal.counts() == counts


def test_what_a_query_found_is_known_in_order_and_in_pieces(journal: SqliteJournal) -> None:
    journal.add([], 1.0, Learnt(found=Found("nightly", new=["1.3", "1.10", "1.2"])))
    journal.add([], 2.0, Learnt(found=Found("nightly", new=["1.2", "1.4"], gone=["1.3"])))
    assert journal.found("nightly", "", None, 9) == ["1.10", "1.2", "1.4"]
    assert journal.found("nightly", "1.10", "1.2", 9) == ["1.2"]
    assert journal.found("nightly", "", None, 1) == ["1.10"]
    assert journal.found("other", "", None, 9) == []


def test_a_cursor_can_be_forgotten_and_a_stop_is_of_its_configuration(journal: SqliteJournal) -> None:
    journal.add([], 1.0, Learnt(("feed", "here")))
    journal.forget_cursor("feed")
    assert journal.cursor("feed") is None
    journal.stop_rule("rule", "a loop", "one")
    assert journal.stopped_rules("one") == {"rule": "a loop"}
    assert journal.stopped_rules("other") == {}


def test_a_full_disk_is_told_and_nothing_is_half_there(journal: SqliteJournal) -> None:
    with journal._database.writing() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    with journal._database.reading() as db:
        db.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(DianaError) as caught:
        journal.add([new_job(study(1, note="x" * 100_000))], 100.0, Learnt(("feed", "here")))
    assert caught.value.reason is Reason.DISK_FULL
    assert journal.cursor("feed") is None
    assert len(add(journal, 1)) == 1


def test_the_next_one_is_found_without_looking_at_all_that_wait(journal: SqliteJournal) -> None:
    statements: list[str] = []
    with journal._database.writing() as db:
        db.set_trace_callback(statements.append)
    add(journal, 1)
    journal.waiting([])
    taken(journal, "target a")
    with journal._database.reading() as db:
        db.set_trace_callback(None)
        asked = [one for one in statements if "INDEXED BY waiting" in one]
        plans = [row[-1] for one in asked for row in db.execute(f"EXPLAIN QUERY PLAN {one}")]
    assert len(asked) >= 2
    assert not [one for one in plans if one.startswith("SCAN job") or "TEMP B-TREE" in one]


def test_nothing_waits_for_a_time_that_a_clock_which_was_ahead_has_set(journal: SqliteJournal) -> None:
    add(journal, 1, now=1_000_000.0)
    journal.hasten(500.0)
    assert [due for _, due in journal.waiting([])] == [500.0]
    journal.hasten(700.0)
    assert [due for _, due in journal.waiting([])] == [500.0]


def test_a_study_is_claimed_until_the_last_job_that_did_is_forgotten(path: Path, journal: SqliteJournal) -> None:
    first, second = add(journal, 1, 2)
    assert journal.claim(first.number, "inbox", "1.2", {"site": "basel"})
    assert journal.claim(second.number, "inbox", "1.2", {"site": "basel", "trial": "heart"})
    assert journal.claim(second.number, "other", "1.2", {"site": "bern"})
    other = SqliteJournal(path)  # another process, as after a kill
    for theirs in ({"site": "bern"}, {"site": "basel", "trial": "lung"}):
        assert not other.claim(first.number, "inbox", "1.2", theirs)
    other.close()
    journal.cancel(first.name, 200.0)
    journal.forget(201.0)
    assert not journal.claim(second.number, "inbox", "1.2", {"site": "bern"})
    journal.cancel(second.name, 300.0)
    journal.forget(301.0)
    (third,) = add(journal, 3)
    assert journal.claim(third.number, "inbox", "1.2", {"site": "bern"})
