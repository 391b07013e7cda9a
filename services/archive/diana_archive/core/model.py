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


class QuotaPolicy(Enum):
    """What happens when an instance would pass its store's quota."""

    REFUSE = "refuse"
    DELETE_OLDEST = "delete_oldest"


class Compression(Enum):
    """How a store keeps its bytes; what is read is the same in any case."""

    NONE = "none"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """One store as the configuration wants it.

    A quiet period of 0 means that none ends by itself, a retention or quota of 0 that there is none.
    """

    name: str
    conflict: ConflictPolicy = ConflictPolicy.REFUSE
    quiet_us: int = 60_000_000
    grace_us: int = 7 * 86_400_000_000
    settle_us: int = 5_000_000
    retention_us: int = 0
    quota_bytes: int = 0
    quota_policy: QuotaPolicy = QuotaPolicy.REFUSE
    compression: Compression = Compression.NONE


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
    PROCEDURE_STEP_COMPLETED = 5


class StepStatus(IntEnum):
    """Performed Procedure Step Status (0040,0252); the numbers of diana.archive.v1.ProcedureStepStatus."""

    IN_PROGRESS = 1
    COMPLETED = 2
    DISCONTINUED = 3


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """An association or upload session that offered so many instances of a study has ended, in order or not."""

    session: str
    released: bool
    instance_count: int


@dataclass(frozen=True, slots=True)
class SourceCount:
    """How many instances a study has at its source: Number of Study Related Instances (0020,1208)."""

    instance_count: int


@dataclass(frozen=True, slots=True)
class ProcedureStep:
    """A Modality Performed Procedure Step (PS3.4 Annex F) and the instances that it lists."""

    procedure_step_uid: str
    status: StepStatus
    sop_instance_uids: tuple[str, ...] = ()


Fact = SessionEnded | SourceCount | ProcedureStep


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something known about a study's completeness, who told it, and when.

    `spent`: the study was declared complete when it was met; it is shown, and not weighed again.
    """

    fact: Fact
    origin: Origin
    record_us: int
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Resting:
    """A study with a current instance, when something was last added to it, and its plain attributes."""

    study_uid: str
    arrival_us: int
    attributes: Mapping[str, str]


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
    """The archive believes a study complete. `evidence`: all that was known, oldest first."""

    study_uid: str
    reason: CompletionReason
    instance_count: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()


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
