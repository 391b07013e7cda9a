"""Where real headers hold identifiers that nobody looks for: private groups, unknown VRs, overlays, padding."""

from __future__ import annotations

import random
import struct

from pydicom.charset import convert_encodings, encode_string

from tests.deid import objects
from tests.deid.answers import Private
from tests.deid.people import UTF_8, Person
from tests.deid.phrases import Planted
from tests.deid.planting import Planter
from tests.deid.standard import CLEAN_DESCRIPTORS, SAFE_PRIVATE, SafePrivate, rows, safe_private

_CREATOR = "BRIGID PACS 1.2"
_NUMBERS = {"DS": "3.25", "IS": "11", "FL": 3.25, "FD": 3.25, "US": 11, "SS": 11, "UL": 11, "SL": 11, "CS": "FULL"}


def plant(planter: Planter, person: Person, rng: random.Random) -> str:
    """Put some into an object; the answer is for its preamble."""
    _private(planter, person)
    for safe in rng.sample(safe_private(), 4):
        _safe(planter, safe, person)
    _sequences(planter, rng)
    choices = (_unknown_vr, _overlay, _curve, _other_charset, _icon, _nested_unknown, _uid_with_date, _bad_date)
    for one in rng.sample(choices, 3):
        one(planter, person)
    if CLEAN_DESCRIPTORS in planter.options and rng.random() < 0.3:
        tag, vr = rng.choice(_UNLISTED)
        whole = f"{person.given} {person.family}"
        planter.gone((tag,), vr, f"B30f {whole}", "name in an attribute that no table lists", (whole,))
    if planter.data_set.SOPClassUID in (objects.SEG, objects.PR, objects.RTSTRUCT):
        _name_known_to_siblings_only(planter, person)
    if rng.random() < 0.2:
        planter.gone((0xFFFCFFFC,), "OB", f"{person.family}, {person.given}".encode(), "name in trailing padding")
        return f"{person.patient_id} {person.given}"
    return ""


def finished(data: bytes, preamble: str) -> bytes:
    """The file with its preamble."""
    return preamble.encode("utf-8")[:128].ljust(128, b"\0") + data[128:]


def _private(planter: Planter, person: Person) -> None:
    """A vendor's own group, known to nobody."""
    name = f"{person.family} {person.given}"
    planter.gone((Private(0x0009, _CREATOR, 0x01),), "LO", name, "name in a private group")
    bytes_ = person.name.encode("utf-8")
    planter.gone((Private(0x0009, _CREATOR, 0x02),), "OB", bytes_, "name in private bytes", (person.family,))
    planter.gone((Private(0x0029, _CREATOR, 0x10),), "DA", f"{person.born:%Y%m%d}", "birth date in a private group")
    inner = objects.item(PatientName=person.name, PatientID=person.patient_id)
    planter.put((Private(0x0029, _CREATOR, 0x20),), "SQ", [inner])


def _safe(planter: Planter, safe: SafePrivate, person: Person) -> None:
    """One of Table E.3.10-1: kept by the option, unless it holds a name after all."""
    where = (Private(safe.group, safe.creator, safe.element),)
    if SAFE_PRIVATE not in planter.options:
        if safe.vr in ("LO", "SH"):
            planter.gone(where, safe.vr, f"{person.family} 1.0", "name in a private group")
    elif safe.vr in _NUMBERS and safe.vm in ("1", "1-n"):
        planter.kept(where, safe.vr, _NUMBERS[safe.vr], "safe private value")
    elif safe.vr == "LO":
        if planter.rng.random() < 0.5:
            planter.kept(where, "LO", "*tfl3d1_16ns", "safe private text")
        else:
            whole = f"{person.family} {person.given}"
            planter.gone(where, "LO", f"seq {whole}", "name in a safe private text", (whole,))


def _sequences(planter: Planter, rng: random.Random) -> None:
    """People, numbers and places in sequences that the table lists."""
    listed = [row for row in rows().values() if row.vr == "SQ" and row.tag >> 16 >= 8 and row.tag not in _OWN]
    for row in rng.sample(listed, 2):
        number = rng.randrange(10**6, 10**7)
        planter.gone((row.tag, 0, 0x00401101, 0, 0x00080104), "LO", f"Castellanos {number}", f"person in {row.keyword}")
        planter.gone((row.tag, 0, 0x00100020), "LO", f"ID{number}", f"id in {row.keyword}")


