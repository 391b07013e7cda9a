"""The keys of sealed attributes are made once, and a bad file is told."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from diana_archive.stores.seal_keys import FileSealKeys
from diana_common.errors import DianaError, Reason


def test_seal_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "seal.json"
    assert FileSealKeys(path).find("any") is None
    assert not path.exists()
    key_id, key = FileSealKeys(path).current()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileSealKeys(path).current() == (key_id, key)
    assert FileSealKeys(path).find(key_id) == key
    assert FileSealKeys(path).find("other") is None


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '{"current": "a", "keys": {}}', '{"current": "a", "keys": {"a": "QUJD"}}']
)
def test_a_bad_seal_key_file_is_a_bad_setting(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seal.json"
    path.write_text(text)
    with pytest.raises(DianaError) as caught:
        FileSealKeys(path).current()
    assert caught.value.reason == Reason.CONFIG_INVALID
    assert path.read_text() == text
