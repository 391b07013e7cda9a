"""Which presentation contexts to propose beside a C-GET's own, for the instances it brings (PS3.4 section C.5.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from diana_common.dicom.dictionary import registered_uids
from diana_common.uid import is_uid
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, storage_classes

MOST_CONTEXTS = 127
"""How many an association has room for beside the C-GET's own."""

_PLAIN = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
_KINDS = ("JPEG", "RLE", "High-Throughput", "MPEG", "HEVC", "Deflated")


def storage_wishes(sop_classes: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """SOP Classes with transfer syntaxes, to propose in this order.

    An acceptor chooses one transfer syntax of a context, and cannot send what is compressed otherwise. So where the
    peer told which SOP Classes there are, each of them has as many contexts as there is room for, the commonest
    compressions alone in one; where it did not, there is one context for each of the oldest SOP Classes.
    """
    wanted = [one for one in dict.fromkeys(sop_classes) if is_uid(one)][:MOST_CONTEXTS] or _oldest()
    room = MOST_CONTEXTS // len(wanted)
    return [(one, syntaxes) for one in wanted for syntaxes in _contexts(room)]


def _contexts(room: int) -> Iterator[tuple[str, ...]]:
    if room == 1:
        yield (*_PLAIN, *_compressed())
        return
    yield _PLAIN
    alone = _compressed()[: room - 2]
    yield from ((one,) for one in alone)
    if rest := _compressed()[len(alone) :]:
        yield rest


@cache
def _compressed() -> tuple[str, ...]:
    """The transfer syntaxes in use that are not plain; the commonest kinds first."""
    known = {
        uid: next((place for place, kind in enumerate(_KINDS) if one.name.startswith(kind)), None)
        for uid, one in registered_uids().items()
        if one.kind == "Transfer Syntax" and not one.retired
    }
    return tuple(sorted((uid for uid, place in known.items() if place is not None), key=lambda uid: (known[uid], uid)))


@cache
def _oldest() -> tuple[str, ...]:
    """Storage SOP Classes in use: UIDs of few components came before those of many."""
    current = [uid for uid in storage_classes() if not registered_uids()[uid].retired]
    order = sorted(current, key=lambda uid: (uid.count("."), [int(part) for part in uid.split(".")]))
    return tuple(order[:MOST_CONTEXTS])