_OWN = frozenset({0x0040A730, 0x0040B020, 0x00700001, 0x00082112, 0x00081140, 0x00081115, 0x00880200, 0x0040A043})


_UNLISTED = ((0x00181210, "SH"), (0x00180024, "SH"), (0x00181250, "SH"), (0x00281055, "LO"), (0x00189041, "LO"))
"""Convolution Kernel, Sequence Name, Receive Coil Name, Window Explanation, another coil's."""


def _unknown_vr(planter: Planter, person: Person) -> None:
    """Attributes of the standard that a writer did not know."""
    encoded = encode_string(person.name, convert_encodings(person.charset))
    planter.gone((0x00081070,), "UN", encoded, "name in VR UN", person.words)
    row = rows()[0x00324000]
    planted = Planted("description in VR UN", f"knee {person.patient_id} left", (person.patient_id,), ("knee",))
    if CLEAN_DESCRIPTORS in planter.options:
        planter.cleaned((row.tag,), "UN", Planted(planted.kind, planted.text, planted.removed, ()))
        planter.put((row.tag,), "UN", planted.text.encode())


def _nested_unknown(planter: Planter, person: Person) -> None:
    """A sequence in VR UN: its items are in Implicit VR Little Endian."""
    value = person.patient_id.encode().ljust(len(person.patient_id) + len(person.patient_id) % 2)
    inner = struct.pack("<HHI", 0x0010, 0x0020, len(value)) + value
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    planter.put((Private(0x0011, _CREATOR, 0x30),), "UN", item)
    planter.gone((0x00081110,), "UN", item, "id in a sequence in VR UN", (person.patient_id,))


def _overlay(planter: Planter, person: Person) -> None:
    for tag, vr, value in (
        (0x60000010, "US", 8),
        (0x60000011, "US", 8),
        (0x60000040, "CS", "G"),
        (0x60000100, "US", 1),
    ):
        planter.put((tag,), vr, value)
    planter.put((0x60000050,), "SS", [1, 1])
    planter.put((0x60003000,), "OW", bytes(8))
    for tag, vr in ((0x60000022, "LO"), (0x60001500, "LO"), (0x60004000, "LT")):
        planter.gone((tag,), vr, f"{person.given} {person.family}", "name in an overlay")


def _curve(planter: Planter, person: Person) -> None:
    planter.gone((0x50000022,), "LO", f"{person.given} {person.family}", "name in a curve")
    planter.put((0x50000005,), "US", 1)


def _icon(planter: Planter, person: Person) -> None:
    planter.gone((0x00880200, 0, 0x00204000), "LT", f"{person.given} {person.family}", "name in an icon image")


def _other_charset(planter: Planter, person: Person) -> None:
    """An item in another character set than its object."""
    planter.put((0x52009229, 0, 0x00080005), "CS", UTF_8)
    words = f"{person.given} {person.family}"
    where = (0x52009229, 0, 0x00204000)
    if CLEAN_DESCRIPTORS in planter.options:
        planter.cleaned(
            where, "LT", Planted("name in another character set", f"slice 7 {words}", (words,), ("slice 7",))
        )
    else:
        planter.gone(where, "LT", words, "name in another character set")


def _uid_with_date(planter: Planter, person: Person) -> None:
    planter.uid(
        (0x00083010,), f"1.2.826.0.1.3680043.9.7.{person.born:%Y%m%d}.{planter.number}", "UID with the birth date"
    )


def _bad_date(planter: Planter, person: Person) -> None:
    planter.gone((0x00321000,), "DA", f"{person.born:%Y%m%d}?", "date that is none", (f"{person.born:%Y%m%d}",))


def _name_known_to_siblings_only(planter: Planter, person: Person) -> None:
    """A derived object that an anonymous program made, but for its description."""
    planter.put((0x00100010,), "PN", "AUTO^SEGMENT")
    for tag in (0x00101040, 0x00102154, 0x00101000):
        planter.data_set.pop(tag, None)
    name = f"{person.given} {person.family}"
    planted = Planted("name known to siblings only", f"auto {name} contour", (name,), ("contour",))
    planter.answers = [answer for answer in planter.answers if answer.path != (0x0008103E,)]
    if CLEAN_DESCRIPTORS in planter.options:
        planter.cleaned((0x0008103E,), "LO", planted)
    else:
        planter.gone((0x0008103E,), "LO", planted.text, planted.kind, planted.removed)
