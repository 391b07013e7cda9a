"""What a bucket must do besides what every store of objects does: others share it, and it may be away."""

from __future__ import annotations

import errno
import itertools
import random
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from diana_archive.core.ports import Draft
from diana_archive.stores.files import FileObjects
from diana_archive.stores.pack_format import join_id
from diana_archive.stores.s3 import S3Objects
from diana_archive.stores.s3_bucket import Bucket
from diana_common.errors import DianaError, Reason
from tests.contract.archive.places import MIB, is_missing, keep, make_bucket, noise_and_words, read, s3_objects, write
from tests.support.dicom_files import make_ct, make_small
from tests.support.s3 import BUCKET, S3Server, serving, write_credentials


def test_a_store_that_is_put_back_has_its_objects_under_their_ids(bucket: Bucket, tmp_path: Path) -> None:
    backup = FileObjects(tmp_path / "backup")
    backup.start(join_id(1))
    contents = [make_small(), make_ct(), noise_and_words(20 * MIB)]
    ids = keep(backup, *(backup.place("default", one) for one in contents))
    with s3_objects(bucket, tmp_path, zstd=True) as objects:
        for _ in range(2):
            for one in ids:
                with closing(backup.open("default", one)) as reader:
                    objects.copy("default", one, reader)
        assert [read(objects, one) for one in ids] == contents
        assert list(objects.ids("default")) == sorted(ids)


def test_an_id_of_63_bits_is_found_again(bucket: Bucket, tmp_path: Path) -> None:
    highest = join_id((1 << 31) - 1)
    with s3_objects(bucket, tmp_path, first_number=(1 << 31) - 1) as objects:
        assert keep(objects, objects.place("default", b"last")) == [highest]
        assert objects.settled("default", highest - 1, 10) == [highest]
        assert objects.highest_id(["default"]) == highest
        assert objects.highest_id([]) == objects.highest_id(["nothing"]) == 0
        assert objects.stores() == ["default"]


def test_another_process_s_draft_is_not_settled(bucket: Bucket, tmp_path: Path) -> None:
    with s3_objects(bucket, tmp_path) as objects:
        keep(objects, objects.place("default", b"young"))
    with closing(S3Objects(bucket, tmp_path / "spool", itertools.count(2).__next__)) as objects:
        assert objects.settled("default", 0, 10) == []


def test_a_store_whose_compression_changed_is_read_all_the_same(bucket: Bucket, tmp_path: Path) -> None:
    with s3_objects(bucket, tmp_path, zstd=False) as objects:
        ids = keep(objects, objects.place("default", make_ct()))
    with s3_objects(bucket, tmp_path, zstd=True, first_number=2) as objects:
        ids += keep(objects, objects.place("default", make_ct()))
        assert [read(objects, one) for one in ids] == [make_ct(), make_ct()]
        assert objects.settled("default", 0, 10) == ids
    with s3_objects(bucket, tmp_path, zstd=False, first_number=3) as objects:
        assert [read(objects, one) for one in ids] == [make_ct(), make_ct()]
        assert objects.remove([("default", one) for one in ids]) == [None, None]
        assert objects.settled("default", 0, 10) == []


def test_compressed_objects_take_less_room_in_the_bucket(bucket: Bucket, s3: S3Server, tmp_path: Path) -> None:
    noise = random.Random(3).randbytes(50_000)
    with s3_objects(bucket, tmp_path, zstd=True) as objects:
        packed, raw = keep(objects, objects.place("default", make_ct()), objects.place("default", noise))
    folder = s3.path(f"tests/{tmp_path.name}/objects/default")
    assert (folder / f"{packed:019d}.dcm.zst").stat().st_size < 0.9 * len(make_ct())
    assert (folder / f"{raw:019d}.dcm").read_bytes() == noise


