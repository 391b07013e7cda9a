"""The mint's clients: pseudonymous identities for subjects, pseudonyms for identifiers."""

from __future__ import annotations

import asyncio
import datetime
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from queue import SimpleQueue
from typing import TYPE_CHECKING

from google.type.date_pb2 import Date

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import BadAnswer, MeshError, from_status, translated

if TYPE_CHECKING:
    from diana.guid.v1.guid_service_pb2_grpc import GuidServiceAsyncStub

_SUBJECTS_A_CALL = 1_000
_REQUESTS_AHEAD = 4
"""Messages that are sent before an answer is waited for: the mint works on one while the others travel."""
_IDENTIFIERS_A_CALL = 10_000

_SEXES = {"F": pb.SEX_FEMALE, "M": pb.SEX_MALE, "O": pb.SEX_OTHER}


@dataclass(frozen=True, slots=True)
class Minted:
    """The answer for one subject of many: an identity, or the error why there is none."""

    subject: pb.Subject
    identity: pb.Identity | None
    error: MeshError | None


def subject(
    patient_id: str = "",
    *,
    issuer: str = "",
    name: str = "",
    birth_date: datetime.date | None = None,
    age_years: int | None = None,
    reference_date: datetime.date | None = None,
    sex: str = "",
) -> pb.Subject:
    """A subject from plain values; `sex` as Patient's Sex (0010,0040) has it: F, M, O or anything else."""
    return pb.Subject(
        patient_id=patient_id,
        issuer=issuer,
        name=name,
        birth_date=_date(birth_date),
        age_years=age_years,
        reference_date=_date(reference_date),
        sex=_SEXES.get(sex, pb.SEX_UNSPECIFIED),
    )


