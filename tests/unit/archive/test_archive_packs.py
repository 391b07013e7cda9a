"""Packs: many objects in one file, found again whatever was removed, torn or left half written."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diana_archive.stores import direct, pack_writing, writeback
from diana_archive.stores.direct import BLOCK
from diana_archive.stores.files import FileObjects
from diana_archive.stores.memory import MemoryReader
from diana_archive.stores.pack_format import MOST_BYTES, PLAIN, ZSTD, Entry, join_id, span, split_id, walk
from diana_archive.stores.waterline import Line

SIZES = (0, 1, BLOCK - 64, BLOCK - 63, 11_000, 65_536, 65_537, 527_060, MOST_BYTES)


@pytest.fixture
def objects(tmp_path: Path) -> FileObjects:
    return FileObjects(tmp_path)


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes that differ from place to place."""
    return (b"%08d" % seed + bytes(range(251))) * (size // 259 + 1)


def put(objects: FileObjects, *contents: bytes, store: str = "default") -> list[int]:
    """Store objects as one commit does; their ids."""
    drafts = [objects.place(store, content) for content in contents]
    assert objects.make_durable(drafts) == [None] * len(drafts)
    ids = [draft.object_id for draft in drafts]
    for draft in drafts:
        draft.close()
    return ids


def get(objects: FileObjects, object_id: int, store: str = "default") -> bytes:
    """All of an object."""
    reader = objects.open(store, object_id)
    try:
        return reader.read(0, 1 << 26)
    finally:
        reader.close()


def used(root: Path) -> int:
    """Bytes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in root.rglob("*.pack"))


def test_objects_of_any_size_come_out_as_they_went_in(objects: FileObjects) -> None:
    contents = [pattern(size, seed)[:size] for seed, size in enumerate(SIZES)]
    ids = put(objects, *contents)
    assert [get(objects, one) for one in ids] == contents
    assert list(objects.ids("default")) == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_one_too_large_for_a_pack_gets_a_file_of_its_own(objects: FileObjects, tmp_path: Path) -> None:
    content = pattern(MOST_BYTES + 1)[: MOST_BYTES + 1]
    (large,) = put(objects, content)
    (small,) = put(objects, b"small")
    assert (split_id(large)[1], get(objects, large)) == (0, content)
    assert get(objects, small) == b"small"
    assert set(objects.ids("default")) == {large, small}
    assert len(list(tmp_path.glob("default/objects/*/*.dcm"))) == 1


def test_a_range_is_read_and_nothing_beyond_the_object(objects: FileObjects) -> None:
    first, _ = put(objects, pattern(10_000)[:10_000], b"neighbour")
    reader = objects.open("default", first)
    assert reader.read(9_990, 100) == pattern(10_000)[9_990:10_000]
    assert reader.read(10_000, 100) == b""
    assert reader.read(20_000, 100) == b""
    with reader.contents() as contents:
        assert bytes(contents) == pattern(10_000)[:10_000]
    reader.close()


def test_removed_objects_are_gone_their_neighbours_are_not_and_space_comes_back(
    objects: FileObjects, tmp_path: Path
) -> None:
    ids = put(objects, *[pattern(100_000, seed)[:100_000] for seed in range(20)])
    before = used(tmp_path)
    assert objects.remove([("default", one) for one in ids[::2]]) == [None] * 10
    assert used(tmp_path) <= before // 2 + 100_000
    assert list(objects.ids("default")) == ids[1::2]
    assert [get(objects, one) for one in ids[1::2]] == [pattern(100_000, seed)[:100_000] for seed in range(1, 20, 2)]
    with pytest.raises(FileNotFoundError):
        get(objects, ids[0])
    assert objects.remove([("default", ids[0]), ("default", join_id(77, BLOCK)), ("nowhere", 1)]) == [None] * 3


def test_a_pack_in_which_nothing_is_left_goes_unless_it_still_grows(tmp_path: Path) -> None:
    earlier = FileObjects(tmp_path)
    old = put(earlier, b"a", b"b")
    later = FileObjects(tmp_path)
    later.start(later.highest_id(["default"]) + 1)
    new = put(later, b"c")
    later.remove([("default", one) for one in [*old, *new]])
    assert [path.stem for path in tmp_path.glob("default/packs/*.pack")] == [f"{split_id(new[0])[0]:012d}"]
    assert get(later, put(later, b"d")[0]) == b"d"


def test_a_discarded_draft_leaves_nothing(objects: FileObjects, tmp_path: Path) -> None:
    kept = put(objects, b"kept")
    for size in (10, 300_000):
        objects.place("default", bytes(size)).discard()
    draft = objects.place("default", pattern(300_000))
    objects.make_durable([draft])
    draft.discard()
    assert list(objects.ids("default")) == kept
    assert used(tmp_path) < 50_000


def test_a_new_run_begins_a_new_pack_with_a_number_never_given(tmp_path: Path) -> None:
    first = FileObjects(tmp_path)
    ids = put(first, b"a", b"b")
    second = FileObjects(tmp_path)
    second.start(second.highest_id(["default"]) + 1)
    ids += put(second, b"c")
    assert ids == sorted(set(ids))
    assert split_id(ids[2])[0] > split_id(ids[1])[0]
    assert [get(second, one) for one in ids] == [b"a", b"b", b"c"]


def test_a_pack_that_is_purged_while_ids_are_listed_ends_no_listing(tmp_path: Path) -> None:
    first = FileObjects(tmp_path)
    (kept,) = put(first, b"kept")
    second = FileObjects(tmp_path)
    second.start(join_id(split_id(kept)[0] + 1))
    (purged,) = put(second, b"purged")
    third = FileObjects(tmp_path)
    third.start(join_id(split_id(purged)[0] + 1))
    (last,) = put(third, b"last")
    ids = third.ids("default")
    assert next(ids) == kept
    assert first.remove([("default", purged)]) == [None]
    assert list(ids) == [last]
    for one in (first, second, third):
        one.close()


def test_a_full_pack_is_followed_by_another(
    objects: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writing, "PACK_BYTES", 200_000)
    contents = [pattern(90_000, seed)[:90_000] for seed in range(9)]
    ids = put(objects, *contents)
    assert [get(objects, one) for one in ids] == contents
    assert len(list(tmp_path.glob("default/packs/*.pack"))) > 2
    assert ids == sorted(ids)


def test_a_full_pack_into_which_something_is_still_written_stays_when_it_is_emptied(
    objects: FileObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writing, "PACK_BYTES", 200_000)
    early = put(objects, bytes(150_000))
    go_on, write_at = threading.Event(), direct.write_at

    def held_back(descriptor: int, data: memoryview, offset: int) -> None:
        assert go_on.wait(60)
        write_at(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(direct, "write_at", held_back)
        late = objects.place("default", pattern(100_000)[:100_000])
        other = objects.place("default", b"in the next one" * 10_000)
        assert objects.remove([("default", one) for one in early]) == [None]
        go_on.set()
        assert objects.make_durable([late, other]) == [None, None]
    assert split_id(late.object_id)[0] == split_id(early[0])[0] < split_id(other.object_id)[0]
    assert get(objects, late.object_id) == pattern(100_000)[:100_000]


def test_a_pack_whose_sync_failed_once_takes_nothing_more(
    objects: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "lost")

    drafts = [objects.place("default", pattern(100_000)) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        assert [failure and failure.errno for failure in objects.make_durable(drafts[:1])] == [errno.EIO]
    # The system told of the lost writes once; those of this draft may have been among them.
    assert [failure and failure.errno for failure in objects.make_durable(drafts[1:])] == [errno.EIO]
    assert get(objects, put(objects, b"again")[0]) == b"again"
    assert len(list(tmp_path.glob("default/packs/*.pack"))) == 2


def test_where_no_hole_can_be_punched_what_is_removed_is_overwritten(
    objects: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> int:
        ctypes.set_errno(errno.EOPNOTSUPP)
        return -1

    gone, kept = put(objects, pattern(9_000)[:9_000], b"kept")
    monkeypatch.setattr(writeback, "_fallocate", lambda: refuse)
    assert objects.remove([("default", gone)]) == [None]
    (path,) = tmp_path.glob("default/packs/*.pack")
    assert pattern(9_000)[100:200] not in path.read_bytes()
    assert list(objects.ids("default")) == [kept]


def test_a_torn_compressed_object_that_was_never_committed_does_not_stop_a_start(tmp_path: Path) -> None:
    first = FileObjects(tmp_path, compressed={"default"})
    kept, torn = put(first, bytes(100_000), bytes(200_000))
    (path,) = tmp_path.glob("default/packs/*.pack")
    with open(path, "r+b") as file:
        file.seek(split_id(torn)[1] + 64)
        file.write(bytes(3_000))
    (path.parent / "000000000001 (copy).pack").write_bytes(b"somebody's")
    again = FileObjects(tmp_path, compressed={"default"})
    assert again.sweep(["default"], Line(kept), lambda ids: {kept}) == 1
    assert list(again.ids("default")) == [kept]
    assert get(again, kept) == bytes(100_000)
    assert len(list(tmp_path.glob("default/orphans/*.dcm.zst"))) == 1


def test_a_frame_that_lies_about_its_size_is_damage(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path, compressed={"default"})
    (one,) = put(objects, bytes(500_000))
    (path,) = tmp_path.glob("default/packs/*.pack")
    with open(path, "r+b") as file:
        file.seek(split_id(one)[1] + 64 + 5)
        file.write(b"\xff\xff\x7f")
    with pytest.raises(OSError, match="damaged"):
        get(objects, one)


def test_stores_have_packs_of_their_own(objects: FileObjects) -> None:
    (one,) = put(objects, b"one")
    (two,) = put(objects, b"two", store="deid")
    assert (get(objects, one), get(objects, two, "deid")) == (b"one", b"two")
    with pytest.raises(FileNotFoundError):
        get(objects, one, "deid")


def test_drafts_of_several_stores_share_a_commit(objects: FileObjects) -> None:
    drafts = [objects.place(store, store.encode()) for store in ("b", "a", "b", "c")]
    assert objects.make_durable(drafts) == [None] * 4
    assert [get(objects, draft.object_id, store) for draft, store in zip(drafts, "babc", strict=True)] == [
        b"b", b"a", b"b", b"c",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_write_that_fails_fails_its_commit_alone(
    objects: FileObjects, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = put(objects, b"kept")
    with monkeypatch.context() as patch:
        patch.setattr(direct, "write_at", _full)
        draft = objects.place("default", bytes(size))
        (failure,) = objects.make_durable([draft])
        draft.discard()
    assert failure is not None
    assert failure.errno == errno.ENOSPC
    assert list(objects.ids("default")) == kept
    assert get(objects, put(objects, b"again")[0]) == b"again"


def _full(descriptor: int, data: memoryview, offset: int) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_a_disk_that_takes_only_part_of_a_write_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: len(data) - BLOCK)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        direct.write_at(0, memoryview(bytes(2 * BLOCK)), 0)


def test_a_file_system_without_direct_writes_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no O_DIRECT here")
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    objects = FileObjects(tmp_path)
    assert get(objects, put(objects, pattern(300_000)[:300_000])[0]) == pattern(300_000)[:300_000]


@pytest.mark.parametrize("damage", ["torn head", "zeros", "no end", "another's id", "garbage between"])
def test_what_a_power_cut_tears_hides_nothing_behind_it(objects: FileObjects, tmp_path: Path, damage: str) -> None:
    ids = put(objects, *[pattern(9_000, seed)[:9_000] for seed in range(5)])
    (path,) = tmp_path.glob("default/packs/*.pack")
    third = split_id(ids[2])[1]
    with open(path, "r+b") as file:
        file.seek(third)
        if damage == "torn head":
            file.write(b"DIANAPK1 and then nothing that fits")
        elif damage == "zeros":
            file.write(bytes(span(9_000)))
        elif damage == "another's id":
            file.write(Entry(ids[0], 10, 10, PLAIN).encode())
        elif damage == "garbage between":
            file.write(os.urandom(span(9_000)))
        else:
            file.truncate(third + 30)
    left = ids[:2] if damage == "no end" else [*ids[:2], *ids[3:]]
    assert list(objects.ids("default")) == left
    for one in left:
        assert get(objects, one) == pattern(9_000, ids.index(one))[:9_000]


def test_an_entry_whose_bytes_are_missing_is_seen_and_reads_short(objects: FileObjects, tmp_path: Path) -> None:
    (one,) = put(objects, pattern(9_000)[:9_000])
    (path,) = tmp_path.glob("default/packs/*.pack")
    os.truncate(path, split_id(one)[1] + 5_000)
    assert list(objects.ids("default")) == [one]
    assert get(objects, one) == pattern(9_000)[: 5_000 - 64]


def test_what_was_never_committed_is_swept_into_the_orphans(tmp_path: Path) -> None:
    first = FileObjects(tmp_path)
    kept, lost = put(first, b"kept", b"lost")
    again = FileObjects(tmp_path)
    assert again.sweep(["default"], Line(kept), lambda ids: {kept}) == 1
    assert list(again.ids("default")) == [kept]
    (orphan,) = tmp_path.glob("default/orphans/*.dcm")
    assert orphan.read_bytes() == b"lost"
    assert again.highest_id(["default"]) >= lost


def test_compressed_stores_keep_less_and_give_the_same(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path, compressed={"default"})
    smooth, noise = bytes(500_000), os.urandom(500_000)
    ids = put(objects, smooth, noise, b"tiny")
    assert [get(objects, one) for one in ids] == [smooth, noise, b"tiny"]
    (path,) = tmp_path.glob("default/packs/*.pack")
    with open(path, "rb") as file:
        entries = {entry.object_id: entry for entry in walk(file.fileno(), split_id(ids[0])[0], 0)}
    assert [entries[one].encoding for one in ids] == [ZSTD, PLAIN, PLAIN]
    assert entries[ids[0]].kept_bytes < 1_000
    reader = objects.open("default", ids[0])
    assert reader.read(499_990, 100) == bytes(10)
    reader.close()


def test_damage_in_a_compressed_object_is_an_error(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path, compressed={"default"})
    (one,) = put(objects, bytes(500_000))
    (path,) = tmp_path.glob("default/packs/*.pack")
    with open(path, "r+b") as file:
        file.seek(split_id(one)[1] + 64 + 4)
        file.write(b"\xff\xff\xff\xff\xff\xff")
    with pytest.raises(OSError, match="damaged"):
        get(objects, one)


def test_a_copy_lies_where_its_id_says(objects: FileObjects, tmp_path: Path) -> None:
    ids = put(objects, b"a", pattern(300_000)[:300_000], b"c")
    copies = FileObjects(tmp_path / "copies")
    for one in (ids[1], ids[0]):
        copies.copy("default", one, objects.open("default", one))
    copies.copy("default", join_id(500), MemoryReader(b"large"))
    assert list(copies.ids("default")) == [*sorted(ids[:2]), join_id(500)]
    assert get(copies, ids[1]) == pattern(300_000)[:300_000]
    assert copies.has("default", ids[1], 300_000)
    assert not copies.has("default", ids[1], 299_999)
    assert not copies.has("default", ids[2], 1)


def test_many_threads_place_at_once_and_none_overwrites_another(objects: FileObjects) -> None:
    def some(start: int) -> Iterator[bytes]:
        return (pattern(size, start + number)[:size] for number, size in enumerate((10, 70_000, 600_000, 4_000)))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda start: put(objects, *some(start)), range(0, 200, 10)))
    for start, ids in zip(range(0, 200, 10), found, strict=True):
        assert [get(objects, one) for one in ids] == list(some(start))
