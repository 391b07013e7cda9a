"""ProfileService's messages."""

from __future__ import annotations

from collections.abc import Iterable

from diana.anon.v1 import profile_service_pb2 as pb
from diana_anon.core.profiles import Fault
from diana_anon.core.profiles.comparing import Difference
from diana_anon.core.profiles.explaining import Explanation


def faults_to_proto(faults: Iterable[Fault]) -> pb.CheckProfileResponse:
    """The answer for a text that cannot be used."""
    return pb.CheckProfileResponse(
        faults=[pb.ProfileFault(line=one.line, field=one.field, description=one.description) for one in faults]
    )


def differences_to_proto(differences: Iterable[Difference]) -> pb.CompareProfilesResponse:
    """What two profiles treat differently."""
    return pb.CompareProfilesResponse(
        differences=[
            pb.AttributeDifference(path=one.path, keyword=one.keyword, left=one.left, right=one.right)
            for one in differences
        ]
    )


def explanation_to_proto(explanation: Explanation) -> pb.ExplainAttributeResponse:
    """What becomes of an attribute, and why."""
    return pb.ExplainAttributeResponse(
        path=explanation.path,
        keyword=explanation.keyword,
        action=explanation.action,
        reasons=explanation.reasons,
        conditional=[
            pb.ConditionalAction(condition=one.condition, action=one.action, line=one.line)
            for one in explanation.conditional
        ],
    )
