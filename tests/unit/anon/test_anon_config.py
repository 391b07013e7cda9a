"""What anon can be told, and what it refuses to be told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from diana_anon.__main__ import make_server
from diana_anon.config import AnonConfig, ProfileConfig
from diana_common.errors import DianaError, Reason
from diana_common.settings import build
from diana_server.config import ServerConfig, load_config


def refusal(tree: Mapping[str, Any]) -> str:
    with pytest.raises(DianaError) as caught:
        build(AnonConfig, tree)
    assert caught.value.reason is Reason.CONFIG_INVALID
    return caught.value.message


def test_profiles_are_read_and_what_they_leave_out_is_the_default() -> None:
    tree = {
        "profiles": {"longitudinal": {"use": "research-longitudinal"}, "trial": {"domain": "atlas"}, "default": None}
    }
    assert build(AnonConfig, tree).profiles == {
        "longitudinal": ProfileConfig("research-longitudinal"),
        "trial": ProfileConfig(domain="atlas"),
        "default": ProfileConfig(),
    }


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "anon.yaml"
    path.write_text("{guid: {address: 'mint:1'}, archive: {address: 'archive:1'}, max_instance_bytes: 5}")
    config = load_config(AnonConfig, "anon", path, {"DIANA_ANON_ARCHIVE__ADDRESS": "elsewhere:2"})
    assert (config.guid.address, config.archive.address, config.max_instance_bytes) == ("mint:1", "elsewhere:2", 5)
    assert load_config(AnonConfig, "anon", None, {}).guid.address == "127.0.0.1:50063"


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        ({"profile": {}}, "profile: is not a setting; did you mean 'profiles'?"),
        ({"profiles": {"a": {"uses": "basic"}}}, "profiles.a.uses: is not a setting; did you mean 'use'?"),
        ({"profiles": {"a": {"domain": "No domain"}}}, "profiles.a: domain: "),
        ({"profiles": {"Big": {}}}, "profiles.Big: "),
        ({"profiles": {"a" * 64: {}}}, "a profile's name is 1 to 63"),
        ({"max_instance_bytes": 0}, "max_instance_bytes must be positive"),
        ({"archive": {"key_file": "k"}}, "archive: cert_file and key_file need ca_file"),
        ({"guid": {"ca_file": "c", "key_file": "k"}}, "guid: cert_file and key_file go together"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_place(tree: Mapping[str, Any], where: str) -> None:
    assert where in refusal(tree)


def test_a_trust_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    tree = {"state_dir": str(tmp_path), "archive": {"ca_file": str(tmp_path / "absent.pem")}}
    with pytest.raises(DianaError) as caught:
        make_server(build(AnonConfig, tree))
    assert caught.value.message.startswith("archive: tls.ca_file")
    assert str(tmp_path) not in caught.value.message


def test_a_work_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    config = AnonConfig(ServerConfig(), tmp_path / "state", work_dir=tmp_path / "file" / "below")
    with pytest.raises(DianaError) as caught:
        make_server(config)
    assert caught.value.message.startswith("work_dir: ")


def test_a_state_directory_is_one_processs(tmp_path: Path) -> None:
    config = AnonConfig(ServerConfig(), tmp_path)
    server = make_server(config)
    try:
        with pytest.raises(DianaError) as caught:
            make_server(config)
        assert caught.value.reason is Reason.CONFIG_INVALID
    finally:
        server.stop(0)
