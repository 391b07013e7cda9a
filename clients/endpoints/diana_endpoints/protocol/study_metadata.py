"""Texts that a server keeps beside its studies, and does not take from their headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint


@runtime_checkable
class MetadataKeeper(Endpoint, Protocol):
    """It keeps texts by name beside what it holds. They are set by `Updater.update`, and a value of None removes one.

    What is encrypted or signed is so before it is set, and opened after it was had: to the keeper all is text.
    """

    def metadata(self, wanted: Item, keys: Sequence[str] = ()) -> Mapping[str, str]:
        """What it keeps beside the study (or series, instance: `meta["level"]`) that `wanted.meta` names.

        All of it, or that of `keys`; a key that is not set is left out.
        Raises DianaError when there is no such study, or several.
        """
