"""Instances on their way in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from diana.archive.v1 import archive_service_pb2 as pb
from diana_archive.core.adopting import SpoolFile
from diana_archive.core.model import Outcome, Stored
from diana_archive.core.reading import Piece
from diana_archive.core.uploads import Answer, Chunk
from diana_archive.wire.resources import instance
from diana_common.position import Position
from diana_server.errors import to_status
from diana_server.packing import length_key, number_key, varint

_CHUNK = length_key(pb.DownloadInstancesResponse.DESCRIPTOR, "chunks")
_INSTANCE = length_key(pb.DownloadChunk.DESCRIPTOR, "instance")
_DATA = length_key(pb.DownloadChunk.DESCRIPTOR, "data")
_FINISH = number_key(pb.DownloadChunk.DESCRIPTOR, "finish") + varint(1)

_OUTCOMES = {
    Outcome.STORED: pb.UploadResult.OUTCOME_STORED,
    Outcome.ALREADY_STORED: pb.UploadResult.OUTCOME_ALREADY_STORED,
    Outcome.STORED_AS_CURRENT: pb.UploadResult.OUTCOME_STORED_AS_CURRENT,
}


def to_chunks(message: pb.UploadInstancesRequest) -> list[Chunk]:
    """The chunks of an upload's message."""
    return [
        Chunk(
            one.tag,
            one.write_offset,
            one.data,
            one.finish,
            one.upload_id,
            one.crc32 if one.HasField("crc32") else None,
            one.sha256,
        )
        for one in message.chunks
    ]


def to_files(message: pb.AdoptInstancesRequest) -> list[SpoolFile]:
    """The files of an adoption's message."""
    return [SpoolFile(one.tag, one.name) for one in message.files]


def upload_results(answers: Iterable[Answer], position: Callable[[int], Position]) -> pb.UploadInstancesResponse:
    """Answers of an upload."""
    return pb.UploadInstancesResponse(results=[_upload_result(answer, position) for answer in answers])


def adopt_results(answers: Iterable[Answer], position: Callable[[int], Position]) -> pb.AdoptInstancesResponse:
    """Answers of an adoption."""
    return pb.AdoptInstancesResponse(results=[_upload_result(answer, position) for answer in answers])


def _upload_result(answer: Answer, position: Callable[[int], Position]) -> pb.UploadResult:
    result = answer.result
    if not isinstance(result, Stored):
        return pb.UploadResult(tag=answer.tag, status=to_status(result))
    return pb.UploadResult(
        tag=answer.tag,
        outcome=_OUTCOMES[result.outcome],
        instance=instance(result.instance),
        position=str(position(result.instance.sequence)),
    )


def read_response(piece: Piece) -> pb.ReadInstanceResponse:
    """A piece of a read."""
    return pb.ReadInstanceResponse(instance=instance(piece.instance) if piece.instance else None, data=piece.data)


def chunk_parts(piece: Piece) -> list[bytes]:
    """A piece as a chunk of a download's message, in the wire format: the message is such parts in a row."""
    whose = instance(piece.instance).SerializeToString() if piece.instance else b""
    head = (_INSTANCE + varint(len(whose)) + whose if whose else b"") + _DATA + varint(len(piece.data))
    tail = _FINISH if piece.finish else b""
    return [_CHUNK + varint(len(head) + len(piece.data) + len(tail)) + head, piece.data, tail]
