"""A watched folder without a server: real files, the real journal, and looks that the test asks for."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue

from diana_common.conditions import bind, compile_condition
from diana_common.filters import parse_filter
from diana_route.adapters.folders import HostFolder
from diana_route.core.folder_watching import FolderWatching
from diana_route.core.intake import Intake
from diana_route.core.model import FileItem, Job, NewJob
from diana_route.core.rules import FolderSource, Put, Rule
from diana_route.stores.sqlite import SqliteJournal
from tests.support.dicom_files import ROOT, make_small


def instance(number: int = 1, study: int = 1, **overrides: str) -> bytes:
    """A small CT image."""
    return make_small(study_uid=f"{ROOT}.2.{study}", sop_uid=f"{ROOT}.4.{number}", **overrides)


def rule(path: Path, layout: str = "", when: str = "", settle_seconds: float = 0.0) -> Rule:
    """A rule that puts a folder's files."""
    tree = parse_filter(when, "when") if when else None
    condition = compile_condition(bind(tree, "when"), "when") if tree else None
    source = FolderSource(path, layout, settle_seconds, poll_seconds=0.01)
    return Rule("intake", "rules.yaml line 1", source, condition, when, [Put("inbox")], "digest", "")


def job_of(item: FileItem, occasion: str) -> NewJob:
    """The job that the rule makes."""
    return NewJob("intake", "digest", item, ["put inbox"], ["archive"], occasion)


class FolderBench:
    """A folder and who watches it, as often started anew as the test likes."""

    def __init__(self, tmp_path: Path, layout: str = "", when: str = "", settle_seconds: float = 0.0) -> None:
        self.path = tmp_path / "incoming"
        self.path.mkdir()
        self.rule = rule(self.path, layout, when, settle_seconds)
        self.state = tmp_path / "journal.sqlite"
        self.troubles: list[str] = []
        self.events: SimpleQueue[str] = SimpleQueue()
        """What is told while a thread looks: troubles, and "added"."""
        self.start()

    def start(self) -> None:
        """As after a start of the service."""
        self.journal = SqliteJournal(self.state)
        self.folder = HostFolder(self.path, self.rule.source.layout)  # type: ignore[union-attr]
        intake = Intake(self.journal, "rules", lambda: self.events.put("added"), lambda rule, why: None)
        self.watching = FolderWatching(self.rule, self.folder, self.journal, intake, job_of, self._hear)

    def await_event(self, wanted: str) -> None:
        """Wait until something is told. Raises queue.Empty after ten seconds without anything."""
        while self.events.get(timeout=10) != wanted:
            pass

    def _hear(self, trouble: str) -> None:
        self.troubles.append(trouble)
        self.events.put(trouble)

    def restart(self) -> None:
        """The service ends and begins again."""
        self.journal.close()
        self.start()

    def write(self, path: str, content: bytes = b"") -> Path:
        """A file below the folder."""
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content or instance())
        return file

    def look(self, times: int = 2) -> list[str]:
        """Look some times; the paths of all jobs, in the order in which they were made."""
        for _ in range(times):
            self.watching.look()
        return [job.item.path for job in self.jobs if isinstance(job.item, FileItem)]

    @property
    def jobs(self) -> list[Job]:
        """All jobs, oldest first."""
        return self.journal.page(None, 100_000, None, "")[::-1]
