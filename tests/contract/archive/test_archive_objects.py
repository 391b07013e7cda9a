"""What every store of objects and sidecars must do: memory, files, and a bucket on a real S3 server."""

from __future__ import annotations

import itertools
import random
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from diana_archive.core.ports import Objects, Sidecars
from diana_archive.stores.files import FileObjects
from diana_archive.stores.memory import MemoryObjects, MemorySidecars
from diana_archive.stores.pack_format import join_id
from diana_archive.stores.s3 import S3Objects, S3Sidecars
from diana_archive.stores.sidecars import FileSidecars
from diana_archive.stores.waterline import Line
from tests.contract.archive.places import (
    MIB,
    compressed_stores,
    is_missing,
    keep,
    noise_and_words,
    read,
    s3_objects,
    write,
)
from tests.support.dicom_files import make_ct, make_small

KINDS = ["memory", "files", "files-zstd", "s3", "s3-zstd"]


class World:
    """Objects and sidecars of one kind, with what its tests need to look behind them."""

    def __init__(self, objects: Objects, sidecars: Sidecars) -> None:
        self.objects = objects
        self.sidecars = sidecars


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        yield World(MemoryObjects(), MemorySidecars())
    elif request.param.startswith("files"):
        files = FileObjects(tmp_path / "stores", compressed=compressed_stores(request.param))
        files.start(1)
        yield World(files, FileSidecars(tmp_path / "stores"))
    else:
        bucket = request.getfixturevalue("bucket")
        with s3_objects(bucket, tmp_path, zstd=bool(compressed_stores(request.param))) as objects:
            yield World(objects, S3Sidecars(bucket))


def test_what_was_written_is_read(world: World) -> None:
    small, ct = make_small(), make_ct()
    ids = keep(world.objects, world.objects.place("default", small), write(world.objects, ct))
    assert [read(world.objects, one) for one in ids] == [small, ct]


def test_an_object_placed_whole_may_be_of_any_size(world: World) -> None:
    contents = [b"", b"x", make_small(), noise_and_words(300_000)]
    ids = keep(world.objects, *(world.objects.place("default", one) for one in contents))
    assert [read(world.objects, one) for one in ids] == contents


def test_ranges_are_cut_from_the_plain_bytes(world: World) -> None:
    data = noise_and_words(6 * MIB)
    (one,) = keep(world.objects, write(world.objects, data))
    with closing(world.objects.open("default", one)) as reader:
        choose = random.Random(1)
        for _ in range(40):
            offset, size = choose.randrange(len(data) + 10), choose.randrange(1, 2 * MIB)
            assert reader.read(offset, size) == data[offset : offset + size]
        with reader.contents() as contents:
            assert bytes(contents) == data


def test_a_large_object_comes_back_as_it_was(world: World) -> None:
    data = noise_and_words(36 * MIB)
    (one,) = keep(world.objects, write(world.objects, data, piece=MIB))
    assert read(world.objects, one) == data
    with closing(world.objects.open("default", one)) as reader, reader.contents() as contents:
        assert contents[:] == data


