"""Texts that take attributes of a study, which may have come after the job was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from diana_client import ArchiveClient
from diana_common.attempts import Postponed
from diana_route.core.model import FileItem, InstanceItem, Item
from diana_route.core.patterns import Lacking
from diana_route.peers.faults import alone, attempted
from diana_route.peers.held import ARCHIVE

T = TypeVar("T")


def filled_for(archive: ArchiveClient, item: Item, fill: Callable[[Mapping[str, str]], T]) -> T:
    """What `fill` makes of the attributes that the item had when it was found and, where it lacks one, of those besides
    that its study has now; an instance has those of its study. Raises Postponed where that lacks it too, since it may
    be set yet; Lacking for a file; and Failed.
    """
    own: Mapping[str, str] = {}
    if not isinstance(item, InstanceItem):
        own = item.attributes
        try:
            return fill(own)
        except Lacking:
            if isinstance(item, FileItem):
                raise
    with alone(), attempted(ARCHIVE):
        attributes = dict(archive.study(item.study_uid, store=item.store).attributes)
    try:
        return fill({**attributes, **own})
    except Lacking as lacking:
        raise Postponed(lacking.why) from lacking
