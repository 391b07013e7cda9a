"""The service's last look attacked: one identifier of the source put back at a random place is found."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import pytest
from pydicom import DataElement, Dataset, FileDataset, dcmread, dcmwrite
from pydicom.sequence import Sequence

from tests.deid.generator import Instance, synthetic_set
from tests.deid.people import PEOPLE, names_of
from tests.deid.pipeline import Pipeline
from tests.deid.profiles import OPTIONS, PUBLIC
from tests.deid.scoring import forgiving

ATTACKS = 300
SHORTEST_IN_BYTES = 6
"""Characters: among random bytes shorter words come up by chance."""
_ROOMS = (0x0008103E, 0x00081030, 0x00204000, 0x00181030, 0x00104000, 0x00324000, 0x00080070, 0x00181210)
"""Descriptions and comments, and what no row of the table names: manufacturer, convolution kernel."""


def _into_text(data_set: Dataset, text: str, rng: random.Random) -> None:
    data_set.add_new(rng.choice(_ROOMS), "LO", text)


def _into_what_is_there(data_set: Dataset, text: str, rng: random.Random) -> None:
    element = rng.choice(
        [one for one in data_set if one.VR in ("LO", "SH", "ST", "LT", "UT") and one.tag != 0x00120063]
    )
    element.value = text


def _into_a_sequence(data_set: Dataset, text: str, rng: random.Random) -> None:
    inner, outer = Dataset(), Dataset()
    inner.add_new(rng.choice(_ROOMS), "LO", text)
    outer.add_new(0x00082218, "SQ", Sequence([Dataset(), inner]))
    data_set.add_new(0x52009229, "SQ", Sequence([outer]))


def _into_a_private_group(data_set: Dataset, text: str, rng: random.Random) -> None:
    block = data_set.private_block(0x0031, "BRIGID PACS 1.2", create=True)
    block.add_new(rng.randrange(0x01, 0xFF), rng.choice(("LO", "UT")), text)


def _into_bytes(data_set: Dataset, text: str, rng: random.Random) -> None:
    block = data_set.private_block(0x0033, "BRIGID PACS 1.2", create=True)
    raw = rng.randbytes(40) + b" " + text.encode() + b" " + rng.randbytes(41)
    block.add_new(rng.randrange(0x01, 0xFF), rng.choice(("OB", "UN")), raw + b"\0" * (len(raw) % 2))


def _into_a_name(data_set: Dataset, text: str, rng: random.Random) -> None:
    data_set[0x00081050] = DataElement(0x00081050, "PN", text.replace(" ", "^")[:64])


PLACES: tuple[Callable[[Dataset, str, random.Random], None], ...] = (
    _into_text,
    _into_what_is_there,
    _into_a_sequence,
    _into_a_private_group,
    _into_bytes,
    _into_a_name,
)


@pytest.fixture(scope="module")
def done() -> list[tuple[Instance, bytes]]:
    """Files of patients whose names are in Latin letters, and what became of them."""
    synthetic = synthetic_set(OPTIONS[PUBLIC], seed=3, studies=1)
    pipeline = Pipeline(PUBLIC, released=True)
    chosen = [one for one in synthetic.instances if PEOPLE[one.person].name.isascii()]
    return [(one, pipeline.one(one.data)) for one in chosen]


def _identifiers(instance: Instance) -> list[str]:
    source, person = dcmread(io.BytesIO(instance.data)), PEOPLE[instance.person]
    names = [word for word in names_of(str(source.PatientName)) if word in person.words]
    ids = [str(source.PatientID), str(source.AccessionNumber), str(source.StudyInstanceUID)]
    return [*names, *names_of(str(source.ReferringPhysicianName))[:1], *ids]


def _attacked(made: bytes, identifier: str, place: Callable[..., None], rng: random.Random) -> bytes:
    data_set = dcmread(io.BytesIO(made))
    shown = rng.choice((str, str.upper, str.lower))(identifier)
    place(data_set, rng.choice(("{}", "x {} y", "T1_{}_post", "({})", "{},AX")).format(shown), rng)
    buffer = io.BytesIO()
    dcmwrite(buffer, FileDataset(buffer, data_set, file_meta=data_set.file_meta, preamble=bytes(128)))
    return buffer.getvalue()


def test_what_came_out_has_nothing_left(done: list[tuple[Instance, bytes]]) -> None:
    pipeline = Pipeline(PUBLIC)
    assert len(done) > 20
    assert [one.number for one, new in done if pipeline.left(one.data, new)] == []


def test_an_identifier_put_back_anywhere_is_found(done: list[tuple[Instance, bytes]]) -> None:
    rng, pipeline, missed = random.Random(5), Pipeline(PUBLIC), []
    with forgiving():
        for number in range(ATTACKS):
            instance, made = rng.choice(done)
            place = PLACES[number % len(PLACES)]
            shortest = SHORTEST_IN_BYTES if place is _into_bytes else 4
            identifier = rng.choice([one for one in _identifiers(instance) if len(one) >= shortest])
            attacked = _attacked(made, identifier, place, rng)
            if not pipeline.left(instance.data, attacked):
                missed.append(f"{identifier} {place.__name__} of file {instance.number}")
    assert not missed, f"{len(missed)}: {missed[:20]}"
