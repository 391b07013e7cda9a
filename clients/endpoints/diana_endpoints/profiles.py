"""What anon says of profiles: whether a text is one, what it does, and where two differ."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from diana_client import AnonClient, ProfileClient
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint


class ExplainedProfiles(MeshEndpoint):
    """The part of endpoint `anon` that is about profiles. Every method raises MeshError when it cannot go on."""

    @cached_property
    def _profiles(self) -> ProfileClient:
        return ProfileClient(self._channel)

    def profiles(self) -> Iterator[Item]:
        """The profiles that are configured, by name."""
        for number, one in enumerate(AnonClient(self._channel).profiles(), 1):
            yield Item(
                {
                    "profile": one.name,
                    "domain": one.domain,
                    "methods": list(one.method_codes),
                    "description": one.description,
                    "digest": one.digest,
                },
                number=number,
            )

    def profile(self, name: str) -> Item:
        """A profile's text."""
        found = self._profiles.get(name)
        return Item({"profile": name, "digest": found.digest, "text": found.text.decode(errors="replace")})

    def check_profile(self, text: bytes) -> Iterator[Item]:
        """What is wrong with a profile's text, a fault each with its line and setting; its digest if nothing is."""
        checked = self._profiles.check(text)
        if checked.digest:
            yield Item({"outcome": "good", "digest": checked.digest})
        for number, fault in enumerate(checked.faults, 1):
            told = {"line": fault.line, "field": fault.field, "description": fault.description}
            yield Item({"outcome": "faulty", **told}, number=number)

    def compare_profiles(self, left: str | bytes, right: str | bytes, sop_class_uid: str = "") -> Iterator[Item]:
        """The attributes that two profiles treat differently."""
        for number, one in enumerate(self._profiles.compare(left, right, sop_class_uid=sop_class_uid), 1):
            told = {"tag": one.path, "keyword": one.keyword, "left": one.left, "right": one.right}
            yield Item(told, number=number)

    def explain(self, profile: str | bytes, path: str, sop_class_uid: str = "") -> Item:
        """What a profile does to an attribute, and why."""
        told = self._profiles.explain(profile, path, sop_class_uid=sop_class_uid)
        conditional = [{"condition": one.condition, "action": one.action, "line": one.line} for one in told.conditional]
        return Item(
            {
                "tag": told.path,
                "keyword": told.keyword,
                "action": told.action,
                "reasons": list(told.reasons),
                "conditional": conditional,
            }
        )
