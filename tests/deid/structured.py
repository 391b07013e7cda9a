"""What stands in the bodies of derived objects: content trees, regions' names, annotations, documents."""

from __future__ import annotations

from datetime import date

from pydicom import Dataset, Sequence

from tests.deid import objects
from tests.deid.answers import Category, Content, Path
from tests.deid.people import Person, names_of
from tests.deid.planting import Planter
from tests.deid.standard import CLEAN_DESCRIPTORS, STRUCTURED_CONTENT, Concept, concepts

_CONTENT = 0x0040A730
_UNLISTED = (
    ("363698007X", "99BRIGID", "Site"),
    ("410668003", "SCT", "Length"),
    ("246173007", "SCT", "Texture"),
)
"""Concepts that Table E.3.4-1 does not list: a text, a number, a code."""

_VALUES = {"TEXT": 0x0040A160, "PNAME": 0x0040A123, "DATE": 0x0040A121, "DATETIME": 0x0040A120, "UIDREF": 0x0040A124}


def plant(planter: Planter, person: Person, doctor: str, day: date) -> None:
    """Fill the body of an object, if it has one."""
    kind = planter.data_set.SOPClassUID
    if kind == objects.SR:
        _report(planter, person, doctor, day)
    elif kind == objects.RTSTRUCT:
        _regions(planter)
    elif kind == objects.PR:
        _graphics(planter, person)
    elif kind == objects.PDF:
        _document(planter, person)
    elif kind == objects.ECG:
        _waveform(planter, person)


def _report(planter: Planter, person: Person, doctor: str, day: date) -> None:
    data_set, rng = planter.data_set, planter.rng
    data_set.ContinuityOfContent = "SEPARATE"
    data_set.ConceptNameCodeSequence = Sequence([objects.code("18748-4", "LN", "Diagnostic imaging report")])
    usable = {concept.code: concept for concept in concepts() if concept.value_type in _VALUES}
    sampled = rng.sample(sorted(usable.values()), 14)
    listed = [_listed(planter, concept, person, doctor, day) for concept in sampled]
    measured = objects.item(
        NumericValue="11.5", MeasurementUnitsCodeSequence=[objects.code("mm", "UCUM", "millimeter")]
    )
    text = planter.description("UT")
    tree = [
        objects.content("TEXT", _UNLISTED[0], TextValue=text.text),
        objects.content("NUM", _UNLISTED[1], MeasuredValueSequence=[measured]),
        objects.content("CODE", _UNLISTED[2], ConceptCodeSequence=[objects.code("129742005", "SCT", "Spiculated")]),
        objects.content("CONTAINER", ("121070", "DCM", "Findings"), ContentSequence=listed),
    ]
    data_set.ContentSequence = Sequence(tree)
    for needle in text.removed:
        planter.answer(Category.TEXT_REMOVED, (_CONTENT,), f"{text.kind}, in a content item", needle)
    if STRUCTURED_CONTENT in planter.options:
        number = (Content(_UNLISTED[1][0], 0x0040A300), 0, 0x0040A30A)
        planter.answer(Category.TEXT_RETAINED, number, "a measurement", "11.5")
        coded = (Content(_UNLISTED[2][0], 0x0040A168), 0, 0x00080104)
        planter.answer(Category.TEXT_RETAINED, coded, "a coded finding", "Spiculated")


