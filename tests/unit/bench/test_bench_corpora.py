"""The measured files are what the reports say they are, and the same on every machine."""

import io
import itertools
from pathlib import Path

import pydicom
import pytest

from bench.corpora import CORPORA, Corpus, contents, files


def test_a_ct_has_113_elements_4_sequences_13_private_and_527_kb() -> None:
    content = next(contents(CORPORA["ct"]))
    dataset = pydicom.dcmread(io.BytesIO(content))
    assert len(dataset) == 113
    assert sum(element.VR == "SQ" for element in dataset) == 4
    assert sum(element.tag.is_private for element in dataset) == 13
    assert 526_000 < len(content) < 529_000


@pytest.mark.parametrize(("name", "count"), [("ct", 2000), ("small", 5000), ("large", 20), ("study", 500)])
def test_a_corpus_has_its_number_of_files(name: str, count: int) -> None:
    corpus = CORPORA[name]
    assert corpus.studies * corpus.series * corpus.instances == count


def test_instances_are_unique_and_belong_to_their_series() -> None:
    corpus = Corpus("small", studies=2, series=2, instances=3, make=CORPORA["small"].make)
    headers = [pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True) for content in contents(corpus)]
    assert len({header.SOPInstanceUID for header in headers}) == 12
    assert len({(header.StudyInstanceUID, header.SeriesInstanceUID) for header in headers}) == 4
    assert len({header.PatientID for header in headers}) == 2


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() -> None:
    small = CORPORA["small"]
    first, again, other = (list(itertools.islice(contents(small, seed), 5)) for seed in (1, 1, 2))
    assert first == again
    assert not set(first) & set(other)


def test_a_complete_set_is_made_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Corpus("small", studies=1, series=1, instances=3, make=CORPORA["small"].make)
    monkeypatch.setitem(CORPORA, "small", tiny)
    made = files("small", tmp_path)
    assert [path.read_bytes() for path in made] == list(contents(tiny))
    stamps = [path.stat().st_mtime_ns for path in made]
    assert [path.stat().st_mtime_ns for path in files("small", tmp_path)] == stamps
