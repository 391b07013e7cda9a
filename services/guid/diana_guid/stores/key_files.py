"""Domain keys in files: NAME.key is the first version, NAME.v2.key the second, and so on.

Changing or losing one changes every identity that was minted with it: back them up, and keep them from whoever receives
de-identified data.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from diana_common.errors import DianaError
from diana_common.state_files import sync_directory
from diana_guid.core.key_tree import MIN_KEY_BYTES
from diana_guid.stores.refusals import check_length, missing, version_unknown
from diana_guid.stores.secret_files import link_secret, read_remarks, read_secret, sweep_unlinked

_REQUEST = "made for request "


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where one domain's key is.

    path: the file of its first version.
    create: make a random key there, with mode 0600, when there is none on first use.
    ours: further versions may be put beside it; not so where an operator placed the key.
    """

    path: Path
    create: bool = False
    ours: bool = False

    def at(self, version: int) -> Path:
        """The file of a version."""
        return self.path if version == 1 else self.path.with_name(f"{self.path.stem}.v{version}.key")

    def versions(self) -> list[int]:
        """The versions that are there, ascending. Raises OSError."""
        if not self.ours:
            return [1] if self.path.exists() else []
        name = re.compile(self._later, re.ASCII)
        try:
            entries = {entry.name for entry in self.path.parent.iterdir()}
        except FileNotFoundError:
            return []
        later = [int(match[1]) for entry in entries if (match := name.fullmatch(entry))]
        return sorted({*([1] if self.path.name in entries else []), *(version for version in later if version > 1)})

    def sweep(self, keep: Set[Path]) -> None:
        """Remove what a crash left of keys that were being made here, but for `keep`, resolved: files that are keys."""
        if self.ours or self.create:
            sweep_unlinked(self.path.parent, f"{re.escape(self.path.name)}|{self._later}", keep)

    @property
    def _later(self) -> str:
        """The pattern of later versions' names.

        At most nine digits, as many as a message can hold; none with a leading zero, which would be another file.
        """
        return rf"{re.escape(self.path.stem)}\.v([1-9]\d{{0,8}})\.key"


class FileKeyStore:
    """Keys in files, each read once and then held in memory; processes may share the files."""

    def __init__(self, files: Mapping[str, KeyFile]) -> None:
        """Removes what a crash left of keys that were being made."""
        self._files = dict(files)
        for file in self._files.values():
            file.sweep({one.path.resolve() for one in self._files.values()})
        self._keys: dict[tuple[str, int], bytes] = {}
        self._lock = Lock()

    def newest(self, domain: str) -> int:
        """See core.ports.KeyStore. Another process may have put one there: it is looked up each time.

        Raises DOMAIN_KEY_MISSING too when the file of a later key, which was read before, is gone: an older or a new
        key would mint other identities, unseen.
        """
        file = self._file(domain)
        with self._lock:  # before the files are: one that comes after is newer
            read = max((version for name, version in self._keys if name == domain), default=0)
        with _readable(domain):
            versions = file.versions()
            if read > max(versions, default=0):
                raise missing(domain, f"the file of version {read} is gone")
            if versions:
                return versions[-1]
            if not file.create:
                raise missing(domain, "there is no file")
            link_secret(file.path, secrets.token_bytes(MIN_KEY_BYTES))
            return file.versions()[-1]

    def key(self, domain: str, version: int) -> bytes:
        """See core.ports.KeyStore; the key is durable before it is returned. Warns `KeyFileExposed`."""
        with self._lock:
            if (domain, version) not in self._keys:
                self._keys[domain, version] = self._read(domain, version)
            return self._keys[domain, version]

    def versions(self, domain: str) -> list[int]:
        """See core.ports.KeyKeeper."""
        with _readable(domain):
            return self._file(domain).versions()

    def create_time(self, domain: str, version: int) -> datetime:
        """See core.ports.KeyKeeper."""
        with _readable(domain):
            return datetime.fromtimestamp(self._existing(domain, version).stat().st_mtime, UTC)

    def version_made_by(self, domain: str, request_id: str) -> int | None:
        """See core.ports.KeyKeeper; the file itself tells, so that both are there or none."""
        file = self._file(domain)
        remark = f"# {_made_for(request_id)}".encode()
        with _readable(domain):
            for version in file.versions():
                if remark in read_remarks(file.at(version), f"domain {domain}"):
                    sync_directory(file.path.parent)
                    return version
        return None

    def put(self, domain: str, version: int, key: bytes, request_id: str = "") -> bool:
        """See core.ports.KeyKeeper."""
        file = self._file(domain)
        if not file.ours:
            raise missing(domain, "its key is an operator's file, which is not changed")
        with _readable(domain):
            placed = link_secret(file.at(version), key, _made_for(request_id) if request_id else "")
            sync_directory(file.path.parent)
        return placed

    def _read(self, domain: str, version: int) -> bytes:
        with _readable(domain):
            path = self._existing(domain, version)
            if self._files[domain].ours or self._files[domain].create:
                sync_directory(path.parent)
            key = read_secret(path, f"domain {domain}")
        check_length(domain, key)
        return key

    def _existing(self, domain: str, version: int) -> Path:
        file = self._file(domain)
        if version not in file.versions():
            raise version_unknown(domain)
        return file.at(version)

    def _file(self, domain: str) -> KeyFile:
        try:
            return self._files[domain]
        except KeyError:
            raise missing(domain) from None


@contextmanager
def _readable(domain: str) -> Iterator[None]:
    """Turn what a file system refuses into DOMAIN_KEY_MISSING."""
    try:
        yield
    except DianaError:
        raise
    except OSError as error:
        # The cause names a path, which stays out of messages and out of the traceback.
        raise missing(domain, os.strerror(error.errno) if error.errno else str(error)) from None


def _made_for(request_id: str) -> str:
    return _REQUEST + hashlib.sha256(request_id.encode()).hexdigest()
