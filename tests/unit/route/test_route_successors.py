"""The journal keeps which job took the place of which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_route.core.model import Job, State, Task
from diana_route.stores.sqlite import SqliteJournal
from tests.unit.route.route_bench import DIGEST, file, new_job, study

IN_FORCE = {"rule": DIGEST}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    one = SqliteJournal(tmp_path / "journal.sqlite")
    yield one
    one.close()


def add(journal: SqliteJournal, number: int, rule: str = "rule") -> list[Job]:
    return journal.add([new_job(study(number), rule)], 100.0)


def test_what_takes_the_place_of_jobs_is_named_by_those_that_are_not_done(journal: SqliteJournal) -> None:
    dead, done, other = add(journal, 1), add(journal, 2), add(journal, 1, rule="other")
    journal.dead(Task(dead[0], "target a"), "refused", 200.0)
    for target in "abc":
        journal.succeeded(Task(journal.get(done[0].name), f"target {target}"), 200.0)
    items = [replace(new_job(study(number), occasion="run x"), replaces=True) for number in (1, 2)]
    again, _ = journal.add(items, 300.0)
    now = journal.get(dead[0].name)
    assert (now.state, now.successor) == (State.DEAD, again.name)
    assert [journal.get(one[0].name).successor for one in (done, other)] == ["", ""]
    assert journal.made("rule", study(1).key, "run x") == again
    with pytest.raises(DianaError, match=f"run again as {again.name}") as caught:
        journal.retry(dead[0].name, IN_FORCE, 400.0)
    assert caught.value.reason is Reason.JOB_ENDED


def test_a_job_whose_rule_was_never_asked_is_not_retried_as_it_is(journal: SqliteJournal) -> None:
    (job,) = journal.add([replace(new_job(), digest="", dead="its header cannot be read")], 100.0)
    with pytest.raises(DianaError, match="could not be asked") as caught:
        journal.retry(job.name, IN_FORCE, 200.0)
    assert caught.value.reason is Reason.RULE_CHANGED


def test_what_people_asked_for_is_known_when_its_file_is_gone(journal: SqliteJournal) -> None:
    (job,) = journal.add([new_job(file(), occasion="run x")], 100.0)
    journal.forget_files("rule", ["a.dcm"])
    assert journal.made("rule", file().key, "run x") == job