def test_a_compressed_object_that_was_altered_is_an_error_of_the_disk(
    bucket: Bucket, s3: S3Server, tmp_path: Path
) -> None:
    with s3_objects(bucket, tmp_path, zstd=True) as objects:
        (one,) = keep(objects, objects.place("default", make_ct()))
        packed = s3.path(f"tests/{tmp_path.name}/objects/default/{one:019d}.dcm.zst")
        data = bytearray(packed.read_bytes())
        data[len(data) // 2] ^= 1
        packed.write_bytes(data)
        with pytest.raises(OSError, match="compressed") as caught:
            read(objects, one)
        assert caught.value.errno == errno.EIO


@pytest.mark.parametrize("size", [1000, 20 * MIB], ids=["small", "large"])
def test_a_server_away_in_the_middle_refuses_and_takes_on_when_it_is_back(size: int, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    data = noise_and_words(size)
    with serving(tmp_path / "own") as server, s3_objects(make_bucket(server, tmp_path), tmp_path) as objects:
        (first,) = keep(objects, write(objects, data))
        late = objects.create("default")
        late.write(data)
        server.stop()
        with pytest.raises(ConnectionError):
            _finish_and_keep(objects, late)
        with pytest.raises(ConnectionError):
            read(objects, first)
        with pytest.raises(ConnectionError):
            objects.settled("default", 0, 10)
        assert isinstance(objects.remove([("default", first)])[0], ConnectionError)
        with pytest.raises(ConnectionError):
            objects.check()
        late.discard()
        server.start()
        objects.check()
        assert read(objects, first) == data
        (second,) = keep(objects, write(objects, data))
        assert read(objects, second) == data


def _finish_and_keep(objects: S3Objects, draft: Draft) -> None:
    draft.finish()  # type: ignore[attr-defined]
    (failure,) = objects.make_durable([draft])
    if failure:
        raise failure


def test_a_server_that_never_answers_is_given_up(s3: S3Server, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        s3_like = S3Server.__new__(S3Server)
        s3_like.endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        bucket = make_bucket(s3_like, tmp_path, timeout_seconds=0.3)
        with s3_objects(bucket, tmp_path) as objects:
            draft = objects.place("default", b"bytes")
            assert isinstance(objects.make_durable([draft])[0], ConnectionError)


def test_wrong_credentials_and_a_wrong_bucket_say_nothing_of_the_objects(s3: S3Server, tmp_path: Path) -> None:
    with s3_objects(make_bucket(s3, tmp_path, "nowhere"), tmp_path) as objects:
        with pytest.raises(ConnectionError):
            objects.open("default", 1)
        with pytest.raises(ConnectionError):
            objects.check()
    bucket = make_bucket(s3, tmp_path)
    with s3_objects(bucket, tmp_path) as objects:
        (one,) = keep(objects, objects.place("default", b"bytes"))
    credentials = tmp_path / "credentials"
    credentials.write_text(credentials.read_text().replace("diana-secret", "guess"))
    with s3_objects(make_bucket_as_it_is(s3, tmp_path), tmp_path) as objects, pytest.raises(ConnectionError):
        objects.open("default", one)


def make_bucket_as_it_is(s3: S3Server, tmp_path: Path) -> Bucket:
    return Bucket(
        BUCKET,
        prefix=f"tests/{tmp_path.name}",
        endpoint=s3.endpoint,
        allow_http=True,
        credentials_file=tmp_path / "credentials",
        retries=0,
    )


def test_a_file_without_credentials_is_a_bad_setting(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = secret-one\n")
    with pytest.raises(DianaError) as caught:
        Bucket(BUCKET, credentials_file=tmp_path / "credentials")
    assert caught.value.reason == Reason.CONFIG_INVALID
    assert "secret-one" not in str(caught.value)


class Guarded(Bucket):
    """A bucket of a server that minds If-None-Match, and whose answers may be lost."""

    def __init__(self, s3: S3Server, tmp_path: Path) -> None:
        super().__init__(
            BUCKET,
            prefix=f"tests/{tmp_path.name}",
            endpoint=s3.endpoint,
            allow_http=True,
            credentials_file=write_credentials(tmp_path / "credentials"),
        )
        self.lose_answer = False

    def create(self, key: str, data: bytes) -> None:
        if self._has(key):
            raise FileExistsError(errno.EEXIST, "there")
        super().create(key, data)
        if self.lose_answer:
            # As a client sees it that made its request again.
            raise FileExistsError(errno.EEXIST, "there")


@pytest.mark.parametrize("size", [2000, 20 * MIB], ids=["small", "large"])
def test_an_id_that_another_archive_gave_overwrites_nothing(size: int, s3: S3Server, tmp_path: Path) -> None:
    bucket = Guarded(s3, tmp_path)
    theirs, ours = noise_and_words(size), noise_and_words(size + 14)
    with s3_objects(bucket, tmp_path) as objects:
        (one,) = keep(objects, write(objects, theirs))
    with s3_objects(bucket, tmp_path) as objects:
        draft = objects.create("default")
        draft.write(ours)
        with pytest.raises(FileExistsError):
            _finish_and_keep(objects, draft)
        draft.discard()
    with s3_objects(bucket, tmp_path) as objects:
        assert read(objects, one) == theirs


def test_a_put_whose_answer_was_lost_counts_when_it_is_made_again(s3: S3Server, tmp_path: Path) -> None:
    bucket = Guarded(s3, tmp_path)
    bucket.lose_answer = True
    with s3_objects(bucket, tmp_path) as objects:
        (one,) = keep(objects, objects.place("default", make_small()))
        assert read(objects, one) == make_small()


def test_a_draft_that_was_put_and_is_discarded_goes(bucket: Bucket, tmp_path: Path) -> None:
    with s3_objects(bucket, tmp_path) as objects:
        draft = objects.place("default", b"bytes")
        assert objects.make_durable([draft]) == [None]
        draft.discard()
    with s3_objects(bucket, tmp_path) as objects:
        assert is_missing(objects, draft.object_id)


def test_the_spool_is_for_its_owner_alone_and_a_draft_has_no_name(bucket: Bucket, tmp_path: Path) -> None:
    with s3_objects(bucket, tmp_path) as objects:
        draft = objects.create("default")
        draft.write(b"patient")
        assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
        assert not list((tmp_path / "spool").iterdir())
        draft.discard()
