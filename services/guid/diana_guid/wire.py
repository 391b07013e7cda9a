"""Turns the contract's messages into the core's values and back.

What the standard lets a source write, the core reads; what a message can hold and a calendar can't,
is refused here by field. No error carries a value.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1 import key_service_pb2 as key_pb
from diana_common.errors import DianaError, FieldViolation
from diana_common.sealing import SealedKey
from diana_guid.core import Diana2Options, Domain, Identity, KeyVersion, Subject
from diana_guid.core.subject import subject_invalid

_SEXES = {pb.SEX_UNSPECIFIED: "", pb.SEX_FEMALE: "F", pb.SEX_MALE: "M", pb.SEX_OTHER: "O"}
_SURELY_SHORT = 256
"""Characters that are 1,024 bytes at most."""
_OLDEST = 150
_SCHEMES = {"keyed": pb.SCHEME_KEYED, "diana2": pb.SCHEME_DIANA2}


def subject_from_proto(message: pb.Subject) -> Subject:
    """The subject that a message describes. Raises SUBJECT_INVALID naming a date that is none."""
    return Subject(
        message.patient_id,
        message.issuer,
        message.name,
        _read_date(message, "birth_date"),
        message.age_years if message.HasField("age_years") else None,
        _read_date(message, "reference_date"),
        _SEXES[message.sex],
    )


def keeps_rules(message: pb.Subject) -> bool:
    """Whether a subject surely keeps its contract's rules. One of which this is not sure may keep them all the same.

    It stands before the check of the rules themselves, which takes longer than the minting.
    """
    texts = (message.patient_id, message.issuer, message.name)
    return max(map(len, texts)) <= _SURELY_SHORT and 0 <= message.age_years <= _OLDEST and message.sex in _SEXES


def identity_to_proto(identity: Identity, key_version: int) -> pb.Identity:
    """The message for an identity that a version of a key made."""
    offset, born = identity.time_offset, identity.birth_date
    message = pb.Identity(
        id=identity.id,
        name=identity.name,
        # Both parts of a Duration have the same sign; an offset has no fraction of a second.
        time_offset=Duration(seconds=86_400 * offset.days + offset.seconds),
        key_version=key_version,
    )
    if born:
        message.birth_date.year, message.birth_date.month, message.birth_date.day = born.year, born.month, born.day
    return message


def domain_to_proto(domain: Domain, key_version: int) -> pb.Domain:
    """The message for a domain whose newest key has this version, 0 if there is none."""
    keyed = not isinstance(domain.options, Diana2Options) or domain.options.keyed_uids
    return pb.Domain(
        name=domain.name,
        scheme=_SCHEMES[domain.scheme],
        key_present=key_version > 0,
        key_version=key_version,
        uid_scheme=pb.SCHEME_KEYED if keyed else pb.SCHEME_DIANA2,
    )


def key_version_to_proto(version: KeyVersion) -> key_pb.KeyVersion:
    """The message for a version of a key."""
    made = Timestamp()
    made.FromDatetime(version.create_time)
    return key_pb.KeyVersion(version=version.version, create_time=made, check_value=version.check_value)


def sealed_key_to_proto(sealed: SealedKey) -> key_pb.SealedKey:
    """The message for a sealed key."""
    return key_pb.SealedKey(
        domain=sealed.domain,
        version=sealed.version,
        ephemeral_public_key=sealed.ephemeral_public_key,
        ciphertext=sealed.ciphertext,
    )


def sealed_key_from_proto(message: key_pb.SealedKey) -> SealedKey:
    """The sealed key that a message carries."""
    return SealedKey(message.domain, message.version, message.ephemeral_public_key, message.ciphertext)


def in_batch(refusal: DianaError, index: int) -> DianaError:
    """A subject's refusal with the paths that its fields have in a batch: `subjects[2].name`."""
    fields = [
        FieldViolation(one.field.replace("subject", f"subjects[{index}]", 1), one.description) for one in refusal.fields
    ]
    message = "; ".join(f"{one.field}: {one.description}" for one in fields)
    return DianaError(refusal.reason, message, fields=fields)


def _read_date(message: pb.Subject, field: Literal["birth_date", "reference_date"]) -> date | None:
    if not message.HasField(field):
        return None
    value: Date = getattr(message, field)
    try:
        return date(value.year, value.month, value.day)
    except ValueError:
        raise subject_invalid(field, "is not a day of the calendar; year, month and day are all needed") from None
