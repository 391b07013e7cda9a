"""Members' names: sorted, merged, and one to one."""

from __future__ import annotations

import random
from pathlib import Path

from diana_index.core.members import Member, member_of, merged, name_of
from diana_index.stores.sorting import Sorter


def test_names_come_out_of_the_sorter_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    dice = random.Random(5)
    alphabet = ["a", "b", "\t", "\x01", "\\", "ä", "\U0001f9a0", "\ue000"]
    names = ["".join(dice.choices(alphabet, k=dice.randrange(5))).encode() for _ in range(5000)]
    for run in (1, 7, 5000, 5001):
        assert list(Sorter(tmp_path, run)(iter(names[: 5000 if run > 1 else 50]))) == sorted(
            names[: 5000 if run > 1 else 50]
        )
    assert list(tmp_path.iterdir()) == []


def test_names_and_their_parts_are_one_to_one() -> None:
    dice = random.Random(7)
    seen: dict[bytes, Member] = {}
    for _ in range(20_000):
        member = tuple("".join(dice.choices("a\\\t\nnt", k=dice.randrange(4))) for _ in range(2))
        name = name_of(member)
        assert b"\n" not in name and member_of(name) == member
        assert seen.setdefault(name, member) == member


def test_two_sorted_streams_are_merged_as_sets_are() -> None:
    dice = random.Random(3)
    for _ in range(500):
        first, second = ({b"%d" % dice.randrange(12) for _ in range(dice.randrange(10))} for _ in range(2))
        found = list(merged(iter(sorted(first)), iter(sorted(second))))
        assert found == [(name, name in first, name in second) for name in sorted(first | second)]
