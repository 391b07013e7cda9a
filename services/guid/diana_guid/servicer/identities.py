"""GuidService over the mint: reads requests, asks the core, writes answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import grpc
from prometheus_client import Counter

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1 import guid_service_pb2_grpc
from diana_common.errors import DianaError
from diana_common.hierarchical_uid import DEFAULT_APP_ID, diana2_uid
from diana_guid.core import DEFAULT_DOMAIN, CollisionWatch, GuidMint, Scheme
from diana_guid.wire import domain_to_proto, identity_to_proto, in_batch, keeps_rules, subject_from_proto
from diana_server.errors import to_status
from diana_server.validation import check

MINTS = Counter("diana_guid_mints_total", "Identities minted, by domain.", ["domain"])


class GuidServicer(guid_service_pb2_grpc.GuidServiceServicer):
    """Every RPC of the contract; its comments say what each answers and refuses."""

    def __init__(self, mint: GuidMint) -> None:
        self._mint = mint

    def MintIdentity(self, request: pb.MintIdentityRequest, context: grpc.ServicerContext) -> pb.MintIdentityResponse:
        """The identity of one subject."""
        domain = request.domain or DEFAULT_DOMAIN
        scheme = self._mint.scheme(domain, request.key_version)
        identity = scheme.mint(subject_from_proto(request.subject))
        MINTS.labels(domain).inc()
        return pb.MintIdentityResponse(identity=identity_to_proto(identity, scheme.key_version))

    def BatchMintIdentities(
        self, request: pb.BatchMintIdentitiesRequest, context: grpc.ServicerContext
    ) -> pb.BatchMintIdentitiesResponse:
        """The identities of many subjects, each with a status of its own."""
        domain = request.domain or DEFAULT_DOMAIN
        results = _results(self._mint.scheme(domain), domain, request.subjects, None)
        return pb.BatchMintIdentitiesResponse(results=results)

    def MintIdentities(
        self, request_iterator: Iterator[pb.MintIdentitiesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.MintIdentitiesResponse]:
        """The identities of a stream's subjects; those who would become one are told from one another."""
        first = next(request_iterator, None)
        if first is None:
            return
        domain = first.domain or DEFAULT_DOMAIN
        scheme = self._mint.scheme(domain, first.key_version)
        watch = CollisionWatch() if scheme.may_collide else None
        yield _answer(scheme, domain, first, watch)
        for request in request_iterator:
            yield _answer(scheme, domain, request, watch)

    def MapIdentifiers(
        self, request: pb.MapIdentifiersRequest, context: grpc.ServicerContext
    ) -> pb.MapIdentifiersResponse:
        """The pseudonyms of UIDs and accession numbers."""
        domain = request.domain or DEFAULT_DOMAIN
        return pb.MapIdentifiersResponse(
            uids=self._mint.map_uids(domain, request.uids) if request.uids else (),
            accession_numbers=self._mint.map_accession_numbers(domain, request.accession_numbers),
        )

    def LeaseUidKey(self, request: pb.LeaseUidKeyRequest, context: grpc.ServicerContext) -> pb.LeaseUidKeyResponse:
        """The keys that a domain's UIDs and accession numbers are mapped with."""
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
