"""Changes of the journal's rows, each within a transaction of the caller's."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diana_route.core.journal import Counted, Learnt
from diana_route.core.model import FileItem, Job, NewJob, State
from diana_route.stores.rows import item_text, job_made, new_step, new_steps
from diana_route.stores.schema import BY_ITEM


@dataclass
class Row:
    """A job's row, as far as its steps go."""

    number: int
    state: State
    step: int
    steps: list[dict[str, Any]]

    @property
    def current(self) -> dict[str, Any]:
        """The step that is next."""
        return self.steps[self.step]


def add_job(db: sqlite3.Connection, new: NewJob, now: float) -> Job | None:
    """Make a job, if there is none of its rule, item and occasion."""
    name = f"jobs/{secrets.token_hex(16)}"
    values = {
        "name": name,
        "rule": new.rule,
        "digest": new.digest,
        "item_key": new.item.key,
        "item": item_text(new.item),
        "trail": json.dumps(list(new.trail)),
        "occasion": new.occasion,
        "state": (State.DEAD if new.dead else State.WAITING).value,
        "steps": new_steps(new),
        "target": new.targets[0],
        "due_time": None if new.dead else now,
        "end_time": now if new.dead else None,
        "create_time": now,
        "waiting_since": now,
    }
    if isinstance(new.item, FileItem):
        db.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", (new.rule, new.item.path, new.item.stamp))
    marks = ", ".join(f":{column}" for column in values)
    row = db.execute(
        f"INSERT INTO job ({', '.join(values)}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING number", values
    ).fetchone()
    if row and new.replaces:
        succeed(db, row[0], name, new)
    return job_made(row[0], name, new, now) if row else None


def succeed(db: sqlite3.Connection, number: int, name: str, new: NewJob) -> None:
    """The earlier jobs of a new one's rule and item name it as their successor, unless they are done or have one."""
    earlier = "item_key = ? AND rule = ? AND number < ? AND state <> ? AND successor IS NULL"
    values = (name, new.item.key, new.rule, number, State.DONE.value)
    db.execute(f"UPDATE job {BY_ITEM} SET successor = ? WHERE {earlier}", values)


def learn(db: sqlite3.Connection, learnt: Learnt) -> None:
    """Keep what following a source tells."""
    if learnt.cursor:
        db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", learnt.cursor)
    for study, trail in learnt.trails.items():
        if trail is None:
            db.execute("DELETE FROM led WHERE store = ? AND study_uid = ?", study)
        else:
            db.execute("INSERT OR REPLACE INTO led VALUES (?, ?, ?)", (*study, json.dumps(trail)))
    if found := learnt.found:
        new = [(found.source, study_uid) for study_uid in found.new]
        gone = [(found.source, study_uid) for study_uid in found.gone]
        db.executemany("INSERT OR IGNORE INTO found VALUES (?, ?)", new)
        db.executemany("DELETE FROM found WHERE source = ? AND study_uid = ?", gone)


def claim_study(db: sqlite3.Connection, number: int, store: str, study_uid: str, attributes: Mapping[str, str]) -> bool:
    """See Journal.claim."""
    where = "store = ? AND study_uid = ?"
    row = db.execute(f"SELECT attributes, job FROM claim WHERE {where}", (store, study_uid)).fetchone()
    known: dict[str, str] = json.loads(row[0]) if row else {}
    if any(known.get(name, value) != value for name, value in attributes.items()):
        return False
    both = json.dumps({**known, **attributes})
    if row != (both, number):
        db.execute("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?)", (store, study_uid, both, number))
    return True


def row_of(db: sqlite3.Connection, number: int) -> Row | None:
    """A job's row; None if it was forgotten, or has no step any more."""
    found = db.execute("SELECT state, step, steps FROM job WHERE number = ?", (number,)).fetchone()
    if found is None:
        return None
    state, step, steps = found
    row = Row(number, State(state), step, json.loads(steps))
    return row if step < len(row.steps) else None


def keep_steps(db: sqlite3.Connection, row: Row) -> None:
    """Write what was changed of a row's steps."""
    db.execute("UPDATE job SET steps = ? WHERE number = ?", (json.dumps(row.steps), row.number))


def note_attempt(db: sqlite3.Connection, number: int, error: str = "") -> Row | None:
    """The current step was tried once more, and failed if there is an error; the row as it is then."""
    if row := row_of(db, number):
        row.current["attempts"] += 1
        row.current["error"] = error or row.current["error"]
        keep_steps(db, row)
    return row


def count_instances(db: sqlite3.Connection, number: int, counted: Counted) -> None:
    """What became of the instances of a job's file."""
    counts = (counted.stored, counted.refused, number)
    db.execute("UPDATE job SET stored_count = ?, refused_count = ? WHERE number = ?", counts)
    if counted.why and (row := row_of(db, number)):
        row.current["error"] = counted.why
        keep_steps(db, row)


def go_on(db: sqlite3.Connection, row: Row, now: float) -> None:
    """The current step is done: the next one's turn comes, or the job is done. Of a cancelled job none follows.

    Its memo goes: it may lead to what was made of a study.
    """
    if row.current["memo"]:
        row.current["memo"] = ""
        keep_steps(db, row)
    if row.step + 1 == len(row.steps):
        done = "step = step + 1, state = ?, due_time = NULL, end_time = ?"
        db.execute(f"UPDATE job SET {done} WHERE number = ?", (State.DONE.value, now, row.number))
        return
    target = row.steps[row.step + 1]["target"]
    # It stays due since when it was: before jobs that came later, so that each is done soon after it was begun.
    since = "waiting_since = ?"
    db.execute(f"UPDATE job SET step = step + 1, target = ?, {since} WHERE number = ?", (target, now, row.number))
    if row.state not in (State.WAITING, State.CANCELLED):
        wait(db, row.number, now)


def begin_anew(db: sqlite3.Connection, number: int, now: float) -> None:
    """The current step's turn comes as if it had never been tried."""
    if row := row_of(db, number):
        row.steps[row.step] = new_step(row.current["action"], row.current["target"])
        keep_steps(db, row)
        wait(db, number, now)


def wait(db: sqlite3.Connection, number: int, now: float) -> None:
    """The current step waits from now on, and is due."""
    db.execute(
        "UPDATE job SET state = ?, due_time = ?, waiting_since = ?, end_time = NULL WHERE number = ?",
        (State.WAITING.value, now, now, number),
    )


def end(db: sqlite3.Connection, number: int, state: State, now: float) -> None:
    """The job waits for nothing any more; its memo goes, as in `go_on`."""
    if (row := row_of(db, number)) and row.current["memo"]:
        row.current["memo"] = ""
        keep_steps(db, row)
    db.execute("UPDATE job SET state = ?, due_time = NULL, end_time = ? WHERE number = ?", (state.value, now, number))
