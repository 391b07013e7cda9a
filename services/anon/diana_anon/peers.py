"""The archive and the mint, reached through their clients."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from diana.archive.v1.feed_pb2 import COMPLETION_REASON_COUNTED_AGAINST_SOURCE
from diana.type.v1.origin_pb2 import Origin
from diana_anon.core.chunks import gathered
from diana_anon.core.ports import Answered, InstanceKey, Keys, Outgoing, Piece, StudySummary
from diana_anon.core.profile import Header
from diana_anon.core.rewriting.engine import Identity
from diana_anon.core.subject import Subject
from diana_anon.wire.subjects import identity_from_proto, subject_to_proto
from diana_client import (
    ArchiveClient,
    Cancelled,
    Channel,
    DeadlineExceeded,
    GuidClient,
    InvalidRequest,
    MeshError,
    TlsOptions,
    Unavailable,
    UploadItem,
    connect,
)
from diana_common.errors import DianaError, FieldViolation, Reason

DOOR = "anon"
"""The door that what it makes came in by."""

_ARCHIVE, _GUID = "archive", "guid service"
_SMALL_BYTES = 1024 * 1024
"""What goes into one message, whole."""


class ArchivePeer:
    """The core's `Source` and `Target` over a connection. Close it once nothing uses it any more."""

    def __init__(self, address: str, tls: TlsOptions | None, token_file: Path | None) -> None:
        """Raises DianaError CONFIG_INVALID for files that cannot be read."""
        self._channel = _reach("archive", address, tls, token_file)
        self._client = ArchiveClient(self._channel)

    def close(self) -> None:
        """Drop the connection; what is under way on it ends."""
        self._channel.close()

    def study(self, store: str, study_uid: str) -> StudySummary:
        """See core.ports.Source."""
        with _typed(_ARCHIVE, f"store {store}"):
            study = self._client.study(study_uid, store=store)
        return StudySummary(study.instance_count, dict(study.attributes))

    def instances(self, store: str, study_uid: str) -> Iterator[InstanceKey]:
        """See core.ports.Source."""
        with _typed(_ARCHIVE):
            for one in self._client.instances(study_uid, store=store):
                yield InstanceKey(one.series_uid, one.sop_instance_uid)

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        """See core.ports.Source."""
        with _typed(_ARCHIVE):
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
            with _typed(_ARCHIVE):
                for one in downloads:
                    yield one.instance.sop_instance_uid, _typed_data(one)

    def upload(self, store: str, outgoing: Iterable[Outgoing], operation: str) -> Generator[Answered, None, None]:
        """See core.ports.Target."""
        items = map(_item, outgoing)
        with (
            _typed(_ARCHIVE, f"store {store}"),
            closing(self._client.upload(items, store=store, origin=_origin(operation))) as results,
        ):
            for result in results:
                yield Answered(result.key, None if result.error is None else _refused(result.error))

    def set_attributes(self, store: str, study_uid: str, attributes: Mapping[str, str], operation: str) -> str:
        """See core.ports.Target."""
        with _typed(_ARCHIVE):
            return self._client.update_attributes(
                study_uid, attributes, store=store, origin=_origin(operation)
            ).position

    def complete(self, store: str, study_uid: str, expected: int, operation: str) -> str:
        """See core.ports.Target."""
        with _typed(_ARCHIVE):
            return self._client.complete(
                study_uid,
                COMPLETION_REASON_COUNTED_AGAINST_SOURCE,
                expected_instances=expected,
                store=store,
                origin=_origin(operation),
            )


class GuidPeer:
    """The core's `Mint` over a connection. Close it once nothing uses it any more."""

    def __init__(self, address: str, tls: TlsOptions | None, token_file: Path | None) -> None:
        """Raises DianaError CONFIG_INVALID for files that cannot be read."""
        self._channel = _reach("guid", address, tls, token_file)
        self._client = GuidClient(self._channel)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()

    def identity(self, domain: str, subject: Subject, key_version: int = 0) -> Identity:
        """See core.ports.Mint."""
        asked = subject_to_proto(subject)
        with _typed(_GUID, f"domain {domain}"):
            answer = self._client.mint(asked, domain=domain, key_version=key_version)
        try:
            return identity_from_proto(answer)
        except ValueError:
            raise DianaError(Reason.INTERNAL, "The guid service answered no identity.") from None

    def keys(self, domain: str, key_version: int = 0) -> Keys | None:
        """See core.ports.Mint."""
        with _typed(_GUID, f"domain {domain}"):
            try:
                leased = self._client.lease_keys(domain=domain, key_version=key_version)
            except MeshError as error:
                if error.reason != Reason.SUBJECT_INVALID.name:
                    raise
                return None
        return Keys(leased.uid_key, leased.accession_number_key, leased.key_version)

    def accession_number(self, domain: str, accession_number: str) -> str:
        """See core.ports.Mint."""
        with _typed(_GUID, f"domain {domain}"):
            return self._client.map_identifiers(accession_numbers=[accession_number], domain=domain).accession_numbers[
                0
            ]


def tls_options(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> TlsOptions | None:
    """How to reach a peer over TLS; plain text without a `ca_file`."""
    return TlsOptions(ca_file=ca_file, cert_file=cert_file, key_file=key_file) if ca_file else None


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


def _reach(setting: str, address: str, tls: TlsOptions | None, token_file: Path | None) -> Channel:
    try:
        return connect(address, tls=tls, token_file=token_file)
    except MeshError as error:
        raise DianaError(Reason.CONFIG_INVALID, f"{setting}: {error.message}") from None


def _origin(operation: str) -> Origin:
    return Origin(door=DOOR, operation=operation)


def _typed_data(data: Iterable[bytes]) -> Iterator[bytes]:
    with _typed(_ARCHIVE):
        yield from data


@contextmanager
def _typed(peer: str, what: str = "it") -> Iterator[None]:
    """Turn the client's errors into the core's; `what` a peer was asked for is named."""
    try:
        yield
    except MeshError as error:
        raise _error(peer, error, what) from error


def _refused(error: MeshError) -> DianaError:
    """Why an instance was not stored."""
    if error.reason == Reason.INSTANCE_CONFLICT.name:
        return DianaError(
            Reason.INSTANCE_CONFLICT,
            "The store has this instance de-identified otherwise: by another profile or domain, or from other bytes.",
        )
    return _error(_ARCHIVE, error, "it")


def _error(peer: str, error: MeshError, what: str) -> DianaError:
    """The core's error. A message that may tell of a peer's own affairs is not kept; what it says of a field is."""
    if isinstance(error, Unavailable | DeadlineExceeded | Cancelled) or error.reason == Reason.OVERLOADED.name:
        return DianaError(Reason.PEER_UNAVAILABLE, f"The {peer} does not answer.")
    reason = Reason.__members__.get(error.reason, Reason.INTERNAL)
    if peer == _GUID and isinstance(error, InvalidRequest):
        reason = Reason.SUBJECT_INVALID
    fields = [FieldViolation(path, description) for path, description in error.fields]
    text = "; ".join(f"{one.field}: {one.description}" for one in fields)
    return DianaError(reason, text or f"The {peer} refused {what}.", fields=fields)
