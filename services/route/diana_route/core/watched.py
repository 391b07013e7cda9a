"""All folders that rules watch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from diana_route.core.deciding import Decider, Targets
from diana_route.core.files import Folder
from diana_route.core.folder_watching import FolderWatching, Intake, Making
from diana_route.core.journal import Journal
from diana_route.core.matching import Seen
from diana_route.core.model import FileItem, NewJob
from diana_route.core.rules import FolderSource, Rule


@dataclass(frozen=True, slots=True)
class _Watched:
    folder: Folder
    watching: FolderWatching


class WatchedFolders:
    """The folders of all rules that have one. Safe to share between threads."""

    def __init__(
        self,
        rules: Sequence[Rule],
        open_folder: Callable[[FolderSource], Folder],
        journal: Journal,
        intake: Intake,
        targets: Targets,
        told: Callable[[str, str], None] = lambda rule, trouble: None,
    ) -> None:
        """`told` hears of a rule what is wrong with its folder whenever that changes; an empty text when all is well.

        Nothing is looked at before `start`; `targets` is not called before.
        """
        self._lock = threading.Lock()
        self._told = told
        self._troubles: dict[str, str] = {}
        self._watched: dict[str, _Watched] = {}
        for rule in rules:
            if isinstance(rule.source, FolderSource):
                folder = open_folder(rule.source)
                making = _making(rule, targets)
                watching = FolderWatching(rule, folder, journal, intake, making, self._hearing(rule.name))
                self._watched[rule.name] = _Watched(folder, watching)

    def start(self) -> None:
        """Begin to look."""
        for one in self._watched.values():
            one.watching.start()

    def stop(self) -> None:
        """End all looking."""
        for one in self._watched.values():
            one.watching.stop()

    def folder(self, rule: str) -> Folder:
        """A rule's folder. Raises KeyError for a rule that has none."""
        return self._watched[rule].folder

    def forget(self, rule: str, paths: Sequence[str]) -> None:
        """See FolderWatching."""
        self._watched[rule].watching.forget(paths)

    def troubles(self) -> Mapping[str, str]:
        """The rules whose folders cannot be looked at as they should, and why."""
        with self._lock:
            return {rule: trouble for rule, trouble in self._troubles.items() if trouble}

    def _hearing(self, rule: str) -> Callable[[str], None]:
        def hear(trouble: str) -> None:
            with self._lock:
                self._troubles[rule] = trouble
            self._told(rule, trouble)

        return hear


def _making(rule: Rule, targets: Targets) -> Making:
    """The rule decides; its condition was asked when the file was looked at, as far as the file could be read."""
    decider = Decider([replace(rule, when=None)], targets)

    def make(item: FileItem, occasion: str) -> NewJob:
        (job,) = decider.jobs(Seen(item, tuple), occasion)
        return job

    return make
