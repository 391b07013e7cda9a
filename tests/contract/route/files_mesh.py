"""A watched folder with all that is done with its files, and the real archive, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from diana_archive.__main__ import make_server
from diana_archive.config import ArchiveConfig, StoreConfig
from diana_client import ArchiveClient, Channel, connect
from diana_common.attempts import Attempting, RetryPolicy
from diana_common.conditions import bind, compile_condition
from diana_common.filters import parse_filter
from diana_route.adapters.folders import HostFolder
from diana_route.core.executing import Carried, Executing
from diana_route.core.folders import read_layout
from diana_route.core.intake import Intake
from diana_route.core.model import FileItem, Job, State, Task
from diana_route.core.rules import Delete, FolderSource, Put, Rule, Spec
from diana_route.core.watched import WatchedFolders
from diana_route.peers.file_actions import FileActions
from diana_route.stores.sqlite import SqliteJournal
from diana_server.config import ServerConfig
from tests.support.dicom_files import ROOT, make_small
from tests.support.route_tasks import task_of

STORES = {
    "inbox": StoreConfig(quiet_period_seconds=0),
    "full": StoreConfig(quota_bytes=1),
}


def instance(study: int, number: int, **overrides: str) -> bytes:
    """An instance of a study of its own."""
    return make_small(**{"study_uid": study_uid(study), "sop_uid": f"{study_uid(study)}.{number}", **overrides})


def study_uid(study: int) -> str:
    """A study's UID."""
    return f"{ROOT}.77.{study}"


@contextmanager
def archive_channel(folder: Path) -> Iterator[Channel]:
    """An archive."""
    server = make_server(ArchiveConfig(ServerConfig(listen="127.0.0.1:0"), folder, STORES))
    with connect(server.start()) as channel:
        yield channel
    server.stop(0)


class Quiet:
    """Hears of attempts, and remembers what should not have happened."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def succeeded(self, piece: Task) -> None:
        """Done."""

    def failed(self, piece: Task, why: str) -> None:
        """Not now."""

    def dead(self, piece: Task, why: str, count: int) -> None:
        """Never."""

    def stumbled(self, error: Exception) -> None:
        """Should not have happened."""
        self.errors.append(error)


def rule_of(path: Path, actions: Sequence[Spec], layout: str = "", when: str = "") -> Rule:
    """A rule over a folder, which takes files as soon as they are seen."""
    tree = parse_filter(when, "when") if when else None
    condition = compile_condition(bind(tree, "when"), "when") if tree else None
    source = FolderSource(path, layout, settle_seconds=0.0, poll_seconds=0.02)
    return Rule("intake", "rules.yaml line 1", source, condition, when, actions, "digest", "")


class FileIntake:
    """One rule's folder, journal and workers."""

    def __init__(self, tmp_path: Path, archive: Channel, rule: Rule) -> None:
        assert isinstance(rule.source, FolderSource)
        self.path = rule.source.path
        self.path.mkdir(exist_ok=True)
        self.rule = rule
        self.quiet = Quiet()
        self._changes: SimpleQueue[int] = SimpleQueue()
        self.journal = SqliteJournal(tmp_path / "journal.sqlite", self._changes.put)
        intake = Intake(self.journal, "rules", lambda: self.attempting.wake(), lambda rule, why: None)
        self.watched = WatchedFolders(
            [rule],
            lambda source: HostFolder(source.path, source.layout),
            self.journal,
            intake,
            lambda rule, item: [one.target(item) for one in self.actions],
        )
        make = FileActions(archive, self.watched, self.journal, lambda: False)
        self.actions = [make(rule, spec) for spec in rule.actions if isinstance(spec, Put | Delete)]
        executing = Executing({rule.name: Carried(rule.digest, self.actions)})
        policy = RetryPolicy(0.02, 0.1, 30.0)
        self.attempting = Attempting(self.journal, executing.attempt, policy, 3600.0, self.quiet)

    def start(self) -> None:
        """Begin."""
        self.attempting.start()
        self.watched.start()

    def stop(self) -> None:
        """End."""
        self.watched.stop()
        self.attempting.stop()
        self.journal.close()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Files below the folder, each there at once."""
        for path, content in files.items():
            file = self.path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(f"{file.name}.part")
            partial.write_bytes(content)
            partial.rename(file)

    def task(self, path: str, step: int) -> Task:
        """A job of a file as it is now, at one of its steps."""
        attributes = read_layout(self.rule.source.layout, path) or {}  # type: ignore[union-attr]
        item = FileItem(self.rule.name, path, self.watched.folder(self.rule.name).status(path).stamp, attributes)
        return task_of(item, self.rule.actions, step)

    def ended(self, count: int) -> dict[str, Job]:
        """All jobs by their files' paths, once so many have ended. Raises queue.Empty after a while without changes."""
        while True:
            jobs = self.journal.page(None, 100_000, None, "")
            if sum(job.state is not State.WAITING for job in jobs) >= count:
                return {job.item.path: job for job in jobs}  # type: ignore[union-attr]
            self._changes.get(timeout=20)


@contextmanager
def file_intake(
    tmp_path: Path, archive: Channel, actions: Sequence[Spec], layout: str = "", when: str = ""
) -> Iterator[FileIntake]:
    """A rule at work."""
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", actions, layout, when))
    intake.start()
    try:
        yield intake
    finally:
        intake.stop()
    assert not intake.quiet.errors


def held(archive: Channel, study: int, store: str = "inbox") -> set[str]:
    """The SOP Instance UIDs of a study that the archive has."""
    client = ArchiveClient(archive)
    return {one.sop_instance_uid for one in client.instances(study_uid(study), store=store)}
