"""The DICOM conformance statement of the network door (PS3.2 Annex N), from what it offers, proposes and answers."""

from __future__ import annotations

from collections.abc import Sequence

from diana_common.dicom.dictionary import registered_uids
from diana_common.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from diana_dimse.config import CommitmentConfig, DimseConfig, LimitsConfig, PeerEntityConfig, ProcedureStepsConfig
from diana_dimse.core.entities import Admission, LocalEntity, Service
from diana_dimse.core.sending.contexts import MOST_CONTEXTS, plan
from diana_dimse.core.sending.selection import StoredInstance
from diana_dimse.core.sop_classes import (
    BY_SERVICE,
    PATIENT_ROOT_FIND,
    STORAGE_COMMITMENT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
    storage_classes,
    transfer_syntaxes,
)
from diana_dimse.handlers.offer import Offer
from diana_dimse.network.negotiation import APPLICATION_CONTEXT, MAX_PDU_BYTES, Roles
from diana_dimse.network.pdus import Rejection
from tools.reference import conformance_text as text
from tools.reference.conformance_statuses import make_statuses
from tools.reference.markdown import GENERATED, table

_OFFER = Offer(Admission(LocalEntity("DIANA"), None, frozenset(Service)))
_ASKED = b"\1" * 5
"""Every extension that PS3.4 Table C.5-1 knows."""

_SERVICES = {
    Service.ECHO: "Verification",
    Service.STORE: "Storage",
    Service.FIND: "Query (C-FIND)",
    Service.MOVE: "Retrieval (C-MOVE)",
    Service.GET: "Retrieval (C-GET)",
    Service.COMMIT: "Storage commitment",
    Service.WORKLIST: "Modality worklist",
    Service.PROCEDURE_STEP: "Modality performed procedure step",
}
_USED = frozenset(
    {VERIFICATION, PATIENT_ROOT_FIND, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET, STORAGE_COMMITMENT}
)
"""What we are users of as well, beside storage."""

_REJECTIONS = {
    Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED: "the called AE title is none of `entities`",
    Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED: "the calling AE title may not call it, or comes from an address or with "
    "a certificate that is not its peer's",
    Rejection.LOCAL_LIMIT_EXCEEDED: "`limits.associations` are open",
}


def make_page() -> str:
    """The page's text."""
    return GENERATED + "\n\n".join(
        [
            text.OVERVIEW,
            "### 1.1 Content and transfer\n\n" + text.CONTENT,
            _storage_table() + "### 1.2 DIMSE services\n\n" + text.SERVICES,
            _service_table() + text.OTHER_SERVICES,
            text.INTRODUCTION,
            text.MODEL,
            text.SERVICE_DESCRIPTIONS,
            text.CONFIGURATION,
            _limits_table() + "## 7 Network communication details\n\n### 7.1 General association parameters",
            _parameters_table() + "### 7.2 Specifications\n\n" + text.INITIATION,
            _proposed_table() + text.ACCEPTANCE,
            _accepted_table() + "**Rejection**",
            _rejection_table() + text.TRANSFER_SYNTAXES,
            _transfer_syntax_table() + "**Extended negotiation and roles**\n\n" + text.EXTENDED,
            _extended_table() + "### 7.3 Status codes\n\n" + text.STATUSES,
            make_statuses() + text.SECURITY,
        ]
    )


def _name(uid: str) -> str:
    entry = registered_uids()[uid]
    return entry.name + (" (retired)" if entry.retired and "(Retired)" not in entry.name else "")


def _in_order(uids: Sequence[str] | frozenset[str]) -> list[str]:
    return sorted(uids, key=lambda uid: [int(part) for part in uid.split(".")])


def _storage_table() -> str:
    rows = [(_name(uid), f"`{uid}`") for uid in _in_order(storage_classes()) if _takes(uid)]
    return table(["storage SOP Class", "UID"], rows)


def _takes(abstract_syntax: str) -> list[str]:
    """The transfer syntaxes that are accepted for a SOP Class, when each is proposed by itself."""
    known = _in_order(transfer_syntaxes())
    return [one for one in known if _OFFER.transfer_syntax(abstract_syntax, [one]) == one]


def _service_table() -> str:
    rows = []
    for service, title in _SERVICES.items():
        uids = _in_order(BY_SERVICE.get(service, frozenset()))
        rows += [(title, f"{_name(uid)} `{uid}`", "Y" if uid in _USED else "N", "Y") for uid in uids]
        rows += [] if uids else [(title, "those of Table 1.1", "Y", "Y")]
    return table(["service", "SOP Class", "SCU", "SCP"], rows)


