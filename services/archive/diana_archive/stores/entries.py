"""The feed's rows: how events are written down and read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from enum import IntEnum
from functools import lru_cache
from typing import Any

from diana_archive.core.model import (
    CompletionReason,
    Event,
    FeedEntry,
    HeaderOmitted,
    Instance,
    InstanceName,
    InstancesDeleted,
    InstancesRestored,
    InstanceStored,
    Origin,
    ProcedureStep,
    State,
    StudyAttributesChanged,
    StudyCompleted,
)
from diana_archive.stores.evidence import decode_evidence
from diana_archive.stores.sql import IDS, WORDS, Connection, listed

PAGE_ENTRIES = 200
LARGEST_HEADER = 64 * 1024
# A page looks at no more rows than this, however few of them are of the stores asked for.
_WINDOW = 5000
_NAME_BYTES = 200
_UID_BYTES = 66


class Kind(IntEnum):
    """What a row of the feed tells of."""

    STORED = 1
    DELETED = 2
    RESTORED = 3
    ATTRIBUTES = 4
    COMPLETED = 5


_ENTRY = """f.sequence, fo.name, f.commit_us, f.kind, f.detail, f.origin, i.header_bytes, i.id, fo.name, t.study_uid,
  s.series_uid, i.sop_uid, i.sop_class_uid, i.transfer_syntax_uid, i.size_bytes, i.data_set_offset, i.data_set_sha256,
  i.prefix_sha256, i.version, i.state, i.store_us, i.sequence"""
_FROM = """feed f JOIN store fo ON fo.id = f.store_id LEFT JOIN instance i ON i.id = f.instance_id
  LEFT JOIN series s ON s.id = i.series_id LEFT JOIN study t ON t.id = s.study_id"""


class FeedPages:
    """Reads the feed."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def feed(
        self, after: int, upto: int, stores: Sequence[str], headers: bool, page_bytes: int
    ) -> tuple[list[FeedEntry], int]:
        """See core.ports.Snapshot."""
        # Of all stores, a page has no more: PostgreSQL would join and sort whatever lies beyond it.
        upto = min(upto, after + (_WINDOW if stores else PAGE_ENTRIES))
        header = f"CASE WHEN i.header_bytes <= {LARGEST_HEADER} THEN h.json END" if headers else "NULL"
        join = "LEFT JOIN header h ON h.instance_id = f.instance_id" if headers else ""
        rows = self._db.execute(
            f"""SELECT {header}, {_ENTRY} FROM {_FROM} {join} WHERE f.sequence > ? AND f.sequence <= ?
                AND (? = 1 OR fo.name IN {WORDS}) ORDER BY f.sequence LIMIT {PAGE_ENTRIES}""",
            (after, upto, int(not stores), listed(stores)),
        )
        entries: list[FeedEntry] = []
        size = 0
        for row in rows:
            entries.append(self._entry(row[0], row[1:], headers))
            size += _size(entries[-1].event, row[7] if row[0] else 0)
            if len(entries) >= PAGE_ENTRIES or size >= page_bytes:
                return entries, entries[-1].sequence
        return entries, upto

    def last_until(self, time_us: int, head: int) -> int:
        """See core.ports.Snapshot. Halves the feed, whose times never decrease (SqlChanges), again and again."""
        low, high = 0, head
        while low < high:
            middle = (low + high + 1) // 2
            row = self._db.execute(
                "SELECT commit_us FROM feed WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1", (middle,)
            ).fetchone()
            if row is None or row[0] <= time_us:
                low = middle
            else:
                high = middle - 1
        return low

    def _entry(self, header: bytes | None, row: Sequence[Any], headers: bool) -> FeedEntry:
        sequence, store, commit_us, kind, detail, origin = row[:6]
        if kind == Kind.STORED:
            event: Event = _stored(header, row, headers)
        else:
            event = self._other(Kind(kind), json.loads(detail))
        return FeedEntry(sequence, store, commit_us, _decode_origin(origin), event)

    def _other(self, kind: Kind, detail: Any) -> Event:
        if kind == Kind.ATTRIBUTES:
            return StudyAttributesChanged(detail[0], detail[1], tuple(detail[2]))
        if kind == Kind.COMPLETED:
            # Entries of the first version have no evidence.
            evidence = tuple(decode_evidence(detail[4])) if len(detail) > 4 else ()
            return StudyCompleted(detail[0], CompletionReason(detail[1]), detail[2], detail[3], evidence)
        rows = self._db.execute(
            f"""SELECT i.id, s.series_uid, i.sop_uid, i.version FROM instance i JOIN series s ON s.id = i.series_id
                WHERE i.id IN {IDS}""",
            (listed(detail[1]),),
        )
        name_of = {row[0]: InstanceName(*row[1:]) for row in rows}
        names = tuple(name_of[object_id] for object_id in detail[1])
        return (InstancesDeleted if kind == Kind.DELETED else InstancesRestored)(detail[0], names)


def _stored(header: bytes | None, row: Sequence[Any], headers: bool) -> InstanceStored:
    header_bytes, state = row[6], row[19]
    if not headers:
        omitted = HeaderOmitted.NOT_ASKED
    elif state == State.PURGED:
        omitted = HeaderOmitted.PURGED
    elif header_bytes > LARGEST_HEADER:
        omitted = HeaderOmitted.TOO_LARGE
    else:
        omitted = HeaderOmitted.PRESENT
    # As it was then: current and undeleted, whatever has become of it.
    values = [*row[7:19], State.CURRENT, row[20], None, row[21]]
    instance = Instance(*values)
    return InstanceStored(instance, header or b"", omitted, row[4] or "")


def _size(event: Event, header_bytes: int) -> int:
    """About how many bytes the entry takes in a message."""
    if isinstance(event, InstancesDeleted | InstancesRestored):
        return _NAME_BYTES * (1 + len(event.instances))
    if isinstance(event, InstanceStored):
        return 2 * _NAME_BYTES + header_bytes
    size = _NAME_BYTES + sum(len(key) + 4 * len(value) for key, value in event.attributes.items())
    if isinstance(event, StudyCompleted):
        facts = [one.fact for one in event.evidence]
        size += _NAME_BYTES * len(facts)
        size += sum(_UID_BYTES * len(fact.sop_instance_uids) for fact in facts if isinstance(fact, ProcedureStep))
    return size


@lru_cache(maxsize=256)
def encode_origin(origin: Origin) -> str | None:
    """An origin as its column holds it. A stream's instances share one."""
    fields = astuple(origin)
    return json.dumps(fields) if any(fields) else None


@lru_cache(maxsize=256)
def _decode_origin(column: str | None) -> Origin:
    return Origin(*json.loads(column)) if column else Origin()
