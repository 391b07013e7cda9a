"""The archive and the mint, reached through their clients."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial

from diana.archive.v1.feed_pb2 import COMPLETION_REASON_COUNTED_AGAINST_SOURCE
from diana.type.v1.origin_pb2 import Origin
from diana_anon.core.chunks import gathered
from diana_anon.core.ports import Answered, InstanceKey, Keys, Outgoing, Piece, StudySummary
from diana_anon.core.rewriting.engine import Identity
from diana_anon.core.subject import Subject
from diana_anon.wire.subjects import identity_from_proto, subject_to_proto
from diana_client import ArchiveClient, Channel, GuidClient, InvalidRequest, MeshError, UploadItem
from diana_common.conditions import Header
from diana_common.errors import DianaError, Reason
from diana_server.peers import core_error, typed

DOOR = "anon"
"""The door that what it makes came in by."""

_ARCHIVE, _GUID = "archive", "guid service"
_SMALL_BYTES = 1024 * 1024
"""What goes into one message, whole."""


class ArchivePeer:
    """The core's `Source` and `Target` over a connection. Close it once nothing uses it any more."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._client = ArchiveClient(channel)

    def close(self) -> None:
        """Drop the connection; what is under way on it ends."""
        self._channel.close()

    def study(self, store: str, study_uid: str) -> StudySummary:
        """See core.ports.Source."""
        with typed(_ARCHIVE, f"store {store}"):
            study = self._client.study(study_uid, store=store)
        return StudySummary(study.instance_count, dict(study.attributes))

    def instances(self, store: str, study_uid: str) -> Iterator[InstanceKey]:
        """See core.ports.Source."""
        with typed(_ARCHIVE):
            for one in self._client.instances(study_uid, store=store):
                yield InstanceKey(one.series_uid, one.sop_instance_uid)

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        """See core.ports.Source."""
        with typed(_ARCHIVE):
            for series in self._client.series(study_uid, store=store):
                listed = self._client.instances(study_uid, series.series_uid, store=store, page_size=1)
                first = next(listed, None)
                if first is not None:
                    yield json.loads(self._client.header(first.sop_instance_uid, store=store).dicom_json)

    def download(
        self, store: str, study_uid: str, sop_uids: Sequence[str]
    ) -> Generator[tuple[str, Iterator[bytes]], None, None]:
        """See core.ports.Source."""
        with closing(self._client.download(study_uid, sop_instance_uids=sop_uids, store=store)) as downloads:
            with typed(_ARCHIVE):
                for one in downloads:
                    yield one.instance.sop_instance_uid, _typed_data(one)

    def upload(self, store: str, outgoing: Iterable[Outgoing], operation: str) -> Generator[Answered, None, None]:
        """See core.ports.Target."""
        items = map(_item, outgoing)
        with (
            typed(_ARCHIVE, f"store {store}"),
            closing(self._client.upload(items, store=store, origin=_origin(operation))) as results,
        ):
            for result in results:
                yield Answered(result.key, None if result.error is None else _refused(result.error))

    def set_attributes(self, store: str, study_uid: str, attributes: Mapping[str, str], operation: str) -> str:
        """See core.ports.Target."""
        with typed(_ARCHIVE):
            return self._client.update_attributes(
                study_uid, attributes, store=store, origin=_origin(operation)
            ).position

    def complete(self, store: str, study_uid: str, expected: int, operation: str) -> str:
        """See core.ports.Target."""
        with typed(_ARCHIVE):
            return self._client.complete(
                study_uid,
                COMPLETION_REASON_COUNTED_AGAINST_SOURCE,
                expected_instances=expected,
                store=store,
                origin=_origin(operation),
            )


class GuidPeer:
    """The core's `Mint` over a connection. Close it once nothing uses it any more."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._client = GuidClient(channel)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()

    def identity(self, domain: str, subject: Subject, key_version: int = 0) -> Identity:
        """See core.ports.Mint."""
        asked = subject_to_proto(subject)
        with _minting(domain):
            answer = self._client.mint(asked, domain=domain, key_version=key_version)
        try:
            return identity_from_proto(answer)
        except ValueError:
            raise DianaError(Reason.INTERNAL, "The guid service answered no identity.") from None

    def keys(self, domain: str, key_version: int = 0) -> Keys | None:
        """See core.ports.Mint."""
        with _minting(domain):
            try:
                leased = self._client.lease_keys(domain=domain, key_version=key_version)
            except MeshError as error:
                if error.reason != Reason.SUBJECT_INVALID.name:
                    raise
                return None
        return Keys(leased.uid_key, leased.accession_number_key, leased.key_version)

    def newest_key_version(self, domain: str) -> int:
        """See core.ports.Mint."""
        with _minting(domain):
            return self._client.map_identifiers(domain=domain).key_version

    def accession_number(self, domain: str, accession_number: str, key_version: int = 0) -> str:
        """See core.ports.Mint."""
        numbers = [accession_number]
        with _minting(domain):
            answer = self._client.map_identifiers(accession_numbers=numbers, domain=domain, key_version=key_version)
        return answer.accession_numbers[0]


class _PieceReader:
    """Reads pieces as a file is read: at most `size` bytes, and none at the end."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._chunks: Iterator[bytes] | None = None

    def read(self, size: int, /) -> bytes:
        """The next bytes; `size` stays what it is on the first call."""
        if self._chunks is None:
            self._chunks = iter(gathered(self._pieces, size))
        return next(self._chunks, b"")

    def close(self) -> None:
        """Let the pieces go."""
        self._chunks = iter(())


def _item(outgoing: Outgoing) -> UploadItem:
    size = sum(len(piece) for piece in outgoing.pieces)
    if size <= _SMALL_BYTES:
        return UploadItem(outgoing.sop_uid, b"".join(outgoing.pieces), size)
    return UploadItem(outgoing.sop_uid, partial(_PieceReader, outgoing.pieces), size)


def _origin(operation: str) -> Origin:
    return Origin(door=DOOR, operation=operation)


def _typed_data(data: Iterable[bytes]) -> Iterator[bytes]:
    with typed(_ARCHIVE):
        yield from data


@contextmanager
def _minting(domain: str) -> Iterator[None]:
    """Turn the guid service's errors into the core's: what it finds invalid in a request is the subject."""
    try:
        yield
    except MeshError as error:
        told = core_error(_GUID, error, f"domain {domain}")
        if isinstance(error, InvalidRequest):
            told = DianaError(Reason.SUBJECT_INVALID, told.message, fields=told.fields)
        raise told from error


def _refused(error: MeshError) -> DianaError:
    """Why an instance was not stored."""
    if error.reason == Reason.INSTANCE_CONFLICT.name:
        return DianaError(
            Reason.INSTANCE_CONFLICT,
            "The store has this instance de-identified otherwise: by another profile or domain, or from other bytes.",
        )
    return core_error(_ARCHIVE, error)
