"""Commits into a state directory, for a recorder: `python -m tests.support.commits STATE MARKS DURABILITY`.

A byte goes to MARKS before the first commit and after the last, so that the trace tells what belongs to them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from diana_archive.core.model import Newcomer, Origin
from diana_archive.core.ports import Draft
from diana_archive.stores.state import StateDirectory

STORES = ["default"]
COMMITS = 10
SIZES = (10, 100_000)
"""One that is written by its commit, and one that is before; the third has a file of its own."""


def commit(state: StateDirectory, number: int) -> None:
    """Three objects and their rows, as the committer does it."""
    large = state.objects.create("default")
    large.write(bytes(1000))
    drafts: list[Draft] = [large, *(state.objects.place("default", bytes(size)) for size in SIZES)]
    if state.objects.make_durable(drafts) != [None, None, None]:
        raise OSError("not stored")
    with state.catalogue.transaction() as changes:
        for part, draft in enumerate(drafts):
            uid = f"3.{number}.{part}"
            newcomer = Newcomer("default", "1", "2", uid, "4", "5", draft.size_bytes, 0, b"d", b"p", b"h", 1, Origin())
            changes.add(newcomer, draft.object_id, "")
    for draft in drafts:
        draft.close()


def main() -> None:
    """Commit once, and then between the marks."""
    directory, marks, durability = sys.argv[1:]
    state = StateDirectory(Path(directory), STORES, outlives_power_cuts=durability == "power_cut")
    # The first one makes directories and a pack.
    commit(state, 0)
    with Path(marks).open("wb", buffering=0) as file:
        file.write(b".")
        for number in range(COMMITS):
            commit(state, number + 1)
        file.write(b".")
    state.catalogue.close()
    state.close()


if __name__ == "__main__":
    main()
