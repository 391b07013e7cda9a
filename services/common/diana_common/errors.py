"""The error catalogue: every refusal this project makes, typed, with its public message and remedy.

Errors are raised in cores and stores and know nothing of gRPC; `diana_server.errors` is the one
place that turns them into a status (google.aip.dev/193). Messages, remedies and metadata are
public: they never carry patient values, DICOM element values other than UIDs, or paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Code(Enum):
    """The canonical status codes an error of ours may map to (google.rpc.Code, same numbers)."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Reason(Enum):
    """Why a request was refused. The names are those of `diana.type.v1.ErrorReason`.

    Each member's value is `(code, remedy)`: the canonical code it is answered with and what a
    caller can do about it.
    """

    INVALID_FIELD = (Code.INVALID_ARGUMENT, "Correct the named fields and send the request again.")
    STORE_UNKNOWN = (Code.NOT_FOUND, "Name a store that ListStores lists, or add it to the archive's configuration.")
    STUDY_NOT_FOUND = (Code.NOT_FOUND, "Check the Study Instance UID and the store.")
    SERIES_NOT_FOUND = (Code.NOT_FOUND, "Check the Series Instance UID and the store.")
    INSTANCE_NOT_FOUND = (Code.NOT_FOUND, "Check the SOP Instance UID and the store.")
    NOT_PART10 = (
        Code.INVALID_ARGUMENT,
        "Send a DICOM Part 10 file: a 128-byte preamble, 'DICM', File Meta Information.",
    )
    FILE_META_INVALID = (
        Code.INVALID_ARGUMENT,
        "Have the sender write File Meta Information as PS3.10 section 7.1 asks.",
    )
    DICOMDIR_REFUSED = (
        Code.INVALID_ARGUMENT,
        "Send the instances a DICOMDIR lists; the directory itself is not stored.",
    )
    DATA_SET_TRUNCATED = (
        Code.INVALID_ARGUMENT,
        "Send the file again from its source; an element ends past the end of the data.",
    )
    DATA_SET_INVALID = (Code.INVALID_ARGUMENT, "Have the sender write the data set as PS3.5 section 7 asks.")
    DATA_SET_LIMIT = (
        Code.INVALID_ARGUMENT,
        "The data set passes a limit (nesting, elements, inflated size); see docs/reference/errors.md.",
    )
    UID_MISSING = (
        Code.INVALID_ARGUMENT,
        "Have the sender fill SOP Class, SOP Instance, Study Instance and Series Instance UID.",
    )
    UID_INVALID = (Code.INVALID_ARGUMENT, "A UID is one to 64 digits and dots (PS3.5 section 9.1).")
    INSTANCE_CONFLICT = (
        Code.ALREADY_EXISTS,
        "Another data set is stored under this UID; give the new one its own, or set the store to keep_both.",
    )
    INSTANCE_TOO_LARGE = (Code.INVALID_ARGUMENT, "Raise the server's max_instance_bytes, or send a smaller instance.")
    UPLOAD_ORDER = (
        Code.INVALID_ARGUMENT,
        "Send the chunks of an instance in order, each starting where the one before ended.",
    )
    UPLOAD_INCOMPLETE = (
        Code.INVALID_ARGUMENT,
        "End each instance with a chunk that has finish set; nothing of this one was kept.",
    )
    RANGE_INVALID = (
        Code.OUT_OF_RANGE,
        "Ask for a range that lies inside the instance; its size is in Instance.size_bytes.",
    )
    STUDY_INCOMPLETE = (
        Code.FAILED_PRECONDITION,
        "Upload the missing instances, or declare the study complete without a count.",
    )
    NOTHING_DELETED = (
        Code.FAILED_PRECONDITION,
        "Nothing that can be restored was found; the grace period may have ended.",
    )
    SEAL_MISSING = (Code.NOT_FOUND, "Seal attributes on this study first.")
    SEAL_BROKEN = (
        Code.DATA_LOSS,
        "The sealed attributes do not open with this archive's keys; restore the key or the sidecar.",
    )
    POSITION_INVALID = (Code.INVALID_ARGUMENT, "Pass a position exactly as an answer of this service gave it.")
    EPOCH_CHANGED = (
        Code.FAILED_PRECONDITION,
        "The archive was restored or rebuilt: drop what was derived and follow from the beginning.",
    )
    PAGE_TOKEN_INVALID = (Code.INVALID_ARGUMENT, "Pass next_page_token as it came, with the same request fields.")
    POSITION_NOT_REACHED = (Code.DEADLINE_EXCEEDED, "The index lags behind; ask again with a longer deadline.")
    KEY_UNSUPPORTED = (Code.INVALID_ARGUMENT, "Match on an attribute that GetIndexCapabilities lists for the level.")
    DOMAIN_UNKNOWN = (Code.NOT_FOUND, "Name a domain that ListDomains lists, or add it to the guid configuration.")
    DOMAIN_KEY_MISSING = (Code.FAILED_PRECONDITION, "Put the domain's key in the file its configuration names.")
    SUBJECT_INVALID = (
        Code.INVALID_ARGUMENT,
        "Give what the named fields say; without Patient IDs the domain needs subject_key: name_birth_date_sex.",
    )
    OPERATION_NOT_FOUND = (Code.NOT_FOUND, "Check the operation's name; finished ones are kept for a time only.")
    OPERATION_FINISHED = (Code.FAILED_PRECONDITION, "The operation has ended; read its result instead.")
    REQUEST_ID_REUSED = (Code.ALREADY_EXISTS, "Use a new request_id for a request with other fields.")
    DISK_FULL = (Code.RESOURCE_EXHAUSTED, "Make room on the server's disk; what is stored stays readable meanwhile.")
    OVERLOADED = (Code.RESOURCE_EXHAUSTED, "Too many calls at once; retry with back-off.")
    MESSAGE_TOO_LARGE = (Code.RESOURCE_EXHAUSTED, "Send smaller messages: chunks of about 1 MiB.")
    STOPPING = (Code.UNAVAILABLE, "The server is stopping; retry against another one or later.")
    PEER_UNAVAILABLE = (Code.UNAVAILABLE, "A service this one needs does not answer; retry with back-off.")
    STORE_DAMAGED = (Code.DATA_LOSS, "Stored bytes do not match their digest; run verify and restore from a backup.")
    STORE_SCHEMA_NEWER = (
        Code.FAILED_PRECONDITION,
        "The files were written by a newer version; install that version or newer.",
    )
    CONFIG_INVALID = (Code.FAILED_PRECONDITION, "Correct the configuration at the place the message names.")
    INTERNAL = (Code.INTERNAL, "Report the error id to whoever runs the server; its log has the details.")
    PROFILE_UNKNOWN = (Code.NOT_FOUND, "Name a profile that ListProfiles lists, or add it to anon's configuration.")
    NOT_DEIDENTIFIABLE = (
        Code.FAILED_PRECONDITION,
        "The object cannot be de-identified for sure; nothing of it was let out. Have its sender mend it.",
    )
    CHANNEL_UNKNOWN = (Code.NOT_FOUND, "Name a channel that ListChannels lists, or add it to notify's channels.")
    TEMPLATE_UNKNOWN = (Code.NOT_FOUND, "Name a template of notify's configuration, or send subject and body.")
    TEMPLATE_INVALID = (Code.INVALID_ARGUMENT, "Correct the template or its values at the place the message names.")
    RECIPIENT_INVALID = (Code.INVALID_ARGUMENT, "Give an address that fits a transport which notify has configured.")
    DELIVERY_NOT_FOUND = (Code.NOT_FOUND, "Check the delivery's name; ended ones are kept for a time only.")
    CHECKSUM_MISMATCH = (
        Code.INVALID_ARGUMENT,
        "Send the bytes again; they are not those that the checksum was made of.",
    )
    UPLOAD_NOT_FOUND = (
        Code.NOT_FOUND,
        "Begin the upload at its first byte; it was never begun here, is finished, or has expired.",
    )
    QUOTA_EXCEEDED = (Code.RESOURCE_EXHAUSTED, "Delete what is not needed, or raise the store's quota.")
    PATH_FORBIDDEN = (
        Code.PERMISSION_DENIED,
        "Name a place inside the directories that the server's configuration opens for this.",
    )
    SOURCE_NOT_FOUND = (Code.NOT_FOUND, "Check the path; it is the server that must be able to read it.")
    CONTAINER_INVALID = (
        Code.INVALID_ARGUMENT,
        "Pack the container again; it is damaged, encrypted, or none of the kinds that are read.",
    )
    CONTAINER_LIMIT = (
        Code.INVALID_ARGUMENT,
        "Import it in parts; it unpacks to more than the limits in docs/archive.md.",
    )
    FILTER_INVALID = (
        Code.INVALID_ARGUMENT,
        "Correct the filter at the character the message names; see docs/queries.md.",
    )
    SEARCH_KEY_NOT_FOUND = (Code.NOT_FOUND, "Name a search key that ListSearchKeys lists.")
    SEARCH_KEY_EXISTS = (Code.ALREADY_EXISTS, "Choose another id, or delete the search key of that id first.")
    SEARCH_KEY_NOT_READY = (Code.FAILED_PRECONDITION, "Wait for the operation that fills the search key to succeed.")
    COHORT_NOT_FOUND = (Code.NOT_FOUND, "Name a cohort that ListCohorts lists.")
    COHORT_EXISTS = (Code.ALREADY_EXISTS, "Choose another id, or delete the cohort of that id first.")
    COHORT_LEVELS_DIFFER = (Code.FAILED_PRECONDITION, "Compare cohorts whose questions have the same level.")
    REPORT_NOT_FOUND = (Code.NOT_FOUND, "Check the report's id and the store.")
    COLLECTION_NOT_FOUND = (
        Code.NOT_FOUND,
        "Check the collection's value; index the folder again if its files are new.",
    )
    RESULT_TOO_LARGE = (Code.INVALID_ARGUMENT, "Ask for fewer records, or group more coarsely.")
    PROFILE_INVALID = (
        Code.INVALID_ARGUMENT,
        "Correct the profile at the lines the violations name; see docs/deidentification.md.",
    )
    INSTANCE_QUARANTINED = (
        Code.FAILED_PRECONDITION,
        "Look at the source instance, then release it, or change the profile.",
    )
    RECEIPT_NOT_FOUND = (Code.NOT_FOUND, "Check the receipt's name, or the digest of the file.")
    QUARANTINE_ENTRY_NOT_FOUND = (Code.NOT_FOUND, "Name an entry that ListQuarantined lists.")
    IDENTITY_COLLISION = (
        Code.FAILED_PRECONDITION,
        "Two people would become one: correct the Patient ID at its source, or set shared_patient_ids if they are one.",
    )
    UID_COLLISION = (Code.FAILED_PRECONDITION, "Two UIDs would become one: have the domain map UIDs by key.")
    PIXELS_UNREADABLE = (
        Code.FAILED_PRECONDITION,
        "Choose a profile that does not clean pixel data, or have the sender encode it as the standard asks.",
    )
    OCR_MISSING = (
        Code.FAILED_PRECONDITION,
        "Install the extra diana-mesh[pixels] where anon runs, or choose a profile that reads no pixels.",
    )
    CALLER_UNKNOWN = (Code.UNAUTHENTICATED, "Send a token that the service's configuration names.")
    CALLER_NOT_PERMITTED = (Code.PERMISSION_DENIED, "Have the service's configuration grant this to the caller.")
    KEY_VERSION_UNKNOWN = (Code.NOT_FOUND, "Name a key version that ListKeyVersions lists.")
    SEALED_KEY_INVALID = (Code.INVALID_ARGUMENT, "Send a sealed key as ExportKey answered it, and what opens it.")
    PSEUDONYM_UNKNOWN = (
        Code.NOT_FOUND,
        "Check the pseudonym and the domain; only what went through this service is known.",
    )
    AE_UNKNOWN = (Code.NOT_FOUND, "Name a peer that ListPeers lists, or add it to the configuration.")
    AE_UNAVAILABLE = (Code.UNAVAILABLE, "Check the peer's host and port, and that it runs; try again.")
    ASSOCIATION_REJECTED = (
        Code.FAILED_PRECONDITION,
        "Have the peer's configuration know our AE title and address, and check what services it offers.",
    )
    PEER_REFUSED = (Code.FAILED_PRECONDITION, "See the DICOM status in the metadata, and the peer's log.")
    DELIVERY_ENDED = (
        Code.FAILED_PRECONDITION,
        "See its state: a message that was sent cannot be recalled; send a new one.",
    )
    RULES_INVALID = (
        Code.INVALID_ARGUMENT,
        "Correct the lines that the answer names; CheckRules says the same of a file.",
    )
    JOB_NOT_FOUND = (Code.NOT_FOUND, "Name a job that ListJobs lists; those that ended are kept for a time only.")
    JOB_ENDED = (
        Code.FAILED_PRECONDITION,
        "See its state: what is done stays done; a dead or cancelled job can be retried.",
    )
    RULE_CHANGED = (
        Code.FAILED_PRECONDITION,
        (
            "Have its item run again by the rule as it is now (RetryJob with with_new_actions, or RunRule), or put the"
            " rule back as it was when the job was made."
        ),
    )
    RULE_NOT_FOUND = (Code.NOT_FOUND, "Name a rule that ListRules lists.")
    RULE_NOT_FIRING = (
        Code.FAILED_PRECONDITION,
        "See the message: change the rule, or wait until its condition holds.",
    )
    JOB_WAITING = (
        Code.FAILED_PRECONDITION,
        "Wait for the job that the message names; RetryJob has it tried at once.",
    )
    ITEM_NOT_FOUND = (Code.NOT_FOUND, "Check the item's id; a listing of the endpoint says which there are.")
    ITEM_EXISTS = (
        Code.ALREADY_EXISTS,
        "Something else is kept under this id: choose another, or have the endpoint's on_conflict say what to do.",
    )
    ENDPOINT_REFUSED = (
        Code.FAILED_PRECONDITION,
        "See what the endpoint answered: correct what was sent, or the endpoint's settings.",
    )
    EXTRA_MISSING = (Code.FAILED_PRECONDITION, "Install what the message names, where the command runs.")
    NOT_AN_IMAGE = (
        Code.FAILED_PRECONDITION,
        "Choose objects whose pixels the installed decoders can read, within the limits on their size.",
    )

    @property
    def code(self) -> Code:
        """The canonical status code this reason is answered with."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What a caller can do about it."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request: `field` is its path (`subjects[2].birth_date`)."""

    field: str
    description: str


class DianaError(Exception):
    """A typed refusal. `message` is public and complete without the remedy."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        fields: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fields = tuple(fields)
        self.metadata = dict(metadata or {})

    @property
    def code(self) -> Code:
        """The canonical status code."""
        return self.reason.code

    @property
    def remedy(self) -> str:
        """What a caller can do about it."""
        return self.reason.remedy


def invalid_field(field: str, description: str) -> DianaError:
    """The error for one bad field, its path and what is wrong with it (never its value)."""
    return DianaError(
        Reason.INVALID_FIELD,
        f"{field}: {description}",
        fields=[FieldViolation(field, description)],
    )
