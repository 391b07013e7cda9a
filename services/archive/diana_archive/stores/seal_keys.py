"""The archive's seal keys in one file: JSON with `current`, a key id, and `keys`, base64 by key id.

To rotate, add a key under a new id and name it in `current`; keep the old ones, which open old seals.
Whoever loses this file loses every sealed attribute.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.state_files import replace_file

_KEY_BYTES = 32


class FileSealKeys:
    """Keys read from the file once, when first needed; the file is made then if there is none and it `may_create`."""

    def __init__(self, path: Path, may_create: bool = True) -> None:
        self._path = path
        self._may_create = may_create
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._current = ""

    def current(self) -> tuple[str, bytes]:
        """See core.ports.SealKeys. Raises DianaError CONFIG_INVALID."""
        with self._lock:
            if self._may_create and not self._keys and not self._path.exists():
                self._create()
            self._load()
            return self._current, self._keys[self._current]

    def find(self, key_id: str) -> bytes | None:
        """See core.ports.SealKeys."""
        with self._lock:
            if not self._keys and not self._path.exists():
                return None
            self._load()
            return self._keys.get(key_id)

    def _create(self) -> None:
        key_id = secrets.token_hex(4)
        key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        # Durable before anything is sealed with it.
        replace_file(self._path, json.dumps({"current": key_id, "keys": {key_id: key}}, indent=1).encode())

    def _load(self) -> None:
        if self._keys:
            return
        try:
            document = json.loads(self._path.read_bytes())
            keys = {str(name): base64.b64decode(key, validate=True) for name, key in document["keys"].items()}
            current = str(document["current"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise _invalid("cannot be read") from None
        if current not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise _invalid("holds no current key, or one that is not 32 bytes long")
        self._keys, self._current = keys, current


def _invalid(what: str) -> DianaError:
    return DianaError(Reason.CONFIG_INVALID, f"seal_key_file: the file {what}.")
