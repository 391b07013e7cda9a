"""The clients for profiles of de-identification: checked, compared and explained before anything runs by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diana.anon.v1 import profile_service_pb2 as pb
from diana.anon.v1.profile_service_pb2_grpc import ProfileServiceStub
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel

if TYPE_CHECKING:
    from diana.anon.v1.profile_service_pb2_grpc import ProfileServiceAsyncStub

Profile = str | bytes
"""A profile by its name (str), or as its own text in YAML (bytes)."""


class ProfileClient(Caller):
    """Talks to `ProfileService`. Safe to share between threads. An empty `sop_class_uid` means CT Image Storage."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = ProfileServiceStub(channel.raw)

    def get(self, name: str) -> pb.GetProfileResponse:
        """A profile's text and digest. Raises NotFound."""
        return self._ask(self.stub.GetProfile, pb.GetProfileRequest(name=name))

    def check(self, text: bytes) -> pb.CheckProfileResponse:
        """All that is wrong with a profile's text; its digest if nothing is."""
        return self._ask(self.stub.CheckProfile, pb.CheckProfileRequest(text=text))

    def compare(self, left: Profile, right: Profile, *, sop_class_uid: str = "") -> list[pb.AttributeDifference]:
        """The attributes that two profiles treat differently, by tag."""
        return list(self._ask(self.stub.CompareProfiles, _comparison(left, right, sop_class_uid)).differences)

    def explain(self, profile: Profile, path: str, *, sop_class_uid: str = "") -> pb.ExplainAttributeResponse:
        """What a profile does to the attribute at a path, and why."""
        return self._ask(self.stub.ExplainAttribute, _question(profile, path, sop_class_uid))


class AsyncProfileClient(AsyncCaller):
    """As `ProfileClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: ProfileServiceAsyncStub = ProfileServiceStub(channel.raw)

    async def get(self, name: str) -> pb.GetProfileResponse:
        """As `ProfileClient.get`."""
        return await self._ask(self.stub.GetProfile, pb.GetProfileRequest(name=name))

    async def check(self, text: bytes) -> pb.CheckProfileResponse:
        """As `ProfileClient.check`."""
        return await self._ask(self.stub.CheckProfile, pb.CheckProfileRequest(text=text))

    async def compare(self, left: Profile, right: Profile, *, sop_class_uid: str = "") -> list[pb.AttributeDifference]:
        """As `ProfileClient.compare`."""
        answer = await self._ask(self.stub.CompareProfiles, _comparison(left, right, sop_class_uid))
        return list(answer.differences)

    async def explain(self, profile: Profile, path: str, *, sop_class_uid: str = "") -> pb.ExplainAttributeResponse:
        """As `ProfileClient.explain`."""
        return await self._ask(self.stub.ExplainAttribute, _question(profile, path, sop_class_uid))


def _ref(profile: Profile) -> pb.ProfileRef:
    return pb.ProfileRef(text=profile) if isinstance(profile, bytes) else pb.ProfileRef(name=profile)


def _comparison(left: Profile, right: Profile, sop_class_uid: str) -> pb.CompareProfilesRequest:
    return pb.CompareProfilesRequest(left=_ref(left), right=_ref(right), sop_class_uid=sop_class_uid)


def _question(profile: Profile, path: str, sop_class_uid: str) -> pb.ExplainAttributeRequest:
    return pb.ExplainAttributeRequest(profile=_ref(profile), path=path, sop_class_uid=sop_class_uid)
