"""Jobs of rules for tests, without a journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from diana_route.core.model import FileItem, InstanceItem, Item, Job, State, StepRecord, StudyItem, Task
from diana_route.core.rules import FeedSource, FolderSource, QuerySource, Rule, Spec
from diana_route.core.words import action_text

ATTRIBUTES = {"trial": "atlas", "site": "north"}


@dataclass
class MemoryNotes:
    """What of a journal actions need."""

    memos: dict[int, str] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)

    def write_memo(self, number: int, memo: str) -> None:
        """See Journal."""
        self.memos[number] = memo

    def credit(self, number: int, operation: str) -> None:
        """See Journal."""
        self.credits[operation] = number


def rule_of(
    actions: Sequence[Spec], source: FeedSource | FolderSource | QuerySource | None = None, name: str = "intake"
) -> Rule:
    """A rule without a condition."""
    return Rule(name, "rules.yaml line 1", source or FeedSource("default"), None, "", actions, "digest", "")


def task_of(
    item: Item, actions: Sequence[Spec], step: int = 0, number: int = 1, notes: MemoryNotes | None = None
) -> Task:
    """A job of these actions at one of them, as the journal has it now."""
    memo = notes.memos.get(number, "") if notes else ""
    steps = [
        StepRecord(action_text(spec), done=place < step, memo=memo if place == step else "")
        for place, spec in enumerate(actions)
    ]
    job = Job(number, f"jobs/job-{number}", "intake", "digest", item, (), State.WAITING, steps, 1.0)
    return Task(job, "target")


def study_item(study_uid: str, store: str = "default", attributes: Mapping[str, str] | None = None) -> StudyItem:
    """A study of a trial."""
    return StudyItem(store, study_uid, ATTRIBUTES if attributes is None else attributes)


def instance_item(study_uid: str, sop_instance_uid: str, store: str = "default") -> InstanceItem:
    """One of its instances."""
    return InstanceItem(store, study_uid, sop_instance_uid)


def file_item(path: str, rule: str = "intake") -> FileItem:
    """A file of a trial."""
    return FileItem(rule, path, "stamp", ATTRIBUTES)
