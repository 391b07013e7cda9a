"""Which presentation contexts to propose for instances that are to be sent (PS3.4 Annex B, PS3.8 section 7.1.1.13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from diana_dimse.core.sending.selection import StoredInstance
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

MOST_CONTEXTS = 128
"""How many one association can have: their IDs are the odd numbers below 256."""

_FALLBACKS = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


@dataclass(frozen=True, slots=True)
class Wish:
    """A presentation context to ask for."""

    sop_class_uid: str
    transfer_syntaxes: tuple[str, ...]


@dataclass
class Load:
    """What goes over one association."""

    wishes: list[Wish] = field(default_factory=list)
    instances: list[StoredInstance] = field(default_factory=list)


def plan(instances: Sequence[StoredInstance]) -> list[Load]:
    """As few associations as it takes; each instance in one of them.

    Each pair of SOP Class and transfer syntax has a context of its own, so that the acceptor does not choose between
    them; what instances may be converted to has another.
    """
    pairs: dict[str, dict[str, None]] = {}
    for one in instances:
        pairs.setdefault(one.sop_class_uid, {})[one.transfer_syntax_uid] = None
    loads = [Load()]
    places: dict[tuple[str, str], Load] = {}
    for sop_class_uid, syntaxes in pairs.items():
        for some in _parted(list(syntaxes)):
            wishes = _wishes(sop_class_uid, some)
            if len(loads[-1].wishes) + len(wishes) > MOST_CONTEXTS:
                loads.append(Load())
            loads[-1].wishes += wishes
            places.update({(sop_class_uid, syntax): loads[-1] for syntax in some})
    for one in instances:
        places[one.sop_class_uid, one.transfer_syntax_uid].instances.append(one)
    return [load for load in loads if load.instances]


def _wishes(sop_class_uid: str, syntaxes: Sequence[str]) -> list[Wish]:
    fallbacks = tuple(one for one in _FALLBACKS if one not in syntaxes)
    wishes = [Wish(sop_class_uid, (syntax,)) for syntax in syntaxes]
    return [*wishes, Wish(sop_class_uid, fallbacks)] if fallbacks else wishes


def _parted(syntaxes: Sequence[str]) -> Iterable[Sequence[str]]:
    most = MOST_CONTEXTS - 1
    return [syntaxes[start : start + most] for start in range(0, len(syntaxes), most)]
