"""The account of an upload: what waits, what is under way, what is answered. It does no I/O itself.

The synchronous and the asyncio upload drive the same ledger; the synchronous one holds its lock.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from diana.archive.v1 import archive_service_pb2 as pb
from diana_client.errors import (
    BadAnswer,
    MeshError,
    SourceUnreadable,
    Unavailable,
    from_status,
    is_refused,
    is_worth_retrying,
)
from diana_client.items import UploadItem, UploadResult
from diana_client.packing import Packer
from diana_client.upload_names import RESUMABLE_BYTES, name_of

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 5.0
_MOST_REFUSALS = 4  # of an item, after which it is sent without a name


@dataclass(slots=True, eq=False)
class Entry:
    """One item on its way."""

    item: UploadItem
    weight: int
    tag: int = 0
    finished: bool = False  # the last chunk left on the stream under way
    answered: bool = False
    failure: MeshError | None = None  # why its source could not be read to the end
    upload_id: str = ""  # the name it is sent under, to be gone on with; empty: it is not
    start: int | None = None  # how many bytes the archive has; None: ask it
    reached: int = 0  # how many it had at most
    refusals: int = 0  # that another try may mend


class Ledger:
    """All of an upload's items that are not yet answered, over all of its streams.

    `window` bounds the bytes of items admitted and not yet handed back to the caller. `store` is where they go.
    """

    def __init__(self, window: int, store: str = "") -> None:
        self.waiting: deque[Entry] = deque()
        self.results: deque[tuple[UploadResult, int]] = deque()
        self.exhausted = False
        self.closed = False
        self.error: BaseException | None = None
        self._window = window
        self._weight = 0
        self._under_way = 0
        self._tags = itertools.count(1)
        self._store = store
        self._names: set[str] = set()

    @property
    def has_room(self) -> bool:
        """Whether another item may be asked for."""
        return self._weight < self._window

    @property
    def wants_more(self) -> bool:
        """Whether so much room is free again that it is worth waking who waits for it."""
        return self._weight <= self._window * 3 // 4

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.closed or (self.exhausted and not self.waiting and not self._under_way)

    def admit(self, item: UploadItem) -> None:
        """Take an item over from the caller."""
        entry = Entry(item, item.weight)
        if item.upload_id or entry.weight >= RESUMABLE_BYTES:
            self._name(entry)
        self._weight += entry.weight
        self.waiting.append(entry)

    def begin(self) -> Entry:
        """The next item to send, under a new tag."""
        entry = self.waiting.popleft()
        entry.tag = next(self._tags)
        self._under_way += 1
        return entry

    def settle(self, entry: Entry, result: UploadResult) -> None:
        """Account for an answered item."""
        entry.answered = True
        self._under_way -= 1
        self._names.discard(entry.upload_id)
        self.results.append((result, entry.weight))

    def put_back(self, entry: Entry) -> None:
        """Let an item that was cut off be sent once more, before those that wait.

        It gets an entry of its own: the broken stream's sender may still be busy with the old one.
        """
        self._under_way -= 1
        again = Entry(entry.item, entry.weight)
        again.upload_id, again.reached, again.refusals = entry.upload_id, entry.reached, entry.refusals
        self.waiting.appendleft(again)

    def try_again(self, entry: Entry, error: MeshError) -> bool:
        """Let an item that was refused be sent once more, if that may help: elsewhere, later, or without a name."""
        if entry.failure or not entry.item.repeatable:
            return False
        expected = error.metadata.get("expected_offset", "")
        if not _passes(error) and not self._may_help(entry, error, bool(expected)):
            return False
        entry.answered = True
        self.put_back(entry)
        self.waiting[0].start = int(expected) if expected.isdecimal() else None
        return True

    def _may_help(self, entry: Entry, error: MeshError, goes_on: bool) -> bool:
        if not entry.upload_id:
            return False
        entry.refusals += 1
        misplaced = error.reason == "UPLOAD_ORDER"
        if error.reason == "OVERLOADED" or (misplaced and (not goes_on or entry.refusals > _MOST_REFUSALS)):
            # The archive has no room for another name, or somebody else sends something under this one.
            self._names.discard(entry.upload_id)
            entry.upload_id = ""
            return True
        return entry.refusals <= _MOST_REFUSALS and (misplaced or error.reason == "CHECKSUM_MISMATCH")

    def take(self) -> UploadResult:
        """The next result for the caller; its item's room is free again."""
        result, weight = self.results.popleft()
        self._weight -= weight
        return result

    def exhaust(self, error: BaseException | None) -> None:
        """The caller has no more items, or its iterable raised: what was admitted is still answered."""
        self.exhausted = True
        self.error = self.error or error

    def _name(self, entry: Entry) -> None:
        """Two of the same name would take the upload from each other."""
        name = name_of(entry.item, self._store)
        if name and name not in self._names:
            self._names.add(name)
            entry.upload_id = name

    def close(self, error: BaseException | None = None) -> None:
        """End the upload, for the first reason given."""
        if not self.closed:
            self.closed, self.error = True, self.error or error


