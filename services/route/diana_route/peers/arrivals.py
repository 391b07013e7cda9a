"""What became of the instances of one file on their way into the archive."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

from diana.archive.v1.resources_pb2 import Instance
from diana_client import MeshError, SourceUnreadable, UploadResult
from diana_common.attempts import Failed, Postponed, Refused
from diana_common.errors import DianaError, Reason
from diana_route.core.files import Part
from diana_route.core.journal import Counted
from diana_route.core.model import Task
from diana_route.peers.faults import failure, is_passing
from diana_route.peers.held import ARCHIVE

_MOST_REASONS = 5
_MOST_PLACES = 3

OF_THE_FILE = (Reason.SOURCE_NOT_FOUND, Reason.PATH_FORBIDDEN)
"""Why a file, rather than what is in it, cannot be had."""


def file_failure(error: DianaError) -> Failed:
    """What an error of a file means for its attempt."""
    if error.reason is Reason.PATH_FORBIDDEN:  # rights change, and network folders come back
        return Postponed(error.message)
    return Refused(error.message if error.reason in OF_THE_FILE else error.reason.name)


class Arrival:
    """A file's account. Safe to share between the thread that reads the file and the one that hears the answers."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.is_zip = False
        self._lock = threading.Lock()
        self._sent = self._answered = 0
        self._is_read = False
        self._came: dict[str, set[str]] = defaultdict(set)
        self._refused: Counter[str] = Counter()
        self._places: dict[str, list[str]] = defaultdict(list)
        self._failure: Failed | None = None

    @property
    def studies(self) -> dict[str, int]:
        """The studies that came, and how many instances of each."""
        return {study_uid: len(uids) for study_uid, uids in self._came.items()}

    @property
    def is_whole(self) -> bool:
        """Whether nothing was refused."""
        return not self._refused

    @property
    def is_settled(self) -> bool:
        """Whether it is known of each of its instances what became of it."""
        return self._is_read and self._answered == self._sent

    @property
    def counted(self) -> Counted:
        """What was stored and refused so far, and why."""
        return Counted(sum(self.studies.values()), self._refused.total(), self._why())

    def sent(self) -> None:
        """One of its instances goes to the archive."""
        with self._lock:
            self._sent += 1

    def read(self) -> None:
        """All of it was read."""
        self._is_read = True

    def answer(self, part: Part, result: UploadResult) -> None:
        """What the archive says of an instance."""
        with self._lock:
            self._answered += 1
            if result.error is None:
                self._take(result.instance)
            else:
                self._refuse(part, result.error)

    def leave_out(self, part: Part, error: DianaError) -> None:
        """A part is no instance that could be stored."""
        with self._lock:
            self._note(part, error.reason.name)

    def fail(self, error: Failed) -> None:
        """It cannot be done, or not now; what comes first stays."""
        self._failure = self._failure or error

    def verdict(self) -> Failed | None:
        """What became of the file as a whole."""
        if self._failure is not None:
            return self._failure
        if not self.is_settled:
            return Postponed("it was not read to its end")
        return None if self._came else Refused(self._why() or "there is no instance in it that the rule wants")

    def _take(self, instance: Instance) -> None:
        self._came[instance.study_uid].add(instance.sop_instance_uid)

    def _refuse(self, part: Part, error: MeshError) -> None:
        if isinstance(error, SourceUnreadable) and isinstance(error.__cause__, DianaError):
            self._unreadable(part, error.__cause__)
        elif error.reason == Reason.DICOMDIR_REFUSED.name and part.label:
            return  # the index of a disc, under another name
        elif isinstance(error, SourceUnreadable) or is_passing(error):
            self.fail(failure(ARCHIVE, error))
        else:
            self._note(part, error.reason or error.code.name)

    def _unreadable(self, part: Part, error: DianaError) -> None:
        if error.reason in OF_THE_FILE:
            self.fail(file_failure(error))
        else:
            self._note(part, error.reason.name)

    def _note(self, part: Part, reason: str) -> None:
        self._refused[reason] += 1
        if part.label and len(self._places[reason]) < _MOST_PLACES:
            self._places[reason].append(part.label)

    def _why(self) -> str:
        """The commonest reasons, with the first members that each of them met."""
        return "; ".join(self._reason(*one) for one in self._refused.most_common(_MOST_REASONS))

    def _reason(self, reason: str, count: int) -> str:
        places = self._places[reason]
        if not places:
            return reason
        more = f" and {count - len(places)} more" if count > len(places) else ""
        return f"{reason}: {', '.join(places)}{more}"
