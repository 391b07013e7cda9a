"""What is said in a report. What may be long is a function that reads it anew, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from diana_anon.core.planning.tables import Option
from diana_anon.core.proof.receipts import PublicKey
from diana_common.tags import is_private, keyword_of

_BASIC = {"113100": "Basic Application Confidentiality Profile"}
_MEANINGS = _BASIC | {option.value: f"{option.name.replace('_', ' ').title()} Option" for option in Option}


class Study(NamedTuple):
    """A study by its UIDs in the target and in the source, of which one may be unknown; how many instances are stored
    and how many refused, those in quarantine included."""

    study_uid: str
    source_study_uid: str
    instances: int
    refused: int


class Acted(NamedTuple):
    """How often an action befell a path, which is without item numbers."""

    path: str
    attribute: str
    action: str
    times: int


class Remaining(NamedTuple):
    """How often a text remains at a path."""

    path: str
    attribute: str
    text: str
    times: int


class Refused(NamedTuple):
    """What was refused: an instance by the source's SOP Instance UID, or a study by its; `detail` says where."""

    item: str
    source_study_uid: str
    reason: str
    message: str
    detail: str


class Held(NamedTuple):
    """An instance in quarantine, by the source's UIDs; `released_by` is empty while it is held back."""

    id: str
    item: str
    source_study_uid: str
    reason: str
    detail: str
    released_by: str


class Proof(NamedTuple):
    """What a receipt says, its signature and actions; all in hexadecimal but the UIDs."""

    sop_instance_uid: str
    study_uid: str
    source_sha256: str
    result_sha256: str
    actions_sha256: str
    scan: str
    key_id: str
    signature: str
    actions: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """What the service remembers of an operation; times are RFC 3339, empty while there is none."""

    operation: str
    kind: str = ""
    state: str = ""
    created: str = ""
    ended: str = ""


class Operations(Protocol):
    """The service's operations. They are forgotten after a time; what was proven is not."""

    def facts(self, operation: str) -> Facts | None:
        """None for an operation that is not known, or no longer."""
        ...

    def failures(self, operation: str) -> Iterator[Refused]:
        """The instances and studies that failed, as they did."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """All that is said. `basis` is by what it was done: profile, its digest, standard, software; `counts` by name.

    `refused` are instances that are neither `held` nor in conflict, `failed` studies that could not be done to the end.
    `methods` are codes of CID 7050. `left_out` counts what there was too much of to keep.
    """

    preview: bool
    facts: Facts
    basis: Mapping[str, str]
    methods: Sequence[str]
    counts: Mapping[str, int]
    studies: Callable[[], Iterator[Study]]
    actions: Callable[[], Iterator[Acted]]
    refused: Callable[[], Iterator[Refused]]
    failed: Callable[[], Iterator[Refused]]
    held: Callable[[], Iterator[Held]]
    conflicts: Callable[[], Iterator[Refused]]
    texts: Callable[[], Iterator[Remaining]]
    proofs: Callable[[], Iterator[Proof]]
    keys: Sequence[PublicKey]
    left_out: int = 0

    @property
    def title(self) -> str:
        """What it is."""
        return "Preview of a de-identification" if self.preview else "De-identification report"


def meaning(code: str) -> str:
    """What a code of CID 7050 means; the code itself if it is none."""
    return _MEANINGS.get(code, code)


@lru_cache(4096)
def attribute(path: str) -> str:
    """The keyword of the attribute that a path ends in; "private" for a private one."""
    tag = int(path[path.rindex("(") + 1 :].partition(")")[0].replace(",", ""), 16)  # an item's number may follow
    return "private" if is_private(tag) else keyword_of(tag)
