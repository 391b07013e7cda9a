"""The mint's clients: pseudonymous identities for subjects, pseudonyms for identifiers."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from google.type.date_pb2 import Date

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import BadAnswer, MeshError, from_status

if TYPE_CHECKING:
    from diana.guid.v1.guid_service_pb2_grpc import GuidServiceAsyncStub

_SUBJECTS_A_CALL = 1_000
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

    def mint(self, subject: pb.Subject, *, domain: str = "") -> pb.Identity:
        """The identity of one subject; `subject(...)` makes one from plain values."""
        return self._ask(self.stub.MintIdentity, pb.MintIdentityRequest(domain=domain, subject=subject)).identity

    def mint_many(self, subjects: Iterable[pb.Subject], *, domain: str = "") -> Iterator[Minted]:
        """The identities of any number of subjects, in order; a bad subject comes with its error."""
        rest = iter(subjects)
        while batch := list(islice(rest, _SUBJECTS_A_CALL)):
            request = pb.BatchMintIdentitiesRequest(domain=domain, subjects=batch)
            yield from _paired(batch, self._ask(self.stub.BatchMintIdentities, request))

    def map_identifiers(
        self, uids: Iterable[str] = (), *, accession_numbers: Iterable[str] = (), domain: str = ""
    ) -> pb.MapIdentifiersResponse:
        """The pseudonyms of UIDs and accession numbers, one for each, in order."""
        whole = pb.MapIdentifiersResponse()
        for request in _map_requests(uids, accession_numbers, domain):
            _merge(whole, request, self._ask(self.stub.MapIdentifiers, request))
        return whole

    def lease_uid_key(self, *, domain: str = "") -> bytes:
        """The 32-byte key that the domain's UIDs are mapped with: a secret, to be held in memory for one piece of work.

        `LeaseUidKey` in the contract says how a UID is mapped with it.
        """
        return self._ask(self.stub.LeaseUidKey, pb.LeaseUidKeyRequest(domain=domain)).uid_key

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

    async def mint(self, subject: pb.Subject, *, domain: str = "") -> pb.Identity:
        """The identity of one subject; `subject(...)` makes one from plain values."""
        request = pb.MintIdentityRequest(domain=domain, subject=subject)
        return (await self._ask(self.stub.MintIdentity, request)).identity

    async def mint_many(self, subjects: Iterable[pb.Subject], *, domain: str = "") -> AsyncIterator[Minted]:
        """The identities of any number of subjects, in order; a bad subject comes with its error."""
        rest = iter(subjects)
        while batch := list(islice(rest, _SUBJECTS_A_CALL)):
            request = pb.BatchMintIdentitiesRequest(domain=domain, subjects=batch)
            for minted in _paired(batch, await self._ask(self.stub.BatchMintIdentities, request)):
                yield minted

    async def map_identifiers(
        self, uids: Iterable[str] = (), *, accession_numbers: Iterable[str] = (), domain: str = ""
    ) -> pb.MapIdentifiersResponse:
        """The pseudonyms of UIDs and accession numbers, one for each, in order."""
        whole = pb.MapIdentifiersResponse()
        for request in _map_requests(uids, accession_numbers, domain):
            _merge(whole, request, await self._ask(self.stub.MapIdentifiers, request))
        return whole

    async def lease_uid_key(self, *, domain: str = "") -> bytes:
        """As `GuidClient.lease_uid_key`."""
        return (await self._ask(self.stub.LeaseUidKey, pb.LeaseUidKeyRequest(domain=domain))).uid_key

    async def mint_hierarchical_uid(self, path: Sequence[str], *, app_id: str = "") -> str:
        """The UID that diana2 makes from names of patient, study, series and instance (1 to 4 of them)."""
        request = pb.MintHierarchicalUidRequest(app_id=app_id, path=path)
        return (await self._ask(self.stub.MintHierarchicalUid, request)).uid

    async def domains(self) -> list[pb.Domain]:
        """The domains, by name."""
        return list((await self._ask(self.stub.ListDomains, pb.ListDomainsRequest())).domains)


def _date(date: datetime.date | None) -> Date | None:
    return None if date is None else Date(year=date.year, month=date.month, day=date.day)


def _paired(subjects: Sequence[pb.Subject], response: pb.BatchMintIdentitiesResponse) -> Iterator[Minted]:
    """Each subject with its result. Raises BadAnswer when those are not as many."""
    if len(response.results) != len(subjects):
        raise BadAnswer("The mint answered more or fewer subjects than it was asked.")
    for asked, result in zip(subjects, response.results, strict=True):
        if result.HasField("identity"):
            yield Minted(asked, result.identity, None)
        else:
            yield Minted(asked, None, from_status(result.status))


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
