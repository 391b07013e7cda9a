"""The small protocol: an endpoint is whatever plays one or more of these roles.

Roles are apart, because few endpoints play all: an operation appears where it works. Items flow through
iterators, one at a time. A role raises what its endpoint raises (DianaError, or the client's MeshError) when
the whole cannot go on; what is wrong with one item is that item's `failure`, and the rest go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from diana_endpoints.items import Item


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an endpoint can be used now, and what there is to say of it."""

    ok: bool
    detail: str


Matches = Mapping[str, "Sequence[str] | Matches"]


@dataclass(frozen=True, slots=True)
class Query:
    """A question with C-FIND's semantics (PS3.4 section C.2.2.2).

    `level` is patient, study, series or instance; `matches` are values by keyword or tag, any of which may match, or
    the matches that one item of a sequence must meet.
    """

    level: str
    matches: Matches
    return_keys: Sequence[str] = ()
    order_by: Sequence[str] = ()
    """Keywords or tags; one that begins with "-" sorts from the greatest down."""
    at_least_position: str = ""
    where: str = ""
    """A filter expression that must be met as well."""
    fuzzy_names: bool = False
    """Whether names match by sound and spelling."""
    combined_date_times: bool = False
    """Whether a range of dates and one of their times mean one range."""
    store: str = ""
    """The store, instead of the endpoint's own."""


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


@dataclass(frozen=True, slots=True)
class ReportText:
    """A radiology report: its name within the store, its words, and what it is of: a study, an accession number."""

    name: str
    text: str
    study_uid: str = ""
    accession_number: str = ""


OnProgress = Callable[[int, int], None]
"""Told of how many are done, and how many there are; 0 while that is not known."""


@dataclass(frozen=True, slots=True)
class Message:
    """What to tell: a template of the service's by name, or a subject and a text, which are templates as well."""

    template: str = ""
    subject: str = ""
    body: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """What templates may name."""


@runtime_checkable
class Endpoint(Protocol):
    """What every endpoint is: something to be closed when done with."""

    def close(self) -> None:
        """Give back files and connections. Contents of its items may not be opened after."""


@runtime_checkable
class Checkable(Endpoint, Protocol):
    """It can say how it is."""

    def check(self) -> Health:
        """How it is, within seconds. Never raises: what is wrong is in the detail."""


@runtime_checkable
class Lister(Endpoint, Protocol):
    """All its items can be had in turn."""

    passed_over: Mapping[str, int]
    """What the last listing met and did not hand on, counted by kind ("no DICOM")."""

    def list(self) -> Iterator[Item]:
        """Every item, its content unopened."""


@runtime_checkable
class Getter(Endpoint, Protocol):
    """Items can be fetched by name."""

    def get(self, wanted: Item) -> Iterator[Item]:
        """The items that `wanted.meta` names by its deepest UID (or path), with content."""


@runtime_checkable
class Putter(Endpoint, Protocol):
    """Items can be put into it."""

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Put each, and hand it on with `meta["outcome"]` or its `failure`; the order may differ.

        No more is taken from `items` than is on its way.
        """


@runtime_checkable
class Finder(Endpoint, Protocol):
    """Questions can be asked of it."""

    def find(self, query: Query) -> Iterator[Item]:
        """The records that match, each with its header; pages are fetched as they are needed."""

    def count(self, query: Query) -> int:
        """How many records match."""


@runtime_checkable
class Aggregator(Endpoint, Protocol):
    """It counts and measures in groups."""

    def aggregate(
        self, query: Query, by: Sequence[str], measures: Sequence[str], by_count: bool = False, limit: int = 0
    ) -> Iterator[Item]:
        """The groups of the records that match: `meta` has their keys and measurements as they were asked for, and
        `count`.

        `by` are attributes, with ":month" (year, day, hour) or the width of bins behind them; `measures` kinds with
        ":" and an attribute behind them.
        """


@runtime_checkable
class Exporter(Endpoint, Protocol):
    """It writes tables of records."""

    def export(self, query: Query, file_format: str, to: BinaryIO | Path) -> None:
        """Write all records that match, with `query.return_keys` for columns, as csv, jsonl or parquet."""


@runtime_checkable
class Deleter(Endpoint, Protocol):
    """Items can be deleted, and for a time brought back."""

    def delete(self, wanted: Item) -> int:
        """Delete what `wanted.meta` names by its deepest UID; how many instances that was."""

    def undelete(self, wanted: Item) -> int:
        """Bring back what was deleted; how many instances that was."""


@runtime_checkable
class Minter(Endpoint, Protocol):
    """It mints identities."""

    def mint(self, subjects: Iterable[Item]) -> Iterator[Item]:
        """The identity of each subject, in order; `meta` says which fields a subject may have."""


@runtime_checkable
class DomainKeeper(Endpoint, Protocol):
    """It keeps the keys that domains mint with. An empty domain is its own."""

    def domains(self) -> Iterator[Item]:
        """The domains by name."""

    def key_versions(self, domain: str) -> Iterator[Item]:
        """The versions of a domain's key, newest first."""

    def rotate_key(self, domain: str) -> Item:
        """A new version."""

    def export_key(self, domain: str, version: int, recipient_public_key: bytes) -> str:
        """A version (0: the newest) under seal, as JSON."""

    def import_key(self, sealed: str) -> Item:
        """Put a key that was exported for this keeper into its place."""

    def sealing_key(self) -> bytes:
        """The public key to export keys for this keeper with: X25519, 32 bytes."""


