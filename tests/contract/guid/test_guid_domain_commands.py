"""diana-cli domain, against a real service: what the documentation tells an operator to do."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana_cli.app import cli
from diana_guid.__main__ import make_server
from diana_guid.config import DomainConfig, GuidConfig, Scheme, Uids
from diana_server.config import ServerConfig

Run = Callable[..., Result]


@pytest.fixture
def address(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    (tmp_path / "alice.token").write_text("alice-has-a-long-token\n")
    config = GuidConfig(
        server=ServerConfig(listen="127.0.0.1:0"),
        state_dir=tmp_path / "state",
        domains={"trial": DomainConfig(), "old": DomainConfig(scheme=Scheme.DIANA2, uids=Uids.DIANA2)},
        key_tokens={"alice": tmp_path / "alice.token"},
    )
    server = make_server(config)
    request.addfinalizer(lambda: server.stop(0))
    return server.start()


@pytest.fixture
def run(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "services.yaml").write_text(
        f"guid: {{ctype: guid, address: '{address}', token_file: {tmp_path}/alice.token}}\n"
        f"nobody: {{ctype: guid, address: '{address}'}}\n"
    )
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli, ["--json", *words])


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_domains_are_listed_for_everybody_and_their_keys_for_those_with_a_token(run: Run) -> None:
    listed = rows(run("domain", "list", "--in", "nobody"))
    assert [(one["domain"], one["scheme"], one["uids"], one["key_version"]) for one in listed] == [
        ("default", "keyed", "keyed", 1),
        ("old", "diana2", "diana2", 1),
        ("trial", "keyed", "keyed", 1),
    ]
    assert [one["version"] for one in rows(run("domain", "keys", "trial"))] == [1]
    refused = run("domain", "keys", "trial", "--in", "nobody")
    assert refused.exit_code != 0
    assert "CALLER_UNKNOWN" in refused.output + refused.stderr


def test_a_key_is_rotated(run: Run) -> None:
    assert [one["version"] for one in rows(run("domain", "rotate", "trial"))] == [2]
    assert [one["version"] for one in rows(run("domain", "keys", "trial"))] == [2, 1]


def test_an_export_opened_without_any_service_mints_the_same_elsewhere(
    run: Run, address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    public = run("domain", "new-key", "--out", "safe.key")
    (tmp_path / "safe.pub").write_text(public.stdout)
    assert run("domain", "export", "trial", "--to", "safe.pub", "--out", "trial.json").exit_code == 0
    assert run("domain", "open", "trial.json", "--with", "safe.key", "--out", "opened.key").exit_code == 0
    for name in ("safe.key", "trial.json", "opened.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    elsewhere = make_server(
        GuidConfig(
            ServerConfig(listen="127.0.0.1:0"),
            tmp_path / "elsewhere",
            {"trial": DomainConfig(key_file=tmp_path / "opened.key")},
        )
    )
    request.addfinalizer(lambda: elsewhere.stop(0))
    question = pb.MintIdentityRequest(domain="trial", subject=pb.Subject(patient_id="4711"))
    answers = []
    for target in (address, elsewhere.start()):
        with grpc.insecure_channel(target) as channel:
            answers.append(GuidServiceStub(channel).MintIdentity(question))
    assert answers[0] == answers[1]


def test_an_export_for_the_service_itself_is_imported_where_it_was(run: Run, tmp_path: Path) -> None:
    (tmp_path / "there.pub").write_text(run("domain", "sealing-key").stdout)
    rows(run("domain", "rotate", "trial"))
    run("domain", "export", "trial", "--to", "there.pub", "--out", "trial.json")
    (tmp_path / "state" / "keys" / "trial.v2.key").unlink()
    assert [one["version"] for one in rows(run("domain", "import", "trial.json"))] == [2]
    assert (tmp_path / "state" / "keys" / "trial.v2.key").exists()


def test_the_documented_commands_work_as_they_stand(run: Run, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "pseudonyms.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 9
    for line in lines:
        command, _, target = line.partition(" > ")
        result = run(*command.removeprefix("diana-cli ").split())
        assert result.exit_code == 0, (line, result.output)
        if target:
            (tmp_path / target).write_text(result.stdout)
    assert (tmp_path / "opened.key").exists()


def test_nothing_that_is_there_is_overwritten_and_what_is_no_key_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "safe.pub").write_text(run("domain", "new-key", "--out", "safe.key").stdout)
    before = (tmp_path / "safe.key").read_text()
    for words in (
        ("new-key", "--out", "safe.key"),
        ("export", "trial", "--to", "safe.pub", "--out", "safe.key"),
        ("export", "trial", "--to", "services.yaml", "--out", "new.json"),
        ("export", "trial", "--to", "absent.pub", "--out", "new.json"),
        ("export", "nowhere", "--to", "safe.pub", "--out", "new.json"),
        ("open", "services.yaml", "--with", "safe.key", "--out", "new.key"),
        ("import", "services.yaml"),
    ):
        result = run("domain", *words)
        assert result.exit_code != 0, words
        assert "Traceback" not in result.output
    assert (tmp_path / "safe.key").read_text() == before
    assert not (tmp_path / "new.json").exists()
    assert not (tmp_path / "new.key").exists()
