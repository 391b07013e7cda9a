"""Between the messages of FolderService and the folder registry's own words."""

from __future__ import annotations

from diana.index.v1 import folder_service_pb2 as pb
from diana_common.errors import DianaError
from diana_index.core.folders.folders import Ended, Event, Failed
from diana_index.core.folders.model import Collection, Counts, File, Folder, Kind, Place, shown
from diana_index.core.store import SortKey
from diana_server.times import timestamp

_NAMES = "latin-1"
"""Turns bytes into text and back, any bytes."""


def collection_from_proto(collection: pb.Collection) -> Collection:
    """What takes files together."""
    return Collection(Kind(collection.kind), collection.value)


def collection_to_proto(collection: Collection, count: int) -> pb.CollectionSize:
    """A collection, and how large it is."""
    named = pb.Collection(kind=pb.CollectionKind.ValueType(collection.kind.value), value=collection.value)
    return pb.CollectionSize(collection=named, file_count=count)


def folder_to_proto(folder: Folder) -> pb.Folder:
    """A folder that is indexed."""
    return pb.Folder(
        path=shown(folder.path),
        file_count=folder.file_count,
        index_time=None if folder.index_time is None else timestamp(folder.index_time),
    )


def file_to_proto(file: File) -> pb.File:
    """A file that the registry knows."""
    return pb.File(
        folder=shown(file.place.folder),
        path=shown(file.place.path),
        member=file.member,
        size=file.size,
        sop_instance_uid=file.sop_instance_uid,
        **file.shared._asdict(),
    )


def event_to_proto(event: Event) -> pb.ReadFilesResponse:
    """A piece of a file, or what became of one."""
    match event:
        case bytes():
            return pb.ReadFilesResponse(data=event)
        case Ended():
            return pb.ReadFilesResponse(end=pb.FileEnd(crc32=event.crc32))
        case Failed():
            failure = pb.FileFailure(file=file_to_proto(event.file), message=_words(event.error))
            return pb.ReadFilesResponse(failure=failure)
        case File():
            return pb.ReadFilesResponse(file=file_to_proto(event))


def result_to_proto(counts: Counts) -> pb.IndexFolderResult:
    """What an indexing came to."""
    return pb.IndexFolderResult(
        file_count=counts.files,
        read_count=counts.read,
        unchanged_count=counts.unchanged,
        forgotten_count=counts.forgotten,
        skipped_count=counts.skipped,
        failed_count=counts.failed,
    )


def place_to_key(place: Place) -> SortKey:
    """For a page token."""
    return (*(part.decode(_NAMES) for part in place[:3]), str(place.number))


def place_from_key(key: SortKey | None) -> Place | None:
    """And back; none from none."""
    if key is None:
        return None
    folder, directory, name, number = map(str, key)
    return Place(folder.encode(_NAMES), directory.encode(_NAMES), name.encode(_NAMES), int(number))


def _words(error: DianaError) -> str:
    return f"{error.message} {error.remedy}"
