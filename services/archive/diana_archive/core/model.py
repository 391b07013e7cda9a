"""What the archive keeps and tells: values without behaviour.

Times are microseconds since 1970 UTC; sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum


class ConflictPolicy(Enum):
    """What happens when another data set arrives under a SOP Instance UID that the store holds."""

    REFUSE = "refuse"
    KEEP_BOTH = "keep_both"


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """One store as the configuration wants it. A quiet period of 0 means that none ends by itself."""

    name: str
    conflict: ConflictPolicy = ConflictPolicy.REFUSE
    quiet_us: int = 60_000_000
    grace_us: int = 7 * 86_400_000_000


class State(IntEnum):
    """What an instance is. Of the undeleted versions of a SOP Instance UID, the newest is current."""

    CURRENT = 0
    OLDER = 1
    DELETED = 2
    PURGED = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from, as the caller tells."""

    door: str = ""
    rule: str = ""
    operation: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One stored data set. `sequence` is its place in the feed, `object_id` its bytes' name in the object store.

    `damaged`: a verification found its bytes other than they were, and was told to mend.
    """

    object_id: int
    store: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    data_set_offset: int
    data_set_sha256: bytes
    prefix_sha256: bytes
    version: str
    state: State
    store_us: int
    delete_us: int | None
    sequence: int
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """As much of an undeleted instance as it takes to tell whether a newcomer is the same."""

    object_id: int
    version: str
    transfer_syntax_uid: str
    data_set_sha256: bytes
    current: bool
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An instance whose bytes are written and whose row is not. `header` is zlib-compressed DICOM JSON."""

    store: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    data_set_offset: int
    data_set_sha256: bytes
    prefix_sha256: bytes
    header: bytes
    header_bytes: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Series:
    """A summary of the current instances of a series."""

    store: str
    study_uid: str
    series_uid: str
    instance_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Study:
    """A summary of the current instances of a study, and what stands beside it."""

    store: str
    study_uid: str
    series_count: int
    instance_count: int
    size_bytes: int
    first_store_us: int
    last_store_us: int
    complete: bool
    attributes: Mapping[str, str]
    sealed_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A store's counts; hidden ones are deleted and not purged, or older versions."""

    study_count: int
    series_count: int
    instance_count: int
    size_bytes: int
    hidden_count: int
    hidden_bytes: int


@dataclass(frozen=True, slots=True)
class Selector:
    """Names instances of one store by the deepest level that is set."""

    study_uid: str = ""
    series_uid: str = ""
    sop_instance_uids: tuple[str, ...] = ()


class CompletionReason(IntEnum):
    """Why a study is believed complete; the numbers of diana.archive.v1.CompletionReason."""

    QUIET_PERIOD = 1
    ASSOCIATION_RELEASED = 2
    COUNTED_AGAINST_SOURCE = 3
    DECLARED = 4


class HeaderOmitted(IntEnum):
    """Why a feed entry comes without its header; the numbers of diana.archive.v1.HeaderOmitted."""

    PRESENT = 0
    TOO_LARGE = 1
    PURGED = 2
    NOT_ASKED = 3


@dataclass(frozen=True, slots=True)
class InstanceStored:
    """A new instance, as it was on that day: current. `header` is zlib-compressed DICOM JSON, b"" when omitted."""

    instance: Instance
    header: bytes
    omitted: HeaderOmitted
    replaced_version: str


@dataclass(frozen=True, slots=True)
class InstanceName:
    """An instance within a study."""

    series_uid: str
    sop_instance_uid: str
    version: str


@dataclass(frozen=True, slots=True)
class InstancesDeleted:
    """Instances that no longer answer reads."""

    study_uid: str
    instances: tuple[InstanceName, ...]


@dataclass(frozen=True, slots=True)
class InstancesRestored:
    """Deleted instances that are back."""

    study_uid: str
    instances: tuple[InstanceName, ...]


@dataclass(frozen=True, slots=True)
class StudyAttributesChanged:
    """All plain attributes and the keys of all sealed ones, after the change."""

    study_uid: str
    attributes: Mapping[str, str]
    sealed_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyCompleted:
    """The archive believes a study complete."""

    study_uid: str
    reason: CompletionReason
    instance_count: int
    attributes: Mapping[str, str] = field(default_factory=dict)


Event = InstanceStored | InstancesDeleted | InstancesRestored | StudyAttributesChanged | StudyCompleted


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One change."""

    sequence: int
    store: str
    commit_us: int
    origin: Origin
    event: Event


class Outcome(Enum):
    """What became of an uploaded instance."""

    STORED = 1
    ALREADY_STORED = 2
    STORED_AS_CURRENT = 3


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance is durable."""

    outcome: Outcome
    instance: Instance
