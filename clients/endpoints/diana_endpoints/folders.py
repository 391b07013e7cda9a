"""What an index knows of folders: files where they lie, by accession number, study or patient."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from diana.index.v1 import folder_service_pb2 as pb
from diana_client import FolderClient, FolderFile, OperationClient
from diana_endpoints.archive_work import await_work
from diana_endpoints.failures import failure_of, is_fatal
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.mesh import MeshEndpoint
from diana_endpoints.protocol.endpoint import OnProgress
from diana_endpoints.temporary import TemporaryContent

_SMALL = 4 * 1024 * 1024
"""Files up to this size are held in memory; larger ones in a temporary file for as long as they are used."""


class IndexedFolders(MeshEndpoint):
    """The part of endpoint `index` that is about folders. Every method raises MeshError when it cannot go on."""

    @cached_property
    def _folders(self) -> FolderClient:
        return FolderClient(self._channel)

    def start_folder(self, path: str, read_all: bool = False) -> str:
        """Start to index a directory of the index' host; the name of the operation."""
        return self._folders.index(path, read_all=read_all).name

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it, each with its failure; at last its counts, or why it ended."""
        return await_work(OperationClient(self._channel), operation, on_progress)

    def folders(self) -> Iterator[Item]:
        """The folders that are indexed."""
        for number, folder in enumerate(self._folders.folders(), 1):
            time = folder.index_time.ToJsonString() if folder.HasField("index_time") else ""
            yield Item({"path": folder.path, "files": folder.file_count, "time": time}, number=number)

    def forget_folder(self, path: str) -> None:
        """Forget a folder; its files stay."""
        self._folders.forget(path)

    def collections(self, kind: str, prefix: str = "") -> Iterator[Item]:
        """What the files belong to, with how many files each has."""
        for number, one in enumerate(self._folders.collections(kind, prefix=prefix), 1):
            yield Item({"kind": kind, "value": one.collection.value, "files": one.file_count}, number=number)

    def collected(self, kind: str, value: str, with_content: bool = True) -> Iterator[Item]:
        """The files of a collection; one that cannot be read comes with its failure."""
        if not with_content:
            for number, file in enumerate(self._folders.find(value, kind=kind), 1):
                yield Item(_meta(file), number=number)
            return
        for number, one in enumerate(self._folders.read(value, kind=kind), 1):
            yield _with_content(one, Item(_meta(one.file), number=number))


def _with_content(one: FolderFile, item: Item) -> Item:
    try:
        item.content = BytesContent(one.read()) if one.file.size <= _SMALL else TemporaryContent(one)
    except Exception as error:  # one file that is gone does not keep the rest
        if is_fatal(error):
            raise
        item.failure = failure_of(error)
    return item


def _meta(file: pb.File) -> dict[str, object]:
    named = {
        "path": "/".join((file.folder, file.path)) + (f"!{file.member}" if file.member else ""),
        "patient_id": file.patient_id,
        "accession_number": file.accession_number,
        "study_uid": file.study_uid,
        "series_uid": file.series_uid,
        "sop_instance_uid": file.sop_instance_uid,
        "sop_class_uid": file.sop_class_uid,
        "modality": file.modality,
        "study_date": file.study_date,
        "study_description": file.study_description,
        "series_description": file.series_description,
        "size_bytes": file.size,
    }
    return {key: value for key, value in named.items() if value != ""}
