"""What one attempt at a study sends to its target: each result with its receipt kept before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.ports import Outgoing, StudyEntry, Work
from diana_anon.core.proof.books import Books, Place
from diana_anon.core.proof.quarantine import Withheld
from diana_anon.core.proof.shipping import Dispatch
from diana_anon.core.studies.deidentifier import Made
from diana_anon.core.studies.flow import OF_ALL, Flow, Result
from diana_anon.core.studies.tally import Tally
from diana_common.errors import DianaError

_BATCH = 500
_GROUP, _GROUP_BYTES = 32, 2 * 1024 * 1024
"""Results that are sent after one commit of their receipts: few, since nothing is sent while they are gathered."""


@dataclass(frozen=True, slots=True)
class OutgoingResults:
    """The de-identified instances of one attempt, made as they are asked for."""

    flow: Flow
    store: str
    study_uid: str
    procedure: Procedure
    books: Books
    work: Work
    tally: Tally
    dispatch: Dispatch

    def __iter__(self) -> Iterator[Outgoing]:
        after = self.tally.start.key
        listed = self.flow.source.instances(self.store, self.study_uid)
        keys = (key for key in listed if key > after)
        while batch := list(islice(keys, _BATCH)):
            with closing(self.flow.results(self.tally.begin(batch))) as results:
                for group in _groups(filter(None, map(self._passed, results))):
                    yield from self._sent(group)
            if self.work.cancelled():
                return

    def _sent(self, group: Sequence[tuple[str, Made]]) -> Iterator[Outgoing]:
        """What is to be stored of results, one commit for all of their receipts before."""
        if self.work.cancelled():
            return
        self._name(group[0][1].file.study_uid)
        self.dispatch.send([made.receipt for _, made in group])
        for sop_uid, made in group:
            if self.work.cancelled():
                return
            self.tally.sent(sop_uid, made.receipt.result)
            yield Outgoing(sop_uid, made.file.pieces)

    def _name(self, new_study_uid: str) -> None:
        """Which study it becomes, written down before its first receipt."""
        if self.tally.study_uid != new_study_uid:
            self.tally.study_uid = new_study_uid
            entry = StudyEntry(self.study_uid, new_study_uid, self.tally.failed, False)
            self.books.studies.enter(self.work.operation, entry)

    def _passed(self, result: Result) -> tuple[str, Made] | None:
        """A result that may be stored, written down first whom it stands for; None of one that was refused."""
        sop_uid, made = result
        if not isinstance(made, DianaError):
            try:
                self.books.enter_passage(made, self.procedure, self.store)
            except DianaError as error:
                if error.reason in OF_ALL:
                    raise
                made = error
        if isinstance(made, DianaError):
            if isinstance(made, Withheld):
                place = Place(self.store, self.study_uid, sop_uid)
                self.books.enter_withheld(made, self.procedure, self.work.operation, place)
            self.tally.settle(sop_uid, made)
            return None
        return sop_uid, made


def _groups(results: Iterable[tuple[str, Made]]) -> Iterator[list[tuple[str, Made]]]:
    """Some at a time."""
    group: list[tuple[str, Made]] = []
    size = 0
    for one in results:
        group.append(one)
        size += sum(map(len, one[1].file.pieces))
        if len(group) == _GROUP or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
