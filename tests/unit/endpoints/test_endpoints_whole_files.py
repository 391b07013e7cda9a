"""Files that appear whole or not at all, with the mode that they should have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_endpoints.whole_files import replacing


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_gets_the_callers_mode_and_one_that_is_replaced_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with replacing(path) as stream:
        stream.write(b"one")
    assert (path.read_bytes(), _mode(path)) == (b"one", 0o640)

    path.chmod(0o600)
    with replacing(path) as stream:
        [part] = [one for one in path.parent.iterdir() if one != path]
        assert _mode(part) == 0o600
        stream.write(b"two")
    assert (path.read_bytes(), _mode(path)) == (b"two", 0o600)
    assert list(path.parent.iterdir()) == [path]


def test_what_breaks_off_leaves_the_file_that_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), replacing(path) as stream:
        stream.write(b"new")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
