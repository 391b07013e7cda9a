"""Following change by change and deriving all anew give the same answers, in every store."""

from __future__ import annotations

import random
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from diana_index.core.attributes import AGE, ATTRIBUTES, Level
from tests.unit.index.fake_archive import FakeArchive
from tests.unit.index.index_bench import STORES, IndexBench

KEYS: list[tuple[str, list[str]]] = [
    ("PatientID", ["P1", "P*", "?2", ""]),
    ("PatientName", ["doe*", "DOE^J*", "doe jane", "*"]),
    ("StudyDate", ["20260101-20260103", "-20260102", "20260104"]),
    ("ModalitiesInStudy", ["CT", "S*"]),
    ("Modality", ["MR", "CT"]),
    ("StudyDescription", ["a", "?", "b*"]),
    ("SeriesNumber", ["1", "2"]),
    ("ImageType", ["ORIGINAL", "D*"]),
    ("SOPClassesInStudy", ["1.5", "1.6"]),
    ("NumberOfStudyRelatedInstances", ["2", "3"]),
    ("NumberOfPatientRelatedStudies", ["1", "2"]),
    ("OtherPatientIDs", ["X", "Y"]),
]


def live(random_: random.Random, archive: FakeArchive) -> None:
    """One thing happens."""
    sop = f"9.{random_.randrange(14)}"
    store = random_.choice(["default", "default", "other"])
    what = random_.random()
    if what < 0.6:
        study = str(random_.randrange(1, 5))
        archive.store(
            sop,
            study=study,
            series=f"{random_.choice([study, '1'])}.{random_.randrange(2)}",
            store=store,
            PatientID=random_.choice(["P1", "P2", None]),
            PatientName=random_.choice(["Doe^Jane", "Doe^John", {"Alphabetic": "Roe", "Ideographic": "山田^太郎"}]),
            OtherPatientIDs=random_.choice([["X", "Y"], "X", None]),
            StudyDate=random_.choice(["20260101", "20260103", "bad", None]),
            StudyDescription=random_.choice(["a", "b", None]),
            Modality=random_.choice(["CT", "MR", "SR", ["CT", "PT"]]),
            SeriesNumber=random_.randrange(3),
            SOPClassUID=random_.choice(["1.5", "1.6"]),
            ImageType=random_.choice([["ORIGINAL", "PRIMARY"], ["DERIVED"], None]),
            **({"TextComments": "x" * 500} if random_.random() < 0.2 else {}),
        )
    elif what < 0.75:
        archive.delete(sop, f"9.{random_.randrange(14)}", store=store)
    elif what < 0.9:
        archive.restore(sop, f"9.{random_.randrange(14)}", store=store)
    elif what < 0.95:
        archive.purge(sop, store=store)
    else:
        archive.other()


def answers(bench: IndexBench, random_: random.Random) -> list[object]:
    """What many questions get; the same questions for the same seed."""
    found: list[object] = [bench.index.totals(store, lambda: True) for store in ("default", "other", None)]
    for _ in range(60):
        level = random_.choice(list(Level))
        keys = {name: random_.choice(values) for name, values in random_.sample(KEYS, random_.randrange(3))}
        above = [one.keyword for each in Level if each <= level for one in ATTRIBUTES[each] if one != AGE]
        order = [random_.choice(["", "-"]) + name for name in random_.sample(above, random_.randrange(3))]
        returned = random_.sample(above, 2) + (["KVP", "TextComments"] if level is Level.INSTANCE else [])
        size = random_.choice([1, 3, 100])
        token, pages = "", 0
        while pages < 4:
            page = bench.find(level, keys, order, returned, size, token)
            found.append(page.records)
            token, pages = page.next_token, pages + 1
            if not token:
                break
        found.append(bench.count(level, keys))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_following_and_deriving_anew_give_the_same_answers_in_every_store(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    archive = FakeArchive(batch=random_.choice([1, 4, 50]), inline=700)
    with ExitStack() as stack:

        def benches(name: str) -> list[IndexBench]:
            made = [stack.enter_context(closing(open_(tmp_path / name))) for open_ in STORES.values()]
            return [IndexBench(one, archive) for one in made]

        followed = benches("followed")
        for _ in range(12):
            for _ in range(random_.randrange(1, 14)):
                live(random_, archive)
            for bench in followed:
                bench.catch_up()
        derived = benches("derived")
        for bench in derived:
            bench.catch_up()
        for store in ("default", "other"):
            found = followed[0].find(Level.INSTANCE, size=1000, store=store).records
            assert [(one.sop_uid, one.series_uid, one.study_uid) for one in found] == archive.current(store)
        first, *others = [answers(bench, random.Random(seed)) for bench in followed + derived]
        assert all(one == first for one in others)
