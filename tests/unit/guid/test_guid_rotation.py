"""Keys rotated while others rotate, at the end of all versions, and after files were taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_guid.core import Domain, DomainKeys, GuidMint, Subject
from diana_guid.stores import FileKeyStore, KeyFile, SealingKeyFile

KEY = bytes(range(32))
ONE = Subject(patient_id="1")


def files(state: Path) -> FileKeyStore:
    return FileKeyStore({"default": KeyFile(state / "keys" / "default.key", create=True, ours=True)})


def keys_of(state: Path, store: FileKeyStore) -> DomainKeys:
    return DomainKeys(GuidMint([Domain("default")], store), store, SealingKeyFile(state / "sealing.key"))


def test_a_request_that_comes_to_two_servers_at_once_makes_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = files(tmp_path), keys_of(tmp_path, files(tmp_path))
    looked = here.version_made_by

    def slowly(domain: str, request_id: str) -> int | None:
        made = looked(domain, request_id)
        there.rotate(domain, request_id)
        return made

    monkeypatch.setattr(here, "version_made_by", slowly)
    assert keys_of(tmp_path, here).rotate("default", "one").version == 2
    assert here.versions("default") == [1, 2]


def test_after_the_last_version_there_is_none(tmp_path: Path) -> None:
    store = files(tmp_path)
    store.put("default", 9_999, KEY)
    with pytest.raises(DianaError) as refused:
        keys_of(tmp_path, store).rotate("default", "one")
    assert refused.value.reason is Reason.DOMAIN_KEY_MISSING
    assert store.versions("default") == [9_999]


def lost(path: Path) -> None:
    path.unlink()


def renamed(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


@pytest.mark.parametrize("taken", [lost, renamed])
@pytest.mark.parametrize("rotated", [False, True])
def test_a_key_file_that_is_taken_away_stops_the_mint_and_no_other_key_stands_in(
    tmp_path: Path, taken: Callable[[Path], None], rotated: bool
) -> None:
    store = files(tmp_path)
    mint = GuidMint([Domain("default")], store)
    mint.mint("default", ONE)
    if rotated:
        keys_of(tmp_path, store).rotate("default", "one")
        mint.mint("default", ONE)
    name = "default.v2.key" if rotated else "default.key"
    taken(tmp_path / "keys" / name)
    for _ in range(2):
        with pytest.raises(DianaError) as refused:
            mint.mint("default", ONE)
        assert refused.value.reason is Reason.DOMAIN_KEY_MISSING
    assert not (tmp_path / "keys" / name).exists()
