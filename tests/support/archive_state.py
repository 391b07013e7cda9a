"""A state directory that tests put instances into, past the archive."""

from __future__ import annotations

from pathlib import Path

from diana_archive.core.model import Instance, Newcomer, Origin
from diana_archive.core.ports import Draft
from diana_archive.stores.state import StateDirectory

STORES = ["default", "trial"]


def store(state: StateDirectory, uid: str, store: str = "default", data: bytes = b"data") -> Instance:
    """Commit one instance in a file of its own."""
    draft = state.objects.create(store)
    draft.write(data)
    return commit(state, draft, uid, store)


def commit(state: StateDirectory, draft: Draft, uid: str, store: str = "default") -> Instance:
    """Commit one instance, as the committer does."""
    assert state.objects.make_durable([draft]) == [None]
    newcomer = Newcomer(store, "1", "2", uid, "3", "4", draft.size_bytes, 0, b"d", b"p", b"h", 1, Origin())
    with state.catalogue.transaction() as changes:
        instance = changes.add(newcomer, draft.object_id, "")
    draft.close()
    return instance


def close(state: StateDirectory) -> None:
    """As an archive that stops."""
    state.catalogue.close()
    state.close()


def files(directory: Path) -> list[Path]:
    """Those that are an object each."""
    return sorted(directory.glob("stores/*/objects/*/*.dcm"))
