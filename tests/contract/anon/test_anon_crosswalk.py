"""The crosswalk through its contract: recorded by operations, asked with tokens, logged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from diana.anon.v1 import crosswalk_service_pb2 as pb
from diana.guid.v1.guid_service_pb2 import SEX_FEMALE
from diana.operation.v1.operation_service_pb2 import Operation
from diana_anon.__main__ import make_server as make_anon
from diana_anon.config import AnonConfig, CrosswalkConfig, CrosswalkRight, CrosswalkTokenConfig
from diana_client import AsyncCrosswalkClient, CrosswalkClient, MeshError, connect, connect_async
from diana_common.errors import DianaError
from tests.contract.anon.conftest import LOOPBACK, Bench, Serve
from tests.support.dicom_files import ROOT, make_small

STUDY = f"{ROOT}.2.1"

Ask = Callable[[str], CrosswalkClient]


@pytest.fixture
def tokens(tmp_path: Path) -> CrosswalkConfig:
    """Ada may ask, Ben may read the log, and Cyd may do neither."""
    rights = {"ada": (CrosswalkRight.REIDENTIFY,), "ben": (CrosswalkRight.AUDIT,), "cyd": ()}
    for name in rights:
        (tmp_path / name).write_text(name * 8)
    return CrosswalkConfig(tokens={name: CrosswalkTokenConfig(tmp_path / name, may) for name, may in rights.items()})


@pytest.fixture
def bench(serve: Serve, tokens: CrosswalkConfig) -> Bench:
    return serve(crosswalk=tokens)


@pytest.fixture
def ask(bench: Bench, tmp_path: Path) -> Ask:
    return lambda name: CrosswalkClient(connect(bench.address, token_file=tmp_path / name))


def deidentified(bench: Bench, *files: bytes) -> Operation:
    assert not [one.error for one in bench.archive.upload(files) if one.error]
    started = bench.anon.anonymize_study(STUDY, "deid")
    return bench.operations.wait(started.name, timeout=30)


def small(patient: str = "A-1", name: str = "Lovelace^Ada", number: int = 1, born: str = "18151210") -> bytes:
    return make_small(
        study_uid=STUDY,
        series_uid=f"{STUDY}.1",
        sop_uid=f"{STUDY}.1.{number}",
        PatientID=patient,
        PatientName=name,
        PatientBirthDate=born,
        PatientSex="F",
    )


def new_patient_id(bench: Bench) -> str:
    (study,) = bench.archive.studies(store="deid")
    (instance, *_) = bench.archive.instances(study.study_uid, store="deid")
    header = bench.archive.header(instance.sop_instance_uid, store="deid").dicom_json
    value: str = json.loads(header)["00100020"]["Value"][0]
    return value


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(MeshError) as caught:
        call()
    return caught.value.reason


def test_who_was_deidentified_is_found_again_by_study_and_logged(bench: Bench, ask: Ask) -> None:
    deidentified(bench, small())
    (study,) = bench.archive.studies(store="deid")
    (found,) = ask("ada").reidentify([study.study_uid], "an incidental finding")
    assert (found.subject.patient_id, found.subject.name, found.subject.sex) == ("A-1", "Lovelace^Ada", SEX_FEMALE)
    assert (found.study_uid, found.store, found.subject.birth_date.year) == (STUDY, "default", 1815)
    (entry,) = ask("ben").reidentifications()
    assert (entry.caller, entry.reason, entry.granted) == ("ada", "an incidental finding", True)
    assert list(entry.pseudonyms) == [study.study_uid]


def test_a_patients_pseudonym_is_found_too_and_a_hundred_are_answered_in_order(bench: Bench, ask: Ask) -> None:
    deidentified(bench, small())
    pseudonym = new_patient_id(bench)
    found = ask("ada").reidentify([pseudonym] * 100, "why")
    assert [one.subject.patient_id for one in found] == ["A-1"] * 100
    assert found[0].study_uid == ""
    assert reason_of(lambda: ask("ada").reidentify([pseudonym] * 101, "why")) == "INVALID_FIELD"


def test_one_unknown_pseudonym_and_none_is_told(bench: Bench, ask: Ask) -> None:
    deidentified(bench, small())
    assert reason_of(lambda: ask("ada").reidentify([new_patient_id(bench), "NOBODY"], "why")) == "PSEUDONYM_UNKNOWN"
    (entry,) = ask("ben").reidentifications()
    assert (entry.granted, list(entry.pseudonyms)[1:]) == (False, ["NOBODY"])


def test_tokens_may_do_what_they_are_granted_and_refused_questions_are_logged(bench: Bench, ask: Ask) -> None:
    for name in ("ben", "cyd"):
        assert reason_of(partial(ask(name).reidentify, ["P"], "let me")) == "CALLER_NOT_PERMITTED"
    for name in ("ada", "cyd"):
        assert reason_of(partial(list, ask(name).reidentifications())) == "CALLER_NOT_PERMITTED"
    assert [(one.caller, one.granted) for one in ask("ben").reidentifications()] == [("cyd", False), ("ben", False)]


def test_no_token_or_an_unknown_one_is_refused_before_all_else(bench: Bench) -> None:
    for token in (None, "x" * 24):
        client = CrosswalkClient(connect(bench.address, token=token))
        assert reason_of(partial(client.reidentify, ["P"], "why")) == "CALLER_UNKNOWN"
        assert reason_of(partial(list, client.reidentifications())) == "CALLER_UNKNOWN"


def test_without_a_crosswalk_in_the_configuration_there_is_none(serve: Serve) -> None:
    bench = serve()
    with pytest.raises(MeshError) as caught:
        CrosswalkClient(connect(bench.address)).reidentify(["P"], "why")
    assert caught.value.code.name == "UNIMPLEMENTED"
    assert not list(bench.state.glob("crosswalk*"))


def test_a_reason_is_required(bench: Bench, ask: Ask) -> None:
    for blank in ("", "  ", "\t\n", "\u00a0\u2003", "\u200b", " . - "):
        with pytest.raises(MeshError) as caught:
            ask("ada").reidentify(["P"], blank)
        assert (caught.value.reason, [field for field, _ in caught.value.fields]) == ("INVALID_FIELD", ["reason"])
    assert reason_of(lambda: ask("ada").reidentify(["P"], " \u7406\u7531 ")) == "PSEUDONYM_UNKNOWN"
    assert len(list(ask("ben").reidentifications())) == 1


def test_the_log_pages_and_its_chain_holds(bench: Bench, ask: Ask) -> None:
    for number in range(5):
        assert reason_of(partial(ask("ada").reidentify, [f"P{number}"], f"no. {number}")) == "PSEUDONYM_UNKNOWN"
    stub = ask("ben").stub
    first = stub.ListReidentifications(pb.ListReidentificationsRequest(page_size=2))
    assert [one.number for one in first.entries] == [5, 4]
    again = pb.ListReidentificationsRequest(page_size=2, page_token=first.next_page_token)
    assert [one.number for one in stub.ListReidentifications(again).entries] == [3, 2]
    assert [one.number for one in ask("ben").reidentifications()] == [5, 4, 3, 2, 1]


def test_two_people_with_one_patient_id_are_not_merged(bench: Bench, ask: Ask) -> None:
    operation = deidentified(bench, small(), small(name="Babbage^Charles", number=2, born="17911226"))
    (failure,) = bench.operations.failures(operation.name)
    assert failure.item.startswith(STUDY)
    assert "share this Patient ID" in failure.status.message
    assert len(list(bench.archive.studies(store="deid"))) == 1


def test_the_crosswalk_survives_a_restart_with_its_key_and_refuses_another(tmp_path: Path) -> None:
    config = CrosswalkConfig()
    state = tmp_path / "state"
    for _ in range(2):
        make_anon(AnonConfig(LOOPBACK, state, crosswalk=config)).stop(0)
    assert (state / "crosswalk.key").stat().st_mode & 0o777 == 0o600
    (state / "crosswalk.key").unlink()
    with pytest.raises(DianaError, match="key_file"):
        make_anon(AnonConfig(LOOPBACK, state, crosswalk=config))


def test_the_same_for_asyncio(bench: Bench, tmp_path: Path) -> None:
    deidentified(bench, small())
    pseudonym = new_patient_id(bench)

    async def ask() -> tuple[str, int]:
        async with connect_async(bench.address, token_file=tmp_path / "ada") as channel:
            (found,) = await AsyncCrosswalkClient(channel).reidentify([pseudonym], "why")
        async with connect_async(bench.address, token_file=tmp_path / "ben") as channel:
            log = [one.number async for one in AsyncCrosswalkClient(channel).reidentifications()]
        return found.subject.name, len(log)

    assert asyncio.run(ask()) == ("Lovelace^Ada", 1)
