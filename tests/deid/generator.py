"""The synthetic set: patients with studies over years, of every kind of object, and the key to what is in them.

Made from a seed: the same seed gives the same bytes. What is expected follows from the standard's tables and the
options of the profile that the set is for.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import cycle

import pydicom.config
from pydicom import Dataset, FileDataset, dcmwrite
from pydicom.datadict import dictionary_has_tag
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from tests.deid import objects, oddities, pictures, structured
from tests.deid.answers import Answer, Category
from tests.deid.people import PEOPLE, PLACES, STAFF, Person
from tests.deid.phrases import Filler
from tests.deid.planting import TEXT_VRS, Planter
from tests.deid.standard import CHARACTERISTICS, MODIFIED_DATES, Options, Row, rows, technical

IMPLICIT, EXPLICIT, DEFLATED, BIG = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
JPEG = "1.2.840.10008.1.2.4.50"

_DATED = (("StudyDate", 0), ("SeriesDate", 0), ("AcquisitionDate", 0), ("ContentDate", 1), ("InstanceCreationDate", 1))
_NESTS = (
    (0x52009229, 0),
    (0x52009229, 0, 0x00089092, 0),
    (0x00082218, 0, 0x00082220, 1),
    (0x00540016, 0, 0x00540300, 0),
)
"""Sequences that Table E.1-1 does not list."""
_APART = frozenset({0x00080018, 0x0020000D, 0x0020000E, 0x00080016, 0x00100010, 0x00100020, 0x00100030, 0x00080005})
"""What every object has, and is planted by hand."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A file of the set. `person` is its patient's number, `study` its Study Instance UID."""

    number: int
    data: bytes = field(repr=False)
    person: int
    study: str
    sop_class: str


@dataclass(frozen=True, slots=True)
class SyntheticSet:
    """The files, in order of their numbers, and the key."""

    instances: Sequence[Instance]
    answers: Sequence[Answer]


def synthetic_set(options: Options, seed: int = 2026, studies: int = 3, drawn: int = 0) -> SyntheticSet:
    """Make a set: so many studies of each patient, and so many images with burned-in text, which need Pillow."""
    with _lenient():
        maker = _Maker(options, random.Random(seed))
        made = [*maker.instances(studies), *maker.pictures(drawn)]
    return SyntheticSet([one for one, _ in made], [answer for _, answers in made for answer in answers])


@contextmanager
def _lenient() -> Iterator[None]:
    """pydicom writes what it would not write: real headers hold such values."""
    settings = pydicom.config.settings
    before = settings.writing_validation_mode, settings.reading_validation_mode
    settings.writing_validation_mode = settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.replace_un_with_known_vr = False
    try:
        yield
    finally:
        settings.writing_validation_mode, settings.reading_validation_mode = before
        pydicom.config.replace_un_with_known_vr = True


@dataclass(frozen=True, slots=True)
class _Study:
    """What the objects of one study have in common."""

    person: Person
    number: int
    uid: str
    day: date
    accession: str
    doctor: str
    place: tuple[str, str, str]
    filler: Filler


_Planted = tuple[Instance, list[Answer]]


