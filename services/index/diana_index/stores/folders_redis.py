"""A folder registry in Redis, as the older system kept it: sets by accession number under a prefix.

    PREFIXaccession_number:VALUE   set of files; so too study_uid: and patient_id:
    PREFIXvalues:accession_number  sorted set of the values that there are, to list them by name
    PREFIXfiles                    hash: of each file what is told of it, as JSON
    PREFIXfolders                  hash: of each folder how far it is indexed, as JSON
    PREFIXdirectories:FOLDER       hash: of each directory the run it was done in, and its number of DICOM files
    PREFIXentries:FOLDER\\0DIRECTORY  hash: of each file by what it is known to be unchanged
    PREFIXmembers:FOLDER\\0DIRECTORY  hash: of each zip file the highest number of a member

A file is named by folder, directory, name and number with NUL between them. One index at a time writes to a prefix.
"""

from __future__ import annotations

import json

import redis

from diana_common.settings import config_invalid
from diana_index.core.folders.model import Collection, Counts, File, Folder, Kind, Place, Shared, Stamp
from diana_index.stores.folders_redis_keys import Keyspace, key_of, place_of, typed
from diana_index.stores.folders_redis_run import RedisRun

_TIMEOUT_SECONDS = 30.0
_SCANNED = 1000
_HIGHEST = "\U0010ffff"


def open_redis(url: str, prefix: str) -> RedisRegistry:
    """The registry at a URL under a prefix. Raises DianaError CONFIG_INVALID, PEER_UNAVAILABLE."""
    try:
        client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)
    except ValueError:
        raise config_invalid("folder_registry", "is no postgresql:// or redis:// URL") from None
    registry = RedisRegistry(Keyspace(client, prefix))
    registry.check_ready()
    return registry


class RedisRegistry:
    """See core.folders.registry.Registry."""

    def __init__(self, keys: Keyspace) -> None:
        self._keys = keys
        self._client = keys.client

    def folders(self) -> list[Folder]:
        """See Registry."""
        with typed():
            kept = self._client.hgetall(self._keys.folders)
        folders = []
        for path, text in sorted(kept.items()):
            state = json.loads(text)
            folders.append(Folder(path, state["file_count"], state["index_time"]))
        return folders

    def begin(self, folder: bytes, run: str) -> RedisRun:
        """See Registry."""
        with typed(), self._keys.writing:
            text = self._client.hget(self._keys.folders, folder)
            state = {"file_count": 0, "index_time": None, "run": 0, "run_name": "", **json.loads(text or "{}")}
            if state["run_name"] != run:
                state |= {"run": state["run"] + 1, "run_name": run, "counts": ""}
                self._client.hset(self._keys.folders, folder, json.dumps(state))
        return RedisRun(self._keys, folder, state["run"], run, Counts.from_json(state["counts"]))

    def forget_folder(self, folder: bytes) -> None:
        """See Registry. Piece by piece; whoever indexes it meanwhile is told."""
        if all(one.path != folder for one in self.folders()):
            return
        run = self.begin(folder, "")
        for directories in run.stale():
            run.forget(directories, Counts())
        with typed(), self._keys.writing:
            self._client.delete(self._keys.directories(folder))
            self._client.hdel(self._keys.folders, folder)

    def collections(self, kind: Kind, prefix: str, after: str, limit: int) -> list[tuple[str, int]]:
        """See Registry."""
        found: list[tuple[str, int]] = []
        with typed():
            while len(found) < limit:
                values = self._values(kind, prefix, after)
                if not values:
                    break
                pipeline = self._client.pipeline(transaction=False)
                for value in values:
                    pipeline.scard(self._keys.collection(kind, value))
                found += [(value, count) for value, count in zip(values, pipeline.execute()) if count]
                after = values[-1]
        return found[:limit]

    def files(self, collection: Collection, after: Place | None, limit: int) -> list[File]:
        """See Registry. All of the collection is passed, and no more of it held than is asked for."""
        behind = key_of(after) if after else b""
        nearest: set[bytes] = set()  # a scan may tell of one twice
        with typed():
            for key in self._client.sscan_iter(
                self._keys.collection(collection.kind, collection.value), count=_SCANNED
            ):
                if key > behind:
                    nearest.add(key)
                if len(nearest) > 4 * limit:
                    nearest = set(sorted(nearest)[:limit])
            page = sorted(nearest)[:limit]
            texts = self._client.hmget(self._keys.files, page) if page else []
        return [_file(key, text) for key, text in zip(page, texts) if text]

    def check_ready(self) -> None:
        """See Registry."""
        with typed():
            self._client.ping()

    def close(self) -> None:
        """See Registry."""
        self._client.close()

    def _values(self, kind: Kind, prefix: str, after: str) -> list[str]:
        least = b"(" + after.encode() if after >= prefix and after else b"[" + prefix.encode()
        most = b"[" + (prefix + _HIGHEST).encode()
        found = self._client.zrangebylex(self._keys.values(kind), least, most, start=0, num=_SCANNED)
        return [value.decode() for value in found]


def _file(key: bytes, text: bytes) -> File:
    member, size, stamp_size, mtime_ns, sop_instance_uid, *shared = json.loads(text)
    return File(place_of(key), member, size, Stamp(stamp_size, mtime_ns), sop_instance_uid, Shared(*shared))