def test_a_file_of_this_host_is_taken_over(world: World, tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir(exist_ok=True)
    handed = tmp_path / "stores" / "handed"
    handed.write_bytes(make_ct())
    draft = world.objects.adopt("default", handed)
    with draft.contents() as contents:
        assert bytes(contents) == make_ct()
    draft.finish()
    (one,) = keep(world.objects, draft)
    assert read(world.objects, one) == make_ct()
    assert handed.read_bytes() == make_ct()
    handed.unlink()
    assert read(world.objects, one) == make_ct()


def test_what_is_missing_is_not_found(world: World) -> None:
    with pytest.raises(FileNotFoundError):
        world.objects.open("default", 999)
    with pytest.raises(FileNotFoundError):
        world.objects.open("other", 1)


def test_a_draft_that_is_discarded_leaves_nothing(world: World, tmp_path: Path) -> None:
    draft = write(world.objects, make_ct())
    draft.discard()
    draft.discard()
    kept = world.objects.place("default", make_small())
    keep(world.objects, kept)
    assert not list((tmp_path / "spool").glob("*"))
    if not isinstance(world.objects, FileObjects):
        assert is_missing(world.objects, draft.object_id)


def test_an_open_object_that_is_removed_is_read_as_it_was_or_not_at_all(world: World) -> None:
    for data in (make_small(), noise_and_words(6 * MIB)):
        (one,) = keep(world.objects, world.objects.place("default", data))
        with closing(world.objects.open("default", one)) as reader:
            assert world.objects.remove([("default", one)]) == [None]
            with suppress(FileNotFoundError):
                assert reader.read(0, len(data)) == data
        assert is_missing(world.objects, one)


def test_removing_many_takes_those_that_are_not_there_too(world: World) -> None:
    ids = keep(world.objects, *(world.objects.place("default", make_small()) for _ in range(20)))
    doomed = [("default", one) for one in ids[:15]] + [("default", 12345)]
    assert world.objects.remove(doomed) == [None] * 16
    assert world.objects.remove(doomed) == [None] * 16
    assert [is_missing(world.objects, one) for one in ids] == [True] * 15 + [False] * 5
    assert world.objects.remove([]) == []


def test_stores_keep_their_objects_apart(world: World) -> None:
    here, there = keep(world.objects, world.objects.place("default", b"here"), world.objects.place("deid", b"there"))
    assert read(world.objects, here) == b"here"
    assert read(world.objects, there, "deid") == b"there"
    assert is_missing(world.objects, here, "deid")


def test_threads_write_at_the_same_time_and_one_makes_it_durable(world: World) -> None:
    contents = [make_small(sop_uid=f"1.2.{number}") for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        drafts = list(pool.map(lambda data: world.objects.place("default", data), contents))
    ids = keep(world.objects, *drafts)
    assert len(set(ids)) == 60
    assert [read(world.objects, one) for one in ids] == contents


def test_sidecars_are_replaced_whole_and_removed(world: World) -> None:
    sidecars = world.sidecars
    assert sidecars.read("default", "1.2.3") is None
    sidecars.remove("default", "1.2.3")
    sidecars.write("default", "1.2.3", b"{1}")
    sidecars.write("default", "1.2.3", b"{two}")
    sidecars.write("default", "1.2.4", b"{4}")
    assert sidecars.read("default", "1.2.3") == b"{two}"
    assert sidecars.read("deid", "1.2.3") is None
    sidecars.remove("default", "1.2.3")
    assert sidecars.read("default", "1.2.3") is None
    assert sidecars.read("default", "1.2.4") == b"{4}"


Reopen = Callable[[int], FileObjects | S3Objects]


@pytest.fixture(params=KINDS[1:])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Opens the same store anew, as a later run does, that gives numbers from one on."""
    opened: list[S3Objects] = []

    def files(first_number: int) -> FileObjects:
        objects = FileObjects(tmp_path / "stores", compressed=compressed_stores(request.param))
        objects.start(join_id(first_number))
        return objects

    def s3(first_number: int) -> S3Objects:
        numbers = itertools.count(first_number).__next__
        bucket = request.getfixturevalue("bucket")
        opened.append(S3Objects(bucket, tmp_path / "spool", numbers, compressed_stores(request.param), 0.0))
        return opened[-1]

    yield files if request.param.startswith("files") else s3
    for one in opened:
        one.close()


def test_settled_objects_are_listed_by_id_a_page_at_a_time(reopen: Reopen) -> None:
    ids: list[int] = []
    for first_number in (8, 9_999, 1_000_007):
        before = reopen(first_number)
        ids += keep(before, *(before.place("default", make_small()) for _ in range(3)))
        ids += keep(before, write(before, make_small()))
    objects = reopen(2_000_000)
    assert ids == sorted(ids)
    assert objects.settled("default", 0, 100) == ids
    assert objects.settled("default", ids[0], 4) == ids[1:5]
    assert objects.settled("default", ids[4], 100) == ids[5:]
    assert objects.settled("default", ids[4] + 1, 100) == ids[5:]
    assert objects.settled("default", ids[-1], 100) == []
    assert objects.settled("other", 0, 100) == []
    assert ids[-1] <= objects.highest_id(["default", "other"]) < join_id(2_000_000)
    assert objects.highest_id(["other"]) == 0


def test_what_is_set_aside_is_no_object_any_more_and_goes_in_the_end(reopen: Reopen) -> None:
    before = reopen(1)
    kept = [before.place("default", make_small()) for _ in range(3)]
    ids = keep(before, *kept, write(before, noise_and_words(2000)), write(before, make_ct()))
    objects = reopen(100)
    objects.set_aside("default", [ids[1], ids[3]])
    objects.set_aside("default", [])
    assert objects.settled("default", 0, 100) == sorted([ids[0], ids[2], ids[4]])
    assert is_missing(objects, ids[1])
    assert is_missing(objects, ids[3])
    assert objects.highest_id(["default"]) >= max(ids)
    assert objects.drop_orphans(0) == 0
    later_us = (int(time.time()) + 3600) * 1_000_000
    assert objects.drop_orphans(later_us) == 2
    assert objects.drop_orphans(later_us) == 0
    assert read(objects, ids[0]) == make_small()


def test_a_compressed_file_takes_less_room_and_what_does_not_shrink_stays_as_it_is(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path, compressed={"default"})
    objects.start(join_id(1))
    noise = random.Random(4).randbytes(50_000)
    keep(objects, write(objects, make_ct()), write(objects, noise))
    packed, raw = sorted(tmp_path.glob("default/objects/*/*"))
    assert packed.name.endswith(".dcm.zst")
    assert packed.stat().st_size < 0.9 * len(make_ct())
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600
    assert raw.read_bytes() == noise


def test_a_crash_between_a_file_and_its_compressed_form_leaves_one_orphan(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path, compressed={"default"})
    objects.start(join_id(1))
    (one,) = keep(objects, write(objects, make_ct()))
    (packed,) = tmp_path.glob("default/objects/*/*")
    packed.with_suffix("").write_bytes(make_ct())
    objects = FileObjects(tmp_path, compressed={"default"})
    assert objects.sweep(["default"], Line(one), lambda _: set()) == 1
    assert not list(tmp_path.glob("default/objects/*/*"))
    assert [path.read_bytes() for path in tmp_path.glob("default/orphans/*")] == [make_ct()]


def test_many_threads_read_one_object(world: World) -> None:
    (one,) = keep(world.objects, write(world.objects, make_ct()))
    barrier = threading.Barrier(6)

    def once(_: int) -> bytes:
        barrier.wait(30)
        return read(world.objects, one)

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(once, range(6))) == {make_ct()}
