"""Stores, studies, series and instances, and what names them; where they came from, and when."""

from __future__ import annotations

import re

from google.protobuf.timestamp_pb2 import Timestamp

from diana.archive.v1 import resources_pb2
from diana.type.v1 import origin_pb2
from diana_archive.core.model import (
    Compression,
    ConflictPolicy,
    Instance,
    Origin,
    QuotaPolicy,
    Selector,
    Series,
    State,
    StorePolicy,
    Study,
)
from diana_common.errors import invalid_field

_SECOND = 1_000_000
_DOOR = re.compile(r"[a-z0-9-]*")
_ORIGIN_LIMITS = {"door": 63, "rule": 255, "operation": 255, "source": 255}
_POLICIES = {
    ConflictPolicy.REFUSE: resources_pb2.CONFLICT_POLICY_REFUSE,
    ConflictPolicy.KEEP_BOTH: resources_pb2.CONFLICT_POLICY_KEEP_BOTH,
}
_COMPRESSIONS = {
    Compression.NONE: resources_pb2.COMPRESSION_NONE,
    Compression.ZSTD: resources_pb2.COMPRESSION_ZSTD,
}
_QUOTA_POLICIES = {
    QuotaPolicy.REFUSE: resources_pb2.QUOTA_POLICY_REFUSE,
    QuotaPolicy.DELETE_OLDEST: resources_pb2.QUOTA_POLICY_DELETE_OLDEST,
}


def timestamp(microseconds: int) -> Timestamp:
    """A time."""
    seconds, rest = divmod(microseconds, _SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def to_origin(message: origin_pb2.Origin) -> Origin:
    """An origin as a caller tells it. Raises DianaError INVALID_FIELD."""
    for name, most in _ORIGIN_LIMITS.items():
        if len(getattr(message, name)) > most:
            raise invalid_field(f"origin.{name}", f"is longer than {most} characters")
    if not _DOOR.fullmatch(message.door):
        raise invalid_field("origin.door", "has something else than lower-case letters, digits and dashes")
    return Origin(message.door, message.rule, message.operation, message.source)


def to_selector(message: resources_pb2.Selector) -> Selector:
    """A selector."""
    return Selector(message.study_uid, message.series_uid, tuple(message.sop_instance_uids))


def instance(one: Instance) -> resources_pb2.Instance:
    """An instance."""
    message = resources_pb2.Instance(
        store=one.store,
        study_uid=one.study_uid,
        series_uid=one.series_uid,
        sop_instance_uid=one.sop_instance_uid,
        sop_class_uid=one.sop_class_uid,
        transfer_syntax_uid=one.transfer_syntax_uid,
        size_bytes=one.size_bytes,
        data_set_sha256=one.data_set_sha256,
        version=one.version,
        current=one.state == State.CURRENT,
        store_time=timestamp(one.store_us),
    )
    if one.state == State.DELETED and one.delete_us is not None:
        message.delete_time.CopyFrom(timestamp(one.delete_us))
    return message


def study(one: Study) -> resources_pb2.Study:
    """A study."""
    return resources_pb2.Study(
        store=one.store,
        study_uid=one.study_uid,
        series_count=one.series_count,
        instance_count=one.instance_count,
        size_bytes=one.size_bytes,
        first_store_time=timestamp(one.first_store_us),
        last_store_time=timestamp(one.last_store_us),
        complete=one.complete,
        attributes=one.attributes,
        sealed_keys=one.sealed_keys,
    )


def series(one: Series) -> resources_pb2.Series:
    """A series."""
    return resources_pb2.Series(
        store=one.store,
        study_uid=one.study_uid,
        series_uid=one.series_uid,
        instance_count=one.instance_count,
        size_bytes=one.size_bytes,
    )


def store(one: StorePolicy) -> resources_pb2.Store:
    """A store."""
    return resources_pb2.Store(
        name=one.name,
        conflict_policy=_POLICIES[one.conflict],
        quiet_period_seconds=one.quiet_us // _SECOND,
        grace_period_seconds=one.grace_us // _SECOND,
        settle_period_seconds=one.settle_us // _SECOND,
        retention_seconds=one.retention_us // _SECOND,
        quota_bytes=one.quota_bytes,
        quota_policy=_QUOTA_POLICIES[one.quota_policy],
        compression=_COMPRESSIONS[one.compression],
    )
