"""A store of studies, a mint and an operation in memory, for the study operation to work on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from diana_anon.core.pixels.model import CleanedPixels
from diana_anon.core.planning.procedure import make_procedure
from diana_anon.core.ports import Answered, InstanceKey, Keys, Outgoing, StudySummary
from diana_anon.core.profile import PixelPolicy, Profile
from diana_anon.core.proof.books import Books
from diana_anon.core.proof.receipts import PublicKey
from diana_anon.core.proof.shipping import Arrivals
from diana_anon.core.reports.counts import Accounts, Counts
from diana_anon.core.reports.model import Facts, Refused
from diana_anon.core.rewriting.engine import Identity
from diana_anon.core.studies.cohort import CohortJob, CohortRunner
from diana_anon.core.studies.deidentifier import Deidentifier
from diana_anon.core.studies.study import StudyDeidentifier, StudyJob
from diana_anon.core.subject import Subject
from diana_anon.stores.quarantine import SqliteQuarantine
from diana_anon.stores.receipts import SqliteLedger
from diana_anon.stores.schema import STEPS
from diana_anon.stores.studies import SqliteStudyBook
from diana_common.conditions import Header
from diana_common.errors import DianaError, Reason
from diana_common.header import scan
from diana_common.sqlite_file import Database
from tests.support.dicom_files import ROOT, make_small

STUDY = f"{ROOT}.2.1"
KEY = bytes(32)
DEFAULT = Profile("default")


def series_uid(number: int) -> str:
    return f"{STUDY}.{number}"


def sop_uid(number: int, series: int = 1) -> str:
    return f"{series_uid(series)}.{number}"


def instance(number: int, series: int = 1, **overrides: Any) -> bytes:
    """The instance of that number of the study."""
    uids = {"study_uid": STUDY, "series_uid": series_uid(series), "sop_uid": sop_uid(number, series)}
    return make_small(**{**uids, **overrides})


class MemoryMint:
    """Mints by digest; `away` many calls find it away. `version` is the newest of its key."""

    def __init__(self) -> None:
        self.away = 0
        self.version = 1
        self.minted_with: set[int] = set()
        self.after_keys: Callable[[], None] = lambda: None
        self.asked: list[str] = []

    def identity(self, domain: str, subject: Subject, key_version: int = 0) -> Identity:
        self._check_there()
        self.asked.append(subject.patient_id)
        self.minted_with.add(key_version or self.version)
        if not subject.patient_id:
            raise DianaError(Reason.SUBJECT_INVALID, "subject.patient_id: is empty")
        digest = hashlib.sha256(f"{domain}/{subject.patient_id}".encode()).hexdigest()[:16].upper()
        return Identity(digest, "NEW^NAME", None, timedelta(days=3))

    def keys(self, domain: str, key_version: int = 0) -> Keys | None:
        self._check_there()
        version = key_version or self.version
        self.after_keys()
        key = KEY if version == 1 else bytes([version]) * len(KEY)
        return Keys(key, key, version) if domain != "diana2" else None

    def newest_key_version(self, domain: str) -> int:
        return self.version

    def accession_number(self, domain: str, accession_number: str, key_version: int = 0) -> str:
        return f"{domain}-{len(accession_number)}"

    def _check_there(self) -> None:
        if self.away:
            self.away -= 1
            raise DianaError(Reason.PEER_UNAVAILABLE, "The guid service does not answer.")


class MemoryArchive:
    """`Source` and `Target`. Damage and absence can be arranged; downloads are noted."""

    def __init__(self) -> None:
        self.stores: dict[str, dict[str, bytes]] = {"default": {}, "deid": {}}
        self.attributes: dict[str, dict[str, str]] = {}
        self.completed: list[tuple[str, int]] = []
        self.damaged: set[str] = set()
        self.vanished: set[str] = set()
        self.downloads: list[list[str]] = []
        self.uploaded: list[str] = []
        self.after_upload: Callable[[int], None] = lambda count: None
        self.after_store: Callable[[str], None] = lambda uid: None
        self.away = 0

    def put(self, *files: bytes, store: str = "default") -> None:
        self.stores[store] |= {scan(one).sop_instance_uid: one for one in files}

    def study(self, store: str, study_uid: str) -> StudySummary:
        self._check_there()
        if not (found := self._keys(store, study_uid)):
            raise DianaError(Reason.STUDY_NOT_FOUND, "No such study.")
        return StudySummary(len(found), self.attributes.get(study_uid, {}))

    def instances(self, store: str, study_uid: str) -> Iterator[InstanceKey]:
        yield from self._keys(store, study_uid)

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        firsts: dict[str, str] = {}
        for key in self._keys(store, study_uid):
            firsts.setdefault(key.series_uid, key.sop_uid)
        for sop_uid in firsts.values():
            yield json.loads(scan(self.stores[store][sop_uid]).dicom_json)

    def download(
        self, store: str, study_uid: str, sop_uids: Sequence[str]
    ) -> Generator[tuple[str, Iterator[bytes]], None, None]:
        self.downloads.append(list(sop_uids))
        if self.vanished & set(sop_uids):
            raise DianaError(Reason.INSTANCE_NOT_FOUND, "No such instance.")
        for uid in sop_uids:
            yield uid, self._data(store, uid)

    def upload(self, store: str, outgoing: Iterable[Outgoing], operation: str) -> Generator[Answered, None, None]:
        for one in outgoing:
            self._check_there()
            yield Answered(one.sop_uid, self._stored(store, b"".join(one.pieces)))
            self.uploaded.append(one.sop_uid)
            self.after_upload(len(self.uploaded))

    def set_attributes(self, store: str, study_uid: str, attributes: Mapping[str, str], operation: str) -> str:
        self.attributes[study_uid] = dict(attributes)
        return "position-1"

    def complete(self, store: str, study_uid: str, expected: int, operation: str) -> str:
        if len(self._keys(store, study_uid)) != expected:
            raise DianaError(Reason.STUDY_INCOMPLETE, "Not as many.")
        self.completed.append((study_uid, expected))
        return "position-2"

    def _data(self, store: str, uid: str) -> Iterator[bytes]:
        data = self.stores[store][uid]
        yield data[:1000]
        if uid in self.damaged:
            raise DianaError(Reason.STORE_DAMAGED, "The bytes are short.")
        yield data[1000:]

    def _stored(self, store: str, data: bytes) -> DianaError | None:
        uid = scan(data).sop_instance_uid
        if self.stores[store].setdefault(uid, data) != data:
            return DianaError(Reason.INSTANCE_CONFLICT, "Another is there.")
        self.after_store(uid)
        return None

    def _keys(self, store: str, study_uid: str) -> list[InstanceKey]:
        headers = [scan(one) for one in self.stores[store].values()]
        return sorted(
            InstanceKey(one.series_uid, one.sop_instance_uid) for one in headers if one.study_uid == study_uid
        )

    def _check_there(self) -> None:
        if self.away:
            self.away -= 1
            raise DianaError(Reason.PEER_UNAVAILABLE, "The archive does not answer.")


class Cancelled(BaseException):
    """As an operation leaves its handler."""


@dataclass
class MemoryWork:
    """One attempt at an operation; `again` is the next one, after a crash."""

    operation: str = "operations/anon-1"
    last_checkpoint: bytes = b""
    failures: list[tuple[str, Reason]] = field(default_factory=list)
    told: list[tuple[int, int]] = field(default_factory=list)
    kept: bytes = b""
    stop: bool = False

    @property
    def failed_items(self) -> frozenset[str]:
        return frozenset(item for item, _ in self.failures)

    def progress(self, done: int, total: int, unit: str) -> None:
        self.told.append((done, total))

    def checkpoint(self, state: bytes) -> None:
        self.kept = state

    def fail_item(self, item: str, error: DianaError) -> None:
        self.failures.append((item, error.reason))

    def cancelled(self) -> bool:
        return self.stop

    def raise_if_cancelled(self) -> None:
        if self.stop:
            raise Cancelled

    def again(self) -> MemoryWork:
        return MemoryWork(last_checkpoint=self.kept, failures=list(self.failures))


@dataclass
class WorkFacts:
    """core.reports.model.Operations of one operation."""

    work: MemoryWork

    def facts(self, operation: str) -> Facts | None:
        return Facts(operation, "anon.studies", "succeeded")

    def failures(self, operation: str) -> Iterator[Refused]:
        return (Refused(item, "", reason.name, "why", "") for item, reason in self.work.failures)


class MemorySpool:
    def collect(self, pieces: Iterable[bytes]) -> bytes:
        return b"".join(pieces)


class NoMeter:
    def deidentified(self, profile: str) -> None: ...

    def refused(self, profile: str, error: DianaError) -> None: ...


class PlainSigner:
    """Signs by digest: enough to tell that the statement itself is signed."""

    key_id = "0123456789abcdef"

    def sign(self, statement: bytes) -> bytes:
        return hashlib.sha512(statement).digest()

    def public_keys(self) -> Sequence[PublicKey]:
        return [PublicKey(self.key_id, bytes(32))]


@dataclass
class Pixels:
    """A cleaner of pixels that does as told: by SOP Instance UID, the refusal it has for a policy."""

    refusals: dict[str, Callable[[PixelPolicy], DianaError | None]] = field(default_factory=dict)

    def clean(self, source: object, header: Header, policy: PixelPolicy) -> CleanedPixels | None:
        refuses = self.refusals.get(header["00080018"]["Value"][0])
        if refuses and (refusal := refuses(policy)):
            raise refusal
        return None

    def clear_overlays(self, source: object, header: Header) -> CleanedPixels | None:
        return None


class StudyBench:
    """All of it put together. `folder` takes the books."""

    def __init__(self, folder: Path, profile: Profile = DEFAULT) -> None:
        self.archive, self.mint, self.pixels = MemoryArchive(), MemoryMint(), Pixels()
        self.sleeps: list[float] = []
        database = Database(folder / "proof.sqlite", STEPS)
        self.ledger, self.quarantine = SqliteLedger(database), SqliteQuarantine(database)
        self.close = database.close
        self.procedure = make_procedure(profile, "default")
        self.deidentifier = Deidentifier(
            [self.procedure], self.mint, MemorySpool(), NoMeter(), PlainSigner(), self.quarantine, self.pixels
        )
        self.book = SqliteStudyBook(database, KEY)
        books = Books(self.ledger, self.quarantine, self.book)
        self.arrivals = Arrivals(self.ledger, self.archive)
        self.studies = StudyDeidentifier(self.deidentifier, self.archive, self.archive, books, self.sleeps.append)
        self.cohorts = CohortRunner(self.studies)

    def counts(self, work: MemoryWork) -> Counts:
        """What an operation has done by now."""
        return Accounts(self.ledger, self.quarantine, self.book, WorkFacts(work)).counts(work.operation)


def job(**changes: Any) -> StudyJob:
    values: dict[str, Any] = {
        "source_store": "default",
        "study_uid": STUDY,
        "target_store": "deid",
        "profile": "",
        "attributes": {},
        "copied_attributes": [],
    }
    return StudyJob(**{**values, **changes})


def cohort(*study_uids: str, **changes: Any) -> CohortJob:
    values: dict[str, Any] = {
        "source_store": "default",
        "study_uids": study_uids,
        "target_store": "deid",
        "profile": "",
        "attributes": {},
        "copied_attributes": [],
    }
    return CohortJob(**{**values, **changes})
