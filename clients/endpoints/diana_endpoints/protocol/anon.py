"""What de-identification does, explains and proves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint, OnProgress


@dataclass(frozen=True, slots=True)
class StudyOrder:
    """A study to de-identify, and where the new one goes. Empty fields mean the service's defaults."""

    study_uid: str
    target_store: str
    source_store: str = ""
    profile: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Plain attributes to set on the new study."""
    copied_attributes: Sequence[str] = ()
    """Keys of plain attributes that the new study takes over from the old one."""


@dataclass(frozen=True, slots=True)
class CohortOrder:
    """Studies to de-identify as one piece of work; fields as in StudyOrder. A preview stores nothing."""

    study_uids: Sequence[str]
    target_store: str = ""
    source_store: str = ""
    profile: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    copied_attributes: Sequence[str] = ()
    preview: bool = False


@runtime_checkable
class Anonymizer(Endpoint, Protocol):
    """It de-identifies."""

    def anonymize(self, items: Iterable[Item], profile: str = "") -> Iterator[Item]:
        """The de-identified instance of each, in order, with content; one that is refused comes with its failure."""

    def start_study(self, order: StudyOrder) -> str:
        """Start to de-identify a study from store to store; the name of the operation."""

    def await_study(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: the instances that were refused, each with its failure; at last the new study."""

    def start_cohort(self, order: CohortOrder) -> str:
        """Start to de-identify studies from store to store, or to look at what would be done; the operation's name."""

    def await_cohort(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what was refused, each with its failure; at last how many studies and instances."""

    def anonymize_text(self, text: str, study_uid: str = "", store: str = "", profile: str = "") -> Item:
        """A free text without identifiers, those included that a study's headers say: `meta["text"]`."""


@runtime_checkable
class ProfileKeeper(Endpoint, Protocol):
    """It knows profiles of de-identification, and explains them. One is given by its name, or as its text (bytes)."""

    def profiles(self) -> Iterator[Item]:
        """The profiles that are configured, by name."""

    def profile(self, name: str) -> Item:
        """A profile's text."""

    def check_profile(self, text: bytes) -> Iterator[Item]:
        """What is wrong with a profile's text, a fault each with its line and setting; its digest if nothing is."""

    def compare_profiles(self, left: str | bytes, right: str | bytes, sop_class_uid: str = "") -> Iterator[Item]:
        """The attributes that two profiles treat differently, in objects of a SOP Class."""

    def explain(self, profile: str | bytes, path: str, sop_class_uid: str = "") -> Item:
        """What a profile does to an attribute in objects of a SOP Class, and why."""


@runtime_checkable
class ProofKeeper(Endpoint, Protocol):
    """It keeps the proof of de-identification."""

    def receipt(self, sop_instance_uid: str = "", result: Path | None = None, against: Path | None = None) -> Item:
        """The receipt of a de-identified instance, by its UID or its file, once it has been verified.

        `against` is held against it too: `meta["file"]` says whether it is the result or the source.
        """

    def quarantined(self, operation: str = "", show_released: bool = False) -> Iterator[Item]:
        """The instances that were held back, by an operation or by all, oldest first."""

    def release(self, ids: Sequence[str], released_by: str) -> Iterator[Item]:
        """Let the next operation take them."""

    def deid_report(self, operation: str, form: str) -> Iterator[bytes]:
        """The report of an operation as html, json or csv, in pieces."""


@runtime_checkable
class Reidentifier(Endpoint, Protocol):
    """It knows who pseudonyms stand for, and tells those who may ask."""

    def reidentify(self, pseudonyms: Sequence[str], reason: str, domain: str = "") -> Iterator[Item]:
        """Who they stand for; who asked, and why, is logged."""

    def reidentifications(self) -> Iterator[Item]:
        """The log, newest first, its chain of digests checked."""
