"""What is asked of the DICOM door, and what is told of its peers, answers and work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana.operation.v1.operation_service_pb2 import ItemFailure, Operation
from diana_endpoints.dimse import Dimse, DimseSettings
from diana_endpoints.protocol.dimse import Parcel, Wanted


class Client:
    """A door that notes what it is asked, and answers one of everything."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def peers(self) -> list[pb.Peer]:
        return [pb.Peer(name="pacs", ae_title="PACS", address="pacs.example:104", tls=True)]

    def associations(self) -> list[pb.Association]:
        began = Timestamp(seconds=1_700_000_000)
        return [pb.Association(calling_ae_title="CT1", called_ae_title="DIANA", start_time=began, received_count=3)]

    def echo(self, peer: str) -> float:
        return 0.00123

    def find(self, peer: str, level: str, matches: Any, **more: Any) -> Iterator[dict[str, Any]]:
        self.asked.append((peer, level, matches, more))
        yield {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00080018": {"vr": "UI"}}

    def __getattr__(self, name: str) -> Any:
        def start(peer: str, *given: Any, **more: Any) -> Operation:
            self.asked.append((name, peer, *given, more))
            return Operation(name="operations/dimse-1")

        return start


class Operations:
    """An operation that has ended with two failures."""

    def __init__(self, result: pb.RetrieveFromPeerResult | pb.SendToPeerResult) -> None:
        self._ended = Operation(name="operations/dimse-1", kind="dimse.retrieve", state=Operation.STATE_SUCCEEDED)
        self._ended.result.Pack(result)

    def wait(self, name: str, on_progress: Any = None) -> Operation:
        return self._ended

    def failures(self, name: str) -> Iterator[ItemFailure]:
        for failed in ("1.2.3", "20260101"):
            yield ItemFailure(item=failed, status=Status(code=9, message="refused"))


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def dimse(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dimse]:
    endpoint = Dimse(DimseSettings("127.0.0.1:1", store="trial"))
    monkeypatch.setattr(endpoint, "_client", client)
    yield endpoint
    endpoint.close()


def test_peers_and_associations_are_told(dimse: Dimse) -> None:
    [peer] = dimse.peers()
    [association] = dimse.associations()
    assert peer.meta == {"peer": "pacs", "ae_title": "PACS", "address": "pacs.example:104", "tls": True}
    assert (association.meta["since"], association.meta["received"]) == ("2023-11-14T22:13:20Z", 3)
    assert dimse.echo("pacs").meta == {"peer": "pacs", "milliseconds": 1.2}


def test_an_answer_comes_with_its_header_and_the_uids_that_it_has(dimse: Dimse, client: Client) -> None:
    [item] = dimse.find_at("pacs", "study", {"PatientID": ["P1"]}, ("StudyID",), 7)
    assert client.asked == [("pacs", "study", {"PatientID": ["P1"]}, {"return_keys": ("StudyID",), "limit": 7})]
    assert item.meta == {"peer": "pacs", "study_uid": "1.2"}
    assert item.header is not None and "0020000D" in item.header


def test_what_is_wanted_is_asked_for_by_its_kind_and_goes_into_the_store(dimse: Dimse, client: Client) -> None:
    dimse.start_pull("pacs", Wanted(["1.2"], method="get"))
    dimse.start_pull("pacs", Wanted(accession_numbers=["A1"]))
    dimse.start_pull("pacs", Wanted(first_date="20260101", last_date="20260102", days=2))
    place = {"store": "trial", "method": ""}
    assert client.asked == [
        ("retrieve_studies", "pacs", ["1.2"], {"store": "trial", "method": "get"}),
        ("retrieve_accessions", "pacs", ["A1"], place),
        ("retrieve_dates", "pacs", "20260101", "20260102", {"days": 2, "matches": {}, **place}),
    ]


def test_a_parcel_is_sent_from_its_own_store_if_it_names_one(dimse: Dimse, client: Client) -> None:
    assert dimse.start_push("pacs", Parcel(["1.2"], commit=True)) == "operations/dimse-1"
    dimse.start_push("pacs", Parcel(sop_instance_uids=["1.2.3"], store="deid"))
    assert [(one[-1]["store"], one[-1]["commit"]) for one in client.asked] == [("trial", True), ("deid", False)]


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (pb.RetrieveFromPeerResult(study_count=2, instance_count=9), {"outcome": "retrieved", "instance_count": 9}),
        (pb.SendToPeerResult(sent_count=3, converted_count=1), {"outcome": "sent", "converted_count": 1}),
    ],
)
def test_work_ends_with_what_failed_and_its_counts(
    dimse: Dimse,
    monkeypatch: pytest.MonkeyPatch,
    result: pb.RetrieveFromPeerResult | pb.SendToPeerResult,
    counts: dict[str, object],
) -> None:
    monkeypatch.setattr(dimse, "_operations", Operations(result))
    study, days, outcome = dimse.await_work("operations/dimse-1")
    assert (study.name, days.name) == ("1.2.3", "item 2")  # what is no UID may be a patient's value, and is not a name
    assert days.meta == {"item": "20260101"}
    assert study.failure and days.failure
    assert counts.items() <= outcome.meta.items()
