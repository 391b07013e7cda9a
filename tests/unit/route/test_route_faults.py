"""What other services' refusals mean for a job."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from diana_client import MeshError, SourceUnreadable, Unavailable
from diana_client.errors import from_status
from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import Reason
from diana_route.core.patterns import filled
from diana_route.peers.faults import alone, attempted, failure


def refusal(reason: Reason) -> MeshError:
    """What a service refuses with, as the client raises it."""
    made = status_pb2.Status(code=reason.code.value, message="Phantom^Petra is not there.")
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason.name))
    return from_status(made)


@pytest.mark.parametrize(
    ("reason", "kind", "why"),
    [
        (Reason.STOPPING, Unreachable, "the archive does not answer (STOPPING)"),
        (Reason.PEER_UNAVAILABLE, Unreachable, "the archive does not answer (PEER_UNAVAILABLE)"),
        (Reason.AE_UNAVAILABLE, Unreachable, "the archive does not answer (AE_UNAVAILABLE)"),
        (Reason.CALLER_UNKNOWN, Unreachable, "the archive does not take our token (CALLER_UNKNOWN)"),
        (Reason.OVERLOADED, Postponed, "the archive cannot do it now (OVERLOADED)"),
        (Reason.DISK_FULL, Postponed, "the archive cannot do it now (DISK_FULL)"),
        (Reason.QUOTA_EXCEEDED, Postponed, "the archive cannot do it now (QUOTA_EXCEEDED)"),
        (Reason.INTERNAL, Postponed, "the archive cannot do it now (INTERNAL)"),
        (Reason.STUDY_NOT_FOUND, Refused, "the archive refused it (STUDY_NOT_FOUND)"),
        (Reason.INVALID_FIELD, Refused, "the archive refused it (INVALID_FIELD)"),
        (Reason.MESSAGE_TOO_LARGE, Refused, "the archive refused it (MESSAGE_TOO_LARGE)"),
        (Reason.STORE_DAMAGED, Refused, "the archive refused it (STORE_DAMAGED)"),
        (Reason.DOMAIN_KEY_MISSING, Refused, "the archive refused it (DOMAIN_KEY_MISSING)"),
    ],
)
def test_a_reason_decides_whether_there_is_another_attempt(reason: Reason, kind: type[Failed], why: str) -> None:
    with pytest.raises(Failed) as caught, attempted("the archive"):
        raise refusal(reason)
    assert type(caught.value) is kind
    assert caught.value.why == why


def test_what_could_not_be_read_is_the_fault_of_where_it_came_from() -> None:
    cause = Unreachable("the archive does not answer")
    assert failure("archive research", SourceUnreadable(cause)) is cause
    assert isinstance(failure("archive research", SourceUnreadable(OSError())), Refused)


def test_one_attempt_alone_waits_for_what_is_not_its_target() -> None:
    with pytest.raises(Postponed, match="peer PACS does not answer"), alone():
        raise Unreachable("peer PACS does not answer")
    with pytest.raises(Refused), alone():
        raise Refused("no")


def test_a_refusal_without_a_reason_is_told_by_its_code() -> None:
    assert failure("anon", MeshError(grpc.StatusCode.UNIMPLEMENTED, "?")).why == "anon refused it (UNIMPLEMENTED)"
    assert failure("anon", Unavailable(grpc.StatusCode.UNAVAILABLE, "10.0.0.1")).why == "anon does not answer"


def test_texts_take_attributes_and_name_the_one_that_is_missing() -> None:
    assert filled("$trial-${site}$$", {"trial": "atlas", "site": "north"}) == "atlas-north$"
    with pytest.raises(Refused, match=r"no attribute 'site', which '\$trial-\$site' names") as caught:
        filled("$trial-$site", {"trial": "petra"})
    assert "petra" not in caught.value.why
    with pytest.raises(Refused, match="no text with attributes"):
        filled("$1", {})
