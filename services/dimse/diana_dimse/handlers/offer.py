"""What a requestor that was let in is offered (PS3.7 Annex D.3)."""

from __future__ import annotations

from collections.abc import Sequence

from diana_common.uid import is_uid
from diana_dimse.core.entities import Admission, Service
from diana_dimse.core.sop_classes import (
    BY_SERVICE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    QUERY_SYNTAXES,
    storage_classes,
    transfer_syntaxes,
)
from diana_dimse.network.negotiation import Roles

# Relational queries, combined date and time matching, fuzzy person names (PS3.4 section C.5.1.1); relational retrieval
# (sections C.5.2.1, C.5.3.1). What follows is not offered.
_EXTENDED = {Service.FIND: b"\1\1\1", Service.MOVE: b"\1", Service.GET: b"\1"}

# Where the standard's storage SOP Classes are, those of editions to come too.
_STANDARD, _STANDARD_STORAGE = "1.2.840.10008.", "1.2.840.10008.5.1.4.1.1."


class Offer:
    """The network's `Support` for one admission."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._others = {uid: one for one, uids in BY_SERVICE.items() if one in admission.services for uid in uids}

    def transfer_syntax(self, abstract_syntax: str, proposed: Sequence[str]) -> str | None:
        """For storage the requestor's first, so that it sends as it has it; for data sets of ours Explicit VR."""
        if abstract_syntax in self._others:
            preferred = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, *QUERY_SYNTAXES)
            return next((one for one in preferred if one in proposed), "")
        if not self._stores(abstract_syntax):
            return None
        known = transfer_syntaxes()
        return next((one for one in proposed if one in known), "")

    def roles(self, abstract_syntax: str, proposed: Roles) -> Roles:
        """The requestor may be provider where it gets instances from us, or results of a commitment."""
        services = self._admission.services
        if abstract_syntax in self._others:
            may_be_scp = self._others[abstract_syntax] is Service.COMMIT
            return Roles(proposed.requestor_is_scu, proposed.requestor_is_scp and may_be_scp)
        return Roles(
            proposed.requestor_is_scu and Service.STORE in services,
            proposed.requestor_is_scp and Service.GET in services,
        )

    def extended(self, abstract_syntax: str, proposed: bytes) -> bytes | None:
        """Of what is asked for, what we do."""
        ours = _EXTENDED.get(self._others.get(abstract_syntax, Service.ECHO))
        if ours is None:
            return None
        return bytes(asked and mine for asked, mine in zip(proposed, ours.ljust(len(proposed), b"\0")))

    def _stores(self, abstract_syntax: str) -> bool:
        if not self._admission.services & {Service.STORE, Service.GET}:
            return False
        others = self._admission.entity.other_sop_classes
        if abstract_syntax in storage_classes() or (others and abstract_syntax in others):
            return True
        is_foreign = abstract_syntax.startswith(_STANDARD) and not abstract_syntax.startswith(_STANDARD_STORAGE)
        return others is None and is_uid(abstract_syntax) and not is_foreign