class _Maker:
    def __init__(self, options: Options, rng: random.Random) -> None:
        self._options = options
        self._rng = rng
        self._rows = cycle(_shuffled(rng, [row for row in rows().values() if _fits_anywhere(row)]))
        self._technical = cycle(_shuffled(rng, [one for one in technical() if dictionary_has_tag(one[0])]))
        self._count = 0

    def instances(self, studies: int) -> Iterator[_Planted]:
        """The patients' studies, over years."""
        for number, person in enumerate(PEOPLE):
            day = max(date(2009, 1, 5), person.born) + timedelta(days=self._rng.randrange(2000))
            for _ in range(studies):
                yield from self._study(number, person, day)
                day += timedelta(days=self._rng.randrange(20, 900))

    def pictures(self, count: int) -> Iterator[_Planted]:
        """Images with text, each a study of its own."""
        for drawn in range(count):
            number = drawn % len(PEOPLE)
            study = self._new_study(number, PEOPLE[number], date(2019, 5, 6))
            yield self._instance(study, 1, objects.US if drawn % 2 else objects.SC, [], True)

    def _study(self, number: int, person: Person, day: date) -> Iterator[_Planted]:
        """A series or two of images, then what refers to them."""
        study = self._new_study(number, person, day)
        images: list[Dataset] = []
        for series, sop_class in enumerate(self._rng.sample(objects.IMAGES, 2), 1):
            for _ in range(2):
                yield self._instance(study, series, sop_class, images)
        for series, sop_class in enumerate(self._rng.sample(_DERIVED, 3), 3):
            yield self._instance(study, series, sop_class, images)

    def _new_study(self, number: int, person: Person, day: date) -> _Study:
        rng = self._rng
        accession, doctor, place = f"A{rng.randrange(10**7, 10**8)}", rng.choice(STAFF), rng.choice(PLACES)
        uid = f"1.2.826.0.1.3680043.9.7.{day:%Y%m%d}.{rng.randrange(10**6, 10**7)}"
        filler = Filler(person, day, accession, doctor, place[0], f"{uid}.77.1")
        return _Study(person, number, uid, day, accession, doctor, place, filler)

    def _instance(
        self, study: _Study, series: int, sop_class: str, images: list[Dataset], drawn: bool = False
    ) -> _Planted:
        number, self._count = self._count, self._count + 1
        data_set = objects.bare(sop_class)
        planter = Planter(number, data_set, study.filler, self._options, self._rng)
        self._identity(planter, study, series)
        for keyword, value in objects.technical(sop_class).items():
            planter.kept((pydicom.datadict.tag_for_keyword(keyword) or 0,), data_set[keyword].VR, value)
        self._common(planter, study)
        if sop_class in objects.IMAGES or sop_class == objects.SEG:
            objects.give_pixels(data_set, self._rng)
        if sop_class not in objects.IMAGES and sop_class not in (objects.PDF, objects.ECG):
            objects.refer(data_set, images)
            planter.answers += list(_references(number, data_set))
        elif sop_class in objects.IMAGES:
            images.append(data_set)
        structured.plant(planter, study.person, study.doctor, study.day)
        preamble = oddities.plant(planter, study.person, self._rng)
        if drawn:
            planter.answers += pictures.draw(data_set, number, study.person, self._rng)
        elif "PixelData" in data_set:
            planter.answer(Category.PIXELS_RETAINED, (), "all of the pixels")
        syntax = self._syntax(data_set, drawn)
        data = oddities.finished(_written(data_set, syntax), preamble)
        return Instance(number, data, study.number, study.uid, sop_class), planter.answers

    def _identity(self, planter: Planter, study: _Study, series: int) -> None:
        """Patient, study, series and instance, as every object tells them."""
        person, data_set = study.person, planter.data_set
        data_set.SpecificCharacterSet = person.charset
        planter.gone((0x00100010,), "PN", person.name, "patient's name", person.words)
        planter.put((0x00100020,), "LO", person.patient_id)
        planter.answer(Category.TEXT_REMOVED, (0x00100020,), "patient id", person.patient_id)
        planter.answer(Category.PATIENT_ID_CONSISTENT, (0x00100020,), "patient id", person.patient_id)
        planter.gone((0x00100030,), "DA", f"{person.born:%Y%m%d}", "birth date")
        planter.gone((0x00080050,), "SH", study.accession, "accession number")
        planter.gone((0x00080090,), "PN", study.doctor, "referring physician", (study.doctor.split("^")[0],))
        planter.gone((0x00080080,), "LO", study.place[0], "institution")
        planter.gone((0x00080081,), "ST", study.place[1], "institution's address")
        planter.gone((0x00081040,), "LO", study.place[2], "department")
        planter.gone((0x00101040,), "LO", f"{person.street}, {person.town}", "address", (person.street,))
        planter.gone((0x00102154,), "SH", person.phone, "phone")
        if self._rng.random() < 0.5:
            planter.gone((0x00101000,), "LO", person.ssn or f"OLD-{person.patient_id}", "other patient id")
        planter.put((0x00200010,), "SH", study.accession)  # accession numbers stand in Study ID too
        planter.answer(Category.TEXT_REMOVED, (0x00200010,), "accession number in Study ID", study.accession)
        for text in (*_strong(person), study.accession, study.place[0]):
            planter.answer(Category.TEXT_REMOVED, (), "identifier of the header, anywhere", text)
        sop = f"{study.uid}.{series}.{planter.number}"
        frame = f"{study.uid}.{series}.0"
        for tag, uid in (
            (0x00080018, sop),
            (0x0020000D, study.uid),
            (0x0020000E, f"{study.uid}.{series}"),
            (0x00200052, frame),
        ):
            planter.uid((tag,), uid)
        data_set.InstanceNumber, data_set.SeriesNumber = str(planter.number), str(series)

    def _common(self, planter: Planter, study: _Study) -> None:
        """Dates, descriptions, sampled rows of the table and technical attributes, at the top and in sequences."""
        rng, day = self._rng, study.day
        for keyword, later in _DATED:
            tag = pydicom.datadict.tag_for_keyword(keyword) or 0
            moved = f"{day + timedelta(days=later):%Y%m%d}"
            if MODIFIED_DATES in self._options:
                planter.dated((tag,), "DA", moved, keyword)
            else:
                planter.gone((tag,), "DA", moved, keyword)
        planter.data_set.StudyTime = f"{rng.randrange(8, 18):02}1530"
        for tag in (0x00081030, 0x0008103E, 0x00181030, 0x00204000, 0x00104000, 0x001021B0):
            row = rows()[tag]
            planter.cleaned_or_gone((tag,), row.vr)
        for _ in range(14):
            if (row := next(self._rows)).tag not in planter.data_set:
                planter.row(row, day)
        nest = rng.choice(_NESTS)
        for _ in range(5):
            planter.row(next(self._rows), day, nest)
        for _ in range(8):
            tag, keyword, vr = next(self._technical)
            if tag not in planter.data_set:
                planter.kept((tag,), vr, _harmless(vr, rng), f"{keyword}, technical")
        self._age(planter, study)
        for tag, vr, value in (
            (0x00080100, "SH", "399162004"),
            (0x00080102, "SH", "SCT"),
            (0x00080104, "LO", "Cranio-caudal"),
        ):
            planter.kept((0x00540220, 0, tag), vr, value, "a coded view")

    def _age(self, planter: Planter, study: _Study) -> None:
        years = (study.day - study.person.born).days // 365
        if years > 89:
            planter.gone((0x00101010,), "AS", f"{years:03}Y", "age over 89")
        else:
            self._characteristic(planter, 0x00101010, "AS", f"{years:03}Y")
        self._characteristic(planter, 0x00100040, "CS", study.person.sex)

    def _characteristic(self, planter: Planter, tag: int, vr: str, value: str) -> None:
        if CHARACTERISTICS in self._options:
            planter.kept((tag,), vr, value, "patient characteristic")
        else:
            planter.put((tag,), vr, value)

    def _syntax(self, data_set: Dataset, drawn: bool) -> str:
        if drawn:
            return EXPLICIT
        return self._rng.choice((EXPLICIT, EXPLICIT, IMPLICIT, DEFLATED, BIG))


