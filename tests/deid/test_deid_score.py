"""The score over the synthetic set, in the categories of MIDI-B: 99.9 % or better, retention included."""

from __future__ import annotations

import pytest

from diana_anon.core.profiles import NAMES as SHIPPED
from diana_anon.core.profiles import shipped_profile
from tests.deid.generator import synthetic_set
from tests.deid.profiles import NAMES, OPTIONS, PUBLIC
from tests.deid.score import DRAWN, can_read_text, pixel_cleaner, scores
from tests.deid.scoring import Scores

FLOOR = 0.999


def _check(total: Scores) -> None:
    shown = "\n".join(map(str, total.failures[:20]))
    assert total.overall >= FLOOR, f"\n{total.table()}\n{shown}"


@pytest.mark.parametrize("profile", OPTIONS)
def test_each_shipped_profile_scores_99_9_percent(profile: str) -> None:
    _check(scores(profile, synthetic_set(OPTIONS[profile])))


def test_another_set_scores_no_less() -> None:
    _check(scores(PUBLIC, synthetic_set(OPTIONS[PUBLIC], seed=41)))


@pytest.mark.skipif(not can_read_text(), reason="the pixels extra is not installed")
def test_names_burned_into_images_are_hidden_and_the_picture_stays() -> None:
    with pixel_cleaner() as pixels:
        total = scores(PUBLIC, synthetic_set(OPTIONS[PUBLIC], studies=0, drawn=DRAWN), pixels)
    _check(total)


def test_the_shipped_profiles_take_the_options_that_are_examined() -> None:
    assert set(OPTIONS) == set(SHIPPED)
    for name, options in OPTIONS.items():
        taken = {NAMES[option] for option in shipped_profile(name).options if option in NAMES}
        assert taken == options, name
