"""Whose a study is: the folder's whose layout gave it its attributes first."""

from __future__ import annotations

from collections.abc import Mapping

from diana.type.v1.origin_pb2 import Origin
from diana_client import ArchiveClient, NotFound
from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import DianaError, Reason
from diana_route.core.journal import Journal
from diana_route.core.model import FileItem, Task
from diana_route.peers.faults import attempted
from diana_route.peers.held import ARCHIVE

DOOR = "folder"
_LONGEST_SOURCE = 255

_Key = tuple[str, str]
"""A study's UID and a directory."""


class Claims:
    """The studies of one upload into a store. `look` and `take` are called from two threads.

    Whoever can write into one folder has no say in another's studies: what is another's is refused before anything of
    it is stored. The journal knows whose a study is before its first byte is put, and when a rule has long moved it on;
    the archive knows it of what was claimed elsewhere, or by jobs that are forgotten.
    """

    def __init__(self, archive: ArchiveClient, store: str, journal: Journal) -> None:
        self._archive = archive
        self._store = store
        self._journal = journal
        self._looked: dict[_Key, Failed | None] = {}
        self._taken: dict[_Key, Failed | None] = {}
        self._away: Unreachable | None = None
        """What one study was not answered for, the others are not asked for."""

    def look(self, task: Task, study_uid: str) -> Failed | None:
        """Why nothing of a task's file may be put into a study; None if nothing is against it: then it is claimed."""
        if not file_of(task).attributes:
            return None
        key = _key(task, study_uid)
        if key not in self._looked:
            self._looked[key] = self._look(task, study_uid)
        return self._looked[key]

    def take(self, task: Task, study_uid: str) -> Failed | None:
        """Give a study its attributes, as soon as it is there: its store may complete it whenever it rests."""
        if not file_of(task).attributes:
            return None
        key = _key(task, study_uid)
        if key not in self._taken:
            self._taken[key] = self._take(task, study_uid)
        return self._taken[key]

    def _look(self, task: Task, study_uid: str) -> Failed | None:
        try:
            there = self._attributes(study_uid)
            attributes = file_of(task).attributes
            is_others = _are_others(attributes, there) or not self._claimed(task, study_uid)
        except Failed as failed:
            return failed
        if is_others:
            return Refused(f"study {study_uid} came from another folder already; nothing of this file was put into it")
        if attributes.items() <= there.items():
            self._taken[_key(task, study_uid)] = None
        return None

    def _take(self, task: Task, study_uid: str) -> Failed | None:
        attributes = file_of(task).attributes
        try:
            if _are_others(attributes, self._attributes(study_uid)) or not self._claimed(task, study_uid):
                return Refused(f"study {study_uid} became another's at the same time; some of this file is in it")
            with attempted(ARCHIVE):
                self._archive.update_attributes(study_uid, attributes, store=self._store, origin=origin_of(task))
        except Failed as failed:
            return None if _is_gone(failed) else failed  # a rule took it on already
        return None

    def _claimed(self, task: Task, study_uid: str) -> bool:
        """Whether the study is the folder's from now on. Raises Postponed."""
        try:
            return self._journal.claim(task.job.number, self._store, study_uid, file_of(task).attributes)
        except DianaError as error:
            raise Postponed(f"the journal cannot be written now ({error.reason.name})") from error

    def _attributes(self, study_uid: str) -> Mapping[str, str]:
        """Those that a study has; none where there is no study. Raises Failed."""
        if self._away is not None:
            raise self._away
        try:
            with attempted(ARCHIVE):
                return dict(self._archive.study(study_uid, store=self._store).attributes)
        except Unreachable as failed:
            self._away = failed
            raise
        except Refused as failed:
            if _is_gone(failed):
                return {}
            raise


def origin_of(task: Task) -> Origin:
    """What bears it is the job's work. Files that go together are the first one's: all their trails are the same."""
    source = file_of(task).attributes.get("site", "")[:_LONGEST_SOURCE]
    return Origin(door=DOOR, rule=task.job.rule, operation=task.job.name, source=source)


def file_of(task: Task) -> FileItem:
    """The file that a task is about. Raises Refused for what is none."""
    if not isinstance(task.job.item, FileItem):
        raise Refused("only what lies in a folder can be put into a store")
    return task.job.item


def _key(task: Task, study_uid: str) -> _Key:
    return study_uid, file_of(task).path.rpartition("/")[0]


def _is_gone(failed: Failed) -> bool:
    """Whether there is no such study."""
    return isinstance(failed.__cause__, NotFound) and failed.__cause__.reason == Reason.STUDY_NOT_FOUND.name


def _are_others(attributes: Mapping[str, str], there: Mapping[str, str]) -> bool:
    return any(there.get(key, value) != value for key, value in attributes.items())
