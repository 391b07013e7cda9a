"""Values put into one object, each with its answers."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from pydicom import DataElement, Dataset, Sequence
from pydicom.valuerep import DSfloat

from tests.deid.answers import Answer, Category, Path, Private
from tests.deid.people import STAFF, names_of
from tests.deid.phrases import Filler, Planted
from tests.deid.standard import CLEAN_DESCRIPTORS, Options, Row

TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT"})
ROOM = {"SH": 16, "LO": 64}
"""The longest values of VRs, in characters, where descriptions may be longer than that."""

_GONE = frozenset({"X", "Z", "D", "X/Z", "X/D", "X/Z/D", "Z/D"})


class Planter:
    """Fills one object. `day` is its study's date, `head` the start of UIDs it makes up."""

    def __init__(self, number: int, data_set: Dataset, filler: Filler, options: Options, rng: random.Random) -> None:
        self.number = number
        self.data_set = data_set
        self.answers: list[Answer] = []
        self._filler = filler
        self.options = options
        self.rng = rng

    def put(self, path: Path, vr: str, value: Any) -> None:
        """Set an element; sequences on the way are made. What was asked of an earlier value there is not any more."""
        self.answers = [answer for answer in self.answers if answer.path != path]
        holder = self.data_set
        for sequence, number in zip(path[:-1:2], path[1:-1:2], strict=True):
            assert isinstance(sequence, int) and isinstance(number, int)
            if sequence not in holder:
                holder.add_new(sequence, "SQ", Sequence([]))
            items = holder[sequence].value
            while len(items) <= number:
                items.append(Dataset())
            holder = items[number]
        last = path[-1]
        if isinstance(last, Private):
            holder.private_block(last.group, last.creator, create=True).add_new(last.element, vr, value)
        else:
            tag = last if isinstance(last, int) else last.tag
            holder[tag] = DataElement(tag, vr, value)

    def answer(self, category: Category, path: Path, kind: str, text: str = "") -> None:
        """Add to the key."""
        self.answers.append(Answer(self.number, category, path, kind, text))

    def kept(self, path: Path, vr: str, value: Any, kind: str = "technical value") -> None:
        """A value that says nothing of a person."""
        self.put(path, vr, value)
        self.answer(Category.TAG_RETAINED, path, kind)
        self.answer(Category.TEXT_RETAINED, path, kind, as_text(value))

    def gone(self, path: Path, vr: str, value: Any, kind: str, needles: Iterable[str] = ()) -> None:
        """A value of which nothing may be left; by default the whole of it."""
        self.put(path, vr, value)
        for needle in needles or (as_text(value),):
            self.answer(Category.TEXT_REMOVED, path, kind, needle)

    def cleaned(self, path: Path, vr: str, planted: Planted) -> None:
        """A description of which the clean words stay."""
        self.put(path, vr, planted.text)
        for needle in planted.removed:
            self.answer(Category.TEXT_REMOVED, path, planted.kind, needle)
        for phrase in planted.retained:
            self.answer(Category.TEXT_RETAINED, path, planted.kind, phrase)

    def cleaned_or_gone(self, path: Path, vr: str, forced: str = "") -> None:
        """A description in the body of an object: its clean words stay if the profile cleans descriptions."""
        planted = Planted("a title", forced, (forced.partition(" ")[2],), ()) if forced else self.description(vr)
        if CLEAN_DESCRIPTORS in self.options:
            self.cleaned(path, vr, planted)
        else:
            self.gone(path, vr, planted.text, planted.kind, planted.removed)

    def uid(self, path: Path, value: str, kind: str = "UID") -> None:
        """A UID of an entity."""
        self.put(path, "UI", value)
        self.uid_answers(path, value, kind)

    def uid_answers(self, path: Path, value: str, kind: str = "UID") -> None:
        """What must become of a UID that is there already."""
        self.answer(Category.UID_CHANGED, path, kind, value)
        self.answer(Category.UID_CONSISTENT, path, kind, value)

    def dated(self, path: Path, vr: str, value: str, kind: str = "date") -> None:
        """A date that is to move with all others of the patient."""
        self.put(path, vr, value)
        self.answer(Category.DATE_SHIFTED, path, kind, value)

    def row(self, row: Row, day: date, path: Path = ()) -> None:
        """An attribute of Table E.1-1 with a value as real headers have, and what its row says of it."""
        action, where = row.action(self.options), (*path, row.tag)
        if action == "U":
            self.uid(where, f"1.2.826.0.1.3680043.9.77.{self.number}.{row.tag}.{len(path)}")
        elif action == "C" and row.vr in ("DA", "DT", "TM"):
            self._temporal(row, where, day)
        elif action == "C" and row.vr in TEXT_VRS - {"CS"} and row.options.get(CLEAN_DESCRIPTORS):
            self.cleaned(where, row.vr, self.description(row.vr))
        elif action == "K":
            self.kept(where, row.vr, _characteristic(row), f"{row.keyword}, kept by an option")
        elif action in _GONE and row.vr != "SQ":
            value = self._value(row, day)
            if row.vr in ("AS", "TM"):  # too short to tell a dummy from what was there
                self.put(where, row.vr, value)
            else:
                self.gone(where, row.vr, value, f"{row.keyword}, by its row", _needles(row, value))
            if action == "D":
                self.answer(Category.TEXT_NOT_NULL, where, f"{row.keyword}, a dummy by its row")

    def description(self, vr: str) -> Planted:
        """A description for a VR: as long as it may be."""
        return self._filler.describe(self.rng, ROOM.get(vr, 1024))

    def _temporal(self, row: Row, where: Path, day: date) -> None:
        moved = day + timedelta(days=self.rng.randrange(-30, 30))
        if row.vr == "DA":
            self.dated(where, "DA", f"{moved:%Y%m%d}", row.keyword)
        elif row.vr == "DT":
            zone = self.rng.choice(("", "", "+0100", "-0500"))
            self.dated(where, "DT", f"{moved:%Y%m%d}{self.rng.randrange(24):02}3015.250000{zone}", row.keyword)
        else:
            self.put(where, "TM", f"{self.rng.randrange(24):02}1733")
            self.answer(Category.TAG_RETAINED, where, f"{row.keyword}, a time")

    def _value(self, row: Row, day: date) -> Any:
        number, doctor = self.rng.randrange(10**6, 10**7), self.rng.choice(STAFF)
        family = names_of(doctor)[0]
        if row.vr in ("DA", "DT"):
            return f"{day - timedelta(days=self.rng.randrange(900, 9000)):%Y%m%d}" + (
                "101500" if row.vr == "DT" else ""
            )
        makers: dict[str, Any] = {
            "PN": doctor,
            "AE": f"AE_{family[:8].upper()}",
            "CS": f"Q{number}",
            "SH": f"{family[:6]} {number}",
            "LO": f"{family} {number}",
            "UR": f"https://ris.example.org/{number}",
            "AS": "041Y",
            "TM": "041733",
            "DS": f"{number / 1e6}",
            "IS": str(number),
            "UI": f"1.2.826.0.1.3680043.9.78.{number}",
            "FD": number / 1e3,
            "FL": 2.0 ** (number % 40),
            "US": number % 60000,
        }
        if row.vr in makers:
            return makers[row.vr]
        text = f"{family}, tel 555-{number % 10000:04}, case {number}"
        return text.encode() if row.vr not in TEXT_VRS else text


def _needles(row: Row, value: Any) -> tuple[str, ...]:
    if row.vr == "PN":
        return names_of(value)
    return (value.decode() if isinstance(value, bytes) else as_text(value),)


def _characteristic(row: Row) -> Any:
    """A value of a characteristic or a device that says nothing of who the patient is."""
    values = {
        "AS": "052Y", "CS": "NO", "DA": "20010203", "DS": "71.5", "DT": "20010203101500", "TM": "101500",
        "UI": "1.2.826.0.1.3680043.9.80.1", "UR": "https://loinc.org/1-8", "US": 4,
    }  # fmt: skip
    return values.get(row.vr, "Nordic")


def as_text(value: Any) -> str:
    """A value as the scorer reads it from an element."""
    if isinstance(value, bytes):
        return value.decode("latin_1")
    if isinstance(value, list | tuple):
        return "\\".join(map(as_text, value))
    if isinstance(value, float) and not isinstance(value, DSfloat):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
