"""What an archive keeps beside a study: attributes, plain and sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diana_client import ArchiveClient
from diana_common.errors import invalid_field
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint


class KeptAttributes(MeshEndpoint):
    """The part of endpoint `archive` that is about them. Every method raises MeshError when it cannot go on."""

    _client: ArchiveClient
    _store: str

    def metadata(self, wanted: Item, keys: Sequence[str] = ()) -> Mapping[str, str]:
        """A study's plain attributes: all, or those of `keys` that are set."""
        kept = dict(self._client.study(study_uid_of(wanted), store=self._store).attributes)
        return {key: kept[key] for key in keys if key in kept} if keys else kept

    def update(self, wanted: Item, changes: Mapping[str, Any]) -> Item:
        """Set plain attributes of a study, which must not hold patient values; None removes one."""
        uid = study_uid_of(wanted)
        removed = [key for key, value in changes.items() if value is None]
        values = {key: str(value) for key, value in changes.items() if value is not None}
        self._client.update_attributes(uid, values, remove=removed, store=self._store)
        meta = {"id": uid, "study_uid": uid, "outcome": "updated"}
        return Item(meta, data=dict(sorted(self.metadata(wanted).items())), number=wanted.number)

    def seal(self, wanted: Item, attributes: Mapping[str, str]) -> None:
        """Add attributes to a study that are kept encrypted, by keys that the archive has."""
        self._client.seal_attributes(study_uid_of(wanted), attributes, store=self._store)

    def unseal(self, wanted: Item) -> Item:
        """What is sealed on the study that the item names. The archive logs that somebody asked."""
        uid = study_uid_of(wanted)
        sealed = self._client.unseal_attributes(uid, store=self._store)
        return Item({"study_uid": uid, "sealed": dict(sorted(sealed.items()))}, number=wanted.number)


def study_uid_of(wanted: Item) -> str:
    """The study that an item names, by UID or as its id. Raises DianaError INVALID_FIELD for none."""
    uid = str(wanted.meta.get("study_uid") or wanted.meta.get("id") or "")
    if not uid:
        raise invalid_field("item", "names no study")
    return uid
