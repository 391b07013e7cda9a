"""The clients of the crosswalk: who pseudonyms stand for, and the log of who asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import grpc

from diana.anon.v1 import crosswalk_service_pb2 as pb
from diana.anon.v1.crosswalk_service_pb2_grpc import CrosswalkServiceStub
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import BadAnswer, DataLoss

if TYPE_CHECKING:
    from diana.anon.v1.crosswalk_service_pb2_grpc import CrosswalkServiceAsyncStub

_BEGINNING = bytes(32)


class CrosswalkClient(Caller):
    """Talks to `CrosswalkService`. Safe to share between threads. The channel needs a token that may do this."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = CrosswalkServiceStub(channel.raw)

    def reidentify(self, pseudonyms: Iterable[str], reason: str, *, domain: str = "") -> list[pb.Reidentified]:
        """Who 1 to 100 pseudonyms (Patient IDs or Study Instance UIDs) stand for, in order; it is logged with `reason`.

        Raises NotFound if one is not known: none is told then.
        """
        request = pb.ReidentifyRequest(domain=domain, pseudonyms=pseudonyms, reason=reason)
        return _answers(request, self._ask(self.stub.Reidentify, request))

    def reidentifications(self) -> Iterator[pb.Reidentification]:
        """The log, newest first, each entry held against the one before it. Raises DataLoss if one was altered."""
        request = pb.ListReidentificationsRequest(page_size=LARGEST_PAGE)
        chain = _Chain()
        for entry in self._pages(self.stub.ListReidentifications, request, lambda page: page.entries):
            yield chain.checked(entry)
        chain.check_end()


class AsyncCrosswalkClient(AsyncCaller):
    """As `CrosswalkClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: CrosswalkServiceAsyncStub = CrosswalkServiceStub(channel.raw)

    async def reidentify(self, pseudonyms: Iterable[str], reason: str, *, domain: str = "") -> list[pb.Reidentified]:
        """As `CrosswalkClient.reidentify`."""
        request = pb.ReidentifyRequest(domain=domain, pseudonyms=pseudonyms, reason=reason)
        return _answers(request, await self._ask(self.stub.Reidentify, request))

    async def reidentifications(self) -> AsyncIterator[pb.Reidentification]:
        """As `CrosswalkClient.reidentifications`."""
        request = pb.ListReidentificationsRequest(page_size=LARGEST_PAGE)
        chain = _Chain()
        async for entry in self._pages(self.stub.ListReidentifications, request, lambda page: page.entries):
            yield chain.checked(entry)
        chain.check_end()


def reidentification_digest(entry: pb.Reidentification, before: bytes) -> str:
    """The digest that an entry of the log must have, that of the entry before it being `before` (32 bytes, zeros for
    the first): SHA-256 over those and the entry as JSON, as docs/deidentification.md says."""
    members = {
        "number": entry.number,
        "create_time": entry.create_time.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "caller": entry.caller,
        "domain": entry.domain,
        "pseudonyms": list(entry.pseudonyms),
        "reason": entry.reason,
        "granted": entry.granted,
    }
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(before + text.encode()).hexdigest()


class _Chain:
    """Holds each entry of a log that is read backwards against the next one that is read."""

    def __init__(self) -> None:
        self._later: pb.Reidentification | None = None

    def checked(self, entry: pb.Reidentification) -> pb.Reidentification:
        """The entry. Raises DataLoss if the one read before it does not follow from it."""
        self._check(entry.number, entry.digest)
        self._later = entry
        return entry

    def check_end(self) -> None:
        """Raises DataLoss if the last entry that was read is not the first of the log."""
        self._check(0, _BEGINNING.hex())

    def _check(self, number: int, digest: str) -> None:
        later = self._later
        if later is None:
            return
        if later.number != number + 1 or later.digest != reidentification_digest(later, _bytes(digest)):
            text = f"Entry {later.number} of the log of re-identifications was altered, or the one before it removed."
            raise DataLoss(grpc.StatusCode.DATA_LOSS, text, reason="STORE_DAMAGED")


def _bytes(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b""


def _answers(request: pb.ReidentifyRequest, response: pb.ReidentifyResponse) -> list[pb.Reidentified]:
    asked: Sequence[str] = request.pseudonyms
    if [one.pseudonym for one in response.subjects] != list(asked):
        raise BadAnswer("The service answered other pseudonyms than it was asked.")
    return list(response.subjects)
