"""The clients of anon: one instance de-identified as a stream, a study from one store to another as an operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from diana.anon.v1 import anon_service_pb2 as pb
from diana.anon.v1.anon_service_pb2_grpc import AnonServiceStub
from diana.guid.v1.guid_service_pb2 import Subject
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client.anon_requests import studies_request, study_request, text_request
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import BadAnswer, MeshError, SourceUnreadable, translated
from diana_client.items import Source, UploadItem

if TYPE_CHECKING:  # grpc's classes take no parameters when they run
    import grpc

    from diana.anon.v1.anon_service_pb2_grpc import AnonServiceAsyncStub

    Call = grpc._CallIterator[pb.AnonymizeInstanceResponse]


class AnonClient(Caller):
    """Talks to `AnonService`. Safe to share between threads. An empty `profile` means "default"."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = AnonServiceStub(channel.raw)

    def anonymize_instance(
        self, source: Source | str, *, profile: str = "", timeout: float | None = None
    ) -> AnonymizedFile:
        """De-identify one Part 10 file: bytes, a path, something readable, or a function that opens something readable.

        `timeout` is in seconds. Raises SourceUnreadable when the source cannot be read.
        """
        requests = _Requests(source, profile)
        return AnonymizedFile(self._answers(requests, timeout))

    def anonymize_study(
        self,
        study_uid: str,
        target_store: str,
        *,
        source_store: str = "",
        profile: str = "",
        attributes: Mapping[str, str] | None = None,
        copied_attributes: Iterable[str] = (),
        request_id: str = "",
    ) -> Operation:
        """Start to de-identify a study into another store; follow it with `OperationClient` on the same channel.

        `study_result` reads what it ended with. Calls with the same `request_id` start one operation; without
        one, each call makes up its own.
        """
        request = study_request(
            study_uid, target_store, source_store, profile, attributes, copied_attributes, request_id
        )
        return self._ask(self.stub.AnonymizeStudy, request).operation

    def anonymize_studies(
        self,
        study_uids: Iterable[str],
        target_store: str = "",
        *,
        source_store: str = "",
        profile: str = "",
        attributes: Mapping[str, str] | None = None,
        copied_attributes: Iterable[str] = (),
        preview: bool = False,
        request_id: str = "",
    ) -> Operation:
        """Start to de-identify up to 10,000 studies, one after the other; `studies_result` reads what it ended with.

        With `preview` nothing is stored, no `target_store` is needed, and the operation's report tells what would be.
        """
        request = studies_request(
            study_uids, target_store, source_store, profile, attributes, copied_attributes, preview, request_id
        )
        return self._ask(self.stub.AnonymizeStudies, request).operation

    def anonymize_text(
        self,
        text: str,
        *,
        subject: Subject | None = None,
        identifiers: Iterable[str] = (),
        study_uid: str = "",
        store: str = "",
        profile: str = "",
    ) -> pb.AnonymizeTextResponse:
        """A free text, at most 1 MiB, without the identifiers of its subject, of a study's headers, and those given."""
        request = text_request(text, subject, identifiers, study_uid, store, profile)
        return self._ask(self.stub.AnonymizeText, request)

    def profiles(self) -> list[pb.Profile]:
        """The profiles, by name."""
        return list(self._ask(self.stub.ListProfiles, pb.ListProfilesRequest()).profiles)

    def _answers(
        self, requests: _Requests, timeout: float | None
    ) -> Generator[pb.AnonymizeInstanceResponse, None, None]:
        return requests.answers(self.stub.AnonymizeInstance(iter(requests), timeout=timeout))


