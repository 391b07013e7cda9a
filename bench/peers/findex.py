"""The older system's way to index files where they lie, re-enacted: pydicom reads each, and Redis is told of each.

One process goes through the files; of each it makes a plain dictionary of the header, as its library did for every
file it opened, and adds the path to the set of its accession number: one call a file.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pydicom
import redis
from pydicom.dataset import Dataset

from bench.room import BenchError
from tests.support.redis_server import serving

PREFIX = "findex-"


def index(paths: Sequence[Path]) -> float:
    """Index the files into an empty Redis; seconds. Raises BenchError when some are not found then."""
    with serving() as url, redis.Redis.from_url(url) as client:
        started = time.perf_counter()
        for path in paths:
            header = plain(pydicom.dcmread(path, stop_before_pixels=True))
            client.sadd(f"{PREFIX}{header['AccessionNumber']}", str(path))
        seconds = time.perf_counter() - started
        if (found := sum(map(client.scard, client.keys(f"{PREFIX}*")))) != len(paths):
            raise BenchError(f"of {len(paths)} files Redis has {found}")
    return seconds


def plain(data_set: Dataset) -> dict[str, Any]:
    """A header as a dictionary by keyword, sequences as lists of such; what has no keyword is left out."""
    return {element.keyword: _value(element.value) for element in data_set if element.keyword}


def _value(value: Any) -> Any:
    if isinstance(value, pydicom.Sequence):
        return [plain(item) for item in value]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [str(one) for one in value]
    return value if isinstance(value, bytes) else str(value)
