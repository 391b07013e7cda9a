"""A mint that asks for tokens: what takes a key is for those who show one, what takes none for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana_cli.app import cli
from diana_client import AsyncGuidClient, Channel, GuidClient, KeyClient, PermissionDenied, connect, connect_async
from diana_common.errors import DianaError, Reason
from diana_guid.__main__ import make_server
from diana_guid.config import DomainConfig, GuidConfig
from diana_server.config import ServerConfig
from tests.contract.guid.refusals import refused

TOKEN = "anon-has-a-long-token"
SUBJECT = pb.Subject(patient_id="4711")
ASKED: dict[str, Callable[[GuidServiceStub, Any], Any]] = {
    "MintIdentity": lambda stub, shown: stub.MintIdentity(pb.MintIdentityRequest(subject=SUBJECT), metadata=shown),
    "BatchMintIdentities": lambda stub, shown: stub.BatchMintIdentities(
        pb.BatchMintIdentitiesRequest(subjects=[SUBJECT]), metadata=shown
    ),
    "MintIdentities": lambda stub, shown: next(
        stub.MintIdentities(iter([pb.MintIdentitiesRequest(subjects=[SUBJECT])]), metadata=shown)
    ),
    "MapIdentifiers": lambda stub, shown: stub.MapIdentifiers(pb.MapIdentifiersRequest(uids=["1.2"]), metadata=shown),
    "LeaseUidKey": lambda stub, shown: stub.LeaseUidKey(pb.LeaseUidKeyRequest(), metadata=shown),
}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    for name, token in (("anon", TOKEN), ("alice", "alice-handles-the-keys")):
        (tmp_path / name).write_text(token + "\n")
    server = make_server(
        GuidConfig(
            ServerConfig(listen="127.0.0.1:0"),
            tmp_path / "state",
            {"trial": DomainConfig()},
            key_tokens={"alice": tmp_path / "alice"},
            mint_tokens={"anon": tmp_path / "anon"},
        )
    )
    yield server.start()
    server.stop(0)


@pytest.fixture
def channel(address: str) -> Iterator[Channel]:
    with connect(address) as channel:
        yield channel


@pytest.mark.parametrize("method", ASKED)
@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer alice-handles-the-keys", f"Basic {TOKEN}", TOKEN])
def test_without_a_token_of_the_mints_no_key_is_used(channel: Channel, method: str, shown: str) -> None:
    metadata = [("authorization", shown)] if shown else []
    refusal = refused(lambda asked: asked(GuidServiceStub(channel.raw), metadata), ASKED[method])
    assert (refusal.code, refusal.reason) == (16, "CALLER_UNKNOWN")
    assert "4711" not in refusal.text


@pytest.mark.parametrize("method", ASKED)
def test_with_it_every_rpc_answers_as_a_mint_without_tokens_does(channel: Channel, method: str, tmp_path: Path) -> None:
    answer = ASKED[method](GuidServiceStub(channel.raw), [("authorization", f"Bearer {TOKEN}")])
    server = make_server(GuidConfig(ServerConfig(listen="127.0.0.1:0"), tmp_path / "state"))
    try:
        with connect(server.start()) as everybody:
            assert answer == ASKED[method](GuidServiceStub(everybody.raw), [])
    finally:
        server.stop(0)


def test_what_takes_no_key_is_for_everybody(channel: Channel) -> None:
    client = GuidClient(channel)
    assert [one.name for one in client.domains()] == ["default", "trial"]
    assert client.mint_hierarchical_uid(["p"]).startswith("1.2.826.")


def test_a_token_of_the_mint_opens_no_key_and_one_withdrawn_mints_no_more(address: str, tmp_path: Path) -> None:
    with connect(address, token_file=tmp_path / "anon") as channel:
        first = GuidClient(channel).mint(SUBJECT)
        assert [one.identity for one in GuidClient(channel).mint_many([SUBJECT])] == [first]
        with pytest.raises(PermissionDenied):
            KeyClient(channel).rotate()
        (tmp_path / "anon").write_text("renewed-for-this-year")
        assert GuidClient(channel).mint(SUBJECT) == first
    with connect(address, token=TOKEN) as channel, pytest.raises(PermissionDenied):
        GuidClient(channel).mint(SUBJECT)


def test_the_same_for_asyncio(address: str, tmp_path: Path) -> None:
    async def ask() -> list[str]:
        async with connect_async(address, token_file=tmp_path / "anon") as channel:
            client = AsyncGuidClient(channel)
            many = [one.identity.id async for one in client.mint_many([SUBJECT]) if one.identity]
            return [(await client.mint(SUBJECT)).id, *many]

    assert len(set(asyncio.run(ask()))) == 1


def test_the_command_shows_the_token_of_its_services_file(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services.yaml").write_text(
        f"guid: {{ctype: guid, address: '{address}', token_file: {tmp_path}/anon}}\n"
        f"nobody: {{ctype: guid, address: '{address}'}}\n"
    )
    monkeypatch.chdir(tmp_path)
    words = ["--json", "guid", "--patient-id", "4711"]
    minted = CliRunner().invoke(cli, words)
    assert minted.exit_code == 0, minted.output
    assert '"id"' in minted.stdout
    refusal = CliRunner().invoke(cli, [*words, "--in", "nobody"])
    assert refusal.exit_code != 0
    assert "CALLER_UNKNOWN" in refusal.output + refusal.stderr


def test_a_token_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(DianaError, match=r"mint_tokens\.anon") as refusal:
        make_server(GuidConfig(state_dir=tmp_path / "state", mint_tokens={"anon": tmp_path / "absent"}))
    assert refusal.value.reason is Reason.CONFIG_INVALID


def test_many_identifiers_are_mapped_with_one_key_though_it_is_rotated_meanwhile(address: str, tmp_path: Path) -> None:
    with (
        connect(address, token_file=tmp_path / "anon") as channel,
        connect(address, token_file=tmp_path / "alice") as keys,
    ):

        def uids() -> Iterator[str]:
            for number in range(10_001):
                if number == 10_000:
                    KeyClient(keys).rotate()
                yield "1.2.3"

        client = GuidClient(channel)
        answer = client.map_identifiers(uids())
        assert (len(set(answer.uids)), answer.key_version) == (1, 1)
        assert client.map_identifiers(["1.2.3"]).key_version == 2
        assert client.map_identifiers(["1.2.3"], key_version=1).uids[0] == answer.uids[0]
