"""GuidService over the mint: reads requests, asks the core, writes answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import grpc
from prometheus_client import Counter

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1 import guid_service_pb2_grpc
from diana_common.errors import DianaError, invalid_field
from diana_common.hierarchical_uid import DEFAULT_APP_ID, diana2_uid
from diana_guid.core import DEFAULT_DOMAIN, CollisionWatch, GuidMint, Scheme
from diana_guid.wire import domain_to_proto, identity_to_proto, in_batch, keeps_rules, subject_from_proto
from diana_server.callers import BearerTokens
from diana_server.errors import to_status
from diana_server.validation import check

MINTS = Counter("diana_guid_mints_total", "Identities minted, by domain.", ["domain"])


class GuidServicer(guid_service_pb2_grpc.GuidServiceServicer):
    """Every RPC of the contract; its comments say what each answers and refuses.

    What takes a key is for the callers whose tokens are known, or for everybody if there are no `callers`.
    """

    def __init__(self, mint: GuidMint, callers: BearerTokens | None = None) -> None:
        self._mint = mint
        self._callers = callers

    def MintIdentity(self, request: pb.MintIdentityRequest, context: grpc.ServicerContext) -> pb.MintIdentityResponse:
        """The identity of one subject."""
        self._let_in(context)
        domain = request.domain or DEFAULT_DOMAIN
        scheme = self._mint.scheme(domain, request.key_version)
        identity = scheme.mint(subject_from_proto(request.subject))
        MINTS.labels(domain).inc()
        return pb.MintIdentityResponse(identity=identity_to_proto(identity, scheme.key_version))

    def BatchMintIdentities(
        self, request: pb.BatchMintIdentitiesRequest, context: grpc.ServicerContext
    ) -> pb.BatchMintIdentitiesResponse:
        """The identities of many subjects, each with a status of its own."""
        self._let_in(context)
        domain = request.domain or DEFAULT_DOMAIN
        results = _results(self._mint.scheme(domain, request.key_version), domain, request.subjects, None)
        return pb.BatchMintIdentitiesResponse(results=results)

    def MintIdentities(
        self, request_iterator: Iterator[pb.MintIdentitiesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.MintIdentitiesResponse]:
        """The identities of a stream's subjects; those who would become one are told from one another."""
        self._let_in(context)
        first = next(request_iterator, None)
        if first is None:
            return
        domain = first.domain or DEFAULT_DOMAIN
        scheme = self._mint.scheme(domain, first.key_version)
        watch = CollisionWatch() if scheme.may_collide else None
        yield _answer(scheme, domain, first, watch)
        for request in request_iterator:
            _check_continues(request, domain, first.key_version)
            yield _answer(scheme, domain, request, watch)

    def MapIdentifiers(
        self, request: pb.MapIdentifiersRequest, context: grpc.ServicerContext
    ) -> pb.MapIdentifiersResponse:
        """The pseudonyms of UIDs and accession numbers."""
        self._let_in(context)
        domain = request.domain or DEFAULT_DOMAIN
        version = request.key_version or self._mint.newest_key_version(domain)
        return pb.MapIdentifiersResponse(
            uids=self._mint.map_uids(domain, request.uids, version) if request.uids else (),
            accession_numbers=self._mint.map_accession_numbers(domain, request.accession_numbers, version),
            key_version=version,
        )

    def LeaseUidKey(self, request: pb.LeaseUidKeyRequest, context: grpc.ServicerContext) -> pb.LeaseUidKeyResponse:
        """The keys that a domain's UIDs and accession numbers are mapped with."""
        self._let_in(context)
        domain = request.domain or DEFAULT_DOMAIN
        version = request.key_version or self._mint.newest_key_version(domain)
        return pb.LeaseUidKeyResponse(
            uid_key=self._mint.uid_subkey(domain, version),
            accession_number_key=self._mint.accession_number_subkey(domain, version),
            key_version=version,
        )

    def MintHierarchicalUid(
        self, request: pb.MintHierarchicalUidRequest, context: grpc.ServicerContext
    ) -> pb.MintHierarchicalUidResponse:
        """The older system's UID for names."""
        return pb.MintHierarchicalUidResponse(uid=diana2_uid(request.path, request.app_id or DEFAULT_APP_ID))

    def ListDomains(self, request: pb.ListDomainsRequest, context: grpc.ServicerContext) -> pb.ListDomainsResponse:
        """All domains, by name."""
        return pb.ListDomainsResponse(
            domains=[domain_to_proto(one, self._mint.key_version(one.name)) for one in self._mint.domains()]
        )

    def _let_in(self, context: grpc.ServicerContext) -> None:
        if self._callers is not None:
            self._callers.name_of(context)


def _check_continues(request: pb.MintIdentitiesRequest, domain: str, key_version: int) -> None:
    """Refuse a later message of a stream that would be answered for another domain or key than it names."""
    if request.domain and request.domain != domain:
        raise invalid_field("domain", "is not that of the stream's first message: begin another stream")
    if request.key_version and request.key_version != key_version:
        raise invalid_field("key_version", "is not that of the stream's first message: begin another stream")


def _answer(
    scheme: Scheme, domain: str, request: pb.MintIdentitiesRequest, watch: CollisionWatch | None
) -> pb.MintIdentitiesResponse:
    results = _results(scheme, domain, request.subjects, watch)
    return pb.MintIdentitiesResponse(request_id=request.request_id, results=results)


def _results(
    scheme: Scheme, domain: str, subjects: Iterable[pb.Subject], watch: CollisionWatch | None
) -> list[pb.MintResult]:
    results = [_result(scheme, message, index, watch) for index, message in enumerate(subjects)]
    MINTS.labels(domain).inc(sum(one.HasField("identity") for one in results))
    return results


def _result(scheme: Scheme, message: pb.Subject, index: int, watch: CollisionWatch | None) -> pb.MintResult:
    try:
        if not keeps_rules(message):
            check(message, "subject")
        subject = subject_from_proto(message)
        identity = scheme.mint(subject)
        if watch is not None:
            watch.check(subject, identity)
        return pb.MintResult(identity=identity_to_proto(identity, scheme.key_version))
    except DianaError as refusal:
        return pb.MintResult(status=to_status(in_batch(refusal, index)))
