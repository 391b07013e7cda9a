"""Which studies nothing was added to for longest."""

from __future__ import annotations

import json
from collections.abc import Mapping

from diana_archive.core.model import Resting
from diana_archive.stores.sql import Connection

# Each part by an index of its own: of the complete ones, and of the others.
_PART = """SELECT * FROM (SELECT study_uid, arrival_us, attributes FROM study
  WHERE store_id = ?1 AND complete = {complete} AND instance_count > 0 AND arrival_us <= ?2
  AND (arrival_us, study_uid) > (CAST(?3 AS BIGINT), ?4) ORDER BY arrival_us, study_uid LIMIT ?5) {name}"""
_BOTH = f"{_PART.format(complete=0, name='unfinished')} UNION ALL {_PART.format(complete=1, name='done')}"


class RestingRows:
    """The question of core.ports.Snapshot about studies at rest."""

    _db: Connection
    _stores: Mapping[str, int]

    def resting(self, store: str, before_us: int, after: tuple[int, str], limit: int) -> list[Resting]:
        rows = self._db.execute(
            f"SELECT study_uid, arrival_us, attributes FROM ({_BOTH}) part ORDER BY arrival_us, study_uid LIMIT ?5",
            (self._stores[store], before_us, *after, limit),
        )
        return [Resting(row[0], row[1], json.loads(row[2])) for row in rows]
