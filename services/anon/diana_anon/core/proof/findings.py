"""What a dry run found, study by study: bounded, whatever the objects hold. What passes a bound is only counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from diana_anon.core.subject import Subject

MOST = 20_000
"""The most different paths with actions, texts, refusals and conflicts that are kept of a study, each."""
LONGEST_TEXT, MOST_TEXT = 4096, 4_000_000
"""Characters of one text that are kept, and of all of a study."""

_ITEM = re.compile(r"\[[0-9]+\]")


def without_items(path: str) -> str:
    """A path without its item numbers: "(0040,0275).(0040,0009)"."""
    return _ITEM.sub("", path)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An instance that is refused, by its source's SOP Instance UID; `held` if it goes to quarantine.

    `detail` says where: tag paths, or frames with regions; never values.
    """

    sop_instance_uid: str
    reason: str
    message: str
    detail: str = ""
    held: bool = False


@dataclass(slots=True)
class StudyFindings:
    """What was found of one study: which action befalls which path how often, which text remains, what is refused.

    Paths are without item numbers. `conflicts` are instances whose subject would share another person's pseudonym;
    `subjects` those that were met first, by pseudonym. `left_out` counts what was too much to keep.
    """

    study_uid: str
    new_study_uid: str = ""
    instances: int = 0
    refused: int = 0
    held: int = 0
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    texts: Counter[tuple[str, str]] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    conflicts: list[Refusal] = field(default_factory=list)
    subjects: dict[str, Subject] = field(default_factory=dict, repr=False)
    left_out: int = 0
    text_size: int = 0

    def add_action(self, path: str, action: str) -> None:
        """An action befell an attribute; the path may have item numbers."""
        self._count(self.actions, without_items(path), action)

    def add_text(self, path: str, text: str) -> None:
        """A text remains."""
        key = without_items(path), text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
        if key not in self.texts:
            self.text_size += len(key[1])
        if self.text_size <= MOST_TEXT or key in self.texts:
            self._count(self.texts, *key)
        else:
            self.left_out += 1

    def refuse(self, refusal: Refusal) -> None:
        """An instance is refused."""
        self.refused += 1
        self.held += refusal.held
        self._keep(self.refusals, refusal)

    def add_conflict(self, conflict: Refusal) -> None:
        """An instance is refused because its subject would share another person's pseudonym."""
        self.refused += 1
        self._keep(self.conflicts, conflict)

    def _count(self, counter: Counter[tuple[str, str]], path: str, what: str) -> None:
        if (path, what) in counter or len(counter) < MOST:
            counter[path, what] += 1
        else:
            self.left_out += 1

    def _keep(self, refusals: list[Refusal], refusal: Refusal) -> None:
        if len(refusals) < MOST:
            refusals.append(refusal)
        else:
            self.left_out += 1


@dataclass(frozen=True, slots=True)
class Head:
    """By what a dry run is made: the profile's name and digest, the domain, and the method codes it would write."""

    profile: str
    profile_sha256: str
    domain: str
    methods: tuple[str, ...]


class FindingsStore(Protocol):
    """Where findings lie until they are old. Safe from any thread. Every method raises DISK_FULL, STORE_DAMAGED."""

    def begin(self, operation: str, head: Head) -> None:
        """A dry run begins, or goes on after a crash."""
        ...

    def add(self, operation: str, findings: StudyFindings) -> None:
        """Keep what was found of a study, durably; of no effect if that study's are there."""
        ...

    def subject(self, operation: str, pseudonym: str) -> Subject | None:
        """Whom the dry run met first under a pseudonym; None once it has ended."""
        ...

    def end(self, operation: str) -> None:
        """A dry run has ended: nobody needs to know any more whom pseudonyms would stand for."""
        ...


class FindingsReader(Protocol):
    """What a report reads of them, in parts, so that others get at them meanwhile."""

    def head(self, operation: str) -> Head | None:
        """None if the operation has no findings here."""
        ...

    def totals(self, operation: str) -> tuple[int, int]:
        """How many conflicts and how many different texts were found."""
        ...

    def studies(self, operation: str) -> Iterator[StudyFindings]:
        """The studies in the order in which they were done: their UIDs and numbers only."""
        ...

    def actions(self, operation: str) -> Iterator[tuple[str, str, int]]:
        """Path, action, how often; by path."""
        ...

    def texts(self, operation: str) -> Iterator[tuple[str, str, int]]:
        """Path, text, how often; by path, the most frequent first."""
        ...

    def refusals(self, operation: str, conflicts: bool) -> Iterator[tuple[str, Refusal]]:
        """The source's Study Instance UID, and what is refused; the conflicts if `conflicts`."""
        ...


class Findings(FindingsStore, FindingsReader, Protocol):
    """Both in one."""
