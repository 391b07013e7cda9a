"""Handing files of a spool directory over to an archive on the same host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from typing import TYPE_CHECKING

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.type.v1.origin_pb2 import Origin
from diana_client.errors import BadAnswer, from_status, is_refused, translated
from diana_client.items import UploadResult

if TYPE_CHECKING:  # grpc's classes take no parameters when they run
    Method = grpc.StreamStreamMultiCallable[pb.AdoptInstancesRequest, pb.AdoptInstancesResponse]


class Adoption:
    """One call of `adopt`. The names are asked for in a thread of gRPC's."""

    def __init__(self, method: Method, spool: str, store: str, origin: Origin | None) -> None:
        self._method = method
        self._first = pb.AdoptInstancesRequest(spool=spool, store=store, origin=origin)
        self._names: dict[int, str] = {}
        self._failure: BaseException | None = None
        self._call: grpc.RpcContext | None = None

    def run(self, names: Iterable[str]) -> Generator[UploadResult, None, None]:
        """The results as they come. Closing the iterator gives the call up."""
        call = self._call = self._method(self._requests(names))
        try:
            with translated():
                for response in call:
                    yield from map(self._to_result, response.results)
        finally:
            call.cancel()
        if self._failure is not None:
            raise self._failure
        if self._names:
            raise BadAnswer("The archive ended the call without answering every file.")

    async def run_async(self, names: Iterable[str]) -> AsyncGenerator[UploadResult, None]:
        """The same for an event loop, whose threads wait for the results."""
        results = self.run(names)
        try:
            while (result := await asyncio.to_thread(next, results, None)) is not None:
                yield result
        finally:
            if self._call is not None:
                self._call.cancel()

    def _requests(self, names: Iterable[str]) -> Iterator[pb.AdoptInstancesRequest]:
        yield self._first
        try:
            for tag, name in enumerate(names, 1):
                self._names[tag] = name
                yield pb.AdoptInstancesRequest(files=[pb.AdoptFile(tag=tag, name=name)])
        except Exception as error:  # the caller's own, raised to it once what it gave is answered
            self._failure = error

    def _to_result(self, result: pb.UploadResult) -> UploadResult:
        name = self._names.pop(result.tag, None)
        if name is None:
            raise BadAnswer("The archive answered a file twice, or one that was not handed over.")
        if is_refused(result.status):
            return UploadResult(name, from_status(result.status))
        return UploadResult(name, None, result.outcome, result.instance, result.position)