def _listed(planter: Planter, concept: Concept, person: Person, doctor: str, day: date) -> Dataset:
    """A content item of the table, with what its row says of it."""
    where: Path = (Content(concept.code, _VALUES[concept.value_type]),)
    action = concept.action(planter.options) if STRUCTURED_CONTENT in planter.options else "X"
    named = (concept.code, concept.scheme, concept.meaning)
    kind = f"content item: {concept.meaning}"
    if concept.value_type == "TEXT" and action == "K":
        planter.answer(Category.TEXT_RETAINED, where, kind, "Acme 7")
        return objects.content("TEXT", named, TextValue="Acme 7")
    if concept.value_type == "TEXT":
        planted = planter.description("UT")
        for needle in planted.removed:
            planter.answer(Category.TEXT_REMOVED, (_CONTENT,), f"{planted.kind}, in {kind}", needle)
        if action == "C" and CLEAN_DESCRIPTORS in planter.options:
            for phrase in planted.retained:
                planter.answer(Category.TEXT_RETAINED, where, f"{planted.kind}, in {kind}", phrase)
        return objects.content("TEXT", named, TextValue=planted.text)
    if concept.value_type == "PNAME":
        name = planter.rng.choice((person.name, doctor))
        for word in names_of(name):
            planter.answer(Category.TEXT_REMOVED, (_CONTENT,), kind, word)
        return objects.content("PNAME", named, PersonName=name)
    if concept.value_type == "UIDREF":
        uid = f"1.2.826.0.1.3680043.9.79.{planter.number}.{len(planter.answers)}"
        planter.answer(Category.TEXT_RETAINED if action == "K" else Category.TEXT_REMOVED, (_CONTENT,), kind, uid)
        return objects.content("UIDREF", named, UID=uid)
    shown = f"{day:%Y%m%d}" + ("111500" if concept.value_type == "DATETIME" else "")
    if action == "C":
        planter.answer(Category.DATE_SHIFTED, where, kind, shown)
    else:
        planter.answer(Category.TEXT_REMOVED, where, kind, shown)
    return objects.content(concept.value_type, named, **{"Date" if len(shown) == 8 else "DateTime": shown})


def _regions(planter: Planter) -> None:
    for number in range(2):
        region: Path = (0x30060020, number)
        planter.kept((*region, 0x30060022), "IS", str(number + 1))
        planter.cleaned_or_gone((*region, 0x30060026), "LO")
        planter.cleaned_or_gone((*region, 0x30060028), "ST")
    planter.cleaned_or_gone((0x30060002,), "SH")


def _graphics(planter: Planter, person: Person) -> None:
    text: Path = (0x00700001, 0, 0x00700008, 0, 0x00700006)
    planter.put((0x00700001, 0, 0x00700002), "CS", "LAYER1")
    words = f"{person.family} {person.given} lesion 12 mm"
    needles = (person.family, person.given) if len(person.family) > 3 else (f"{person.family} {person.given}",)
    planter.gone(text, "ST", words, "name in an annotation", needles)
    planter.gone((0x00700084,), "PN", "Okonkwo^Chidi^^Dr", "content creator", ("Okonkwo",))


def _document(planter: Planter, person: Person) -> None:
    words = f"%PDF-1.4\n1 0 obj << /Title (Report of {person.given} {person.family}) >> endobj\n%%EOF\n"
    planter.put((0x00420011,), "OB", words.encode("utf-8"))
    planter.answer(Category.TEXT_REMOVED, (0x00420011,), "name in a document", f"{person.given} {person.family}")
    planter.answer(Category.TEXT_NOT_NULL, (0x00420011,), "a document")
    planter.cleaned_or_gone((0x00420010,), "ST", forced=f"Report {person.given} {person.family}")


def _waveform(planter: Planter, person: Person) -> None:
    wave = objects.item(
        WaveformOriginality="ORIGINAL", NumberOfWaveformChannels=1, NumberOfWaveformSamples=4, SamplingFrequency="500"
    )
    wave.WaveformBitsAllocated, wave.WaveformSampleInterpretation = 16, "SS"
    wave.add_new(0x54001010, "OW", bytes(range(8)))
    planter.data_set.WaveformSequence = Sequence([wave])
    planter.answer(Category.TAG_RETAINED, (0x54000100, 0, 0x54001010), "waveform data")
    words = f"{person.given} {person.family} sinus rhythm"
    planter.gone(
        (0x0040B020, 0, 0x00700006), "ST", words, "name in a waveform annotation", (person.given + " " + person.family,)
    )
