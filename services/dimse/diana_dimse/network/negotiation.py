"""What two Application Entities agree on before their first message (PS3.8 section 7.1, PS3.7 Annex D).

The PDUs are pynetdicom's; what is agreed to is decided here, for its rules prefer the acceptor's transfer syntax where
an archive wants the sender's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext

from diana_common.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from diana_dimse.network.faults import ProtocolFault
from diana_dimse.network.items import check_items

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
MAX_PDU_BYTES = 131_072
"""The longest P-DATA-TF that we ask for: the most that DCMTK sends, and enough to cost no call a message."""

_MOST_CONTEXTS = 128
_REMEMBERED = 64
_MOST_REMEMBERED_BYTES = 64 * 1024
_ACCEPTED, _NO_ABSTRACT_SYNTAX, _NO_TRANSFER_SYNTAX = 0, 3, 4
_Result = tuple[int, str, str, int]
"""Context ID, SOP Class, transfer syntax, and what is answered."""


@dataclass(frozen=True)
class Roles:
    """Who may ask in a presentation context: the requestor of the association, its acceptor, or both."""

    requestor_is_scu: bool = True
    requestor_is_scp: bool = False


@dataclass(frozen=True)
class ProposedContext:
    """A presentation context as it is proposed: transfer syntaxes in the requestor's order."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """An A-ASSOCIATE-RQ."""

    called: str
    calling: str
    contexts: tuple[ProposedContext, ...]
    max_pdu_bytes: int = MAX_PDU_BYTES
    """The longest P-DATA-TF that its sender takes; 0: any."""

    roles: Mapping[str, Roles] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """SOP Class Extended Negotiation by SOP Class (PS3.7 section D.3.3.5)."""


