"""A bucket of an S3-compatible object store, through obstore, whose failures are OSErrors here.

FileNotFoundError means that the store answered and has no such object; FileExistsError that it has one; ConnectionError
whatever leaves that in doubt: it does not answer, the bucket is not there, the credentials are refused.
"""

from __future__ import annotations

import configparser
import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from diana_common.settings import config_invalid

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Credential

_A_PAGE = 1000
_PART = 8 * 1024 * 1024
_MOST_PARTS = 9_000
_PARTS_AT_A_TIME = 2
_CREDENTIALS_KEPT = timedelta(minutes=5)
_FULL = ("StorageFull", "QuotaExceeded", "507 Insufficient Storage")


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a listing. The time is the store's, in microseconds since 1970 UTC."""

    key: str
    modified_us: int


@dataclass(frozen=True, slots=True)
class Found:
    """An object's size in bytes and, if it is no larger than was asked for, all of them."""

    size_bytes: int
    data: bytes | None


class Bucket:
    """Keys are below `prefix`. Safe for threads; nothing is asked of the store until it is used."""

    def __init__(
        self,
        name: str,
        prefix: str = "",
        endpoint: str = "",
        region: str = "us-east-1",
        path_style: bool = True,
        allow_http: bool = False,
        ca_file: Path | None = None,
        credentials_file: Path | None = None,
        conditional_put: bool = True,
        timeout_seconds: float = 30.0,
        retries: int = 5,
    ) -> None:
        """Without a `credentials_file`, credentials come from AWS_ACCESS_KEY_ID and the like, or the machine's role.

        A request may take `timeout_seconds`, its repetitions as long again in all. Without an `endpoint` it is AWS.
        Raises DianaError CONFIG_INVALID.
        """
        self._conditional = conditional_put
        self._timeout = timedelta(seconds=timeout_seconds)
        config: S3Config = {"region": region, "virtual_hosted_style_request": not path_style}
        if endpoint:
            config["endpoint"] = endpoint
        try:
            self._store = S3Store(
                name,
                prefix=prefix or None,
                config=config,
                client_options=self._client(allow_http, ca_file),
                retry_config={"max_retries": retries, "retry_timeout": self._timeout},
                credential_provider=CredentialsFile(credentials_file) if credentials_file else None,
            )
        except (BaseError, ValueError) as error:
            raise config_invalid("object_store", "is not what an S3 client can be made of") from error

    def check(self) -> None:
        """Raises ConnectionError when the bucket cannot be listed."""
        next(self.listing(""), None)

    def create(self, key: str, data: bytes) -> None:
        """A new object, durable. Raises FileExistsError if there is one, OSError."""
        mode: Literal["create", "overwrite"] = "create" if self._conditional else "overwrite"
        with _translated():
            obstore.put(self._store, key, data, mode=mode, use_multipart=False)

    def create_large(self, key: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        """The same in parts, of which few are in memory at a time. Raises FileExistsError, OSError."""
        if self._has(key):
            raise FileExistsError(errno.EEXIST, "the object is there already")
        part = max(_PART, -(-size_bytes // _MOST_PARTS))
        with _translated():
            obstore.put(self._store, key, pieces, use_multipart=True, chunk_size=part, max_concurrency=_PARTS_AT_A_TIME)

    def replace(self, key: str, data: bytes) -> None:
        """An object, whole and durable, in place of what was there. Raises OSError."""
        with _translated():
            obstore.put(self._store, key, data, use_multipart=False)

    def get(self, key: str) -> bytes:
        """All of an object that is small. Raises FileNotFoundError, OSError."""
        with _translated():
            return bytes(obstore.get(self._store, key).bytes())

    def find(self, key: str, most_bytes: int) -> Found:
        """An object, with its bytes if they are few. Raises FileNotFoundError, OSError."""
        with _translated():
            # Not a HEAD before it: most objects are small, and this way they cost one request.
            result = obstore.get(self._store, key)
            size = result.meta["size"]
            return Found(size, bytes(result.bytes()) if size <= most_bytes else None)

    def read(self, key: str, start: int, end: int) -> bytes:
        """A range that lies within the object. Raises FileNotFoundError, OSError."""
        with _translated():
            return bytes(obstore.get_range(self._store, key, start=start, end=end))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects that may be there. Raises OSError; some may be gone then."""
        with _translated():
            obstore.delete(self._store, keys)

    def copy(self, key: str, to: str) -> None:
        """Copy an object of 5 GiB at most within the store. Raises FileNotFoundError, OSError."""
        with _translated():
            obstore.copy(self._store, key, to)

    def listing(self, folder: str, after: str = "") -> Iterator[Listed]:
        """Objects of a folder by key, after one key. Raises OSError."""
        with _translated():
            for page in obstore.list(self._store, folder or None, offset=after or None, chunk_size=_A_PAGE):
                for one in page:
                    yield Listed(one["path"], int(one["last_modified"].timestamp() * 1_000_000))

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder. Raises OSError."""
        with _translated():
            found = obstore.list_with_delimiter(self._store, folder)["common_prefixes"]
        return sorted(path.rpartition("/")[2] for path in found)

    def _has(self, key: str) -> bool:
        try:
            with _translated():
                obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def _client(self, allow_http: bool, ca_file: Path | None) -> ClientConfig:
        options: ClientConfig = {"allow_http": allow_http, "timeout": self._timeout}
        if ca_file:
            try:
                options["root_certificate"] = ca_file.read_bytes()
            except OSError as error:
                raise config_invalid("object_store.ca_file", f"cannot be read ({error.strerror})") from error
        return options


class CredentialsFile:
    """Credentials as AWS tools keep them: section "default", read again every few minutes, so that they can change."""

    def __init__(self, path: Path) -> None:
        """Raises DianaError CONFIG_INVALID."""
        self._path = path
        try:
            self()
        except (OSError, configparser.Error, KeyError, UnicodeDecodeError):
            # Without its cause, which may quote the file.
            raise config_invalid(
                "object_store.credentials_file",
                "must have aws_access_key_id and aws_secret_access_key in a section [default]",
            ) from None

    def __call__(self) -> S3Credential:
        parser = configparser.RawConfigParser()
        parser.read_string(self._path.read_text(encoding="utf-8"))
        section = parser["default"]
        return {
            "access_key_id": section["aws_access_key_id"],
            "secret_access_key": section["aws_secret_access_key"],
            "token": section.get("aws_session_token"),
            "expires_at": datetime.now(UTC) + _CREDENTIALS_KEPT,
        }


@contextmanager
def _translated() -> Iterator[None]:
    """Around what obstore does. Its own texts hold addresses, and stay in the cause."""
    try:
        yield
    except AlreadyExistsError as error:
        raise FileExistsError(errno.EEXIST, "the object is there already") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise ConnectionError("the object store refuses the credentials") from error
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise ConnectionError("the object store has no such bucket") from error
        raise FileNotFoundError(errno.ENOENT, "no such object") from error
    except BaseError as error:
        if any(word in str(error) for word in _FULL):
            raise OSError(errno.ENOSPC, "the object store is full") from error
        raise ConnectionError("the object store does not answer as it should") from error
