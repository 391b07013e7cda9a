"""Anon with a mint that asks for a token: all of it works with the token's file, and says so without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diana.operation.v1.operation_service_pb2 import Operation
from diana_anon.config import ProfileConfig
from diana_client.errors import from_status
from diana_guid.__main__ import make_server as make_guid
from diana_guid.config import DomainConfig, GuidConfig, Scheme, Uids
from diana_server.config import PeerConfig
from tests.contract.anon.conftest import LOOPBACK, Bench, Serve
from tests.support.dicom_files import ROOT, make_small

STUDY = f"{ROOT}.2.1"

Guarded = Callable[[Path | None], Bench]


@pytest.fixture
def guarded(serve: Serve, tmp_path: Path) -> Iterator[Guarded]:
    """`guarded(token_file)` starts anon, which shows that token to a mint that asks for one."""
    (tmp_path / "token").write_text("anon-has-a-long-token\n")
    domains = {"old": DomainConfig(scheme=Scheme.DIANA2, uids=Uids.DIANA2)}
    config = GuidConfig(LOOPBACK, tmp_path / "guarded", domains, mint_tokens={"anon": tmp_path / "token"})
    mint = make_guid(config)
    address = mint.start()
    profiles = {"old": ProfileConfig(domain="old")}
    yield lambda token_file: serve(guid=PeerConfig(address, token_file=token_file), profiles=profiles)
    mint.stop(0)


def anonymized(bench: Bench, profile: str = "") -> Operation:
    assert [one.error for one in bench.archive.upload([make_small(study_uid=STUDY)])] == [None]
    return bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid", profile=profile).name, timeout=60)


@pytest.mark.parametrize("profile", ["", "old"])
def test_with_the_token_a_study_is_deidentified(guarded: Guarded, tmp_path: Path, profile: str) -> None:
    bench = guarded(tmp_path / "token")
    assert anonymized(bench, profile).state == Operation.STATE_SUCCEEDED
    assert len(list(bench.archive.studies(store="deid"))) == 1


def test_without_it_the_operation_ends_and_names_the_setting(guarded: Guarded) -> None:
    bench = guarded(None)
    ended = anonymized(bench)
    assert ended.state == Operation.STATE_FAILED
    error = from_status(ended.error)
    assert error.reason == "CONFIG_INVALID"
    assert "guid.token_file" in error.message
    assert not list(bench.operations.failures(ended.name))
    assert not list(bench.archive.studies(store="deid"))


def test_a_token_that_was_withdrawn_is_renewed_without_a_restart(guarded: Guarded, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("a-token-of-the-year-before")
    bench = guarded(mine)
    assert anonymized(bench).state == Operation.STATE_FAILED
    mine.write_text((tmp_path / "token").read_text())
    assert anonymized(bench).state == Operation.STATE_SUCCEEDED
