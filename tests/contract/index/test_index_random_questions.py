"""Random questions to random archives: every store answers as a plain evaluation of the question does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from diana_index.core.attributes import Level
from diana_index.core.question import Asked, OrderKey, make_question
from diana_index.core.store import PutReport
from diana_index.core.vocabulary import Vocabulary
from tests.unit.index.clause_oracle import Held, forms_of, meets
from tests.unit.index.index_bench import NO_WAIT, IndexBench, unique
from tests.unit.index.random_questions import Maker

QUESTIONS = 60


@pytest.mark.parametrize("seed", range(12))
def test_any_question_is_answered_as_its_clause_says(bench: IndexBench, seed: int) -> None:
    maker = Maker(seed)
    bench.archive, made = maker.archive()
    bench.catch_up()
    with bench.generations.active() as generation:
        written = [one for study in made[Level.STUDY] for one in study.reports]
        generation.write([PutReport(n, "default", one) for n, one in enumerate(written, 1)], len(written))
    for _ in range(QUESTIONS):
        level = maker.random.choice(list(Level))
        asked, orders = maker.question(level), maker.orders(level)
        clause = make_question(asked, Vocabulary()).clause
        expected = [record for record in made[level] if meets(record, clause)]
        assert bench.index.count(asked, NO_WAIT)[0] == len(expected), asked
        answered = all_pages(bench, asked, orders, maker.random.choice([1, 3, 100]))
        assert answered == [one.uid for one in in_order(expected, orders)], (asked, orders)


def all_pages(bench: IndexBench, asked: Asked, orders: Sequence[OrderKey], size: int) -> list[str]:
    """What names the records that are found, page by page."""
    found: list[str] = []
    token = ""
    while True:
        page = bench.index.find(asked, orders, (), size, token, b"", NO_WAIT)
        found += [unique(asked.level, record) for record in page.records]
        token = page.next_token
        if not token:
            return found


def in_order(records: Sequence[Held], orders: Sequence[OrderKey]) -> list[Held]:
    """Sorted by the first form of each key, at last by UID; without a value first, last if descending."""
    found = sorted(records, key=lambda one: one.uid)
    for order in reversed(orders):
        attribute = Vocabulary().find(order.attribute, "")
        forms = {one: forms_of(one, attribute) for one in found}
        with_value = [one for one in found if forms[one]]
        # A stable sort in reverse keeps what is equal in its order.
        with_value.sort(key=lambda one, forms=forms: forms[one][0][1], reverse=order.descending)  # type: ignore[misc]
        without = [one for one in found if not forms[one]]
        found = with_value + without if order.descending else without + with_value
    return found
