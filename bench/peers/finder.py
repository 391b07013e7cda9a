"""A C-FIND user on one association that waits for nothing but the answers: the same for either side."""

import time
from collections.abc import Sequence
from typing import Any

from bench.room import BenchError
from diana_dimse.network.association import Association
from diana_dimse.network.commands import Operation, Priority
from diana_dimse.network.commands import request as asking
from diana_dimse.network.negotiation import Proposal, ProposedContext
from diana_dimse.network.opening import Remote, request
from diana_dimse.wire.datasets import encode

_STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_IMPLICIT = "1.2.840.10008.1.2"
_KEYS = {"0020000D": "UI", "00080020": "DA", "00080050": "SH", "00100010": "PN"}


def studies_of(port: int, title: str, patient_ids: Sequence[str]) -> list[float]:
    """Milliseconds for each patient's studies. Raises BenchError where a patient has not exactly one."""
    proposal = Proposal(title, "BENCH", (ProposedContext(1, _STUDY_ROOT_FIND, (_IMPLICIT,)),))
    association = request(Remote("127.0.0.1", port), proposal)
    took = []
    for number, patient_id in enumerate(patient_ids, 1):
        started = time.perf_counter()
        if _found(association, number, patient_id) != 1:
            raise BenchError("a patient of one study was not found as such")
        took.append(1000 * (time.perf_counter() - started))
    association.release()
    return took


def _found(association: Association, number: int, patient_id: str) -> int:
    identifier: dict[str, dict[str, Any]] = {
        "00080052": {"vr": "CS", "Value": ["STUDY"]},
        "00100020": {"vr": "LO", "Value": [patient_id]},
        **{tag: {"vr": vr} for tag, vr in _KEYS.items()},
    }
    command = asking(
        Operation.C_FIND,
        number,
        has_data_set=True,
        affected_sop_class_uid=_STUDY_ROOT_FIND,
        priority=int(Priority.MEDIUM),
    )
    association.send(1, command, [encode(identifier, _IMPLICIT)])
    found = 0
    while (message := association.receive()) is not None and message.command.has_data_set:
        message.read(1 << 20)
        found += 1
    return found
