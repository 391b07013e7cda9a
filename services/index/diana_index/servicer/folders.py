"""FolderService over the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from diana.index.v1 import folder_service_pb2 as pb
from diana.index.v1.folder_service_pb2_grpc import FolderServiceServicer
from diana_common.errors import DianaError
from diana_index.core.folders.folders import Folders
from diana_index.core.folders.model import Collection, Counts, Kind
from diana_index.core.paging import PageTokens
from diana_index.wire import folders as wire
from diana_server.operations import OperationQueue, Work
from diana_server.operations.wire import operation_to_proto

INDEX_FOLDER = "index.folder"

_COLLECTIONS, _FILES = 1000, 100
"""Page sizes, where none is asked for."""
_MOST_FAILURES = 10_000
_PAGE_BYTES = 2 * 1024 * 1024

M = TypeVar("M", bound=Message)


class FolderServicer(FolderServiceServicer):
    """Answers for the folder registry. Indexing is an operation of `queue`, which `index` does."""

    def __init__(self, folders: Folders, queue: OperationQueue, tokens: PageTokens) -> None:
        self._folders = folders
        self._queue = queue
        self._tokens = tokens
        queue.register(INDEX_FOLDER, self.index)

    def IndexFolder(self, request: pb.IndexFolderRequest, context: grpc.ServicerContext) -> pb.IndexFolderResponse:
        """Its path is in the operation's payload, which no RPC shows."""
        kept = pb.IndexFolderRequest(path=request.path, read_all=request.read_all)
        payload = kept.SerializeToString(deterministic=True)
        operation = self._queue.repeated(INDEX_FOLDER, payload, request_id=request.request_id)
        if not operation:
            path = self._folders.check(request.path)
            operation = self._queue.submit_or_join(
                INDEX_FOLDER, payload, request_id=request.request_id, joins=lambda other: self._is_for(other, path)
            )
        return pb.IndexFolderResponse(operation=operation_to_proto(operation))

    def ListFolders(self, request: pb.ListFoldersRequest, context: grpc.ServicerContext) -> pb.ListFoldersResponse:
        return pb.ListFoldersResponse(folders=map(wire.folder_to_proto, self._folders.folders()))

    def ForgetFolder(self, request: pb.ForgetFolderRequest, context: grpc.ServicerContext) -> pb.ForgetFolderResponse:
        self._folders.forget(request.path)
        return pb.ForgetFolderResponse()

    def ListCollections(
        self, request: pb.ListCollectionsRequest, context: grpc.ServicerContext
    ) -> pb.ListCollectionsResponse:
        kind, size = Kind(request.kind), request.page_size or _COLLECTIONS
        asked = f"ListCollections {kind.value} {request.prefix}".encode()
        (after,) = self._tokens.open(request.page_token, asked) or ("",)
        found = self._folders.collections(kind, request.prefix, str(after), size + 1)
        page = _fitting((wire.collection_to_proto(Collection(kind, value), count) for value, count in found), size)
        more = self._tokens.seal((found[len(page) - 1][0],), asked) if len(found) > len(page) else ""
        return pb.ListCollectionsResponse(collections=page, next_page_token=more)

    def FindFiles(self, request: pb.FindFilesRequest, context: grpc.ServicerContext) -> pb.FindFilesResponse:
        collection, size = wire.collection_from_proto(request.collection), request.page_size or _FILES
        asked = f"FindFiles {collection.kind.value} {collection.value}".encode()
        after = wire.place_from_key(self._tokens.open(request.page_token, asked))
        found = self._folders.files(collection, after, size + 1)
        page = _fitting(map(wire.file_to_proto, found), size)
        last = len(page) - 1
        more = self._tokens.seal(wire.place_to_key(found[last].place), asked) if len(found) > len(page) else ""
        return pb.FindFilesResponse(files=page, next_page_token=more)

    def ReadFiles(self, request: pb.ReadFilesRequest, context: grpc.ServicerContext) -> Iterator[pb.ReadFilesResponse]:
        collection = wire.collection_from_proto(request.collection)
        for event in self._folders.read(collection, frozenset(request.sop_instance_uids)):
            yield wire.event_to_proto(event)

    def index(self, work: Work) -> pb.IndexFolderResult:
        """An operation of kind `index.folder`; one that was cut short goes on where it was."""
        request = pb.IndexFolderRequest.FromString(work.payload)
        counts = self._folders.index(request.path, work.operation, request.read_all, _Watcher(work))
        work.progress(counts.files, counts.files, "file")
        return wire.result_to_proto(counts)

    def _is_for(self, payload: bytes, path: bytes) -> bool:
        """Whether an operation that has not ended is for this folder."""
        try:
            return self._folders.check(pb.IndexFolderRequest.FromString(payload).path) == path
        except DianaError:
            return False


def _fitting(messages: Iterable[M], size: int) -> list[M]:
    """The first of them: at most so many, and no more than fit into an answer."""
    page: list[M] = []
    room = _PAGE_BYTES
    for message in islice(messages, size):
        room -= message.ByteSize()
        if room < 0 and page:
            break
        page.append(message)
    return page


class _Watcher:
    """core.folders.indexing.Watcher over an operation."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._told = set(work.failed_items)

    def reached(self, counts: Counts) -> None:
        """See Watcher."""
        self._work.raise_if_cancelled()
        self._work.progress(counts.files, 0, "file")

    def fail(self, name: str, error: DianaError) -> None:
        """See Watcher. Names end differently more than they begin: a long one loses its beginning."""
        name = name if len(name) <= 1000 else f"...{name[-997:]}"
        if name not in self._told and len(self._told) < _MOST_FAILURES:
            self._told.add(name)
            self._work.fail_item(name, error)
