"""What the journal is asked costs what it touches, however many jobs there are: it holds a lock meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from diana_route.core.model import State
from diana_route.stores.sqlite import SqliteJournal
from tests.unit.route.route_bench import file, new_job


class Traced(sqlite3.Connection):
    """Keeps what it is asked."""

    def __init__(self, *args: Any, **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.asked: list[str] = []
        self.set_trace_callback(self.asked.append)

    def plans(self) -> list[tuple[str, str]]:
        """How each statement on jobs is carried out, and the statement."""
        self.set_trace_callback(None)
        statements = [one for one in self.asked if " job " in one and one.split()[0] in ("SELECT", "UPDATE", "WITH")]
        return [(row[3], one) for one in statements for row in self.execute(f"EXPLAIN QUERY PLAN {one}")]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SqliteJournal, Traced]]:
    connections: list[Traced] = []
    really = sqlite3.connect

    def connect(*args: Any, **extra: Any) -> Traced:
        connections.append(really(*args, factory=Traced, **extra))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", connect)
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        yield journal, connections[0]


def test_no_statement_goes_through_all_jobs_of_a_rule(asked: tuple[SqliteJournal, Traced]) -> None:
    journal, connection = asked
    connection.asked.clear()
    (job,) = journal.add([new_job(file("a.dcm"))], 100.0)
    journal.made(job.rule, job.item.key, "1")
    journal.recent_count(job.rule, job.item.key, 1.0)
    journal.of_item(job.item.key, 10)
    journal.forget_files(job.rule, ["a.dcm"])
    for state in (None, State.WAITING):
        for rule in ("", job.rule):
            journal.page(None, 10, state, rule)
    journal.waiting([])
    journal.next_for("a", 200.0, [])
    journal.bury("a", 200.0, "why", 200.0)
    journal.forget(300.0)
    plans = connection.plans()
    assert len(plans) > 12
    for plan, statement in plans:
        assert "SCAN job" not in plan, statement
        if "item_key =" in statement and "SEARCH job" in plan:
            assert "item_key=?" in plan, statement
