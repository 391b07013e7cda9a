"""The script that makes the secrets of the compose stack."""

from __future__ import annotations

import base64
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.compose import PROJECT, read_compose


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The place for secrets in a fresh project, with the script beside it."""
    shutil.copy(PROJECT / "deploy" / "make_secrets.sh", tmp_path)
    (tmp_path / "secrets").mkdir(mode=0o755)
    return tmp_path / "secrets"


def make(secrets: Path) -> str:
    script = secrets.parent / "make_secrets.sh"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout


def test_all_that_the_stack_names_is_made_and_kept_from_others_on_the_host(secrets: Path) -> None:
    make(secrets)
    named = set(read_compose({}, "deploy/tls.yml")["secrets"])
    assert {one.name for one in secrets.iterdir()} == named - {"tls_ca", "tls_cert", "tls_key"}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in secrets.iterdir()} == {0o444}
    assert len(base64.b64decode((secrets / "guid_default_key").read_text("ascii"))) == 32


def test_made_again_nothing_changes_and_no_secret_is_shown(secrets: Path) -> None:
    first = make(secrets)
    before = {one.name: one.read_bytes() for one in secrets.iterdir()}
    assert make(secrets) == ""
    assert {one.name: one.read_bytes() for one in secrets.iterdir()} == before
    assert not any(value.decode().strip() in first for value in before.values() if value)


def test_two_sites_have_different_keys(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(secrets.parent, other, dirs_exist_ok=True)
    make(secrets)
    make(other / "secrets")
    assert (secrets / "guid_default_key").read_bytes() != (other / "secrets" / "guid_default_key").read_bytes()
