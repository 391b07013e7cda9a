"""ProfileService over the core."""

from __future__ import annotations

import grpc

from diana.anon.v1 import profile_service_pb2 as pb
from diana.anon.v1.profile_service_pb2_grpc import ProfileServiceServicer
from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.profiles import ReadProfile, check_profile, profile_digest, read_profile
from diana_anon.core.profiles.catalogue import Catalogue
from diana_anon.core.profiles.comparing import differences, named_paths
from diana_anon.core.profiles.explaining import Explainer
from diana_anon.core.profiles.paths import parse_path
from diana_anon.wire.profiles import differences_to_proto, explanation_to_proto, faults_to_proto
from diana_common.conditions import BadPath
from diana_common.errors import invalid_field


class ProfileServicer(ProfileServiceServicer):
    """Answers for the profiles of a catalogue, and for those that requests hold."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def GetProfile(self, request: pb.GetProfileRequest, context: grpc.ServicerContext) -> pb.GetProfileResponse:
        loaded = self._catalogue.get(request.name)
        return pb.GetProfileResponse(text=loaded.text, digest=profile_digest(loaded.profile))

    def CheckProfile(self, request: pb.CheckProfileRequest, context: grpc.ServicerContext) -> pb.CheckProfileResponse:
        read = check_profile(request.text)
        if isinstance(read, ReadProfile):
            return pb.CheckProfileResponse(digest=profile_digest(read.profile))
        return faults_to_proto(read)

    def CompareProfiles(
        self, request: pb.CompareProfilesRequest, context: grpc.ServicerContext
    ) -> pb.CompareProfilesResponse:
        left, left_read = self._explainer(request.left, "left", request.sop_class_uid)
        right, right_read = self._explainer(request.right, "right", request.sop_class_uid)
        return differences_to_proto(differences(left, right, named_paths(left_read, right_read)))

    def ExplainAttribute(
        self, request: pb.ExplainAttributeRequest, context: grpc.ServicerContext
    ) -> pb.ExplainAttributeResponse:
        explainer, _ = self._explainer(request.profile, "profile", request.sop_class_uid)
        try:
            path = parse_path(request.path)
        except BadPath as error:
            raise invalid_field("path", str(error)) from None
        return explanation_to_proto(explainer.explain(path))

    def _explainer(self, ref: pb.ProfileRef, field: str, sop_class_uid: str) -> tuple[Explainer, ReadProfile]:
        if ref.WhichOneof("profile") == "name":
            read, plan = self._catalogue.get(ref.name).read, self._catalogue.plan(ref.name)
        else:
            read = read_profile(ref.text, field)
            plan = compile_plan(read.profile)
        return Explainer(read, plan, sop_class_uid), read
