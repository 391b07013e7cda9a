"""Study attributes in files beside the objects, named by a digest of the Study Instance UID."""

from __future__ import annotations

import hashlib
from pathlib import Path

from diana_common.state_files import replace_file, sync_directory


class FileSidecars:
    """Sidecars under `root`/STORE/attributes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, store: str, study_uid: str) -> bytes | None:
        """See core.ports.Sidecars. Raises OSError."""
        try:
            return self.path(store, study_uid).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, store: str, study_uid: str, document: bytes) -> None:
        """See core.ports.Sidecars."""
        replace_file(self.path(store, study_uid), document)

    def remove(self, store: str, study_uid: str) -> None:
        """See core.ports.Sidecars."""
        path = self.path(store, study_uid)
        if path.exists():
            path.unlink()
            sync_directory(path.parent)

    def path(self, store: str, study_uid: str) -> Path:
        """Where a study's sidecar lies."""
        name = hashlib.sha256(study_uid.encode()).hexdigest()[:32]
        return self._root / store / "attributes" / name[:2] / f"{name}.json"
