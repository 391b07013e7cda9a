"""Stores of objects for tests: opened, written to, read from."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from diana_archive.core.ports import Draft, Objects
from diana_archive.stores.s3 import S3Objects
from diana_archive.stores.s3_bucket import Bucket
from tests.support.s3 import BUCKET, S3Server, write_credentials

MIB = 1024 * 1024


def make_bucket(s3: S3Server, tmp_path: Path, name: str = BUCKET, timeout_seconds: float = 5.0) -> Bucket:
    credentials = write_credentials(tmp_path / "credentials")
    return Bucket(
        name,
        prefix=f"tests/{tmp_path.name}",
        endpoint=s3.endpoint,
        allow_http=True,
        credentials_file=credentials,
        timeout_seconds=timeout_seconds,
        retries=1,
    )


@contextmanager
def s3_objects(bucket: Bucket, tmp_path: Path, zstd: bool = False, first_number: int = 1) -> Iterator[S3Objects]:
    numbers = itertools.count(first_number).__next__
    with closing(S3Objects(bucket, tmp_path / "spool", numbers, {"default"} if zstd else (), 0.0)) as objects:
        yield objects


def compressed_stores(kind: str) -> set[str]:
    return {"default"} if kind.endswith("-zstd") else set()


def write(objects: Objects, data: bytes, store: str = "default", piece: int = 100_000) -> Draft:
    """A draft that is written in pieces and finished."""
    draft = objects.create(store)
    for start in range(0, len(data), piece):
        draft.write(data[start : start + piece])
    with draft.contents() as contents:
        assert bytes(contents) == data
    draft.finish()
    return draft


def keep(objects: Objects, *drafts: Draft) -> list[int]:
    """Make them durable; their ids."""
    assert objects.make_durable(drafts) == [None] * len(drafts)
    for draft in drafts:
        draft.close()
    return [draft.object_id for draft in drafts]


def read(objects: Objects, object_id: int, store: str = "default") -> bytes:
    """All of an object, in pieces of a MiB."""
    with closing(objects.open(store, object_id)) as reader:
        pieces, offset = [], 0
        while piece := reader.read(offset, MIB):
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)


def is_missing(objects: Objects, object_id: int, store: str = "default") -> bool:
    try:
        objects.open(store, object_id).close()
    except FileNotFoundError:
        return True
    return False


def noise_and_words(size: int) -> bytes:
    """Half of it compresses."""
    return random.Random(size).randbytes(size // 2) + b"value; " * (size // 14 + 1)
