"""The archive, as far as it knows what it holds for good, reached through its client."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from diana_client import ArchiveClient, Channel, NotFound
from diana_server.peers import typed


class ArchiveCustody:
    """The core's `Custody` over a connection. What the archive acknowledged, and did not lose, it holds for good."""

    def __init__(self, channel: Channel) -> None:
        self._client = ArchiveClient(channel)

    def sop_classes(self, store: str, sop_instance_uids: Collection[str]) -> Mapping[str, str]:
        """The SOP Class UIDs of those instances that a store holds, by SOP Instance UID."""
        with typed("archive"):
            missing = set(self._client.find_missing(sop_instance_uids, store=store))
            left = dict.fromkeys(one for one in sop_instance_uids if one not in missing)
            found: dict[str, str] = {}
            while left:
                self._look(store, left.popitem()[0], left, found)
        return found

    def _look(self, store: str, uid: str, left: dict[str, None], found: dict[str, str]) -> None:
        """Look one up, and with it all of its series: what is asked for together mostly belongs together."""
        try:
            instance = self._client.header(uid, store=store).instance
            found[uid] = instance.sop_class_uid
            if not left:
                return
            for one in self._client.instances(instance.study_uid, instance.series_uid, store=store):
                if one.sop_instance_uid in left:
                    del left[one.sop_instance_uid]
                    found[one.sop_instance_uid] = one.sop_class_uid
        except NotFound:  # deleted meanwhile
            return
