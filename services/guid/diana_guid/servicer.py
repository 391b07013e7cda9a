"""GuidService over the mint: reads requests, asks the core, writes answers."""

from __future__ import annotations

import grpc
from prometheus_client import Counter

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1 import guid_service_pb2_grpc
from diana_common.errors import DianaError
from diana_guid.core import DEFAULT_DOMAIN, GuidMint, Scheme
from diana_guid.core.diana2 import DEFAULT_APP_ID, diana2_uid
from diana_guid.wire import domain_to_proto, identity_to_proto, in_batch, subject_from_proto
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
        identity = self._mint.mint(domain, subject_from_proto(request.subject))
        MINTS.labels(domain).inc()
        return pb.MintIdentityResponse(identity=identity_to_proto(identity))

    def BatchMintIdentities(
        self, request: pb.BatchMintIdentitiesRequest, context: grpc.ServicerContext
    ) -> pb.BatchMintIdentitiesResponse:
        """The identities of many subjects, each with a status of its own."""
        domain = request.domain or DEFAULT_DOMAIN
        scheme = self._mint.scheme(domain)
        results = [_result(scheme, subject, index) for index, subject in enumerate(request.subjects)]
        MINTS.labels(domain).inc(sum(one.HasField("identity") for one in results))
        return pb.BatchMintIdentitiesResponse(results=results)

    def MapIdentifiers(
        self, request: pb.MapIdentifiersRequest, context: grpc.ServicerContext
    ) -> pb.MapIdentifiersResponse:
        """The pseudonyms of UIDs and accession numbers."""
        domain = request.domain or DEFAULT_DOMAIN
        return pb.MapIdentifiersResponse(
            uids=self._mint.map_uids(domain, request.uids),
            accession_numbers=self._mint.map_accession_numbers(domain, request.accession_numbers),
        )

    def LeaseUidKey(self, request: pb.LeaseUidKeyRequest, context: grpc.ServicerContext) -> pb.LeaseUidKeyResponse:
        """The key of a domain's UID mapping."""
        return pb.LeaseUidKeyResponse(uid_key=self._mint.uid_subkey(request.domain or DEFAULT_DOMAIN))

    def MintHierarchicalUid(
        self, request: pb.MintHierarchicalUidRequest, context: grpc.ServicerContext
    ) -> pb.MintHierarchicalUidResponse:
        """The older system's UID for names."""
        return pb.MintHierarchicalUidResponse(uid=diana2_uid(request.path, request.app_id or DEFAULT_APP_ID))

    def ListDomains(self, request: pb.ListDomainsRequest, context: grpc.ServicerContext) -> pb.ListDomainsResponse:
        """All domains, by name."""
        return pb.ListDomainsResponse(
            domains=[domain_to_proto(one, self._mint.key_present(one.name)) for one in self._mint.domains()]
        )


def _result(scheme: Scheme, subject: pb.Subject, index: int) -> pb.MintResult:
    try:
        check(subject, "subject")
        return pb.MintResult(identity=identity_to_proto(scheme.mint(subject_from_proto(subject))))
    except DianaError as refusal:
        return pb.MintResult(status=to_status(in_batch(refusal, index)))
