"""The examiner examined: its set, its key, and that it sees what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.deid import make_data
from tests.deid.answers import Category
from tests.deid.generator import SyntheticSet, synthetic_set
from tests.deid.profiles import OPTIONS, PUBLIC
from tests.deid.scoring import score
from tests.deid.standard import rows
from tests.support.corpus import CORPUS, needs_corpus

REMOVING = (Category.TEXT_REMOVED, Category.DATE_SHIFTED, Category.UID_CHANGED)


@pytest.fixture(scope="module")
def made() -> SyntheticSet:
    return synthetic_set(OPTIONS[PUBLIC], studies=1)


def test_the_same_seed_makes_the_same_set(made: SyntheticSet) -> None:
    again = synthetic_set(OPTIONS[PUBLIC], studies=1)
    assert [one.data for one in again.instances] == [one.data for one in made.instances]
    assert again.answers == made.answers
    assert synthetic_set(OPTIONS[PUBLIC], seed=1, studies=1).instances != made.instances


def test_an_untouched_set_keeps_all_and_hides_nothing(made: SyntheticSet) -> None:
    scores = score(made, [one.data for one in made.instances])
    for category in Category:
        if category in REMOVING:
            assert scores.of(category) < 0.05, category
        else:
            assert scores.of(category) == 1, category


def test_an_empty_set_answers_nothing(made: SyntheticSet) -> None:
    assert score(made, ["refused"] * len(made.instances)).overall == 0


def test_another_patients_file_in_the_place_of_one_is_seen(made: SyntheticSet) -> None:
    files = [one.data for one in made.instances]
    whole = score(made, files)
    swapped = score(made, [files[-1], *files[1:-1], files[0]])
    assert len(swapped.failures) > len(whole.failures)
    assert swapped.of(Category.PATIENT_ID_CONSISTENT) < 1
    assert swapped.of(Category.UID_CONSISTENT) < 1


def test_one_changed_byte_of_pixels_is_seen(made: SyntheticSet) -> None:
    answers = [answer for answer in made.answers if answer.category is Category.PIXELS_RETAINED]
    number = answers[0].file
    data = bytearray(made.instances[number].data)
    data[-9] ^= 1
    one = replace(made, answers=answers)
    files = [bytes(data) if file.number == number else file.data for file in made.instances]
    assert [failure.answer for failure in score(one, files).failures] == [answers[0]]


def test_nearly_every_row_of_the_table_is_asked_for() -> None:
    """Of those that can stand in any object; what is drawn by lot may miss some."""
    asked = {step for answer in synthetic_set(OPTIONS[PUBLIC]).answers for step in answer.path if isinstance(step, int)}
    listed = {row.tag for row in rows().values() if row.vr != "SQ" and 0x0008 <= row.tag >> 16 < 0x5000}
    assert len(listed & asked) > 0.95 * len(listed)


@needs_corpus
def test_the_examiners_tables_are_the_corpus_own() -> None:
    assert json.loads(make_data.TARGET.read_text()) == make_data.made(CORPUS / "tables")