@runtime_checkable
class Watcher(Endpoint, Protocol):
    """Its changes can be followed."""

    def watch(self, after: str | None, stop_at_head: bool) -> Iterator[Item]:
        """Changes after a position: "" is the beginning, None is now. Ends at the head, or never."""


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
class Keeper(Endpoint, Protocol):
    """It keeps instances, and does long work on them where they lie."""

    def start_import(self, path: str) -> str:
        """Start to store what lies under a path of its own host; the name of the operation."""

    def start_verify(self, repair: bool) -> str:
        """Start to hold what it keeps against its digests; the name of the operation."""

    def start_backup(self) -> str:
        """Start to bring its backup up to date; the name of the operation."""

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it, each with its failure; at last its counts, or why it ended."""


@runtime_checkable
class FolderIndexer(Endpoint, Protocol):
    """It knows files where they lie, by kind of collection: accession_number, study or patient."""

    def start_folder(self, path: str, read_all: bool = False) -> str:
        """Start to index a directory of its own host; the name of the operation."""

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it, each with its failure; at last its counts, or why it ended."""

    def folders(self) -> Iterator[Item]:
        """The folders that are indexed, by path."""

    def forget_folder(self, path: str) -> None:
        """Forget a folder; its files stay."""

    def collections(self, kind: str, prefix: str = "") -> Iterator[Item]:
        """What the files belong to, by value, with how many files each has."""

    def collected(self, kind: str, value: str, with_content: bool = True) -> Iterator[Item]:
        """The files of a collection, by path; one that cannot be read comes with its failure."""


@runtime_checkable
class CohortKeeper(Endpoint, Protocol):
    """It keeps questions by name, and freezes their answers."""

    def create_cohort(self, name: str, query: Query, description: str = "") -> Item:
        """Save a question under a name."""

    def cohort(self, name: str) -> Item:
        """A cohort, with how many records it has."""

    def cohorts(self) -> Iterator[Item]:
        """The cohorts, by name."""

    def start_freeze(self, name: str, frozen: str, at_least_position: str = "") -> str:
        """Start to write a cohort's records down under another name; the name of the operation."""

    def await_freeze(self, operation: str, on_progress: OnProgress | None = None) -> Item:
        """Wait for its end: the frozen cohort, or why there is none."""

    def compare_cohorts(self, first: str, second: str, samples: int = 0) -> Iterator[Item]:
        """How many records two cohorts share, and how many only one has; then so many of either."""

    def export_cohort(
        self,
        name: str,
        file_format: str,
        to: BinaryIO | Path,
        columns: Sequence[str] = (),
        order_by: Sequence[str] = (),
    ) -> None:
        """Write a cohort's records as they are now as one table: csv, jsonl or parquet."""

    def delete_cohort(self, name: str) -> None:
        """Forget a cohort; its records stay."""

    def cohort_members(self, name: str) -> Iterator[Item]:
        """A cohort's records, named as those are that a question finds."""


@runtime_checkable
class KeyKeeper(Endpoint, Protocol):
    """It can make attributes searchable."""

    def start_key(self, name: str, path: str, level: str = "instance", vr: str = "") -> str:
        """Make an attribute searchable by a name; the name of the operation that fills the key."""

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it, each with its failure; at last its counts, or why it ended."""

    def search_keys(self) -> Iterator[Item]:
        """The search keys by name."""

    def delete_key(self, name: str) -> None:
        """Forget a search key."""


@runtime_checkable
class ReportKeeper(Endpoint, Protocol):
    """It takes radiology reports, and reads what they find."""

    def put_reports(self, reports: Iterable[ReportText]) -> Iterator[Item]:
        """Put reports; each with what it finds, or with its failure."""

    def report(self, name: str) -> Item:
        """A report with its text."""

    def study_reports(self, study_uid: str) -> Iterator[Item]:
        """A study's reports, the newest first, without their texts."""

    def delete_report(self, name: str) -> None:
        """Forget a plain report."""


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


@runtime_checkable
class Messenger(Endpoint, Protocol):
    """It tells people and systems; what it took, it delivers or reports as dead."""

    def send(self, recipient: str, message: Message) -> Item:
        """Queue a message for one recipient, written TRANSPORT:ADDRESS; its delivery."""

    def dispatch(self, channel: str, message: Message) -> Iterator[Item]:
        """Queue a message for a channel's subscribers; their deliveries."""

    def deliveries(self, state: str = "", channel: str = "") -> Iterator[Item]:
        """Deliveries, newest first: those in one state ("queued", "sent", "dead") and on one channel, or all."""
