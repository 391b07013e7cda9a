"""Who may call which of our titles, from where, for what; and what is offered to those who may."""

from __future__ import annotations

import ipaddress

import pytest

from diana_dimse.core.entities import Admission, Directory, LocalEntity, PeerEntity, Refusal, Service
from diana_dimse.core.sop_classes import (
    PATIENT_ROOT_FIND,
    STORAGE_COMMITMENT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    VERIFICATION,
    storage_classes,
    transfer_syntaxes,
)
from diana_dimse.handlers.offer import Offer
from diana_dimse.network.negotiation import Roles

CT, DICOMDIR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.3.10"
COMING, PRIVATE = "1.2.840.10008.5.1.4.1.1.987654", "1.3.6.1.4.1.54321.7"
IMPLICIT, EXPLICIT, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
BOTH = Roles(requestor_is_scu=True, requestor_is_scp=True)


def networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


PEERS = [
    PeerEntity("ct", "CT", addresses=networks("10.1.0.0/16", "fd00::/8")),
    PeerEntity("ct-2", "CT", addresses=networks("10.2.0.0/16"), services=frozenset({Service.STORE})),
    PeerEntity("pacs", "PACS", host="pacs", certificate_names=frozenset({"pacs.example"})),
    PeerEntity("site", "SITE"),
]
ENTITIES = [
    LocalEntity("OPEN"),
    LocalEntity("CLOSED", callers=frozenset({"ct", "pacs"}), services=frozenset({Service.ECHO, Service.STORE})),
]
DIRECTORY = Directory(ENTITIES, PEERS)


@pytest.mark.parametrize(
    ("called", "calling", "address", "names", "who"),
    [
        ("OPEN", "STRANGER", "192.0.2.1", (), None),
        ("OPEN", "CT", "10.1.2.3", (), "ct"),
        ("OPEN", "CT", "::ffff:10.1.2.3", (), "ct"),
        ("OPEN", "CT", "fd00::1", (), "ct"),
        ("OPEN", "CT", "10.2.2.3", (), "ct-2"),
        ("OPEN", "PACS", "192.0.2.1", ("other", "pacs.example"), "pacs"),
        ("CLOSED", "CT", "10.1.2.3", (), "ct"),
    ],
)
def test_whoever_is_known_or_may_be_anyone_comes_in(
    called: str, calling: str, address: str, names: tuple[str, ...], who: str | None
) -> None:
    admission = DIRECTORY.admit(called, calling, address, names)
    assert isinstance(admission, Admission)
    assert (admission.entity.title, admission.peer.name if admission.peer else None) == (called, who)


@pytest.mark.parametrize(
    ("called", "calling", "address", "names", "refusal"),
    [
        ("NOBODY", "CT", "10.1.2.3", (), Refusal.CALLED_TITLE_UNKNOWN),
        ("open", "CT", "10.1.2.3", (), Refusal.CALLED_TITLE_UNKNOWN),
        ("OPEN", "CT", "192.0.2.1", (), Refusal.CALLER_UNKNOWN),
        ("OPEN", "CT", "fe80::1%eth0", (), Refusal.CALLER_UNKNOWN),
        ("OPEN", "PACS", "192.0.2.1", (), Refusal.CALLER_UNKNOWN),
        ("OPEN", "PACS", "192.0.2.1", ("pacs.example.org",), Refusal.CALLER_UNKNOWN),
        ("CLOSED", "STRANGER", "10.1.2.3", (), Refusal.CALLER_UNKNOWN),
        ("CLOSED", "SITE", "10.1.2.3", (), Refusal.CALLER_UNKNOWN),
        ("CLOSED", "CT", "10.2.2.3", (), Refusal.CALLER_UNKNOWN),
    ],
)
def test_whoever_is_not_is_refused(
    called: str, calling: str, address: str, names: tuple[str, ...], refusal: Refusal
) -> None:
    assert DIRECTORY.admit(called, calling, address, names) is refusal


def test_a_peer_may_ask_for_what_both_it_and_the_title_have() -> None:
    admission = DIRECTORY.admit("OPEN", "CT", "10.2.2.3")
    assert isinstance(admission, Admission)
    assert admission.services == {Service.STORE}


def offer(*services: Service, others: frozenset[str] | None = frozenset()) -> Offer:
    entity = LocalEntity("OPEN", services=frozenset(services), other_sop_classes=others)
    return Offer(Admission(entity, None, entity.services))


def test_storage_takes_the_first_syntax_that_the_sender_names() -> None:
    storing = offer(Service.STORE)
    assert storing.transfer_syntax(CT, [JPEG, EXPLICIT, IMPLICIT]) == JPEG
    assert storing.transfer_syntax(CT, ["1.2.3", IMPLICIT]) == IMPLICIT
    assert storing.transfer_syntax(CT, ["1.2.3"]) == ""


def test_every_storage_class_is_taken_in_every_transfer_syntax() -> None:
    storing = offer(Service.STORE)
    assert len(storage_classes()) > 150
    assert all(storing.transfer_syntax(one, [EXPLICIT]) == EXPLICIT for one in storage_classes())
    assert all(storing.transfer_syntax(CT, [one]) == one for one in transfer_syntaxes())


def test_queries_are_in_an_uncompressed_syntax() -> None:
    assert offer(Service.FIND).transfer_syntax(STUDY_ROOT_FIND, [JPEG, IMPLICIT, EXPLICIT]) == EXPLICIT
    assert offer(Service.FIND).transfer_syntax(STUDY_ROOT_FIND, [JPEG]) == ""


@pytest.mark.parametrize("asked", [CT, PATIENT_ROOT_FIND, STORAGE_COMMITMENT, DICOMDIR, PRIVATE, "no uid", ""])
def test_what_a_title_does_not_do_is_not_offered(asked: str) -> None:
    echoing = offer(Service.ECHO, others=None)
    assert echoing.transfer_syntax(asked, [IMPLICIT]) is None
    assert echoing.transfer_syntax(VERIFICATION, [IMPLICIT]) == IMPLICIT


@pytest.mark.parametrize(
    ("others", "taken"),
    [(frozenset[str](), []), (frozenset({PRIVATE}), [PRIVATE]), (None, [PRIVATE, COMING])],
    ids=["none", "named", "all"],
)
def test_other_storage_classes_are_taken_by_configuration(others: frozenset[str] | None, taken: list[str]) -> None:
    storing = offer(Service.STORE, others=others)
    asked = [PRIVATE, COMING, DICOMDIR, STUDY_ROOT_FIND, "1.2.840.10008.5.1.4.1.2.9.9", "no uid"]
    assert [one for one in asked if storing.transfer_syntax(one, [IMPLICIT]) == IMPLICIT] == taken


def test_roles_are_granted_for_what_they_are_for() -> None:
    assert offer(Service.STORE).roles(CT, BOTH) == Roles(True, False)
    assert offer(Service.GET).roles(CT, BOTH) == Roles(False, True)
    assert offer(Service.COMMIT).roles(STORAGE_COMMITMENT, BOTH) == BOTH
    assert offer(Service.FIND).roles(STUDY_ROOT_FIND, BOTH) == Roles(True, False)


def test_extended_negotiation_is_answered_for_what_is_done() -> None:
    asking = offer(Service.FIND, Service.GET)
    assert asking.extended(STUDY_ROOT_FIND, b"\1\0\1\1\1") == b"\1\0\1\0\0"
    assert asking.extended(STUDY_ROOT_GET, b"\1") == b"\1"
    assert asking.extended(STUDY_ROOT_GET, b"") == b""
    assert asking.extended(CT, b"\2\0\0\0\1\0") is None