class AsyncAnonClient(AsyncCaller):
    """As `AnonClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: AnonServiceAsyncStub = AnonServiceStub(channel.raw)
        self._channel = channel

    async def anonymize_instance(
        self, source: Source | str, *, profile: str = "", timeout: float | None = None
    ) -> AsyncAnonymizedFile:
        """As `AnonClient.anonymize_instance`; the source is read in a thread."""
        return await AsyncAnonymizedFile.begun(self._answers(_Requests(source, profile), timeout))

    async def anonymize_study(
        self,
        study_uid: str,
        target_store: str,
        *,
        source_store: str = "",
        profile: str = "",
        attributes: Mapping[str, str] | None = None,
        copied_attributes: Iterable[str] = (),
        request_id: str = "",
    ) -> Operation:
        """As `AnonClient.anonymize_study`."""
        request = study_request(
            study_uid, target_store, source_store, profile, attributes, copied_attributes, request_id
        )
        return (await self._ask(self.stub.AnonymizeStudy, request)).operation

    async def anonymize_studies(
        self,
        study_uids: Iterable[str],
        target_store: str = "",
        *,
        source_store: str = "",
        profile: str = "",
        attributes: Mapping[str, str] | None = None,
        copied_attributes: Iterable[str] = (),
        preview: bool = False,
        request_id: str = "",
    ) -> Operation:
        """As `AnonClient.anonymize_studies`."""
        request = studies_request(
            study_uids, target_store, source_store, profile, attributes, copied_attributes, preview, request_id
        )
        return (await self._ask(self.stub.AnonymizeStudies, request)).operation

    async def anonymize_text(
        self,
        text: str,
        *,
        subject: Subject | None = None,
        identifiers: Iterable[str] = (),
        study_uid: str = "",
        store: str = "",
        profile: str = "",
    ) -> pb.AnonymizeTextResponse:
        """As `AnonClient.anonymize_text`."""
        request = text_request(text, subject, identifiers, study_uid, store, profile)
        return await self._ask(self.stub.AnonymizeText, request)

    async def profiles(self) -> list[pb.Profile]:
        """The profiles, by name."""
        return list((await self._ask(self.stub.ListProfiles, pb.ListProfilesRequest())).profiles)

    async def _answers(
        self, requests: _Requests, timeout: float | None
    ) -> AsyncGenerator[pb.AnonymizeInstanceResponse, None]:
        """Threads wait for them: of a stream that is refused while it is sent, grpc.aio does not tell why (see
        upload_async)."""
        call = AnonServiceStub(self._channel.blocking).AnonymizeInstance(iter(requests), timeout=timeout)
        answers = requests.answers(call)
        try:
            while (answer := await asyncio.to_thread(next, answers, None)) is not None:
                yield answer
        finally:
            call.cancel()


class AnonymizedFile:
    """A de-identified instance: iterate over its data in pieces, or `read` it."""

    def __init__(self, answers: Generator[pb.AnonymizeInstanceResponse, None, None]) -> None:
        """Waits for the first answer. Raises MeshError."""
        self.instance = _instance(next(answers, None))
        self._data = self._follow(answers)

    def __iter__(self) -> Iterator[bytes]:
        return self._data

    def read(self) -> bytes:
        """All data that was not taken yet; the whole Part 10 file as a rule."""
        return b"".join(self._data)

    def close(self) -> None:
        """Give up what was not taken yet."""
        self._data.close()

    def _follow(self, answers: Generator[pb.AnonymizeInstanceResponse, None, None]) -> Generator[bytes, None, None]:
        left = self.instance.size_bytes
        with closing(answers):
            for answer in answers:
                left -= len(answer.data)
                yield _checked(answer, left)
        _check_complete(left)


class AsyncAnonymizedFile:
    """The same, for asyncio: `async for` over its data, or `await read()`."""

    def __init__(
        self, instance: pb.AnonymizedInstance, answers: AsyncGenerator[pb.AnonymizeInstanceResponse, None]
    ) -> None:
        self.instance = instance
        self._data = self._follow(answers)

    @classmethod
    async def begun(cls, answers: AsyncGenerator[pb.AnonymizeInstanceResponse, None]) -> AsyncAnonymizedFile:
        """Waits for the first answer. Raises MeshError."""
        return cls(_instance(await anext(answers, None)), answers)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._data

    async def read(self) -> bytes:
        """All data that was not taken yet; the whole Part 10 file as a rule."""
        return b"".join([data async for data in self._data])

    async def aclose(self) -> None:
        """Give up what was not taken yet."""
        await self._data.aclose()

    async def _follow(self, answers: AsyncGenerator[pb.AnonymizeInstanceResponse, None]) -> AsyncGenerator[bytes, None]:
        left = self.instance.size_bytes
        async with aclosing(answers):
            async for answer in answers:
                left -= len(answer.data)
                yield _checked(answer, left)
        _check_complete(left)


class _Requests:
    """A file's messages. gRPC asks for them elsewhere, where what the source raises would be lost: it is kept.

    They end where the source failed, and nothing is answered before they end; `check` then says so.
    """

    def __init__(self, source: Source | str, profile: str) -> None:
        self._item = UploadItem(None, Path(source) if isinstance(source, str) else source)
        self._profile = profile
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[pb.AnonymizeInstanceRequest]:
        yield pb.AnonymizeInstanceRequest(profile=self._profile)
        try:
            for piece in self._item.pieces():
                yield pb.AnonymizeInstanceRequest(data=piece)
        except Exception as error:
            self._failure = error

    def answers(self, call: Call) -> Generator[pb.AnonymizeInstanceResponse, None, None]:
        """The answers to the call that sends them; it is given up when the iterator is closed."""
        try:
            with self._sent():
                for answer in call:
                    self.check()
                    yield answer
        finally:
            call.cancel()

    @contextmanager
    def _sent(self) -> Iterator[None]:
        """Translate the errors of a call that sends them; one that the source's failure led to becomes that."""
        try:
            with translated():
                yield
        except MeshError:
            self.check()
            raise
        self.check()

    def check(self) -> None:
        """Raises SourceUnreadable if the source failed."""
        if self._failure is not None:
            raise SourceUnreadable(self._failure)


def _instance(first: pb.AnonymizeInstanceResponse | None) -> pb.AnonymizedInstance:
    if first is None or not first.HasField("instance"):
        raise BadAnswer("The service did not say what the instance has become.")
    return first.instance


def _checked(answer: pb.AnonymizeInstanceResponse, left: int) -> bytes:
    if left < 0 or not answer.HasField("data"):
        raise BadAnswer("The service sent something else than the rest of the instance.")
    return answer.data


def _check_complete(left: int) -> None:
    if left:
        raise BadAnswer("The service ended within the instance.")
