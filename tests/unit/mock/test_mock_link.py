"""Sending by DIMSE: as each device, byte for byte, to a real peer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import cast

import pytest
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE

from diana_common.errors import DianaError
from diana_endpoints.items import BytesContent, Item
from diana_mock.hospital import Made
from diana_mock.link import Link, Peer
from tests.unit.mock.mock_bench import made, site


@dataclass
class Receiver:
    """A storage provider that keeps what it gets."""

    port: int = 0
    status: int = 0
    got: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Calling AE title, SOP Instance UID, and the data set."""
    associations: list[str] = field(default_factory=list)
    """Calling AE titles."""

    @property
    def peer(self) -> Peer:
        return Peer("ARCHIVE", "127.0.0.1", self.port)

    def store(self, event: evt.Event) -> int:
        caller = str(event.assoc.requestor.ae_title)
        request = cast(C_STORE, event.request)
        data = cast(BytesIO, request.DataSet).getvalue()
        self.got.append((caller, str(request.AffectedSOPInstanceUID), data))
        return self.status

    def accepted(self, event: evt.Event) -> None:
        self.associations.append(str(event.assoc.requestor.ae_title))


@contextmanager
def receiving(status: int = 0, only: str = "") -> Iterator[Receiver]:
    """A provider, for a while; of one SOP Class only, if it is named."""
    receiver, entity = Receiver(status=status), AE("ARCHIVE")
    for context in AllStoragePresentationContexts:
        if only in ("", context.abstract_syntax):
            entity.add_supported_context(str(context.abstract_syntax), ExplicitVRLittleEndian)
    handlers: list[evt.EventHandlerType] = [(evt.EVT_C_STORE, receiver.store), (evt.EVT_ACCEPTED, receiver.accepted)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    receiver.port = server.server_address[1]
    try:
        yield receiver
    finally:
        server.shutdown()


def items(sent: list[Made]) -> Iterator[Item]:
    """What was made, as items."""
    for number, one in enumerate(sent, 1):
        meta = {"device": one.study.device.ae_title, "study_uid": one.study.uid}
        yield Item(meta, content=BytesContent(one.data), number=number)


def send(receiver: Receiver, sent: list[Made]) -> list[Item]:
    """Send all; what became of each."""
    link = Link(receiver.peer)
    try:
        return list(link.put(items(sent)))
    finally:
        link.close()


def test_each_device_sends_under_its_own_title_what_it_made_whatever_is_wrong_with_it() -> None:
    faults = {"wrong_vr": 0.2, "truncated": 0.2, "missing_uid": 0.2, "odd_charsets": 0.2}
    sent = list(made(site("US", "CR", faults=faults, reports="sr"), studies=4))
    with receiving() as receiver:
        answered = send(receiver, sent)
    assert [item.meta.get("outcome") for item in answered] == ["sent"] * len(sent)
    assert [(caller, uid) for caller, uid, _ in receiver.got] == [
        (one.study.device.ae_title, one.part.instance_uid) for one in sent
    ]
    assert all(one.data.endswith(data) and data for one, (_, _, data) in zip(sent, receiver.got, strict=True))
    assert {"MAINUS1", "MAINCR1"} == set(receiver.associations)


def test_studies_of_one_device_come_over_associations_of_their_own() -> None:
    sent = list(made(site("US", service={"instances": 2}), studies=3))
    with receiving() as receiver:
        send(receiver, sent)
    assert receiver.associations == ["MAINUS1"] * 3


def test_a_refusal_is_that_items_failure_and_the_rest_goes_on() -> None:
    sent = list(made(site("US", service={"instances": 1}), studies=2))
    with receiving(status=0xA700) as receiver:
        answered = send(receiver, sent)
    assert [item.failure.reason for item in answered if item.failure] == ["PEER_REFUSED"] * 2
    assert answered[0].failure and "0xA700" in answered[0].failure.message


def test_a_sop_class_that_the_peer_does_not_take_is_told_of() -> None:
    sent = list(made(site("US", "CR", service={"instances": 1, "rdsr": False}), studies=6))
    with receiving(only=UltrasoundImageStorage) as receiver:
        answered = send(receiver, sent)
    for one, item in zip(sent, answered, strict=True):
        taken = one.part.sop_class_uid == UltrasoundImageStorage
        assert (item.failure is None) == taken


def test_a_peer_that_is_not_there_fails_each_item() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        answered = send(Receiver(port=held.getsockname()[1]), list(made(site("NM"), studies=1)))
    assert [item.failure.reason for item in answered if item.failure] == ["PEER_UNAVAILABLE"]


def test_peers_are_written_title_at_host_and_port() -> None:
    assert Peer.of("ARCHIVE@pacs.example:104") == Peer("ARCHIVE", "pacs.example", 104)
    assert Peer.of("ARCHIVE@[::1]:104") == Peer("ARCHIVE", "::1", 104)
    assert Peer.of("archive:trial") is None and Peer.of("path:/a@b") is None
    with pytest.raises(DianaError, match="port"):
        Peer.of("ARCHIVE@pacs.example:70000")
