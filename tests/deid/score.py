"""The score in the manner of MIDI-B: `python -m tests.deid.score [profile]` prints its table and what failed.

The set is the generator's; the pipeline is the service's own. Where the `pixels` extra and Pillow are installed, a
dozen images with burned-in text are in it too.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import groupby

from diana_anon.adapters.pixel_engine import PixelEngine
from diana_anon.core.pixels.cleaner import PixelCleaner
from tests.deid.generator import SyntheticSet, synthetic_set
from tests.deid.pipeline import Pipeline, Spool
from tests.deid.profiles import OPTIONS, PUBLIC
from tests.deid.scoring import Scores, score

DRAWN = 6
_SHOWN = 40


def can_read_text() -> bool:
    """Whether what draws and what reads text is installed."""
    return all(find_spec(name) is not None for name in ("PIL", "numpy", "rapidocr", "onnxruntime"))


@contextmanager
def pixel_cleaner() -> Iterator[PixelCleaner]:
    """The real one."""
    engine = PixelEngine(1)
    try:
        yield PixelCleaner(engine, Spool())
    finally:
        engine.close()


def scores(profile: str, synthetic: SyntheticSet, pixels: PixelCleaner | None = None) -> Scores:
    """The score of a profile over a set."""
    pipeline = Pipeline(profile, pixels)
    made = [
        new
        for _, study in groupby(synthetic.instances, key=lambda instance: instance.study)
        for new in pipeline.study(instance.data for instance in study)
    ]
    return score(synthetic, [new if isinstance(new, bytes) else new.message for new in made])


def whole_score(profile: str, seed: int = 2026) -> Scores:
    """The score over the headers, and over burned-in text where that can be read and the profile has it cleaned."""
    total = scores(profile, synthetic_set(OPTIONS[profile], seed))
    if profile == PUBLIC and can_read_text():
        with pixel_cleaner() as pixels:
            total += scores(profile, synthetic_set(OPTIONS[profile], seed, studies=0, drawn=DRAWN), pixels)
    return total


def _main(profile: str = PUBLIC) -> None:
    total = whole_score(profile)
    print(f"Profile {profile}\n\n{total.table()}")
    missing = {
        failure.answer.file: failure.there for failure in total.failures if failure.there.startswith("no output")
    }
    for why, count in Counter(missing.values()).most_common(_SHOWN):
        print(f"{count:6} files have {why}")
    present = [failure for failure in total.failures if failure.answer.file not in missing]
    kinds = Counter((failure.answer.category.value, failure.answer.kind) for failure in present)
    for (category, kind), count in kinds.most_common(_SHOWN):
        print(f"{count:6} {category}: {kind}")
    for failure in present[:_SHOWN]:
        print(failure)


if __name__ == "__main__":
    _main(*sys.argv[1:2])
