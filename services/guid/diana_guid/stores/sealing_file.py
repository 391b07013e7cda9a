"""The private key that sealed keys for this service are opened with."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Lock

from diana_common.sealing import new_sealing_key, public_sealing_key
from diana_common.settings import config_invalid
from diana_common.state_files import sync_directory
from diana_guid.stores.secret_files import link_secret, read_secret, sweep_unlinked


class SealingKeyFile:
    """One file, made when it is first asked for; read once."""

    def __init__(self, path: Path) -> None:
        """Removes what a crash left of it."""
        sweep_unlinked(path.parent, re.escape(path.name))
        self._path = path
        self._key: bytes | None = None
        self._lock = Lock()

    def __call__(self) -> bytes:
        """The private key, X25519, 32 bytes. Raises CONFIG_INVALID when the file holds none, OSError."""
        with self._lock:
            if self._key is None:
                self._key = self._read()
            return self._key

    def _read(self) -> bytes:
        if not self._path.exists():
            link_secret(self._path, new_sealing_key())
        sync_directory(self._path.parent)
        key = read_secret(self._path, "the service")
        try:
            public_sealing_key(key)
        except ValueError:
            raise config_invalid("state_dir", "sealing.key holds no key of 32 bytes") from None
        return key