class GuidClient(Caller):
    """Talks to `GuidService`. Safe to share between threads. An empty `domain` means "default"."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = GuidServiceStub(channel.raw)

    def mint(self, subject: pb.Subject, *, domain: str = "", key_version: int = 0) -> pb.Identity:
        """The identity of one subject; `subject(...)` makes one from plain values."""
        request = pb.MintIdentityRequest(domain=domain, subject=subject, key_version=key_version)
        return self._ask(self.stub.MintIdentity, request).identity

    def mint_many(
        self, subjects: Iterable[pb.Subject], *, domain: str = "", key_version: int = 0
    ) -> Generator[Minted, None, None]:
        """The identities of any number of subjects, in order; a bad subject comes with its error.

        So does one who would get the id of another subject of these (scheme diana2). Subjects are taken some
        thousands ahead. A connection that breaks raises Unavailable: mint the rest again, nothing changes by it.
        """
        asked: deque[pb.MintIdentitiesRequest] = deque()
        sent: SimpleQueue[pb.MintIdentitiesRequest | None] = SimpleQueue()
        answers = self.stub.MintIdentities(iter(sent.get, None))
        try:
            with translated():
                for request in _mint_requests(subjects, domain, key_version):
                    asked.append(request)
                    sent.put(request)
                    if len(asked) == _REQUESTS_AHEAD:
                        yield from _matched(asked.popleft(), next(answers, None))
                sent.put(None)
                while asked:
                    yield from _matched(asked.popleft(), next(answers, None))
        finally:
            sent.put(None)
            answers.cancel()

    def map_identifiers(
        self,
        uids: Iterable[str] = (),
        *,
        accession_numbers: Iterable[str] = (),
        domain: str = "",
        key_version: int = 0,
    ) -> pb.MapIdentifiersResponse:
        """The pseudonyms of UIDs and accession numbers, one for each, in order."""
        whole = pb.MapIdentifiersResponse(key_version=key_version)
        for request in _map_requests(uids, accession_numbers, domain):
            request.key_version = whole.key_version  # the first answer's, should the key be rotated meanwhile
            _merge(whole, request, self._ask(self.stub.MapIdentifiers, request))
        return whole

    def lease_keys(self, *, domain: str = "", key_version: int = 0) -> pb.LeaseUidKeyResponse:
        """The keys that the domain's UIDs and accession numbers are mapped with: secrets, for one piece of work.

        Hold them in memory only. `LeaseUidKey` in the contract says how values are mapped with them.
        """
        return self._ask(self.stub.LeaseUidKey, pb.LeaseUidKeyRequest(domain=domain, key_version=key_version))

    def mint_hierarchical_uid(self, path: Sequence[str], *, app_id: str = "") -> str:
        """The UID that diana2 makes from names of patient, study, series and instance (1 to 4 of them)."""
        request = pb.MintHierarchicalUidRequest(app_id=app_id, path=path)
        return self._ask(self.stub.MintHierarchicalUid, request).uid

    def domains(self) -> list[pb.Domain]:
        """The domains, by name."""
        return list(self._ask(self.stub.ListDomains, pb.ListDomainsRequest()).domains)


class AsyncGuidClient(AsyncCaller):
    """As `GuidClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: GuidServiceAsyncStub = GuidServiceStub(channel.raw)

    async def mint(self, subject: pb.Subject, *, domain: str = "", key_version: int = 0) -> pb.Identity:
        """The identity of one subject; `subject(...)` makes one from plain values."""
        request = pb.MintIdentityRequest(domain=domain, subject=subject, key_version=key_version)
        return (await self._ask(self.stub.MintIdentity, request)).identity

    async def mint_many(
        self, subjects: Iterable[pb.Subject], *, domain: str = "", key_version: int = 0
    ) -> AsyncGenerator[Minted, None]:
        """As `GuidClient.mint_many`."""
        asked: deque[pb.MintIdentitiesRequest] = deque()
        sent: asyncio.Queue[pb.MintIdentitiesRequest | None] = asyncio.Queue()

        async def sending() -> AsyncIterator[pb.MintIdentitiesRequest]:
            while (request := await sent.get()) is not None:
                yield request

        call = self.stub.MintIdentities(sending())
        answers = aiter(call)
        try:
            with translated():
                for request in _mint_requests(subjects, domain, key_version):
                    asked.append(request)
                    sent.put_nowait(request)
                    if len(asked) == _REQUESTS_AHEAD:
                        for minted in _matched(asked.popleft(), await anext(answers, None)):
                            yield minted
                sent.put_nowait(None)
                while asked:
                    for minted in _matched(asked.popleft(), await anext(answers, None)):
                        yield minted
        finally:
            sent.put_nowait(None)
            call.cancel()

    async def map_identifiers(
        self,
        uids: Iterable[str] = (),
        *,
        accession_numbers: Iterable[str] = (),
        domain: str = "",
        key_version: int = 0,
    ) -> pb.MapIdentifiersResponse:
        """The pseudonyms of UIDs and accession numbers, one for each, in order."""
        whole = pb.MapIdentifiersResponse(key_version=key_version)
        for request in _map_requests(uids, accession_numbers, domain):
            request.key_version = whole.key_version  # the first answer's, should the key be rotated meanwhile
            _merge(whole, request, await self._ask(self.stub.MapIdentifiers, request))
        return whole

    async def lease_keys(self, *, domain: str = "", key_version: int = 0) -> pb.LeaseUidKeyResponse:
        """As `GuidClient.lease_keys`."""
        return await self._ask(self.stub.LeaseUidKey, pb.LeaseUidKeyRequest(domain=domain, key_version=key_version))

    async def mint_hierarchical_uid(self, path: Sequence[str], *, app_id: str = "") -> str:
        """The UID that diana2 makes from names of patient, study, series and instance (1 to 4 of them)."""
        request = pb.MintHierarchicalUidRequest(app_id=app_id, path=path)
        return (await self._ask(self.stub.MintHierarchicalUid, request)).uid

    async def domains(self) -> list[pb.Domain]:
        """The domains, by name."""
        return list((await self._ask(self.stub.ListDomains, pb.ListDomainsRequest())).domains)


def _date(date: datetime.date | None) -> Date | None:
    return None if date is None else Date(year=date.year, month=date.month, day=date.day)


def _mint_requests(subjects: Iterable[pb.Subject], domain: str, key_version: int) -> Iterator[pb.MintIdentitiesRequest]:
    rest = iter(subjects)
    for number in count():
        request = pb.MintIdentitiesRequest(
            request_id=str(number), domain=domain, key_version=key_version, subjects=islice(rest, _SUBJECTS_A_CALL)
        )
        if not request.subjects:
            return
        yield request


def _matched(asked: pb.MintIdentitiesRequest, answer: pb.MintIdentitiesResponse | None) -> Iterator[Minted]:
    """Each subject of a message with its result. Raises BadAnswer for the answer to another one, or too short a one."""
    if answer is None or answer.request_id != asked.request_id or len(answer.results) != len(asked.subjects):
        raise BadAnswer("The mint answered something else than it was asked.")
    for subject, result in zip(asked.subjects, answer.results, strict=True):
        if result.HasField("identity"):
            yield Minted(subject, result.identity, None)
        else:
            yield Minted(subject, None, from_status(result.status))


def _map_requests(
    uids: Iterable[str], accession_numbers: Iterable[str], domain: str
) -> Iterator[pb.MapIdentifiersRequest]:
    """As many requests as it takes; at least one, so that the domain is checked."""
    more_uids, more_numbers = iter(uids), iter(accession_numbers)
    first = True
    while True:
        request = pb.MapIdentifiersRequest(
            domain=domain,
            uids=islice(more_uids, _IDENTIFIERS_A_CALL),
            accession_numbers=islice(more_numbers, _IDENTIFIERS_A_CALL),
        )
        if not (first or request.uids or request.accession_numbers):
            return
        yield request
        first = False


def _merge(
    whole: pb.MapIdentifiersResponse, request: pb.MapIdentifiersRequest, part: pb.MapIdentifiersResponse
) -> None:
    """Append a part. Raises BadAnswer when it is not as long as its request."""
    if (len(part.uids), len(part.accession_numbers)) != (len(request.uids), len(request.accession_numbers)):
        raise BadAnswer("The mint mapped more or fewer identifiers than it was asked.")
    whole.MergeFrom(part)