def _strong(person: Person) -> list[str]:
    """What tells who a patient is, and is so long that nothing else can be the same by chance."""
    values = (*person.words, person.patient_id, person.phone, person.email, person.street, person.ssn)
    return [value for value in values if len(value) > (6 if value.isdigit() else 3)]


_DERIVED = (objects.SR, objects.SEG, objects.RTSTRUCT, objects.PR, objects.KO, objects.PDF, objects.ECG)


def _shuffled(rng: random.Random, values: list) -> list:  # type: ignore[type-arg]
    rng.shuffle(values)
    return values


def _fits_anywhere(row: Row) -> bool:
    """Rows that can stand in any object and be told apart there: no sequences, and nothing that others depend on."""
    group = row.tag >> 16
    known = row.vr in TEXT_VRS | {"PN", "DA", "DT", "TM", "UI", "UR", "AS", "DS", "IS", "FD", "FL", "US", "OB"}
    return known and 0x0008 <= group < 0x5000 and row.tag not in _APART and group not in (0x0042, 0x0088)


def _harmless(vr: str, rng: random.Random) -> object:
    if vr == "CS":
        return rng.choice(("YES", "NO", "AXIAL", "LINEAR", "FULL"))
    if vr in ("DS", "FD", "FL"):
        return "12.5" if vr == "DS" else 12.5
    return "7" if vr == "IS" else 7


def _references(number: int, data_set: Dataset) -> Iterator[Answer]:
    """The UIDs in an object's references, wherever they are."""

    def walked(holder: Dataset, path: tuple[int, ...]) -> Iterator[Answer]:
        for element in holder:
            if element.VR == "SQ":
                for index, inner in enumerate(element.value):
                    yield from walked(inner, (*path, int(element.tag), index))
            elif element.VR == "UI" and path and not str(element.value).startswith("1.2.840.10008."):
                where = (*path, int(element.tag))
                yield Answer(number, Category.UID_CHANGED, where, "UID in a reference", str(element.value))
                yield Answer(number, Category.UID_CONSISTENT, where, "UID in a reference", str(element.value))

    for element in data_set:
        if element.VR == "SQ" and any(word in element.keyword for word in ("Referenced", "PerFrame", "Evidence")):
            for index, inner in enumerate(element.value):
                yield from walked(inner, (int(element.tag), index))


def _written(data_set: Dataset, syntax: str) -> bytes:
    """A Part 10 file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data_set.SOPClassUID, data_set.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID("1.2.826.0.1.3680043.9.7.1")
    meta.SourceApplicationEntityTitle = "BRIGID_CT7"
    buffer = io.BytesIO()
    file = FileDataset(buffer, data_set, file_meta=meta, preamble=bytes(128))
    dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()