class Lane:
    """One stream of an upload after another: what is under way on it, and whether to try again."""

    def __init__(self, ledger: Ledger, attempts: int) -> None:
        self._ledger = ledger
        self._begun: dict[int, Entry] = {}
        self._attempts = attempts
        self._failures = 0

    def begin(self) -> Entry:
        """The next item to send on this lane."""
        entry = self._ledger.begin()
        self._begun[entry.tag] = entry
        return entry

    def answer(self, response: pb.UploadInstancesResponse) -> None:
        """Account for the results of a message. Raises BadAnswer for one that was not asked for."""
        away: MeshError | None = None
        for result in response.results:
            entry = self._begun.pop(result.tag, None)
            if entry is None:
                raise BadAnswer("The archive answered an instance twice, or one that was not sent.")
            answer = _to_result(entry, result)
            if answer.error is None or not self._ledger.try_again(entry, answer.error):
                self._failures = 0
                self._ledger.settle(entry, answer)
            elif _passes(answer.error):
                away = answer.error
        if away is not None:
            # Sent again at once, it would be refused again: let the stream break, and the next one wait.
            raise away

    def reach(self, entry: Entry, start: int) -> None:
        """The archive has so many bytes of an item. More than before is as good as an answer."""
        if start > entry.reached:
            entry.reached, self._failures = start, 0

    def check_complete(self) -> None:
        """Raises BadAnswer when the archive ended the stream and left instances unanswered."""
        if self._begun and not self._ledger.closed:
            raise BadAnswer("The archive ended the upload without answering every instance.")

    def cut(self, error: MeshError) -> float:
        """Account for a broken stream; returns the seconds to wait before the next. Raises `error` to give up."""
        self._failures += 1
        if self._failures >= self._attempts or not is_worth_retrying(error):
            raise error
        for entry in reversed(self._begun.values()):
            if entry.item.repeatable:
                self._ledger.put_back(entry)
            else:
                self._ledger.settle(entry, UploadResult(entry.item.key, error))
        self._begun.clear()
        return delay_after(self._failures)


def delay_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row, 1 or more, before the next attempt."""
    return min(_FIRST_DELAY * 2.0 ** min(failures - 1, 16), _LONGEST_DELAY)


def packed(entry: Entry, packer: Packer) -> Iterator[bytes]:
    """Read an item into the packer, yielding the messages that fill up.

    An item that was refused meanwhile is not read further. One whose source fails is ended with a chunk
    out of place, so that the archive drops what it has of it.
    """
    offset, held = 0, b""
    try:
        for piece in entry.item.pieces():
            if held:
                yield from packer.add(entry.tag, offset, held, False)
                offset += len(held)
            held = piece
            if entry.answered:
                held = b""
                break
    except Exception as error:  # whatever the caller's source raises is that item's failure alone
        entry.failure, held, offset = SourceUnreadable(error), b"", offset + len(held) + 1
    entry.finished = True
    yield from packer.add(entry.tag, offset, held, True)


def _passes(error: MeshError) -> bool:
    """Whether the archive may take an item a little later, of which it keeps what it has."""
    return isinstance(error, Unavailable) or (error.reason == "OVERLOADED" and "expected_offset" in error.metadata)


def _to_result(entry: Entry, result: pb.UploadResult) -> UploadResult:
    key = entry.item.key
    if entry.failure is not None:
        return UploadResult(key, entry.failure)
    if is_refused(result.status):
        return UploadResult(key, from_status(result.status))
    if not entry.finished:
        raise BadAnswer("The archive says that it stored an instance before all of it was sent.")
    if not result.HasField("instance") or not result.outcome:
        raise BadAnswer("The archive says that it stored an instance, and not which or how.")
    return UploadResult(key, None, result.outcome, result.instance, result.position)