@dataclass(frozen=True)
class Context:
    """A presentation context that both agreed on."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    roles: Roles = Roles()


@dataclass(frozen=True)
class Agreed:
    """What an association was established with."""

    called: str
    calling: str
    contexts: Mapping[int, Context]
    max_pdu_bytes: int
    """The longest P-DATA-TF that the peer takes; 0: any."""

    extended: Mapping[str, bytes] = field(default_factory=dict)

    def context_for(self, abstract_syntax: str, transfer_syntax: str = "") -> Context | None:
        """A context of this SOP Class, and of this transfer syntax if one is named."""
        for context in self.contexts.values():
            if context.abstract_syntax == abstract_syntax and transfer_syntax in ("", context.transfer_syntax):
                return context
        return None


class Support(Protocol):
    """What an acceptor offers to one requestor."""

    def transfer_syntax(self, abstract_syntax: str, proposed: Sequence[str]) -> str | None:
        """The one of those proposed to use; "" when none fits, None when the SOP Class is not offered."""
        ...

    def roles(self, abstract_syntax: str, proposed: Roles) -> Roles:
        """The roles to grant of those proposed."""
        ...

    def extended(self, abstract_syntax: str, proposed: bytes) -> bytes | None:
        """The answer to a SOP Class Extended Negotiation; None for no answer, which means the defaults."""
        ...


def read_proposal(pdu: bytes) -> Proposal:
    """The A-ASSOCIATE-RQ of a whole PDU. Raises ProtocolFault.

    Peers propose the same each time, and pynetdicom takes 10 ms to read 120 presentation contexts: what was read is
    remembered.
    """
    return _read_before(pdu) if len(pdu) <= _MOST_REMEMBERED_BYTES else _read_proposal(pdu)


def _read_proposal(pdu: bytes) -> Proposal:
    check_items(pdu)
    try:
        primitive = _decoded(A_ASSOCIATE_RQ(), pdu)
        contexts = tuple(map(_proposed, primitive.presentation_context_definition_list))
        called, calling = str(primitive.called_ae_title).strip(), str(primitive.calling_ae_title).strip()
        information = primitive.user_information
        proposal = Proposal(
            called, calling, contexts, _max_pdu(information), _roles(information), _extended(information)
        )
    except Exception as error:  # whatever a hostile PDU makes pynetdicom raise
        raise ProtocolFault(f"an association request cannot be read: {type(error).__name__}") from None
    if not 0 < len(contexts) <= _MOST_CONTEXTS or not all(map(_is_whole, contexts)):
        raise ProtocolFault("an association request has no presentation context, too many, or one without syntaxes")
    return proposal


_read_before = lru_cache(_REMEMBERED)(_read_proposal)


def _proposed(context: PresentationContext) -> ProposedContext:
    syntaxes = tuple(str(one) for one in context.transfer_syntax if one)
    return ProposedContext(context.context_id or 0, str(context.abstract_syntax or ""), syntaxes)


def _is_whole(context: ProposedContext) -> bool:
    return bool(context.abstract_syntax and context.transfer_syntaxes)


def accept(proposal: Proposal, support: Support) -> tuple[Agreed, bytes]:
    """What is agreed to of a proposal, and the A-ASSOCIATE-AC that says so."""
    accepted: dict[int, Context] = {}
    results: list[_Result] = []
    granted = {name: support.roles(name, roles) for name, roles in proposal.roles.items()}
    for one in proposal.contexts:
        syntax = support.transfer_syntax(one.abstract_syntax, one.transfer_syntaxes)
        if syntax:
            roles = granted.get(one.abstract_syntax, Roles())
            accepted[one.context_id] = Context(one.context_id, one.abstract_syntax, syntax, roles)
        result = _ACCEPTED if syntax else _NO_ABSTRACT_SYNTAX if syntax is None else _NO_TRANSFER_SYNTAX
        results.append((one.context_id, one.abstract_syntax, syntax or one.transfer_syntaxes[0], result))
    names = {one.abstract_syntax for one in accepted.values()}
    extended = {
        name: answer
        for name, asked in proposal.extended.items()
        if name in names and (answer := support.extended(name, asked)) is not None
    }
    kept = tuple((name, one) for name, one in granted.items() if name in names)
    answer = _acceptance(proposal.called, proposal.calling, tuple(results), kept, tuple(extended.items()))
    return Agreed(proposal.called, proposal.calling, accepted, proposal.max_pdu_bytes, extended), answer


@lru_cache(_REMEMBERED)
def _acceptance(
    called: str,
    calling: str,
    results: tuple[_Result, ...],
    roles: tuple[tuple[str, Roles], ...],
    extended: tuple[tuple[str, bytes], ...],
) -> bytes:
    """An A-ASSOCIATE-AC; remembered as proposals are."""
    primitive = _primitive(called, calling)
    primitive.result = 0
    primitive.presentation_context_definition_results_list = [
        _context(context_id, name, [syntax], result) for context_id, name, syntax, result in results
    ]
    primitive.user_information = _information(MAX_PDU_BYTES, dict(roles), dict(extended))
    return _encoded(A_ASSOCIATE_AC(), primitive)


def encode_proposal(proposal: Proposal) -> bytes:
    """The A-ASSOCIATE-RQ. Raises ValueError for titles or UIDs that cannot be."""
    primitive = _primitive(proposal.called, proposal.calling)
    primitive.presentation_context_definition_list = [
        _context(one.context_id, one.abstract_syntax, one.transfer_syntaxes) for one in proposal.contexts
    ]
    primitive.user_information = _information(proposal.max_pdu_bytes, proposal.roles, proposal.extended)
    return _encoded(A_ASSOCIATE_RQ(), primitive)


def read_acceptance(proposal: Proposal, pdu: bytes) -> Agreed:
    """What the A-ASSOCIATE-AC agreed to of a proposal. Raises ProtocolFault."""
    check_items(pdu)
    try:
        primitive = _decoded(A_ASSOCIATE_AC(), pdu)
        information = primitive.user_information
        granted = _roles(information)
        proposed = {one.context_id: one for one in proposal.contexts}
        contexts = {}
        for result in primitive.presentation_context_definition_results_list:
            if result.result == _ACCEPTED and (one := proposed.get(result.context_id or 0)):
                roles = granted.get(one.abstract_syntax, Roles())
                syntax = str(result.transfer_syntax[0])
                contexts[one.context_id] = Context(one.context_id, one.abstract_syntax, syntax, roles)
        return Agreed(proposal.called, proposal.calling, contexts, _max_pdu(information), _extended(information))
    except Exception as error:  # as above
        raise ProtocolFault(f"an association acceptance cannot be read: {type(error).__name__}") from None


def _decoded(pdu: A_ASSOCIATE_RQ | A_ASSOCIATE_AC, data: bytes) -> A_ASSOCIATE:
    pdu.decode(data)
    return pdu.to_primitive()


def _encoded(pdu: A_ASSOCIATE_RQ | A_ASSOCIATE_AC, primitive: A_ASSOCIATE) -> bytes:
    pdu.from_primitive(primitive)
    return pdu.encode()


def _primitive(called: str, calling: str) -> A_ASSOCIATE:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT
    primitive.called_ae_title, primitive.calling_ae_title = called, calling
    return primitive


def _context(context_id: int, abstract: str, syntaxes: Iterable[str], result: int | None = None) -> PresentationContext:
    context = PresentationContext()
    context.context_id = context_id
    context.abstract_syntax = abstract
    context.transfer_syntax = list(syntaxes)
    context.result = result
    return context


def _information(max_pdu: int, roles: Mapping[str, Roles], extended: Mapping[str, bytes]) -> list[Any]:
    """User Information items (PS3.8 section 9.3.2.3)."""
    longest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    version = ImplementationVersionNameNotification()
    longest.maximum_length_received = max_pdu
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return [
        longest,
        implementation,
        version,
        *(_role_item(name, one) for name, one in roles.items()),
        *(_extended_item(name, data) for name, data in extended.items()),
    ]


def _role_item(name: str, roles: Roles) -> SCP_SCU_RoleSelectionNegotiation:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid, item.scu_role, item.scp_role = name, roles.requestor_is_scu, roles.requestor_is_scp
    return item


def _extended_item(name: str, data: bytes) -> SOPClassExtendedNegotiation:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = name, data
    return item


def _max_pdu(information: Iterable[object]) -> int:
    return next((one.maximum_length_received for one in information if isinstance(one, MaximumLengthNotification)), 0)


def _roles(information: Iterable[object]) -> dict[str, Roles]:
    items = (one for one in information if isinstance(one, SCP_SCU_RoleSelectionNegotiation))
    return {str(one.sop_class_uid): Roles(bool(one.scu_role), bool(one.scp_role)) for one in items}


def _extended(information: Iterable[object]) -> dict[str, bytes]:
    items = (one for one in information if isinstance(one, SOPClassExtendedNegotiation))
    return {str(one.sop_class_uid): bytes(one.service_class_application_information or b"") for one in items}
