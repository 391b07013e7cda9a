"""An upload stream: chunks of many instances in, answers out as instances become durable."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from diana_archive.core.checksums import check_crc
from diana_archive.core.incoming import Desk, Incoming
from diana_archive.core.model import Origin, Stored, StorePolicy
from diana_archive.core.ports import Meter
from diana_archive.core.resumable import ResumableIncoming
from diana_common.errors import DianaError, Reason, invalid_field

MOST_OPEN = 64
_MOST_UNANSWERED = 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one instance. `crc32` is of its data, `sha256` of the whole instance: on the last chunk."""

    tag: int
    write_offset: int
    data: bytes
    finish: bool
    upload_id: str = ""
    crc32: int | None = None
    sha256: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the instance that the client numbered `tag`."""

    tag: int
    result: Stored | DianaError


class Upload:
    """One stream. One thread writes to it, one reads its answers; commits answer from a third."""

    def __init__(self, desk: Desk, policy: StorePolicy, origin: Origin, meter: Meter) -> None:
        self._desk = desk
        self._policy = policy
        self._origin = origin
        self._meter = meter
        # None: refused already; the rest of its chunks is swallowed.
        self._open: dict[int, Incoming | None] = {}
        self._changed = threading.Condition()
        self._answers: deque[Answer] = deque()
        self._awaited = 0
        self._ended = False
        self._failure: BaseException | None = None

    def write(self, chunks: Iterable[Chunk]) -> None:
        """Take chunks; blocks while too many answers wait to be fetched.

        Raises DianaError INVALID_FIELD when too many instances are open: that ends the stream.
        """
        for chunk in chunks:
            with self._changed:
                self._changed.wait_for(lambda: self._awaited + len(self._answers) < _MOST_UNANSWERED or self._ended)
                if self._ended:
                    return
            self._write(chunk)

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing more is written. What is not finished is dropped; a failure is raised to whoever reads the answers,
        after the last of them."""
        error = DianaError(Reason.UPLOAD_INCOMPLETE, "The instance's last chunk never came.")
        if isinstance(failure, DianaError) and failure.reason == Reason.STOPPING:
            error = failure
        for tag, incoming in self._open.items():
            if incoming:
                incoming.give_up()
                self._refuse(tag, error)
        self._open.clear()
        with self._changed:
            self._ended = True
            self._failure = failure
            self._changed.notify_all()

    def cut(self) -> None:
        """Nobody reads answers any more; called by any thread. What is finished is still stored."""
        with self._changed:
            self._ended = True
            self._answers.clear()
            self._changed.notify_all()

    def settled(self) -> bool:
        """Whether everything finished so far is answered, and the answers are fetched."""
        with self._changed:
            return not self._awaited and not self._answers

    def answers(self, wait_seconds: float) -> list[Answer] | None:
        """The answers there are, waiting for one if need be; empty when the wait was in vain, None at the end.

        Raises what `end` was given.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._answers or (self._ended and not self._awaited), wait_seconds)
            answers = list(self._answers)
            self._answers.clear()
            self._changed.notify_all()
            if answers or not self._ended or self._awaited:
                return answers
        if self._failure:
            raise self._failure
        return None

    def refuse(self, tag: int, error: DianaError) -> None:
        """The rest of an instance, or all of it, cannot be had: it is given up and answered so."""
        begun = tag in self._open
        incoming = self._open.pop(tag, None)
        if incoming:
            incoming.give_up()
        if incoming or not begun:  # else it is refused already, and answered
            self._refuse(tag, error)

    def _write(self, chunk: Chunk) -> None:
        if chunk.tag in self._open:
            incoming = self._open[chunk.tag]
        else:
            if len(self._open) >= MOST_OPEN and not chunk.finish:
                raise invalid_field("chunks", f"more than {MOST_OPEN} instances are open at a time")
            incoming = self._begin(chunk)
        if incoming:
            incoming = self._take(incoming, chunk)
        if chunk.finish:
            self._open.pop(chunk.tag, None)
        else:
            self._open[chunk.tag] = incoming

    def _begin(self, chunk: Chunk) -> Incoming | None:
        """The instance that a first chunk belongs to; None when it is refused."""
        if not chunk.upload_id or not self._desk.resuming:
            return Incoming(self._desk, self._policy, self._origin)
        try:
            return ResumableIncoming(self._desk, self._policy, self._origin, self._desk.resuming, chunk.upload_id)
        except DianaError as error:
            self._refuse(chunk.tag, error)
        return None

    def _take(self, incoming: Incoming, chunk: Chunk) -> Incoming | None:
        """The instance with its next chunk; None when it is finished or refused."""
        try:
            _check(chunk, incoming)
            if not chunk.finish:
                incoming.write(chunk.data)
                return incoming
            self._finish(incoming, chunk)
        except DianaError as error:
            self._refuse(chunk.tag, error)
        except Exception as error:  # one instance that nobody foresaw must not end the stream
            incoming.give_up()
            self._refuse(chunk.tag, DianaError(Reason.INTERNAL, "The instance could not be taken in."))
            self._meter.failed(error)
        return None

    def _finish(self, incoming: Incoming, chunk: Chunk) -> None:
        with self._changed:
            self._awaited += 1
        if chunk.sha256:
            incoming.sha256 = chunk.sha256
        try:
            incoming.finish(chunk.data, lambda result: self._settle(chunk.tag, result))
        except BaseException:
            with self._changed:
                self._awaited -= 1
            raise

    def _settle(self, tag: int, result: Stored | DianaError) -> None:
        with self._changed:
            self._awaited -= 1
            self._answers.append(Answer(tag, result))
            self._changed.notify_all()
        if isinstance(result, DianaError):
            self._meter.refused(result)
        else:
            self._meter.stored(result)

    def _refuse(self, tag: int, error: DianaError) -> None:
        with self._changed:
            self._answers.append(Answer(tag, error))
            self._changed.notify_all()
        self._meter.refused(error)


def _check(chunk: Chunk, incoming: Incoming) -> None:
    """Raises DianaError when the chunk cannot come next; the instance is given up then."""
    try:
        if chunk.write_offset != incoming.size_bytes:
            raise _out_of_order(incoming.size_bytes)
        check_crc(chunk.data, chunk.crc32)
    except DianaError:
        incoming.give_up()
        raise


def _out_of_order(expected: int) -> DianaError:
    return DianaError(
        Reason.UPLOAD_ORDER,
        f"The chunk does not begin where the one before ended, at byte {expected}.",
        metadata={"expected_offset": str(expected)},
    )
