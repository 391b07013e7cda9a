"""What readers hold ahead: bounded for all of them together, and never needed to go on."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from diana_archive.core.ports import Draft, ObjectReader
from diana_archive.stores.ahead import OF_ALL, Ahead
from diana_archive.stores.files import FileObjects

MIB = 1 << 20
PIECE = 64 * 1024


def words(size: int) -> bytes:
    """Bytes that compress to about a half."""
    made = bytearray(size)
    made[::2] = random.Random(size).randbytes((size + 1) // 2)
    return bytes(made)


def written(objects: FileObjects, data: bytes) -> Draft:
    """In a file of its own."""
    draft = objects.create("default")
    draft.write(data)
    draft.finish()
    return draft


def test_who_asked_longest_ago_lets_go_first() -> None:
    ahead = Ahead(10)
    ahead.hold("a", b"aaaa")
    ahead.hold("b", b"bbbb")
    assert ahead.find("a") == b"aaaa"
    ahead.hold("c", b"cccc")
    assert [ahead.find(one) for one in "abc"] == [b"aaaa", None, b"cccc"]


def test_a_reader_holds_one_piece_and_lets_it_go_at_its_end() -> None:
    ahead = Ahead(10)
    ahead.hold("b", b"bb")
    for data in (b"aaaa", b"AAAA", b"aaaaaaaa"):
        ahead.hold("a", data)
        assert (ahead.find("a"), ahead.find("b")) == (data, b"bb")
    ahead.drop("a")
    ahead.drop("a")
    ahead.hold("c", b"cccccccc")
    assert (ahead.find("a"), ahead.find("b"), ahead.find("c")) == (None, b"bb", b"cccccccc")


def test_one_that_is_larger_than_all_may_hold_is_held_alone() -> None:
    ahead = Ahead(10)
    ahead.hold("a", b"aaaa")
    ahead.hold("b", bytes(20))
    assert (ahead.find("a"), ahead.find("b")) == (None, bytes(20))


@pytest.mark.parametrize("packed", [True, False])
def test_readers_in_turn_get_every_byte_though_none_may_hold_on_to_anything(
    tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OF_ALL, "_most_bytes", 1)
    plain = words(2 * MIB + 77)
    objects = FileObjects(tmp_path, compressed={"default"})
    draft = objects.place("default", plain) if packed else written(objects, plain)
    assert objects.make_durable([draft]) == [None]
    draft.close()
    readers: list[ObjectReader] = [objects.open("default", draft.object_id) for _ in range(3)]
    parts = [bytearray() for _ in readers]
    for offset in range(0, len(plain), PIECE):
        for reader, part in zip(readers, parts, strict=True):
            part += reader.read(offset, PIECE)
    assert all(part == plain for part in parts)
    for reader in readers:
        with closing(reader):
            assert reader.read(7, 100) == plain[7:107]
    assert not any(OF_ALL.find(reader) for reader in readers)
    objects.close()
