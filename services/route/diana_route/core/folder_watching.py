"""From the files of a watched folder to jobs: each once, whatever restarts there are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from diana_common.errors import DianaError
from diana_route.core.file_matching import judge_file
from diana_route.core.files import Folder, Looked
from diana_route.core.folders import Settling, Status, read_layout
from diana_route.core.journal import Journal
from diana_route.core.model import FileItem, Job, NewJob
from diana_route.core.rules import Delete, FolderSource, Rule

_AT_ONCE = 500
_REST = 4.0
"""A look that found nothing new is followed by a pause of so many times its length, so that a folder that is kept full
costs little."""


class Intake(Protocol):
    """The way of all jobs into the journal, as core.intake.Intake."""

    def add(self, jobs: Sequence[NewJob]) -> Sequence[Job]:
        """Make those jobs that may be made. Raises DianaError DISK_FULL."""
        ...


class Making(Protocol):
    """The job that the rule makes of a file, whatever its condition says."""

    def __call__(self, item: FileItem, occasion: str) -> NewJob: ...


class FolderWatching:
    """Looks at a rule's folder again and again, in a thread of its own.

    A file becomes a job once it is whole. The journal knows from then on that it did, until the file is gone: a file
    that stays is not a new one after a restart, and one that takes its place is. A rule's condition is asked of the
    instance, or of one of each series in a zip. What can be read as neither becomes a job all the same, whose end tells
    people why.
    """

    def __init__(
        self,
        rule: Rule,
        folder: Folder,
        journal: Journal,
        intake: Intake,
        making: Making,
        trouble: Callable[[str], None],
    ) -> None:
        """`trouble` is told what is wrong whenever that changes, without paths; empty when all is well again.

        Raises ValueError for a rule without a folder.
        """
        if not isinstance(rule.source, FolderSource):
            raise ValueError(f"rule {rule.name} watches no folder")
        self._rule, self._source = rule, rule.source
        self._folder = folder
        self._journal = journal
        self._intake = intake
        self._making = making
        self._tell = trouble
        self._told = ""
        self._settling = Settling(rule.source.settle_seconds)
        self._files: dict[str, str] = {}
        self._is_begun = False
        self._passed_over: dict[str, str] = {}
        self._root: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"folder-{rule.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; the look that is under way is finished."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def forget(self, paths: Sequence[str]) -> None:
        """Those files were removed: what comes under such a path is new, even if it is the same once more."""
        for start in range(0, len(paths), _AT_ONCE):  # others come in between
            self._journal.forget_files(self._rule.name, paths[start : start + _AT_ONCE])
        with self._lock:
            for path in paths:
                self._files.pop(path, None)
                self._settling.forget(path)

    def look(self) -> None:
        """Look once, and make jobs of what is whole. Raises DianaError."""
        if not self._is_begun:
            self._files = dict(self._journal.files(self._rule.name))
            self._is_begun = True
        present: dict[str, Status] = {}
        looked = self._folder.look(present.__setitem__)
        now = time.monotonic()
        self._forget_gone(present, looked)
        with self._lock:
            whole = [path for path, status in present.items() if self._is_new_and_whole(path, status, now)]
        for start in range(0, len(whole), _AT_ONCE):
            if self._stopping.is_set():
                return
            self._take({path: present[path] for path in whole[start : start + _AT_ONCE]})
        self._tidy(looked)
        self._say(looked.trouble)

    def _tidy(self, looked: Looked) -> None:
        """Remove directories that deleting left empty; old ones, for a sender makes one before it writes into it."""
        if looked.root != self._root or not any(isinstance(one, Delete) for one in self._rule.actions):
            return
        before = time.time() - self._source.empty_seconds
        for path in [path for path, changed in looked.empty.items() if changed < before]:
            if self._stopping.is_set():
                return
            self._folder.remove_empty(path)

    def _forget_gone(self, present: Mapping[str, Status], looked: Looked) -> None:
        """Forget files that are not there any more: those of this very directory, as far as it could be read.

        Where a network folder is not mounted another directory lies, and nothing in it.
        """
        self._root = self._root or looked.root
        if looked.root != self._root:
            return
        with self._lock:
            gone = [path for path in self._files if path not in present and not _is_below(path, looked.unread)]
            self._settling.keep_only(present.keys())
            self._passed_over = {path: stamp for path, stamp in self._passed_over.items() if path in present}
        self.forget(gone)

    def _is_new_and_whole(self, path: str, status: Status, now: float) -> bool:
        if status.stamp in (self._files.get(path), self._passed_over.get(path)):
            return False
        return self._settling.is_settled(path, status, now)

    def _take(self, files: Mapping[str, Status]) -> None:
        """Make jobs of files, all of them with one commit."""
        jobs, taken = [], {}
        for path, status in files.items():
            item = FileItem(self._rule.name, path, status.stamp, read_layout(self._source.layout, path) or {})
            if self._rule.when is None or judge_file(self._rule, self._folder, item).fires:
                jobs.append(self._making(item, status.occasion))
                taken[path] = status.stamp
            else:
                self._passed_over[path] = status.stamp
        self._intake.add(jobs)
        with self._lock:
            self._files.update(taken)
            for path in files:
                self._settling.forget(path)

    def _run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self.look()
            except DianaError as error:
                self._say(error.message)
            except Exception as error:  # whatever goes wrong, the watching must go on
                self._say(f"Looking failed: {type(error).__name__}.")
            rest = 1.0 if self._settling.is_waiting else _REST
            self._stopping.wait(max(self._source.poll_seconds, rest * (time.monotonic() - begun)))

    def _say(self, trouble: str) -> None:
        if trouble != self._told:
            self._told = trouble
            self._tell(trouble)


def _is_below(path: str, directories: Sequence[str]) -> bool:
    return any(not directory or path.startswith(f"{directory}/") for directory in directories)
