"""One association as its handlers see it, and what a handler is."""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from diana_dimse.core.entities import Admission
from diana_dimse.network.association import Association, Message
from diana_dimse.network.listener import Caller

_SILENCE_SECONDS = 0.5
# Far from the IDs of C-STORE sub-operations, which have their own.
_FIRST_MESSAGE_ID, _MOST_MESSAGE_ID = 0x8000, 0xFFFF


class Errand(Protocol):
    """Something that is to be said to a requestor when it is silent, and not waiting to hear of something else."""

    def attempt(self) -> bool:
        """Say it; False where it is too early. AssociationEnded may be let out."""
        ...

    def drop(self) -> None:
        """The association ended before. Raises nothing."""
        ...


@dataclass
class Session:
    """An association that is served. It belongs to one thread; others only look at it."""

    association: Association
    admission: Admission
    caller: Caller
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """A name for it, unique for this door."""

    start_time: float = field(default_factory=time.time)
    """Seconds since 1970."""

    received: Counter[str] = field(default_factory=Counter)
    """How many instances came over it, by Study Instance UID."""

    errands: deque[Errand] = field(default_factory=deque)
    """What there is to say when the requestor is silent, the first first."""

    _awaited: dict[int, Callable[[int | None], None]] = field(default_factory=dict)
    _message_id: int = _FIRST_MESSAGE_ID

    def receive(self) -> Message | None:
        """The requestor's next message; None once it released. Meanwhile errands are done, one at a time."""
        while self.errands and not self._awaited and self._is_silent():
            if self.errands[0].attempt():
                self.errands.popleft()
        return self.association.receive()

    def await_answer(self, heard: Callable[[int | None], None]) -> int:
        """The message ID for a request of ours; `heard` gets the answer's status, None where none comes."""
        self._message_id = self._message_id + 1 if self._message_id < _MOST_MESSAGE_ID else _FIRST_MESSAGE_ID
        self._awaited[self._message_id] = heard
        return self._message_id

    def answered(self, message: Message) -> None:
        """An answer came; to nothing, perhaps."""
        heard = self._awaited.pop(message.command.message_id_being_responded_to or 0, None)
        if heard is not None:
            heard(message.command.status)

    def end(self) -> None:
        """The association has ended: what is left will not be said over it."""
        for errand in self.errands:
            errand.drop()
        for heard in self._awaited.values():
            heard(None)

    def _is_silent(self) -> bool:
        return not self.association.is_interrupted and not self.association.is_readable(_SILENCE_SECONDS)


class Handler(Protocol):
    """Serves the requests of one DIMSE operation."""

    def serve(self, session: Session, message: Message) -> None:
        """Read what the request brings, do it and send all its responses.

        AssociationEnded may be let out; a DianaError or any other error must have become a status.
        """
        ...


class Watcher(Protocol):
    """Hears of the ends of associations."""

    def ended(self, session: Session, released: bool) -> None:
        """An association has ended, in order or not. Raises nothing."""
        ...
