"""The ledger: a line for everything that left the hospital, or was to, with what was wrong with it and became of it.

A line is JSON. `reason` is there when its destination did not take it, and says why; `outcome` otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from diana_mock.faults import HARMFUL, Fault, patient_id_of
from diana_mock.hospital import Made

DROPPED = "dropped"
"""The outcome of what is never sent."""

_HARMFUL = frozenset(fault.value for fault in HARMFUL)


def entry(made: Made) -> dict[str, Any]:
    """A line's beginning: what was made."""
    study, part = made.study, made.part
    return {
        "time": f"{made.time:%Y-%m-%dT%H:%M:%S.%f}"[:-3],
        "site": study.site.name,
        "service": study.device.service.name,
        "device": study.device.ae_title,
        "modality": study.device.service.modality.value,
        "kind": part.kind.value,
        "patient_id": study.patient.patient_id,
        "patient_id_sent": patient_id_of(study, part, made.fault),
        "accession_number": study.accession_number,
        "prior": study.years_back > 0,
        "study_uid": study.uid,
        "study_instances": made.instances,
        "series_uid": part.series_uid,
        "sop_instance_uid": part.instance_uid,
        "sop_class_uid": part.sop_class_uid,
        "fault": made.fault.value,
        "slow": made.slow,
        "copy": made.copy,
        "size_bytes": len(made.data),
        "sha256": hashlib.sha256(made.data).hexdigest() if made.data else "",
    }


class Ledger:
    """Counts what leaves, and writes it down where there is a file."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def begin(self, made: Made) -> dict[str, Any]:
        """The line of something made, to be closed; its fault is counted."""
        if made.fault is not Fault.NONE and made.copy < 2:
            self.faults[made.fault.value] += 1
        return entry(made)

    def close(self, line: Mapping[str, Any], outcome: str = "", reason: str = "") -> None:
        """Write a line with what became of it."""
        self.outcomes[outcome or "failed"] += 1
        if self._file:
            self._file.write(json.dumps({**line, **({"reason": reason} if reason else {"outcome": outcome})}) + "\n")


def whole_studies(lines: Iterable[str]) -> dict[str, frozenset[str]]:
    """Of a ledger's lines: the studies of which every instance was sent, unharmed, and taken; with those instances."""
    taken: dict[str, set[str]] = {}
    wanted: dict[str, int] = {}
    for line in map(json.loads, lines):
        if line["kind"] == "text":
            continue
        wanted[line["study_uid"]] = line["study_instances"]
        if "reason" not in line and line["fault"] not in _HARMFUL:
            taken.setdefault(line["study_uid"], set()).add(line["sop_instance_uid"])
    return {uid: frozenset(taken[uid]) for uid, count in wanted.items() if len(taken.get(uid, ())) == count}
