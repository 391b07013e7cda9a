"""Cohorts: questions that have a name, and answers that do not change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_index.core.attributes import Level
from diana_index.core.cohort_store import Cohort, CohortStore, Frozen
from diana_index.core.index import Index, Wait
from diana_index.core.members import Digest, Member, Sort, member_of, merged, name_of, pieces
from diana_index.core.paging import PageTokens
from diana_index.core.question import Asked
from diana_index.core.store import Alive, SortKey

_MEMBERS = 1000
"""A page of members, where no size is asked for."""
_PAGE_BYTES = 2 * 1024 * 1024
"""A page ends early rather than grow past this; a single name may be larger."""
_MOST_COMPARED = 1_000_000
"""Records of a cohort that is compared without being frozen."""
_SAMPLE_BYTES = 1024 * 1024
_PIECE, _PIECE_BYTES = 4000, 512 * 1024
_LISTED = 16
_LOOK = 10_000
"""Names between two looks at whether somebody still waits."""

Reached = Callable[[int, int], None]
"""Told of how many names are written down, of how many; raises to end a freezing. 0: not known yet."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two cohorts have in common, and what only one has."""

    common: int
    first_only: int
    second_only: int
    level: Level
    first_sample: list[Member]
    second_sample: list[Member]


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Members of a cohort, and where the next page begins."""

    level: Level
    members: list[Member]
    next_token: str


class Cohorts:
    """Cohorts of an index. Whatever reads an answer that is not frozen raises what `Index.find` does, too."""

    def __init__(self, store: CohortStore, index: Index, tokens: PageTokens, sort: Sort) -> None:
        self._store = store
        self._index = index
        self._tokens = tokens
        self._sort = sort

    def create(self, cohort_id: str, description: str, asked: Asked) -> Cohort:
        """Save a question. Raises DianaError COHORT_EXISTS, and what is wrong with the question."""
        self._index.check(asked)
        asked = replace(asked, path="", keys=tuple(asked.keys))
        new = Cohort(cohort_id, description, asked, time.time())
        kept = self._store.add(new)
        if kept.frozen or kept.description != description or kept.asked != asked:
            raise _exists()
        return kept

    def get(self, cohort_id: str) -> Cohort:
        """Raises DianaError COHORT_NOT_FOUND."""
        return _found(self._store.get(cohort_id))

    def count(self, cohort: Cohort, wait: Wait) -> int:
        """How many records it has: as frozen, or now."""
        return cohort.frozen.record_count if cohort.frozen else self._index.count(cohort.asked, wait)[0]

    def position(self) -> str:
        """How far the index has got."""
        return self._index.progress.mark.position

    def listed(self, after: str) -> Iterator[Cohort]:
        """Those behind an id, by id."""
        while page := self._store.page(after, _LISTED):
            yield from page
            after = page[-1].cohort_id

    def delete(self, cohort_id: str) -> None:
        """Forget one. Raises DianaError COHORT_NOT_FOUND."""
        if not self._store.delete(cohort_id):
            raise _not_found()

    def check_freezable(self, cohort_id: str, frozen_id: str) -> None:
        """Raises DianaError COHORT_NOT_FOUND, COHORT_EXISTS."""
        self.get(cohort_id)
        if self._store.get(frozen_id):
            raise _exists()

    def freeze(self, cohort_id: str, frozen_id: str, operation: str, wait: Wait, reached: Reached) -> Cohort:
        """Write down a cohort's records under a name of their own, as this operation; doing it again is harmless.

        Raises DianaError COHORT_NOT_FOUND, COHORT_EXISTS, and what `reached` does.
        """
        done = self._store.get(frozen_id)
        if done and done.frozen and done.frozen.operation == operation:
            return done  # cut short after its last step
        self.check_freezable(cohort_id, frozen_id)
        try:
            return self._freeze(self.get(cohort_id), frozen_id, operation, wait, reached)
        except BaseException:
            self._store.discard(operation)
            raise

    def members(self, cohort_id: str, size: int, token: str, alive: Alive) -> MemberPage:
        """Members of a cohort, by UID; as they are now, if it is not frozen.

        Raises DianaError COHORT_NOT_FOUND, PAGE_TOKEN_INVALID.
        """
        cohort = self.get(cohort_id)
        request = f"ListCohortMembers {cohort_id} {cohort.create_time}".encode()
        after = self._tokens.open(token, request)
        size = size or _MEMBERS
        if cohort.frozen:
            found = self._frozen_from(cohort.frozen, after)
        else:
            wait = Wait("", 0.0, alive)
            found = iter(self._index.name_page(cohort.asked, after, size + 1, wait))
        page, last = _fill(found, size)
        return MemberPage(cohort.asked.level, page, self._tokens.seal(last, request) if last else "")

    def compare(self, first_id: str, second_id: str, sample_size: int, alive: Alive) -> Comparison:
        """Hold two cohorts against one another.

        Raises DianaError COHORT_NOT_FOUND, COHORT_LEVELS_DIFFER, RESULT_TOO_LARGE.
        """
        first, second = self.get(first_id), self.get(second_id)
        if first.asked.level != second.asked.level:
            raise DianaError(Reason.COHORT_LEVELS_DIFFER, "The cohorts are of different levels.")
        ours = self._compared(first, "first_cohort_id", alive)
        theirs = self._compared(second, "second_cohort_id", alive)
        return _compare(merged(ours, theirs), first.asked.level, sample_size, alive)

    def check_ready(self) -> None:
        """Raises if cohorts cannot be read."""
        self._store.page("", 1)

    def clean(self, has_ended: Callable[[str], bool]) -> None:
        """Forget what operations left that will not go on."""
        for operation in self._store.unfinished():
            if has_ended(operation):
                self._store.discard(operation)

    def _freeze(self, cohort: Cohort, frozen_id: str, operation: str, wait: Wait, reached: Reached) -> Cohort:
        if cohort.frozen:
            position, total = cohort.frozen.position, cohort.frozen.record_count
            names = self._frozen_names(cohort.frozen)
        else:
            total = 0
            with self._index.naming(cohort.asked, wait) as (members, position):
                names = self._sort(_told(map(name_of, members), reached))
        freezing = self._store.begin(operation)
        digest = Digest()
        for number, piece in enumerate(pieces(names, _PIECE, _PIECE_BYTES)):
            reached(digest.count, total)
            freezing.add(number, piece)
            digest.update(piece)
        reached(digest.count, digest.count)
        frozen = Frozen(operation, digest.count, digest.value(), position)
        made = Cohort(frozen_id, cohort.description, cohort.asked, time.time(), frozen)
        freezing.finish(made)
        return made

    def _compared(self, cohort: Cohort, field: str, alive: Alive) -> Iterator[bytes]:
        """The names in order."""
        if cohort.frozen:
            return self._frozen_names(cohort.frozen)
        with self._index.naming(cohort.asked, Wait("", 0.0, alive)) as (members, _):
            return self._sort(_bounded(map(name_of, members), field))

    def _frozen_names(self, frozen: Frozen) -> Iterator[bytes]:
        for piece in self._frozen_pieces(frozen, 0):
            yield from piece

    def _frozen_pieces(self, frozen: Frozen, first: int) -> Iterator[list[bytes]]:
        """Raises DianaError COHORT_NOT_FOUND if it is deleted meanwhile."""
        number = first
        while piece := self._store.piece(frozen.operation, number):
            yield piece
            number += 1
        if self._store.piece(frozen.operation, 0) is None and frozen.record_count:
            raise _not_found()

    def _frozen_from(self, frozen: Frozen, after: SortKey | None) -> Iterator[tuple[SortKey, Member]]:
        """Members, each with its place: the piece that it is in, and where in it."""
        first, behind = (int(part or 0) for part in after or (0, -1))
        for number, piece in enumerate(self._frozen_pieces(frozen, first), first):
            for place in range(behind + 1 if number == first else 0, len(piece)):
                yield (number, place), member_of(piece[place])


def _fill(found: Iterable[tuple[SortKey, Member]], size: int) -> tuple[list[Member], SortKey | None]:
    """The members of a page, one at least if there are any; and its last place, if more come behind it."""
    page: list[Member] = []
    last: SortKey | None = None
    total = 0
    for place, member in found:
        total += sum(len(part.encode()) for part in member)
        if len(page) == size or (page and total > _PAGE_BYTES):
            return page, last
        page.append(member)
        last = place
    return page, None


def _compare(names: Iterator[tuple[bytes, bool, bool]], level: Level, sample_size: int, alive: Alive) -> Comparison:
    counts = [0, 0, 0]
    samples = _Sample(sample_size), _Sample(sample_size)
    while batch := list(islice(names, _LOOK)):
        if not alive():
            raise DianaError(Reason.OVERLOADED, "The comparison was given up: nobody waited any more.")
        for name, in_first, in_second in batch:
            if in_first and in_second:
                counts[0] += 1
            else:
                counts[1 + in_second] += 1
                samples[in_second].add(name)
    return Comparison(counts[0], counts[1], counts[2], level, samples[0].members, samples[1].members)


class _Sample:
    """The first names of a difference, as far as an answer has room for them."""

    def __init__(self, size: int) -> None:
        self.members: list[Member] = []
        self._size = size
        self._bytes = 0

    def add(self, name: bytes) -> None:
        self._bytes += len(name)
        if len(self.members) < self._size and self._bytes <= _SAMPLE_BYTES:
            self.members.append(member_of(name))


def _told(names: Iterator[bytes], reached: Reached) -> Iterator[bytes]:
    """The names, with a look now and then at whether to go on."""
    while batch := list(islice(names, _LOOK)):
        reached(0, 0)
        yield from batch


def _bounded(names: Iterator[bytes], field: str) -> Iterator[bytes]:
    for count, name in enumerate(names, 1):
        if count > _MOST_COMPARED:
            description = f"has over {_MOST_COMPARED:,} records and is not frozen"
            fields = [FieldViolation(field, description)]
            raise DianaError(Reason.RESULT_TOO_LARGE, f"{field}: {description}; freeze it first", fields=fields)
        yield name


def _found(cohort: Cohort | None) -> Cohort:
    if cohort is None:
        raise _not_found()
    return cohort


def _not_found() -> DianaError:
    return DianaError(Reason.COHORT_NOT_FOUND, "There is no cohort of this name.")


def _exists() -> DianaError:
    return DianaError(Reason.COHORT_EXISTS, "The name stands for another cohort.")
