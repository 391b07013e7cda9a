"""Groups and tables over gRPC: a real server, the clients, the endpoint and the commands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import grpc
import pytest
from click.testing import CliRunner, Result

from diana.index.v1 import index_service_pb2 as pb
from diana.type.v1.query_level_pb2 import QUERY_LEVEL_INSTANCE
from diana_cli.app import cli
from diana_cli.session import Session
from diana_client import AsyncIndexClient, IndexClient, InvalidRequest, connect, connect_async
from diana_endpoints.index import Index, IndexSettings
from diana_endpoints.services import Services
from diana_index.__main__ import make_server
from diana_index.config import IndexConfig
from diana_server.config import PeerConfig, ServerConfig
from tests.contract.index.archive_server import serving
from tests.unit.index.fake_archive import FakeArchive


@dataclass
class Served:
    """An index over gRPC with five instances: two CT studies, and an MR study of a young patient."""

    client: IndexClient
    address: str
    state: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    archive, state = FakeArchive(), tmp_path_factory.mktemp("index")
    for sop, study, modality, day, age in (
        ("1.1.1", "1", "CT", "20260105", "050Y"),
        ("1.1.2", "1", "CT", "20260105", "050Y"),
        ("2.1.1", "2", "CT", "20260220", "059Y"),
        ("3.1.1", "3", "MR", None, "009Y"),
        ("3.1.2", "3", "MR", None, "009Y"),
    ):
        names = {"study": study, "series": f"{study}.1"}
        position = archive.store(sop, **names, Modality=modality, StudyDate=day, PatientAge=age, PatientID=f"P{study}")
    with serving(archive) as address:
        server = make_server(IndexConfig(ServerConfig("127.0.0.1:0"), state, PeerConfig(address)))
        own = server.start()
        with connect(own) as channel:
            client = IndexClient(channel)
            client.count("study", at_least_position=position)
            yield Served(client, own, state)
        archive.set_reachable(True)
        server.stop(0)


@pytest.fixture
def run(served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """What runs a command line against the index."""

    def services(_: Session) -> Services:
        made = Services({})
        made._made["index:"] = Index(IndexSettings(address=served.address))
        return made

    monkeypatch.setattr(Session, "_find_services", services)
    return lambda *args: CliRunner().invoke(cli, list(args))


def test_modality_by_month_with_ages(served: Served) -> None:
    found = served.client.aggregate(
        "series", group_by=["Modality", "StudyDate:month"], measures=["mean:age", "max:age"]
    )
    assert [[key.text for key in one.keys] for one in found.groups] == [["CT", "202601"], ["CT", "202602"], ["MR", ""]]
    assert found.groups[2].keys[1].WhichOneof("value") is None
    assert [[one.value for one in group.measurements] for group in found.groups] == [[50, 50], [59, 59], [9, 9]]
    assert (found.group_count, found.record_count) == (3, 3)
    assert found.position


def test_bins_and_the_greatest_first(served: Served) -> None:
    found = served.client.aggregate("instance", group_by=["age:10"], by_count=True, limit=1)
    assert ([one.number for one in found.groups[0].keys], found.groups[0].count, found.group_count) == ([50.0], 3, 2)


def test_what_was_measured_of_nothing_is_absent(served: Served) -> None:
    kinds = ["count:PatientWeight", "sum:PatientWeight", "p75:PatientWeight"]
    (group,) = served.client.aggregate("study", measures=kinds).groups
    assert [one.HasField("value") for one in group.measurements] == [True, False, False]


def test_refusals_name_the_field(served: Served) -> None:
    for wrong, field in (
        ({"group_by": ["Modality"]}, "group_by[0].attribute"),
        ({"group_by": ["StudyDate:week"]}, "group_by"),
        ({"measures": ["mode:age"]}, "measures"),
        ({"matches": {"StudyDate": "soon"}}, "question.matches[0].values[0]"),
        ({"group_by": [pb.Grouping(attribute="age", bins=pb.Bins(width=0))]}, "group_by[0].bins.width"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            served.client.aggregate("study", **wrong)
        assert refused.value.fields[0][0] == field


def test_a_table_to_a_file_and_to_a_path(served: Served, tmp_path: Path) -> None:
    held = io.BytesIO()
    position = served.client.export(held, "instance", {"Modality": "CT"}, columns=["SOPInstanceUID", "age"])
    assert position
    assert held.getvalue().decode().splitlines() == ["SOPInstanceUID,age", "1.1.1,50.0", "1.1.2,50.0", "2.1.1,59.0"]
    path = tmp_path / "table.parquet"
    served.client.export(path, "study", file_format="parquet", order_by=["-StudyInstanceUID"])
    with duckdb.connect() as database:
        found = database.execute('SELECT "StudyInstanceUID" FROM read_parquet(?)', [str(path)]).fetchall()
    assert found == [("3",), ("2",), ("1",)]
    assert [one.name for one in tmp_path.iterdir()] == ["table.parquet"]


def test_a_refused_table_leaves_no_file(served: Served, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as refused:
        served.client.export(tmp_path / "table.csv", "study", columns=["Modality"])
    assert refused.value.fields[0][0] == "columns[0]"
    with pytest.raises(InvalidRequest):
        served.client.export(tmp_path / "table.csv", "study", file_format="xlsx")
    assert not list(tmp_path.iterdir())


async def test_the_same_for_asyncio(served: Served) -> None:
    async with connect_async(served.address) as channel:
        client = AsyncIndexClient(channel)
        found = await client.aggregate("study", group_by=["ModalitiesInStudy"])
        assert {one.keys[0].text: one.count for one in found.groups} == {"CT": 2, "MR": 1}
        held = io.BytesIO()
        assert await client.export(held, "study", file_format="jsonl", columns=["StudyDate"])
        assert [json.loads(line)["StudyDate"] for line in held.getvalue().splitlines()] == [
            "20260105",
            "20260220",
            None,
        ]


def test_tables_given_up_leave_their_place(served: Served) -> None:
    request = pb.ExportRecordsRequest(
        question=pb.Question(level=QUERY_LEVEL_INSTANCE), format=pb.EXPORT_FORMAT_JSON_LINES
    )
    for _ in range(12):
        call = served.client.stub.ExportRecords(request)
        assert next(call).position
        call.cancel()
    assert served.client.export(io.BytesIO(), "instance")
    assert not list((served.state / "exports").iterdir())


def test_a_caller_that_does_not_read_keeps_no_question_waiting(served: Served) -> None:
    request = pb.ExportRecordsRequest(question=pb.Question(level=QUERY_LEVEL_INSTANCE), format=pb.EXPORT_FORMAT_PARQUET)
    calls = [served.client.stub.ExportRecords(request, timeout=60) for _ in range(6)]
    assert served.client.within(30).count("study") == 3
    for call in calls:
        call.cancel()


def test_an_unknown_format_is_refused(served: Served) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        list(
            served.client.stub.ExportRecords(pb.ExportRecordsRequest(question=pb.Question(level=QUERY_LEVEL_INSTANCE)))
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_the_shell_counts_in_groups(run: Callable[..., Result]) -> None:
    result = run("count", "--level", "series", "--by", "Modality", "--by", "StudyDate:year", "--measure", "median:age")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[-3:] == [
        ["Modality", "StudyDate:year", "count", "median:age"],
        ["CT", "2026", "2", "50"],
        ["MR", "1", "9"],
    ]
    result = run("--json", "count", "--by", "ModalitiesInStudy", "--by-count", "--filter", "StudyDate:*")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [{"ModalitiesInStudy": "CT", "count": 2}]
    assert run("count", "--store", "other").stdout == "0\n"
    assert run("count", "--by", "age:old").exit_code != 0


def test_the_shell_exports_tables(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("export", "--columns", "StudyInstanceUID, age", "--order", "-age")
    assert list(csv.reader(result.stdout.splitlines())) == [
        ["StudyInstanceUID", "age"],
        ["2", "59.0"],
        ["1", "50.0"],
        ["3", "9.0"],
    ]
    target = tmp_path / "table.jsonl"
    result = run("export", "--level", "instance", "-m", "Modality=MR", "--format", "jsonl", "-o", str(target))
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["SOPInstanceUID"] for line in target.read_text().splitlines()] == ["3.1.1", "3.1.2"]
