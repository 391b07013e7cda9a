"""Retrieves studies from a peer into a store: found, brought, counted; resumed where it was (PS3.4 Annex C).

A study is whole when the store holds as many of its instances as the peer says it has; where the peer does not say, as
many as it wanted to send.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol, TypeVar

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_dimse.core.entities import LocalEntity
from diana_dimse.core.evidence import Evidence
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.core.outbound.asking import Found, found_study
from diana_dimse.core.outbound.pacing import Clock, Pace, Turn, Waiting, Work
from diana_dimse.core.outbound.peering import Correspondent, Outcome, Pacs, Retrieve
from diana_dimse.core.outbound.selecting import Question, Selection

T = TypeVar("T")

_UNIT = "studies"
_ARRIVAL_SECONDS = 20.0
_LOOK_SECONDS = 0.5
_DESTINATION_UNKNOWN = "A801"


class Holdings(Protocol):
    """The archive, as far as it knows how much of a study it has. Raises DianaError."""

    def count(self, store: str, study_uid: str) -> int:
        """How many instances of a study a store holds; 0 where it has none."""
        ...

    def source_has(self, origin: Origin, study_uid: str, instance_count: int) -> None:
        """The source says that a study has so many instances: evidence of its completeness."""
        ...


@dataclass(frozen=True)
class Order:
    """What to bring, from where, and how."""

    peer: Correspondent
    entity: LocalEntity
    """The AE title of ours that receives into the store."""

    method: Retrieve
    selection: Selection


@dataclass
class Collected:
    """What came of it so far; the operation's checkpoint."""

    step: int = 0
    """Steps that are done."""

    after: str = ""
    """The last study of the next step that is done; they are taken in the order of their UIDs."""

    finished_count: int = 0
    """Studies that are done, and what stands for some that could not be found."""

    study_count: int = 0
    complete_study_count: int = 0
    instance_count: int = 0
    failed_instance_count: int = 0


class Collector:
    """Does such orders. Safe to share between threads."""

    def __init__(
        self,
        pacs: Pacs,
        holdings: Holdings,
        evidence: Evidence,
        paces: Mapping[str, Pace],
        clock: Clock,
        waiting: Waiting,
    ) -> None:
        """`paces` by the names of peers."""
        self.pacs, self.holdings, self.evidence = pacs, holdings, evidence
        self.paces, self.clock, self.waiting = paces, clock, waiting

    def run(self, order: Order, work: Work) -> Collected:
        """Do one, or go on with it. Raises DianaError where none of it can be done."""
        return _Run(self, order, work).to_the_end()


