"""The modality worklist (PS3.4 Annex K): scheduled procedure steps that are matched and answered from memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from diana_common.dicomjson import DataSetJson, items
from diana_dimse.core.queries.finding import Answers
from diana_dimse.core.queries.identifiers import answer, matching_keys
from diana_dimse.core.queries.matching import Matcher, matcher

SCHEDULED_PROCEDURE_STEPS = "00400100"


class Worklist(Protocol):
    """Where scheduled procedure steps are kept."""

    def items(self, title: str) -> Iterable[DataSetJson]:
        """Those that are for the callers of one of our AE titles, in no order."""
        ...


def find_steps(worklist: Worklist, title: str, identifier: DataSetJson) -> Answers:
    """The scheduled procedure steps that match; each answer has one.

    Raises DianaError INVALID_FIELD for values that cannot be.
    """
    is_met = matcher(matching_keys(identifier))
    return Answers(_answers(worklist.items(title), is_met, identifier))


def _answers(
    found: Iterable[DataSetJson], is_met: Matcher, identifier: DataSetJson
) -> Iterator[Mapping[str, Mapping[str, Any]]]:
    for one in found:
        for step in _steps(one):
            if is_met(step):
                yield answer(identifier, step)


def _steps(item: DataSetJson) -> Iterator[DataSetJson]:
    """A worklist item for each of its steps, as PS3.4 section K.6.1.2 has it."""
    steps = items(item, SCHEDULED_PROCEDURE_STEPS)
    if not steps:
        return iter((item,))
    return ({**item, SCHEDULED_PROCEDURE_STEPS: {"vr": "SQ", "Value": [step]}} for step in steps)
