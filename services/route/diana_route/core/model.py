"""Items, and jobs as the journal has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class State(Enum):
    """How far a job is; the values are the contract's numbers, and kept in the journal."""

    WAITING = 1
    DONE = 2
    DEAD = 3
    CANCELLED = 4


@dataclass(frozen=True, slots=True)
class StudyItem:
    """A study of a store, and its plain attributes when it was found."""

    store: str
    study_uid: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What tells it from other items, whatever its attributes."""
        return f"study {self.store} {self.study_uid}"


@dataclass(frozen=True, slots=True)
class InstanceItem:
    """An instance of a store."""

    store: str
    study_uid: str
    sop_instance_uid: str

    @property
    def key(self) -> str:
        """What tells it from other items."""
        return f"instance {self.store} {self.sop_instance_uid}"


@dataclass(frozen=True, slots=True)
class FileItem:
    """A file of a rule's folder: an instance, or a zip of instances."""

    rule: str
    path: str
    """Below the folder, with "/"."""

    stamp: str
    """Changes when the file's contents do: two files of one path and stamp are one."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the folder's layout reads from the path: `{site}/{trial}`."""

    @property
    def key(self) -> str:
        """What tells it from other items."""
        return f"file {self.rule} {self.path}"


Item = StudyItem | InstanceItem | FileItem


@dataclass(frozen=True, slots=True)
class StepRecord:
    """An action of a job. Times are seconds since the epoch, UTC."""

    action: str
    """As people read it: "put inbox"."""

    done: bool = False
    attempt_count: int = 0
    last_error: str = ""
    memo: str = ""
    """What the action has to remember between attempts, such as the name of an operation it began. JSON, or empty."""


@dataclass(frozen=True, slots=True)
class Job:
    """A rule being carried out on one item."""

    number: int
    """Its place in the journal; later ones have larger numbers."""

    name: str
    """Its resource name: "jobs/" and an id."""

    rule: str
    digest: str
    """Of the rule's actions as they were when it was made; empty where it was never known whether the rule fires, so
    that it is never carried out."""

    item: Item
    trail: Sequence[str]
    """The rules whose work led to the item, the earliest first; its own rule is not among them."""

    state: State
    steps: Sequence[StepRecord]
    create_time: float
    next_attempt_time: float | None = None
    end_time: float | None = None
    stored_count: int = 0
    """Of a file's job: how many of its instances were stored, or there already."""

    refused_count: int = 0
    waiting_since: float = 0.0
    """When the current step's turn came, or the job was retried."""

    successor: str = ""
    """Of one that died or was cancelled: the name of the job by which its item was run again."""

    @property
    def current(self) -> int:
        """The number of the step that is next; that of the last one plus one where all are done."""
        return next((number for number, step in enumerate(self.steps) if not step.done), len(self.steps))

    def request_id(self, number: int) -> str:
        """The same at every attempt of the step of that number, so that what it asks for happens once."""
        return f"{self.name}/{number}"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is to be made, once for each rule, item and occasion."""

    rule: str
    digest: str
    """See Job."""

    item: Item
    actions: Sequence[str]
    targets: Sequence[str]
    """What each of the actions depends on; see `Action.target`."""

    occasion: str
    """What made it: a feed position, a file's stamp, a query's run. The same once more makes no other job."""

    trail: Sequence[str] = ()
    dead: str = ""
    """Why it is dead from the start, for people to look at and retry; empty if it is to be done."""

    replaces: bool = False
    """Whether it is the successor of all jobs of its rule and item that are not done and have none."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job's next step, for whoever carries it out (diana_common.attempts.Piece)."""

    job: Job
    target: str
    companions: Sequence[Job] = ()
    """Other jobs of files, of the same rule and at the same step, to be done together with it: see Journal."""

    @property
    def jobs(self) -> Sequence[Job]:
        """All that are done together."""
        return (self.job, *self.companions)

    def part(self, jobs: Sequence[Job]) -> Task:
        """The same for some of its jobs only, one at least."""
        return Task(jobs[0], self.target, tuple(jobs[1:]))

    @property
    def step(self) -> StepRecord:
        """The step itself."""
        return self.job.steps[self.job.current]

    @property
    def request_id(self) -> str:
        """See Job.request_id."""
        return self.job.request_id(self.job.current)

    @property
    def numbers(self) -> tuple[int, ...]:
        """See Piece."""
        return tuple(job.number for job in self.jobs)

    @property
    def attempt_count(self) -> int:
        """See Piece."""
        return self.step.attempt_count

    @property
    def create_time(self) -> float:
        """See Piece: since when the step waits. A job that is retried has all the time of a new one."""
        return self.job.waiting_since