class _Run:
    """One attempt at an order."""

    def __init__(self, collector: Collector, order: Order, work: Work) -> None:
        self._pacs, self._holdings, self._evidence = collector.pacs, collector.holdings, collector.evidence
        self._clock, self._order, self._work = collector.clock, order, work
        self._turn = Turn(order.peer, collector.paces[order.peer.name], work, collector.clock, collector.waiting)
        self._origin = Origin(order.entity.store, order.peer.entity.title)
        self._state = Collected(**json.loads(work.last_checkpoint)) if work.last_checkpoint else Collected()
        self._seen: set[str] = set()
        self._failed = set(work.failed_items)

    def to_the_end(self) -> Collected:
        """Do what is left of it."""
        state, selection = self._state, self._order.selection
        for step in range(state.step, selection.step_count):
            left = [one for one in self._found(selection.step(step)) if one.study_uid > state.after]
            for place, study in enumerate(left):
                known = state.finished_count + len(left) - place
                self._work.progress(state.finished_count, max(known, selection.study_count), _UNIT)
                self._take(study)
            state.step, state.after = step + 1, ""
            self._keep()
        self._work.progress(state.finished_count, state.finished_count, _UNIT)
        return state

    def _keep(self) -> None:
        self._work.checkpoint(json.dumps(asdict(self._state)).encode())

    def _take(self, study: Found) -> None:
        """Bring a study, count it, and keep that it is done."""
        outcome, is_complete = self._brought(study)
        state = self._state
        state.finished_count += 1
        state.study_count += 1
        state.complete_study_count += is_complete
        state.instance_count += outcome.sent
        state.failed_instance_count += outcome.failed
        state.after = study.study_uid
        self._keep()

    def _found(self, questions: Sequence[Question]) -> list[Found]:
        """The studies that the answers name, by UID, each once in the whole attempt; what was not found has failed."""
        found: dict[str, Found] = {}
        for question, named in self._answered(questions):
            if question.must_find and not named:
                self._fail_question(question, DianaError(Reason.STUDY_NOT_FOUND, "The peer has no such study."))
            found.update((one.study_uid, one) for one in named if one.study_uid not in self._seen)
        self._seen |= found.keys()
        return [found[study_uid] for study_uid in sorted(found)]

    def _answered(self, questions: Sequence[Question]) -> Iterator[tuple[Question, Sequence[Found]]]:
        """Questions with the studies that their answers name, but for those that failed."""
        left = list(questions)
        while left:
            try:
                answers = self._turn.patiently(partial(self._asked, left), self._is_reachable)
            except DianaError as error:
                if error.reason is Reason.ASSOCIATION_REJECTED:
                    raise
                self._fail_question(left.pop(0), error)
                continue
            self._work.raise_if_cancelled()
            yield from zip(left, answers, strict=False)
            left = left[len(answers) :]

    def _asked(self, questions: Sequence[Question]) -> list[Sequence[Found]]:
        """What is found by as many questions as are answered before something breaks; to the first one at least."""
        self._turn.wait()
        got: list[Sequence[Found]] = []
        inquiries = [one.inquiry for one in questions]

        def keep(place: int, answer: DataSetJson) -> Found | None:
            return found_study(answer) if questions[place].fits(answer) else None

        try:
            for found in self._pacs.find_each(self._order.peer, inquiries, keep, self._work.cancelled):
                got.append(found)
        except DianaError:
            if not got:
                raise
        return got

    def _brought(self, study: Found) -> tuple[Outcome, bool]:
        """What the peer says of its sending, and whether the study is whole in the store."""
        if study.instance_count:
            self._of_archive(lambda: self._holdings.source_has(self._origin, study.study_uid, study.instance_count))
        try:
            outcome = self._turn.patiently(partial(self._retrieved, study), self._is_reachable)
        except DianaError as error:
            if error.reason is Reason.ASSOCIATION_REJECTED or error.metadata.get("status") == _DESTINATION_UNKNOWN:
                raise
            self._fail(study.study_uid, error)
            return Outcome(), False
        if self._order.method is Retrieve.GET and outcome.sent:
            self._of_archive(partial(self._tell, study.study_uid, outcome))
        expected = study.instance_count or outcome.sent + outcome.failed
        is_complete = 0 < expected <= self._held(study.study_uid, expected, may_come=not outcome.failed)
        if not is_complete:
            self._fail_study(study.study_uid, outcome)
        return outcome, is_complete

    def _retrieved(self, study: Found) -> Outcome:
        self._turn.wait()
        peer, cancelled = self._order.peer, self._work.cancelled
        if self._order.method is Retrieve.GET:
            outcome = self._pacs.get(peer, study, self._origin.store, self._next_instance, cancelled)
        else:
            with self._turn.counting() as count:
                outcome = self._pacs.move(peer, study.study_uid, self._order.entity.title, cancelled)
                count(outcome.sent)
        if outcome.is_cancelled:
            self._work.raise_if_cancelled()
            raise DianaError(Reason.PEER_REFUSED, f"{peer.name} gave the retrieval up.", metadata={"status": "FE00"})
        return outcome

    def _next_instance(self) -> None:
        self._turn.hold()
        self._turn.sent(1)

    def _tell(self, study_uid: str, outcome: Outcome) -> None:
        """What the archive is told where instances come over an association of a sender's own."""
        if self._order.entity.attributes:
            self._evidence.describe(self._origin, study_uid, self._order.entity.attributes)
        self._evidence.session_ended(self._origin, study_uid, uuid.uuid4().hex, True, outcome.sent)

    def _held(self, study_uid: str, expected: int, may_come: bool) -> int:
        """How many instances the store holds: some peers say that they sent what they only begin to send."""
        count = -1
        until = self._clock.monotonic()
        while True:
            before = count
            count = self._of_archive(lambda: self._holdings.count(self._origin.store, study_uid))
            if count > before:
                until = self._clock.monotonic() + _ARRIVAL_SECONDS
            if count >= expected or not may_come or self._clock.monotonic() >= until:
                return count
            self._turn.pause(_LOOK_SECONDS)

    def _of_archive(self, ask: Callable[[], T]) -> T:
        """What the archive answers, waited for as long as it takes."""
        return self._turn.patiently(ask, lambda: False)

    def _is_reachable(self) -> bool:
        try:
            self._pacs.echo(self._order.peer)
        except DianaError as error:
            return error.reason is not Reason.AE_UNAVAILABLE
        return True

    def _fail_question(self, question: Question, error: DianaError) -> None:
        is_new = question.item not in self._failed
        self._fail(question.item, error)
        self._state.finished_count += is_new and question.must_find

    def _fail_study(self, study_uid: str, outcome: Outcome) -> None:
        peer = self._order.peer.name
        for uid in outcome.failed_uids:
            self._fail(uid, DianaError(Reason.PEER_REFUSED, f"{peer} could not send the instance."))
        if outcome.failed_uids:
            return
        if outcome.sent or outcome.failed:
            self._fail(study_uid, DianaError(Reason.STUDY_INCOMPLETE, f"Less came than {peer} says it has."))
        else:
            self._fail(study_uid, DianaError(Reason.STUDY_NOT_FOUND, f"{peer} sent nothing of the study."))

    def _fail(self, item: str, error: DianaError) -> None:
        """Record a failed item, once in all attempts. What fails while we stop is tried again when we are back."""
        self._work.raise_if_cancelled()
        if item not in self._failed:
            self._failed.add(item)
            self._work.fail_item(item, error)
