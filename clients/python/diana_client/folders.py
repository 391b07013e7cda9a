"""The folder registry's clients: index files where they lie, find them by accession number, fetch them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from typing import TYPE_CHECKING

import grpc

from diana.index.v1 import folder_service_pb2 as pb
from diana.index.v1.folder_service_pb2_grpc import FolderServiceStub
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import InvalidRequest
from diana_client.folder_files import AsyncFolderFile, FileUnreadable, FolderFile, files, files_async

if TYPE_CHECKING:
    from diana.index.v1.folder_service_pb2_grpc import FolderServiceAsyncStub

__all__ = ["AsyncFolderClient", "AsyncFolderFile", "FileUnreadable", "FolderClient", "FolderFile"]

ACCESSION_NUMBER = "accession_number"


class FolderClient(Caller):
    """Talks to `FolderService`. Safe to share between threads.

    A `kind` is "accession_number", "study" or "patient".
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = FolderServiceStub(channel.raw)

    def index(self, path: str, *, read_all: bool = False, request_id: str = "") -> Operation:
        """Start to index a directory of the service's host; follow the operation on the same channel."""
        return self._ask(self.stub.IndexFolder, _index_request(path, read_all, request_id)).operation

    def folders(self) -> list[pb.Folder]:
        """The folders that are indexed, by path."""
        return list(self._ask(self.stub.ListFolders, pb.ListFoldersRequest()).folders)

    def forget(self, path: str) -> None:
        """Forget a folder, by its path as `folders` has it; its files stay where they are."""
        self._ask(self.stub.ForgetFolder, pb.ForgetFolderRequest(path=path))

    def collections(self, kind: str = ACCESSION_NUMBER, *, prefix: str = "") -> Iterator[pb.CollectionSize]:
        """The accession numbers, studies or patients that there are, by value, with their numbers of files."""
        request = pb.ListCollectionsRequest(kind=_kind(kind), prefix=prefix)
        return self._pages(self.stub.ListCollections, request, lambda page: page.collections)

    def find(self, value: str, *, kind: str = ACCESSION_NUMBER) -> Iterator[pb.File]:
        """The files of a collection, by path."""
        request = pb.FindFilesRequest(collection=_collection(kind, value), page_size=LARGEST_PAGE)
        return self._pages(self.stub.FindFiles, request, lambda page: page.files)

    def read(
        self, value: str, *, kind: str = ACCESSION_NUMBER, sop_instance_uids: Iterable[str] = ()
    ) -> Generator[FolderFile, None, None]:
        """The files of a collection with their bytes, by path, or those of some instances. Raises NotFound."""
        request = pb.ReadFilesRequest(collection=_collection(kind, value), sop_instance_uids=sop_instance_uids)
        return files(self._stream(self.stub.ReadFiles, request))


class AsyncFolderClient(AsyncCaller):
    """As `FolderClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: FolderServiceAsyncStub = FolderServiceStub(channel.raw)

    async def index(self, path: str, *, read_all: bool = False, request_id: str = "") -> Operation:
        """As `FolderClient.index`."""
        return (await self._ask(self.stub.IndexFolder, _index_request(path, read_all, request_id))).operation

    async def folders(self) -> list[pb.Folder]:
        """As `FolderClient.folders`."""
        return list((await self._ask(self.stub.ListFolders, pb.ListFoldersRequest())).folders)

    async def forget(self, path: str) -> None:
        """As `FolderClient.forget`."""
        await self._ask(self.stub.ForgetFolder, pb.ForgetFolderRequest(path=path))

    def collections(self, kind: str = ACCESSION_NUMBER, *, prefix: str = "") -> AsyncIterator[pb.CollectionSize]:
        """As `FolderClient.collections`."""
        request = pb.ListCollectionsRequest(kind=_kind(kind), prefix=prefix)
        return self._pages(self.stub.ListCollections, request, lambda page: page.collections)

    def find(self, value: str, *, kind: str = ACCESSION_NUMBER) -> AsyncIterator[pb.File]:
        """As `FolderClient.find`."""
        request = pb.FindFilesRequest(collection=_collection(kind, value), page_size=LARGEST_PAGE)
        return self._pages(self.stub.FindFiles, request, lambda page: page.files)

    def read(
        self, value: str, *, kind: str = ACCESSION_NUMBER, sop_instance_uids: Iterable[str] = ()
    ) -> AsyncGenerator[AsyncFolderFile, None]:
        """As `FolderClient.read`."""
        request = pb.ReadFilesRequest(collection=_collection(kind, value), sop_instance_uids=sop_instance_uids)
        return files_async(self._stream(self.stub.ReadFiles, request))


def _index_request(path: str, read_all: bool, request_id: str) -> pb.IndexFolderRequest:
    return pb.IndexFolderRequest(path=path, read_all=read_all, request_id=request_id or str(uuid.uuid4()))


def _collection(kind: str, value: str) -> pb.Collection:
    return pb.Collection(kind=_kind(kind), value=value)


def _kind(kind: str) -> pb.CollectionKind.ValueType:
    try:
        return pb.CollectionKind.Value(f"COLLECTION_KIND_{kind.upper()}")
    except ValueError:
        description = "must be accession_number, study or patient"
        raise InvalidRequest(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"kind: {description}",
            reason="INVALID_FIELD",
            fields=[("kind", description)],
        ) from None
