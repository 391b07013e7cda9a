"""State of an archive in every pair of stores, on real servers: one of each kind a test process, made when needed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from shutil import rmtree

from diana_archive.stores.anew import LostCatalogue
from diana_archive.stores.outside import OutsideState
from diana_archive.stores.s3_bucket import Bucket
from diana_archive.stores.state import StateDirectory
from tests.support.postgres import Postgres
from tests.support.s3 import BUCKET, S3Server, write_credentials

_servers = ExitStack()

OUTSIDE = ("postgres", "s3", "postgres-s3")
"""Kinds of state beside "files": the catalogue in PostgreSQL, the objects in S3, both."""


def stop_servers() -> None:
    """At the end of those who used them; they are made anew for others."""
    _servers.close()
    _databases.clear()
    for made in (postgres, s3, _s3_directory):
        made.cache_clear()


@cache
def postgres() -> Postgres:
    """A server, until `stop_servers`."""
    return _servers.enter_context(Postgres())


@cache
def s3() -> S3Server:
    """A server, until `stop_servers`."""
    directory = _s3_directory()
    server = S3Server(directory)
    _servers.callback(rmtree, directory, True)
    _servers.callback(server.stop)
    server.start()
    write_credentials(credentials_file())
    return server


@cache
def _s3_directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="diana-s3-"))


def credentials_file() -> Path:
    """With the credentials of `s3`."""
    return _s3_directory() / "credentials"


_databases: dict[Path, str] = {}
_places: dict[Path, str] = {}


def database_of(directory: Path) -> str:
    """The URL of the database that belongs to a state directory: those of one test are kept."""
    if directory.parent not in {one.parent for one in _databases}:
        while _databases:
            postgres().drop_database(_databases.popitem()[1])
    if directory not in _databases:
        _databases[directory] = postgres().new_database()
    return _databases[directory]


def _place_of(directory: Path) -> str:
    return _places.get(directory) or hashlib.sha256(str(directory).encode()).hexdigest()[:16]


def bucket_of(directory: Path) -> Bucket:
    """The place in the bucket that belongs to a state directory."""
    server = s3()
    return Bucket(
        BUCKET,
        prefix=_place_of(directory),
        endpoint=server.endpoint,
        allow_http=True,
        credentials_file=credentials_file(),
        conditional_put=False,
        retries=1,
    )


def share(directory: Path, other: Path) -> None:
    """Have two state directories belong to the same database and place in the bucket."""
    _databases[other] = database_of(directory)
    _places[other] = _place_of(directory)


def lose_database(directory: Path) -> None:
    """Have an empty one belong to a state directory."""
    _databases.pop(directory, None)


def open_lost(kind: str, directory: Path, stores: Sequence[str], clock: Callable[[], int]) -> LostCatalogue:
    """The same state without its catalogue, to have it rebuilt."""
    url = database_of(directory) if "postgres" in kind else ""
    bucket = bucket_of(directory) if "s3" in kind else None
    return LostCatalogue(directory, stores, clock, catalogue_url=url, bucket=bucket)


def open_state(
    kind: str, directory: Path, stores: Sequence[str], clock: Callable[[], int]
) -> StateDirectory | OutsideState:
    """The state of a kind that belongs to a directory, as it was left."""
    if kind == "files":
        return StateDirectory(directory, stores, clock)
    return OutsideState(
        directory,
        stores,
        clock,
        catalogue_url=database_of(directory) if "postgres" in kind else "",
        bucket=bucket_of(directory) if "s3" in kind else None,
    )
