"""An index with many instances, made without an archive: headers as a hospital's, fed as an archive feeds it.

`python -m bench.index_rows DIRECTORY COUNT` makes a folder of generations. Studies have about 100 instances in one to
four series; the same count gives the same rows on every machine.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from diana_common.position import Position
from diana_index.core.feed import Entry, FeedBatch, Stored
from diana_index.core.feeding import Feeder
from diana_index.core.records import Names, json_bytes
from diana_index.stores.generations import SqliteGenerations
from tests.unit.index.fake_archive import FakeArchive, header
from tests.unit.index.index_bench import Listener

STORE = "default"
A_STUDY = 100
_A_BATCH = 2000
_ROOT = "1.2.826.0.1.3680043.10.1234"
_FIRST_DAY = date(2022, 1, 1)
_DAYS = 5 * 365
_MODALITIES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
_PARTS = ("CHEST", "ABDOMEN", "HEAD", "KNEE", "SPINE", None)
_MAKERS = ("Siemens", "GE", "Philips", "Canon")
_FAMILIES = ("Smith", "M\u00fcller", "Garcia", "Tanaka", "Kowalski", "Rossi", "Novak", "Jensen")
_GIVEN = ("Anna", "John", "Maria", "Kenji", "Piotr", "Lucia", "Eva", "Lars")


def load_rows(folder: Path, count: int) -> None:
    """Make a folder of generations whose active one has so many instances."""
    generations = SqliteGenerations(folder)
    with closing(generations), generations.active() as generation:
        feeder = Feeder(FakeArchive(), generation, Listener())
        entries: list[Entry] = []
        for number, stored in enumerate(_stored(count), 1):
            position = str(Position("0000000a", number))
            entries.append(Entry(position, STORE, 1_700_000_000.0 + number, stored))
            if len(entries) == _A_BATCH or number == count:
                feeder.feed(FeedBatch(entries, position, count - number))
                entries = []


def _stored(count: int) -> Iterator[Stored]:
    chance = random.Random(1)
    number = study = 0
    while number < count:
        study += 1
        for values, names in _study(chance, study, min(A_STUDY, count - number)):
            number += 1
            body = json_bytes(header(**values))
            yield Stored(names.study_uid, names.series_uid, names.sop_uid, f"v{number}", body)


def _study(chance: random.Random, study: int, size: int) -> Iterator[tuple[dict[str, Any], Names]]:
    """The headers of a study, and where each belongs."""
    modality = chance.choice(list(_MODALITIES))
    patient = chance.randrange(1, study // 2 + 2)
    day = _FIRST_DAY + timedelta(days=chance.randrange(_DAYS))
    series_count = chance.randrange(1, 5)
    common = {
        "SOPClassUID": _MODALITIES[modality],
        "AvailableTransferSyntaxUID": "1.2.840.10008.1.2.1",
        "StudyDate": f"{day:%Y%m%d}",
        "StudyTime": f"{chance.randrange(24):02}{chance.randrange(60):02}00",
        "AccessionNumber": f"A{study:07}",
        "Modality": modality,
        "Manufacturer": chance.choice(_MAKERS),
        "InstitutionName": "General Hospital",
        "ReferringPhysicianName": f"{chance.choice(_FAMILIES)}^{chance.choice(_GIVEN)}",
        "StudyDescription": f"{modality} {chance.choice(_PARTS) or 'BODY'}",
        "PatientName": f"{_FAMILIES[patient % 8]}^{_GIVEN[patient // 8 % 8]}^{patient}",
        "PatientID": f"P{patient:06}",
        "PatientBirthDate": f"{1930 + patient % 90}{1 + patient % 12:02}15",
        "PatientSex": "FMO"[patient % 3],
        "PatientWeight": chance.randrange(30, 140),
        "StudyID": str(study),
        "BodyPartExamined": chance.choice(_PARTS),
    }
    for place in range(size):
        series = place * series_count // size + 1
        names = Names(f"{_ROOT}.{study}", f"{_ROOT}.{study}.{series}", f"{_ROOT}.{study}.{series}.{place}")
        yield {**common, **_instance(chance, series, place, f"{day:%Y%m%d}"), **_uids(names)}, names


def _instance(chance: random.Random, series: int, place: int, day: str) -> dict[str, Any]:
    """What differs from instance to instance."""
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER" if place == 0 else "AXIAL"],
        "ContentDate": day,
        "ContentTime": f"{8 + place % 12:02}{place % 60:02}{series:02}",
        "AcquisitionDate": day,
        "AcquisitionNumber": 1 + place // 20,
        "SeriesDescription": f"Series {series}",
        "SeriesNumber": series,
        "InstanceNumber": place + 1,
        "SliceThickness": 1.25,
        "KVP": chance.choice((80, 100, 120, 140)),
        "ExposureTime": chance.randrange(100, 1000),
        "ImagePositionPatient": [-250, -250, -1.25 * place],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "SliceLocation": -1.25 * place,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 512 if place else 1024,
        "Columns": 512,
        "PixelSpacing": [0.9765625, 0.9765625],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "WindowCenter": 40,
        "WindowWidth": 400,
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
    }


def _uids(names: Names) -> dict[str, str]:
    return {
        "StudyInstanceUID": names.study_uid,
        "SeriesInstanceUID": names.series_uid,
        "SOPInstanceUID": names.sop_uid,
    }


if __name__ == "__main__":
    load_rows(Path(sys.argv[1]), int(sys.argv[2]))
