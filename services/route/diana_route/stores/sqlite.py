"""The journal in SQLite: one file, one writer, durable at every change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database
from diana_route.core.journal import RUN, TOGETHER, Counted, Learnt, Trail
from diana_route.core.model import FileItem, Job, NewJob, State, Task
from diana_route.stores.changing import (
    add_job,
    begin_anew,
    claim_study,
    count_instances,
    end,
    go_on,
    keep_steps,
    learn,
    note_attempt,
    row_of,
)
from diana_route.stores.rows import JOB, job_of
from diana_route.stores.schema import BURY, BY_ITEM, SCHEMA, WAITING

_PAST_ALL = 1 << 62
_PAST_ALL_UIDS = "~"
_FORGOTTEN_AT_A_TIME = 10_000


class SqliteJournal:
    """core.journal.Journal in a file; for one process at a time."""

    def __init__(self, path: Path, changed: Callable[[int], None] = lambda number: None) -> None:
        """Made, for its owner only, if absent. `changed` is told the number of each job that is new or changed, once
        that is durable; it is quick.

        Raises DianaError STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID, DISK_FULL.
        """
        self._database = Database(path, SCHEMA)
        self._changed = changed
        self._counts: dict[int, Counted] = {}

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, jobs: Sequence[NewJob], now: float, learnt: Learnt | None = None) -> list[Job]:
        """See Journal."""
        with self._database.writing() as db:
            added = [job for new in jobs if (job := add_job(db, new, now))]
            if learnt:
                learn(db, learnt)
        self._tell(job.number for job in added)
        return added

    def made(self, rule: str, key: str, occasion: str) -> Job | None:
        """See Journal."""
        jobs = self._jobs("WHERE item_key = ? AND rule = ? AND occasion = ?", key, rule, occasion)
        return jobs[0] if jobs else None

    def recent_count(self, rule: str, key: str, since: float) -> int:
        """See Journal."""
        where = "item_key = ? AND rule = ? AND create_time >= ?"
        return int(self._value(f"SELECT count(*) FROM job {BY_ITEM} WHERE {where}", key, rule, since))

    def credit(self, number: int, operation: str) -> None:
        """See Journal."""
        self._write("INSERT OR REPLACE INTO credit VALUES (?, ?)", operation, number)

    def claim(self, number: int, store: str, study_uid: str, attributes: Mapping[str, str]) -> bool:
        """See Journal."""
        with self._database.writing() as db:
            return claim_study(db, number, store, study_uid, attributes)

    def trail_of(self, operation: str) -> Trail | None:
        """See Journal."""
        credited = "SELECT job FROM credit WHERE operation = ?"
        rows = self._rows(f"SELECT trail, rule FROM job WHERE name = ? OR number = ({credited})", operation, operation)
        return (*json.loads(rows[0][0]), rows[0][1]) if rows else None

    def study_trail(self, store: str, study_uid: str) -> Trail | None:
        """See Journal."""
        trail = self._value("SELECT trail FROM led WHERE store = ? AND study_uid = ?", store, study_uid)
        return None if trail is None else tuple(json.loads(trail))

    def found(self, source: str, after: str, until: str | None, size: int) -> list[str]:
        """See Journal."""
        where = "source = ? AND study_uid > ? AND study_uid <= ?"
        last = _PAST_ALL_UIDS if until is None else until
        order = "ORDER BY study_uid LIMIT ?"
        rows = self._rows(f"SELECT study_uid FROM found WHERE {where} {order}", source, after, last, size)
        return [row[0] for row in rows]

    def stop_rule(self, rule: str, why: str, configuration: str) -> None:
        """See Journal."""
        self._write("INSERT OR REPLACE INTO stopped VALUES (?, ?, ?)", rule, why, configuration)

    def stopped_rules(self, configuration: str) -> Mapping[str, str]:
        """See Journal."""
        return dict(self._rows("SELECT rule, why FROM stopped WHERE configuration = ?", configuration))

    def cursor(self, source: str) -> str | None:
        """See Journal."""
        position: str | None = self._value("SELECT position FROM cursor WHERE source = ?", source)
        return position

    def forget_cursor(self, source: str) -> None:
        """See Journal."""
        self._write("DELETE FROM cursor WHERE source = ?", source)

    def files(self, rule: str) -> Mapping[str, str]:
        """See Journal."""
        return dict(self._rows("SELECT path, stamp FROM file WHERE rule = ?", rule))

    def forget_files(self, rule: str, paths: Sequence[str]) -> None:
        """See Journal."""
        with self._database.writing() as db:
            db.executemany("DELETE FROM file WHERE rule = ? AND path = ?", [(rule, path) for path in paths])
            keys = [(FileItem(rule, path, "").key, rule, f"{RUN}%") for path in paths]
            where = "item_key = ? AND rule = ? AND occasion NOT LIKE ?"
            db.executemany(f"UPDATE job {BY_ITEM} SET occasion = NULL WHERE {where}", keys)

    def write_memo(self, number: int, memo: str) -> None:
        """See Journal."""
        with self._database.writing() as db:
            if row := row_of(db, number):
                row.current["memo"] = memo
                keep_steps(db, row)

    def count_instances(self, counts: Mapping[int, Counted]) -> None:
        """See Journal."""
        self._counts.update(counts)

    def hasten(self, latest: float) -> None:
        """Let nothing wait beyond a time: what does was put off while the clock was ahead."""
        self._write("UPDATE job SET due_time = ? WHERE state = 1 AND due_time > ?", latest, latest)

    def waiting(self, but: Collection[int]) -> list[tuple[str, float]]:
        """See Queue."""
        return self._rows(WAITING, json.dumps(list(but)))

    def next_for(self, target: str, now: float, but: Collection[int]) -> Task | None:
        """See Queue and Journal."""
        first = self._due(target, now, but, 1)
        if not first:
            return None
        task = Task(first[0], target)
        if not _may_have_company(task.job):
            return task
        others = self._due(target, now, [*but, task.job.number], TOGETHER - 1)
        return Task(task.job, target, tuple(job for job in others if _goes_with(task.job, job)))

    def succeeded(self, piece: Task, now: float) -> None:
        """See Journal."""
        with self._attempted(piece) as db:
            for number in piece.numbers:
                if row := note_attempt(db, number):
                    go_on(db, row, now)

    def failed(self, piece: Task, why: str, due_time: float) -> None:
        """See Queue."""
        with self._attempted(piece) as db:
            for number in piece.numbers:
                note_attempt(db, number, why)
                db.execute("UPDATE job SET due_time = ? WHERE number = ? AND state = 1", (due_time, number))

    def dead(self, piece: Task, why: str, now: float) -> None:
        """See Queue."""
        with self._attempted(piece) as db:
            for number in piece.numbers:
                row = note_attempt(db, number, why)
                if row and row.state is State.WAITING:
                    end(db, number, State.DEAD, now)

    def bury(self, target: str, created_before: float, why: str, now: float) -> int:
        """See Queue."""
        values = {"dead": State.DEAD.value, "now": now, "why": why, "target": target, "before": created_before}
        with self._database.writing() as db:
            buried = [row[0] for row in db.execute(BURY, values)]
        self._tell(buried)
        return len(buried)

    def forget(self, ended_before: float) -> None:
        """See Queue. Others come in between."""
        while self._forget_some(ended_before) == _FORGOTTEN_AT_A_TIME:
            pass

    def get(self, name: str) -> Job:
        """See Journal."""
        if jobs := self._jobs("WHERE name = ?", name):
            return jobs[0]
        raise _not_found()

    def some(self, numbers: Sequence[int]) -> list[Job]:
        """See Journal."""
        return self._jobs("WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number", json.dumps(numbers))

    def page(self, before: int | None, size: int, state: State | None, rule: str) -> list[Job]:
        """See Journal."""
        where, values = "WHERE number < ?", [_PAST_ALL if before is None else before]
        asked: list[tuple[str, Any]] = [("state", state and state.value), ("rule", rule)]
        for column, value in asked:
            if value:
                where += f" AND {column} = ?"
                values.append(value)
        return self._jobs(f"{where} ORDER BY number DESC LIMIT ?", *values, size)

    def of_item(self, key: str, size: int) -> list[Job]:
        """See Journal."""
        return self._jobs(f"{BY_ITEM} WHERE item_key = ? ORDER BY number DESC LIMIT ?", key, size)

    def retry(self, name: str, digests: Mapping[str, str], now: float) -> Job:
        """See Journal."""
        with self._database.writing() as db:
            job = _named(db, name)
            if job.state is State.DONE:
                raise DianaError(Reason.JOB_ENDED, "The job is done.")
            if job.successor:
                raise DianaError(Reason.JOB_ENDED, f"Its item was run again as {job.successor}.")
            if not job.digest:
                text = "Its rule could not be asked of its item; retry it with the rule's present actions."
                raise DianaError(Reason.RULE_CHANGED, text)
            if digests.get(job.rule) != job.digest:
                raise DianaError(Reason.RULE_CHANGED, f"Rule {job.rule} is no more, or has other actions now.")
            if job.state is State.WAITING:
                db.execute("UPDATE job SET due_time = ? WHERE number = ?", (now, job.number))
            else:
                begin_anew(db, job.number, now)
            job = _named(db, name)
        self._changed(job.number)
        return job

    def cancel(self, name: str, now: float) -> Job:
        """See Journal."""
        with self._database.writing() as db:
            job = _named(db, name)
            if job.state in (State.DONE, State.DEAD):
                raise DianaError(Reason.JOB_ENDED, "The job has ended: there is nothing to cancel.")
            if job.state is State.WAITING:
                end(db, job.number, State.CANCELLED, now)
            job = _named(db, name)
        self._changed(job.number)
        return job

    def counts(self) -> Mapping[tuple[str, State], int]:
        """See Journal."""
        rows = self._rows("SELECT rule, state, jobs FROM tally WHERE jobs > 0")
        return {(rule, State(state)): jobs for rule, state, jobs in rows}

    @contextmanager
    def _attempted(self, piece: Task) -> Iterator[sqlite3.Connection]:
        """A transaction that ends an attempt; what was counted in the attempt is written with it."""
        with self._database.writing() as db:
            for number in piece.numbers:
                if counted := self._counts.get(number):
                    count_instances(db, number, counted)
            yield db
        for number in piece.numbers:
            self._counts.pop(number, None)
        self._tell(piece.numbers)

    def _forget_some(self, ended_before: float) -> int:
        some = "SELECT number FROM job WHERE state > 1 AND end_time < ? LIMIT ?"
        with self._database.writing() as db:
            numbers = [row[0] for row in db.execute(some, (ended_before, _FORGOTTEN_AT_A_TIME))]
            for table, column in (("credit", "job"), ("claim", "job"), ("job", "number")):
                listed = "SELECT value FROM json_each(?)"
                db.execute(f"DELETE FROM {table} WHERE {column} IN ({listed})", (json.dumps(numbers),))
        return len(numbers)

    def _due(self, target: str, now: float, but: Collection[int], size: int) -> list[Job]:
        return self._jobs(
            "INDEXED BY waiting WHERE state = 1 AND target = ? AND due_time <= ?"
            " AND number NOT IN (SELECT value FROM json_each(?)) ORDER BY due_time, number LIMIT ?",
            target,
            now,
            json.dumps(list(but)),
            size,
        )

    def _tell(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._changed(number)

    def _jobs(self, where: str, *values: Any) -> list[Job]:
        return [job_of(row) for row in self._rows(f"SELECT {JOB} FROM job {where}", *values)]

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._database.reading() as db:
            return db.execute(statement, values).fetchall()

    def _value(self, statement: str, *values: Any) -> Any:
        rows = self._rows(statement, *values)
        return rows[0][0] if rows else None

    def _write(self, statement: str, *values: Any) -> None:
        with self._database.writing() as db:
            db.execute(statement, values)


def _may_have_company(job: Job) -> bool:
    """Whether a job is of a file that is no zip by its name, and at a step that was never tried."""
    is_small = isinstance(job.item, FileItem) and not job.item.path.lower().endswith(".zip")
    return is_small and not job.steps[job.current].attempt_count


def _goes_with(job: Job, other: Job) -> bool:
    """Whether a job that may have company has that of another one."""
    alike = (job.rule, job.digest, job.current) == (other.rule, other.digest, other.current)
    return alike and _may_have_company(other)


def _named(db: sqlite3.Connection, name: str) -> Job:
    row = db.execute(f"SELECT {JOB} FROM job WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise _not_found()
    return job_of(row)


def _not_found() -> DianaError:
    return DianaError(Reason.JOB_NOT_FOUND, "There is no job of that name; those that ended are kept for a time only.")
