"""DimseService over a queue, a directory and peers of the test's own: what is refused before anything is begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from diana.dimse.v1 import dimse_service_pb2
from diana.dimse.v1.dimse_service_pb2_grpc import add_DimseServiceServicer_to_server
from diana_client import DimseClient, FailedPrecondition, InvalidRequest, MeshError, NotFound, Unavailable, connect
from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_dimse.core.doorway import Doorway, OpenAssociation
from diana_dimse.core.entities import Directory, LocalEntity, PeerEntity, Service
from diana_dimse.core.outbound.asking import Inquiry
from diana_dimse.core.outbound.book import AddressBook
from diana_dimse.core.outbound.peering import Cancelled, Correspondent
from diana_dimse.servicer.dimse import DimseServicer
from diana_server.config import ServerConfig
from diana_server.operations import OperationQueue
from diana_server.server import Server


class FakePacs:
    """Answers for ever; hears when it is to stop."""

    def __init__(self) -> None:
        self.ended = False
        self.stop: Callable[[float], None] = lambda grace: None

    def echo(self, peer: Correspondent) -> float:
        return 0.1

    def find(self, peer: Correspondent, inquiry: Inquiry, cancelled: Cancelled) -> Generator[DataSetJson, None, None]:
        if inquiry.level.value == "SERIES":
            raise DianaError(Reason.PEER_REFUSED, "no", metadata={"status": "A900"})
        try:
            while not cancelled():
                yield {"00100020": {"vr": "LO", "Value": ["Ä"]}}
        finally:
            self.ended = True


@pytest.fixture
def pacs() -> FakePacs:
    return FakePacs()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[OperationQueue]:
    queue = OperationQueue(tmp_path / "operations.sqlite", "dimse")
    yield queue
    queue.stop()


@pytest.fixture
def dimse(pacs: FakePacs, queue: OperationQueue) -> Iterator[DimseClient]:
    entities = [
        LocalEntity("DIANA", services=frozenset({Service.ECHO, Service.STORE})),
        LocalEntity("ASKS", "read-only", frozenset({Service.FIND})),
    ]
    peers = [PeerEntity("pacs", "PACS", "fe80::1", 104), PeerEntity("modality", "CT1")]
    correspondents = {one.name: Correspondent(one, "DIANA", is_tls=one.name == "pacs") for one in peers}
    open_now = OpenAssociation("CT1", "DIANA", "10.1.2.3", 1_790_000_000.5, 7)
    doorway = Doorway("127.0.0.1:104", "", lambda: [open_now])
    server = Server("dimse", ServerConfig(listen="127.0.0.1:0"))
    book = AddressBook(Directory(entities, peers), correspondents)
    servicer = DimseServicer(book, doorway, cast(Any, pacs), queue, server.stopping.is_set)
    descriptor = dimse_service_pb2.DESCRIPTOR.services_by_name["DimseService"]
    server.add(descriptor, add_DimseServiceServicer_to_server, servicer, ready=lambda: None)
    address = server.start()
    pacs.stop = server.stop
    with connect(address) as channel:
        yield DimseClient(channel)
    server.stop()


def reason_of(refused: pytest.ExceptionInfo[MeshError]) -> str:
    return refused.value.reason


def test_peers_titles_and_associations_are_listed(dimse: DimseClient) -> None:
    peers = [(one.name, one.ae_title, one.address, one.tls) for one in dimse.peers()]
    assert peers == [("modality", "CT1", "", False), ("pacs", "PACS", "[fe80::1]:104", True)]
    entities = dimse.local_entities()
    assert [(one.ae_title, one.store, list(one.services)) for one in entities.entities] == [
        ("ASKS", "read-only", ["find"]),
        ("DIANA", "default", ["echo", "store"]),
    ]
    assert (entities.address, entities.tls_address) == ("127.0.0.1:104", "")
    [association] = dimse.associations()
    assert (association.calling_ae_title, association.received_count) == ("CT1", 7)
    assert association.start_time.ToMicroseconds() == 1_790_000_000_500_000


def test_an_unknown_peer_and_one_that_only_calls_us_are_refused(dimse: DimseClient) -> None:
    with pytest.raises(NotFound) as unknown:
        dimse.retrieve_studies("nobody", ["1.2"])
    assert reason_of(unknown) == "AE_UNKNOWN"
    with pytest.raises(InvalidRequest) as silent:
        dimse.echo("modality")
    assert reason_of(silent) == "INVALID_FIELD"


def test_a_query_that_is_left_ends_at_the_peer(dimse: DimseClient, pacs: FakePacs) -> None:
    with pytest.raises(InvalidRequest) as cut:
        for number, answer in enumerate(dimse.find("pacs", "study", limit=3)):
            assert answer == {"00100020": {"vr": "LO", "Value": ["Ä"]}}
            assert number < 3
    assert reason_of(cut) == "RESULT_TOO_LARGE"
    assert pacs.ended


def test_a_query_that_a_stop_cuts_off_does_not_look_whole(dimse: DimseClient, pacs: FakePacs) -> None:
    stop = threading.Thread(target=pacs.stop, args=(20,))
    with pytest.raises(Unavailable) as stopped:
        for number, _ in enumerate(dimse.find("pacs", "study", limit=100_000)):
            if not number:
                stop.start()
    stop.join()
    assert reason_of(stopped) == "STOPPING"


def test_a_refusal_of_the_peer_tells_its_status(dimse: DimseClient) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        list(dimse.find("pacs", "series", {"StudyInstanceUID": "1.2"}))
    assert reason_of(refused) == "PEER_REFUSED"
    assert refused.value.metadata["status"] == "A900"


@pytest.mark.parametrize("store", ["read-only", "elsewhere"])
def test_a_store_that_no_title_of_ours_receives_into_is_refused(dimse: DimseClient, store: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        dimse.retrieve_studies("pacs", ["1.2"], store=store)
    assert refused.value.fields[0][0] == "store"


def test_what_cannot_be_asked_for_begins_no_operation(dimse: DimseClient, queue: OperationQueue) -> None:
    begins: list[Callable[[], object]] = [
        lambda: dimse.retrieve_accessions("pacs", ["A*"]),
        lambda: dimse.retrieve_dates("pacs", "20260201", "20260101"),
        lambda: dimse.retrieve_dates("pacs", "20260230", "20260301"),
        lambda: dimse.retrieve_dates("pacs", "20260101", "20260102", matches={"NoSuchThing": "1"}),
        lambda: dimse.retrieve_studies("pacs", []),
        lambda: dimse.send("pacs"),
    ]
    for begin in begins:
        with pytest.raises(InvalidRequest):
            begin()
    assert not queue.page(None, 10, active_only=False)


def test_a_request_that_is_made_twice_is_one_operation(dimse: DimseClient) -> None:
    first = dimse.retrieve_studies("pacs", ["1.2"], request_id="one")
    assert (first.kind, first.store) == ("dimse.retrieve", "default")
    assert dimse.retrieve_studies("pacs", ["1.2"], request_id="one").name == first.name
    sent = dimse.send("pacs", study_uids=["1.2"], store="raw")
    assert (sent.kind, sent.store) == ("dimse.send", "raw")
    with pytest.raises(MeshError) as reused:
        dimse.retrieve_studies("pacs", ["1.3"], request_id="one")
    assert reason_of(reused) == "REQUEST_ID_REUSED"
