"""CrosswalkService over the core: a token for each caller, and what each token may."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import grpc

from diana.anon.v1 import crosswalk_service_pb2 as pb
from diana.anon.v1.crosswalk_service_pb2_grpc import CrosswalkServiceServicer
from diana_anon.core.pages import PageTokens
from diana_anon.core.proof.crosswalk import Crosswalk
from diana_anon.wire.crosswalk import entry_to_proto, reidentified_to_proto
from diana_common.errors import DianaError, Reason

REIDENTIFY, AUDIT = "reidentify", "audit"
"""What a token may, as the configuration writes it."""

_DEFAULT_DOMAIN = "default"
_ENTRIES, _MOST_ENTRIES = 100, 1000
_PAGE_BYTES = 2 * 1024 * 1024


class CrosswalkServicer(CrosswalkServiceServicer):
    """Answers those whose token may ask; `name_of` tells a caller by its token, and `rights` what each may."""

    def __init__(
        self,
        crosswalk: Crosswalk,
        name_of: Callable[[grpc.ServicerContext], str],
        rights: Mapping[str, Set[str]],
    ) -> None:
        self._crosswalk = crosswalk
        self._name_of = name_of
        self._rights = rights

    def Reidentify(self, request: pb.ReidentifyRequest, context: grpc.ServicerContext) -> pb.ReidentifyResponse:
        caller, domain = self._name_of(context), request.domain or _DEFAULT_DOMAIN
        try:
            self._check(caller, REIDENTIFY)
        except DianaError:
            self._crosswalk.note(caller, domain, request.pseudonyms, request.reason, granted=False)
            raise
        found = self._crosswalk.reidentify(caller, domain, request.pseudonyms, request.reason)
        return pb.ReidentifyResponse(subjects=map(reidentified_to_proto, request.pseudonyms, found))

    def ListReidentifications(
        self, request: pb.ListReidentificationsRequest, context: grpc.ServicerContext
    ) -> pb.ListReidentificationsResponse:
        """A page ends before 2 MiB."""
        self._check(self._name_of(context), AUDIT)
        size = min(request.page_size or _ENTRIES, _MOST_ENTRIES)
        pages = PageTokens("ListReidentifications")
        before = pages.place(request.page_token, 1)
        response, room = pb.ListReidentificationsResponse(), _PAGE_BYTES
        for entry in self._crosswalk.entries(int(before[0]) if before else None, size + 1):
            message = entry_to_proto(entry)
            room -= message.ByteSize()
            if response.entries and (room < 0 or len(response.entries) == size):
                response.next_page_token = pages.token(response.entries[-1].number)
                break
            response.entries.append(message)
        return response

    def _check(self, caller: str, right: str) -> None:
        if right not in self._rights[caller]:
            raise DianaError(Reason.CALLER_NOT_PERMITTED, f"This token may not {right}.")
