"""The files that are measured: made from a seed, the same on every machine, kept for the next run.

ct: 2,000 files of 527 KB, 113 elements of which 4 are sequences and 13 private. small: 5,000 of 11 KB, the same
elements. large: 20 of 50 MB. study: one study of 500 files like those of ct. studies: 30,000 of one small file each.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import dicom_files
from tests.support.dicom_files import ROOT, make_ct, make_small


@dataclass(frozen=True)
class Corpus:
    """`studies` studies of one patient each, `series` series a study, `instances` instances a series."""

    name: str
    studies: int
    series: int
    instances: int
    make: Callable[..., bytes]


def make_large(**overrides: str) -> bytes:
    """A 50 MB single frame of 5,000 by 5,000 pixels."""
    return make_ct(rows=5000, cols=5000, **overrides)


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus("ct", studies=10, series=2, instances=100, make=make_ct),
        Corpus("small", studies=50, series=1, instances=100, make=make_small),
        Corpus("large", studies=4, series=1, instances=5, make=make_large),
        Corpus("studies", studies=30_000, series=1, instances=1, make=make_small),
        Corpus("study", studies=1, series=2, instances=250, make=make_ct),
    )
}


def files(name: str, folder: Path, seed: int = 1) -> list[Path]:
    """The files of corpus `name`, in order; made under `folder` unless a complete set of this seed is there."""
    corpus = CORPORA[name]
    place = folder / f"{name}-{seed}-{_generation()}"
    if not place.is_dir():
        making = place.with_suffix(f".{os.getpid()}")
        making.mkdir(parents=True)
        for number, content in enumerate(contents(corpus, seed)):
            (making / f"{number:05}.dcm").write_bytes(content)
        try:
            making.rename(place)
        except OSError:  # another run was first
            shutil.rmtree(making)
    return sorted(place.iterdir())


def contents(corpus: Corpus, seed: int = 1) -> Iterator[bytes]:
    """Every file of `corpus` in order: study by study, series by series. UIDs are unique across corpora and seeds."""
    root = f"{ROOT}.{1 + sorted(CORPORA).index(corpus.name)}.{seed}"
    for study in range(1, corpus.studies + 1):
        for series in range(1, corpus.series + 1):
            for instance in range(1, corpus.instances + 1):
                yield corpus.make(
                    patient_id=f"BENCH{seed}-{study:04}",
                    PatientName=f"Bench^Study{study:04}",
                    AccessionNumber=f"B{seed}{study:04}",
                    study_uid=f"{root}.{study}",
                    series_uid=f"{root}.{study}.{series}",
                    sop_uid=f"{root}.{study}.{series}.{instance}",
                    SeriesNumber=str(series),
                    InstanceNumber=str(instance),
                )


def _generation() -> str:
    """Names the generators that made a cached set, so that a change of either makes a new one."""
    sources = (Path(__file__), Path(dicom_files.__file__))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
