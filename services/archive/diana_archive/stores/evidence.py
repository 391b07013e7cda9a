"""What is known about studies' completeness: a row a study, which may be there before the study is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from typing import Any

from diana_archive.core.model import Evidence, Fact, Origin, ProcedureStep, SessionEnded, SourceCount, StepStatus
from diana_archive.stores.sql import Connection

_OPEN = "t.store_id = ?1 AND t.complete = 0 AND t.instance_count > 0"
_KINDS: dict[str, type[Fact]] = {"session": SessionEnded, "count": SourceCount, "step": ProcedureStep}
_KIND_OF = {fact: kind for kind, fact in _KINDS.items()}


class EvidenceRows:
    """Questions of core.ports.Snapshot about evidence."""

    _db: Connection
    _stores: Mapping[str, int]

    def evidence(self, store: str, study_uid: str) -> list[Evidence]:
        row = self._db.execute(
            "SELECT document FROM evidence WHERE store_id = ? AND study_uid = ?", (self._stores[store], study_uid)
        ).fetchone()
        return decode_evidence(json.loads(row[0])) if row else []

    def witnessed(self, store: str, since_us: int, after_uid: str, limit: int) -> list[str]:
        rows = self._db.execute(
            f"""SELECT study_uid FROM (
                  SELECT t.study_uid FROM study t WHERE {_OPEN} AND t.arrival_us > ?2 AND EXISTS (
                    SELECT 1 FROM evidence e
                    WHERE e.store_id = t.store_id AND e.study_uid = t.study_uid AND e.spent = 0)
                  UNION
                  SELECT t.study_uid FROM evidence e JOIN study t
                    ON t.store_id = e.store_id AND t.study_uid = e.study_uid
                    WHERE e.store_id = ?1 AND e.record_us > ?2 AND e.spent = 0 AND {_OPEN}) w
                WHERE study_uid > ?3 ORDER BY study_uid LIMIT ?4""",
            (self._stores[store], since_us, after_uid, limit),
        )
        return [row[0] for row in rows]

    def unclaimed(self, store: str, before_us: int, limit: int) -> list[str]:
        rows = self._db.execute(
            """SELECT e.study_uid FROM evidence e WHERE e.store_id = ? AND e.record_us < ? AND NOT EXISTS (
                 SELECT 1 FROM study t
                 WHERE t.store_id = e.store_id AND t.study_uid = e.study_uid AND t.instance_count > 0)
               ORDER BY e.record_us LIMIT ?""",
            (self._stores[store], before_us, limit),
        )
        return [row[0] for row in rows]


class EvidenceChanges(EvidenceRows):
    """Changes of core.ports.Changes to evidence."""

    def set_evidence(self, store: str, study_uid: str, evidence: Sequence[Evidence]) -> None:
        if not evidence:
            self._db.execute(
                "DELETE FROM evidence WHERE store_id = ? AND study_uid = ?", (self._stores[store], study_uid)
            )
            return
        spent = int(all(one.spent for one in evidence))
        self._db.execute(
            """INSERT INTO evidence(store_id, study_uid, record_us, spent, document) VALUES(?, ?, ?, ?, ?)
               ON CONFLICT(store_id, study_uid) DO UPDATE SET
                 record_us = excluded.record_us, spent = excluded.spent, document = excluded.document""",
            (self._stores[store], study_uid, evidence[-1].record_us, spent, json.dumps(encode_evidence(evidence))),
        )


def encode_evidence(evidence: Sequence[Evidence]) -> list[Any]:
    """Evidence as JSON has it."""
    return [[one.record_us, one.spent, astuple(one.origin), *_fact_row(one.fact)] for one in evidence]


def decode_evidence(rows: Sequence[Sequence[Any]]) -> list[Evidence]:
    """And back."""
    return [
        Evidence(_fact(kind, values), Origin(*origin), record_us, spent)
        for record_us, spent, origin, kind, values in rows
    ]


def _fact_row(fact: Fact) -> tuple[str, list[Any]]:
    return _KIND_OF[type(fact)], [getattr(fact, field.name) for field in fields(fact)]


def _fact(kind: str, values: Sequence[Any]) -> Fact:
    if kind == "step":
        return ProcedureStep(values[0], StepStatus(values[1]), tuple(values[2]))
    return _KINDS[kind](*values)