def _limits_table() -> str:
    limits, commitment, steps = LimitsConfig(), CommitmentConfig(), ProcedureStepsConfig()
    peer = PeerEntityConfig("PACS")
    rows = [
        ("`entities`", "our AE titles", ", ".join(DimseConfig().entities)),
        (
            "`listen`, `tls.listen`",
            "host and port of associations, plain and over TLS",
            DimseConfig().listen + ", none",
        ),
        ("`peers`", "AE titles, hosts and ports that we know", "none"),
        ("`limits.associations`", "associations at a time, of each port", str(limits.associations)),
        ("`limits.negotiation_seconds`", "the ARTIM timer", f"{limits.negotiation_seconds:g} s"),
        ("`limits.network_seconds`", "silence within a message", f"{limits.network_seconds:g} s"),
        ("`limits.idle_seconds`", "silence between messages", f"{limits.idle_seconds:g} s"),
        ("`limits.instance_bytes`", "the largest instance", f"{limits.instance_bytes >> 30} GiB"),
        ("`limits.answers`", "answers of one query", str(limits.answers or "no limit")),
        ("`peers.NAME.timeout_seconds`", "the peer's answer", f"{peer.timeout_seconds:g} s"),
        ("`peers.NAME.attempts`", "attempts where the peer breaks", str(peer.attempts)),
        ("`commitment.arrival_seconds`", "instances that are under way", f"{commitment.arrival_seconds:g} s"),
        ("`commitment.report_hours`", "a requestor that cannot be told", f"{commitment.report_hours:g} h"),
        ("`procedure_steps.keep_days`", "procedure steps, after their last change", f"{steps.keep_days:g} days"),
    ]
    return table(["setting", "what it is", "default"], rows)


def _parameters_table() -> str:
    limits = LimitsConfig()
    rows = [
        ("Application Context Name", f"`{APPLICATION_CONTEXT}`"),
        ("Implementation Class UID", f"`{IMPLEMENTATION_CLASS_UID}`"),
        ("Implementation Version Name", f"`{IMPLEMENTATION_VERSION_NAME}`"),
        ("Maximum PDU length that we receive", f"{MAX_PDU_BYTES:,} bytes"),
        ("Maximum PDU length that we send", "as the peer says; 0 is taken for no limit"),
        ("ARTIM timeout", f"{limits.negotiation_seconds:g} s"),
        ("Associations at a time, accepted", f"{limits.associations} on each port"),
        ("Associations at a time, initiated", "one for each operation, C-MOVE and report of a commitment"),
        ("Presentation contexts of one association", str(MOST_CONTEXTS)),
        ("Asynchronous operations", "not negotiated: one at a time"),
        ("User identity negotiation", "not supported; what is proposed is passed over"),
        ("IPv4 and IPv6", "both"),
    ]
    return table(["parameter", "value"], rows)


def _proposed_table() -> str:
    """What is proposed when we are user; of storage, by the example of a compressed instance."""
    one = StoredInstance("1.2", "1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.4.90", 1)
    [load] = plan([one])
    contexts = "; ".join(", ".join(map(_name, wish.transfer_syntaxes)) for wish in load.wishes)
    rows = [(what, classes, syntaxes, role) for what, classes, syntaxes, role in text.PROPOSED]
    rows.append(
        ("Storage", "of each instance", f"a context each, such as for {_name(one.sop_class_uid)}: {contexts}", "SCU")
    )
    return table(["service", "SOP Classes", "transfer syntaxes", "role"], rows)


def _accepted_table() -> str:
    rows = []
    for service in (one for one in _SERVICES if one in BY_SERVICE):
        for uid in _in_order(BY_SERVICE[service]):
            taken = _takes(uid)
            first = _OFFER.transfer_syntax(uid, taken) or ""
            others = [_name(one) for one in taken if one != first]
            rows.append((_name(uid), f"{_name(first)} before {', '.join(others)}", _roles(uid)))
    storage = _takes(_in_order(storage_classes())[0])
    rows.append(
        ("all of Table 1.1", f"the first one proposed that is among the {len(storage)} below", _roles(_storage_class()))
    )
    return table(["SOP Class", "transfer syntaxes", "role of the requestor"], rows)


def _storage_class() -> str:
    return _in_order(storage_classes())[0]


def _roles(uid: str) -> str:
    granted = _OFFER.roles(uid, Roles(True, True))
    return ", ".join(
        name for name, is_one in (("SCU", granted.requestor_is_scu), ("SCP", granted.requestor_is_scp)) if is_one
    )


def _rejection_table() -> str:
    rows = [
        (f"{one >> 16} / {one >> 8 & 0xFF} / {one & 0xFF}", one.name.lower().replace("_", " "), why)
        for one, why in _REJECTIONS.items()
    ]
    return table(["result / source / reason", "", "when"], rows)


def _transfer_syntax_table() -> str:
    return table(["transfer syntax", "UID"], [(_name(one), f"`{one}`") for one in _takes(_storage_class())])


def _extended_table() -> str:
    rows = []
    for service in (Service.FIND, Service.MOVE, Service.GET):
        for uid in _in_order(BY_SERVICE[service]):
            granted = _OFFER.extended(uid, _ASKED) or b""
            done = [what for what, byte in zip(text.EXTENSIONS, granted, strict=False) if byte]
            rows.append((_name(uid), ", ".join(done), f"`{granted.hex(' ')}`"))
    return table(["SOP Class", "granted where it is asked for", "answer to five bytes 01"], rows)
