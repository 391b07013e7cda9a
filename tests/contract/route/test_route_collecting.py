"""Collections through the contract: from an endpoint, de-identified or not, into stores and endpoints."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from diana.operation.v1.operation_service_pb2 import Operation
from diana.route.v1 import collect_service_pb2 as pb
from diana_client import (
    AsyncCollectClient,
    AsyncOperationClient,
    Conflict,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    collect_request,
    connect_async,
)
from diana_common.dicomjson import first_value
from tests.contract.route.collect_mesh import NOBODY, CollectMesh, collect_mesh, instances, study_uid, write_study
from tests.support.awaiting import awaited


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectMesh]:
    with collect_mesh(tmp_path_factory.mktemp("collect")) as mesh:
        for number in range(1, 5):
            write_study(mesh.folder / "pacs", number)
        write_study(mesh.folder / "pacs", 5, 1, AccessionNumber="TWO")
        write_study(mesh.folder / "pacs", 6, 3, AccessionNumber="TWO")
        mesh.start_route()
        yield mesh


def test_what_is_collected_into_a_store_stays_there_and_nothing_is_staged(mesh: CollectMesh) -> None:
    operation = mesh.collect("A1", " A2 ", "A1", destination={"store": "copy"})
    ended = mesh.ended(operation)
    assert (ended.state, ended.progress.done, ended.progress.total) == (Operation.STATE_SUCCEEDED, 2, 2)
    assert mesh.states(operation) == {"A1": "delivered", "A2": "delivered"}
    assert [one.study_uid for one in mesh.items(operation)] == [study_uid(1), study_uid(2)]
    assert all(one.confirmed and one.delivered_count == 2 for one in mesh.items(operation))
    assert (mesh.count("copy"), mesh.count("staging")) == (4, 0)


def test_a_number_that_is_not_there_fails_with_its_reason_and_the_rest_goes_on(mesh: CollectMesh) -> None:
    operation = mesh.collect("NOWHERE", "A3", destination={"store": "copy"})
    ended = mesh.ended(operation)
    assert (ended.state, ended.progress.failed) == (Operation.STATE_SUCCEEDED, 1)
    failed, delivered = mesh.items(operation)
    assert (failed.number, delivered.delivered_count) == (1, 2)
    (failure,) = mesh.operations.failures(operation.name)
    assert (failure.item, "NOWHERE" in str(failure)) == ("item 1", False)
    assert "STUDY_NOT_FOUND" in str(failed.error)
    assert [one.number for one in mesh.client.items(operation.name, state=failed.state)] == [1]


def test_each_study_of_a_number_becomes_an_item(mesh: CollectMesh) -> None:
    operation = mesh.collect("TWO", "A1", destination={"store": "copy"})
    mesh.ended(operation)
    items = [(one.number, one.accession_number, one.study_uid, one.delivered_count) for one in mesh.items(operation)]
    assert items == [(1, "TWO", study_uid(5), 1), (2, "A1", study_uid(1), 2), (3, "TWO", study_uid(6), 3)]


def test_de_identified_studies_go_to_their_store_and_on_and_what_was_staged_is_cleared(mesh: CollectMesh) -> None:
    there = instances(4, 1)
    list(mesh.archive.upload(there, store="staging"))
    operation = mesh.collect("A4", "A2", profile="", result_store="trial", destination={"endpoint": "out"})
    mesh.ended(operation)
    assert mesh.states(operation) == {"A4": "delivered", "A2": "delivered"}
    assert mesh.count("trial") == 4
    assert mesh.count("staging") == 1  # which was there before
    files = [path.read_bytes() for path in (mesh.folder / "out").rglob("*.dcm")]
    assert len(files) == 4
    assert not any(b"Secret" in data or study_uid(4).encode() in data for data in files)
    told = mesh.client.collection(operation.name)
    marked = [study.study_uid for study in mesh.archive.studies(store="trial")]
    assert [mesh.archive.study(uid, store="trial").attributes["collection"] for uid in marked] == [told.mark] * 2


def test_the_source_describes_its_studies_when_it_is_asked(mesh: CollectMesh) -> None:
    operation = mesh.collect("A1", "NOWHERE", destination={"store": "copy"})
    mesh.ended(operation)
    ((number, header),) = mesh.client.source_studies(operation.name)
    assert (number, first_value(header, "00100020")) == (1, "P1")


def test_what_failed_is_tried_again_and_nothing_else_is(mesh: CollectMesh) -> None:
    operation = mesh.collect("A1", "LATE", destination={"store": "copy"})
    mesh.ended(operation)
    before = mesh.items(operation)[0]
    write_study(mesh.folder / "pacs", 7, 1, AccessionNumber="LATE")
    again = mesh.client.retry(operation.name)
    assert again.name != operation.name
    mesh.ended(again)
    assert mesh.states(operation) == mesh.states(again) == {"A1": "delivered", "LATE": "delivered"}
    assert mesh.items(again)[0] == before
    assert mesh.client.collection(operation.name).operation == again.name


def test_the_same_request_id_is_the_same_collection(mesh: CollectMesh) -> None:
    asked = {"request_id": str(uuid.uuid4()), "destination": {"store": "copy"}}
    first, again = (mesh.collect("A1", **asked) for _ in range(2))
    assert first.name == again.name
    with pytest.raises(Conflict):
        mesh.collect("A2", **asked)
    assert [one.accession_number for one in mesh.items(first)] == ["A1"]
    mesh.ended(first)
    retried = mesh.client.retry(first.name)
    assert mesh.collect("A1", **asked).name == first.name
    assert mesh.client.collection(first.name).operation == retried.name


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"source": {"endpoint": "path:/etc"}}, "source.endpoint"),
        ({"destination": {"endpoint": "nowhere"}}, "destination.endpoint"),
        ({"profile": "", "destination": {"endpoint": "out"}}, "deidentification.store"),
        ({"profile": "", "result_store": "copy"}, "deidentification.store"),
        ({"profile": "", "destination": {"store": "staging"}}, "destination"),
        ({"hours": ["7-9"]}, "pace.hours[0]"),
        ({"time_zone": "Mars/Phobos"}, "pace.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "pace.time_zone"),
        ({"studies_per_minute": -1.0}, "pace.studies_per_minute"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_begins(mesh: CollectMesh, asked: dict, field: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InvalidRequest) as refused:
        mesh.collect("A1", **asked)
    assert [path for path, _ in refused.value.fields] == [field]


@pytest.mark.parametrize("number", ["*", "A?", "A\\B", "x" * 65, "", " "])
def test_a_number_that_would_match_others_is_refused(mesh: CollectMesh, number: str) -> None:
    with pytest.raises(InvalidRequest):
        mesh.collect(number)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"destination": {"store": "nowhere"}}, "STORE_UNKNOWN"),
        ({"profile": "nobodys"}, "PROFILE_UNKNOWN"),
    ],
)
def test_names_that_nobody_knows_are_told(mesh: CollectMesh, asked: dict, reason: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(NotFound) as refused:
        mesh.collect("A1", **asked)
    assert refused.value.reason == reason


def test_a_collection_that_is_not_there_is_told(mesh: CollectMesh) -> None:
    with pytest.raises(NotFound):
        mesh.client.collection("operations/route-none")
    request = collect_request(study_uids=[study_uid(1)], source={"endpoint": "pacs"}, destination={"store": "copy"})
    operation = mesh.client.start(request)
    mesh.ended(operation)
    assert [(one.accession_number, one.study_uid) for one in mesh.items(operation)] == [("", study_uid(1))]


def test_no_file_of_the_services_but_its_own_holds_an_accession_number(mesh: CollectMesh) -> None:
    operation = mesh.collect("A1", "SECRETNUMBER", destination={"store": "copy"})
    mesh.ended(operation)
    holders = {path.name for path in _files(mesh.folder / "route") if b"SECRETNUMBER" in path.read_bytes()}
    assert holders <= {"collections.sqlite", "collections.sqlite-wal"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in _files(mesh.folder / "route") if "collections" in path.name)


def test_items_come_in_pages_whose_tokens_are_of_one_list(mesh: CollectMesh) -> None:
    operation = mesh.collect("A1", "A2", "A3", destination={"store": "copy"})
    mesh.ended(operation)
    stub, numbers, token = mesh.client.stub, [], ""
    while True:
        page = stub.ListCollectedItems(
            pb.ListCollectedItemsRequest(operation=operation.name, page_size=2, page_token=token)
        )
        numbers += [one.number for one in page.items]
        if not (token := page.next_page_token):
            break
        with pytest.raises(grpc.RpcError) as refused:
            delivered = pb.CollectedItem.STATE_DELIVERED
            stub.ListCollectedItems(
                pb.ListCollectedItemsRequest(operation=operation.name, state=delivered, page_token=token)
            )
        assert "PAGE_TOKEN_INVALID" in str(refused.value.trailing_metadata())
    assert numbers == [1, 2, 3]


def test_the_client_for_asyncio_says_the_same(mesh: CollectMesh) -> None:
    async def collect() -> tuple[list[pb.CollectedItem], list[int], str, str]:
        assert mesh.channel
        async with connect_async(mesh.address) as channel:
            client, operations = AsyncCollectClient(channel), AsyncOperationClient(channel)
            request = collect_request(
                accession_numbers=["A1"], source={"endpoint": "pacs"}, destination={"store": "copy"}
            )
            name = (await client.start(request)).name
            await operations.wait(name, timeout=60)
            items = [one async for one in client.items(name)]
            numbers = [number async for number, _ in client.source_studies(name)]
            again = await client.retry(name)
            await operations.wait(again.name, timeout=60)
            return items, numbers, again.name, (await client.collection(name)).operation

    items, numbers, again, current = asyncio.run(collect())
    assert [one.state for one in items] == [pb.CollectedItem.STATE_DELIVERED]
    assert (numbers, again) == ([1], current)


def test_what_is_staged_is_cleared_when_a_collection_is_cancelled_and_it_goes_on_when_retried(
    mesh: CollectMesh,
) -> None:
    folder = {"ctype": "folder", "path": str(mesh.folder / "pacs")}
    away = {"ctype": "archive", "address": NOBODY, "store": "copy"}
    mesh.start_route(endpoints={"pacs": folder, "away": away})
    operation = mesh.collect("A3", destination={"endpoint": "away"})
    assert awaited(lambda: bool(mesh.client.collection(operation.name).waiting_for))
    assert mesh.count("staging") == 3  # one of another test's
    mesh.operations.cancel(operation.name)
    assert mesh.ended(operation).state == Operation.STATE_CANCELLED
    assert (mesh.states(operation), mesh.count("staging")) == ({"A3": "found"}, 1)
    mesh.start_route(endpoints={"pacs": folder, "away": {**away, "address": mesh.services["archive"]}})
    mesh.ended(mesh.client.retry(operation.name))
    assert (mesh.states(operation), mesh.count("staging")) == ({"A3": "delivered"}, 1)
    assert mesh.items(operation)[0].confirmed
    mesh.start_route()


def test_what_was_staged_is_cleared_after_a_restart_where_the_archive_was_away(mesh: CollectMesh) -> None:
    folder = {"ctype": "folder", "path": str(mesh.folder / "pacs")}
    away = {"ctype": "archive", "address": NOBODY, "store": "copy"}
    mesh.start_route(endpoints={"pacs": folder, "away": away})
    operation = mesh.collect("A2", destination={"endpoint": "away"})
    assert awaited(lambda: mesh.states(operation) == {"A2": "retrieved"})
    before = mesh.count("staging")
    mesh.start_route(endpoints={"pacs": folder, "away": away}, archive={"address": NOBODY})
    mesh.operations.cancel(operation.name)
    assert mesh.ended(operation).state == Operation.STATE_CANCELLED
    assert mesh.count("staging") == before
    mesh.start_route()
    assert awaited(lambda: mesh.count("staging") == before - 2)
    assert awaited(lambda: mesh.states(operation) == {"A2": "found"})


def test_what_others_put_into_the_staging_store_stays_there(mesh: CollectMesh) -> None:
    folder = {"ctype": "folder", "path": str(mesh.folder / "pacs")}
    away = {"ctype": "archive", "address": NOBODY, "store": "copy"}
    mesh.start_route(endpoints={"pacs": folder, "away": away})
    before = mesh.count("staging")
    operation = mesh.collect("A1", destination={"endpoint": "away"})
    assert awaited(lambda: mesh.states(operation) == {"A1": "retrieved"})
    list(mesh.archive.upload(instances(1, 3), store="staging"))
    assert mesh.count("staging") == before + 3
    mesh.operations.cancel(operation.name)
    mesh.ended(operation)
    assert (mesh.count("staging"), mesh.items(operation)[0].last_error[:12]) == (before + 1, "1 instances ")
    mesh.start_route()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"collect": {"staging_store": "nowhere"}}, "nowhere: {}"),
        ({"collect": {"staging_store": "copy"}}, "rule keeps"),
        ({"collect": {"staging_store": "trial"}}, "endpoint ours"),
    ],
)
def test_a_staging_store_that_is_not_there_or_is_anothers_is_refused(
    mesh: CollectMesh,
    settings: dict,  # type: ignore[type-arg]
    told: str,
) -> None:
    folders = {name: {"ctype": "folder", "path": str(mesh.folder / name)} for name in ("pacs", "out")}
    ours = {"ctype": "archive", "address": mesh.services["archive"], "store": "trial"}
    rules = mesh.folder / "rules.yaml"
    text = "{name: keeps, source: {store: copy, event: study_completed}, do: [{anonymize: {to: trial}}]}"
    rules.write_text(f"rules:\n  - {text}\n")
    mesh.start_route(endpoints={**folders, "ours": ours}, rules_file=str(rules), **settings)
    with pytest.raises(FailedPrecondition) as refused:
        mesh.collect("A1", destination={"endpoint": "out"})
    assert (refused.value.reason, told in str(refused.value)) == ("CONFIG_INVALID", True)
    mesh.start_route()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
