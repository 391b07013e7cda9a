"""Holds what came out against the answer key, category by category, as MIDI-B does."""

from __future__ import annotations

import io
import unicodedata
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import pydicom.config
from pydicom import DataElement, Dataset, dcmread

from tests.deid.answers import Answer, Category, found, shown
from tests.deid.generator import DEFLATED, Instance, SyntheticSet
from tests.deid.planting import as_text

_CODECS = ("latin_1", "utf-8", "iso8859_5", "iso8859_7", "gb18030", "euc_kr", "iso2022_jp")


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that does not hold, and what is there instead. All of it is made up, so that it may be shown."""

    answer: Answer
    there: str

    def __str__(self) -> str:
        planted = f" {self.answer.text!r}" if self.answer.text else ""
        return (
            f"{self.answer.category.value}: {shown(self.answer.path)} of file {self.answer.file}, "
            f"{self.answer.kind}{planted}: {self.there}"
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """How many answers of each category there are, and those that do not hold."""

    asked: Mapping[Category, int]
    failures: Sequence[Failure] = field(repr=False)

    def __add__(self, other: Scores) -> Scores:
        """Of both."""
        return Scores(Counter(self.asked) + Counter(other.asked), [*self.failures, *other.failures])

    def of(self, category: Category) -> float:
        """The part of a category's answers that hold, from 0 to 1."""
        wrong = sum(failure.answer.category is category for failure in self.failures)
        return 1 - wrong / self.asked[category] if self.asked.get(category) else 1.0

    @property
    def overall(self) -> float:
        """The part of all answers that hold."""
        return 1 - len(self.failures) / max(1, sum(self.asked.values()))

    def table(self) -> str:
        """In Markdown."""
        lines = ["| category | asked | held | score |", "| --- | ---: | ---: | ---: |"]
        for category in Category:
            if asked := self.asked.get(category, 0):
                wrong = sum(failure.answer.category is category for failure in self.failures)
                lines.append(f"| {category.value} | {asked:,} | {asked - wrong:,} | {self.of(category):.3%} |")
        total = sum(self.asked.values())
        lines.append(f"| **overall** | {total:,} | {total - len(self.failures):,} | {self.overall:.3%} |")
        return "\n".join(lines)


def score(synthetic: SyntheticSet, outputs: Sequence[bytes | str]) -> Scores:
    """The score of one output for each file of the set; where there is none, which answers nothing, why."""
    judge = _Judge(synthetic.instances, outputs)
    with forgiving():
        judged = [(answer, judge.judged(answer)) for answer in synthetic.answers]
    failures = [Failure(answer, there) for answer, there in judged if there is not None]
    return Scores(Counter(answer.category for answer in synthetic.answers), failures)


@contextmanager
def forgiving() -> Iterator[None]:
    """pydicom reads whatever there is, in silence."""
    settings = pydicom.config.settings
    before = settings.reading_validation_mode, pydicom.config.convert_wrong_length_to_UN
    settings.reading_validation_mode, pydicom.config.convert_wrong_length_to_UN = pydicom.config.IGNORE, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        settings.reading_validation_mode, pydicom.config.convert_wrong_length_to_UN = before


class Output:
    """One file that came out, read as the answers ask for it."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @cached_property
    def data_set(self) -> Dataset:
        return dcmread(io.BytesIO(self.data))

    @cached_property
    def everything(self) -> str:
        """Every byte of it, and every value, as text."""
        body = self.data
        if self.data_set.file_meta.TransferSyntaxUID == DEFLATED:
            body += zlib.decompress(body[132 + 12 + self.data_set.file_meta[0x00020000].value :], -15)
        decoded = [body.decode(codec, "ignore") for codec in _CODECS]
        return folded("\n".join([*decoded, *texts(self.data_set)]))


class _Judge:
    """Answers in the order of the key, so that what was seen first of a UID or a patient binds what comes later."""

    def __init__(self, sources: Sequence[Instance], outputs: Sequence[bytes | str]) -> None:
        self._sources = sources
        self._sources_read = [Output(source.data) for source in sources]
        self._outputs = [data if isinstance(data, str) else Output(data) for data in outputs]
        self._uids: dict[str, str] = {}
        self._old_uids: dict[str, str] = {}
        self._days: dict[int, int] = {}
        self._patients: dict[str, str] = {}
        self._old_patients: dict[str, str] = {}
        self._rules = {
            Category.TAG_RETAINED: self._tag_retained,
            Category.TEXT_NOT_NULL: self._not_null,
            Category.TEXT_RETAINED: self._text_retained,
            Category.TEXT_REMOVED: self._text_removed,
            Category.DATE_SHIFTED: self._shifted,
            Category.UID_CHANGED: self._uid_changed,
            Category.UID_CONSISTENT: self._uid_consistent,
            Category.PATIENT_ID_CONSISTENT: self._patient_id,
            Category.PIXELS_HIDDEN: self._hidden,
            Category.PIXELS_RETAINED: self._pixels_retained,
        }

    def judged(self, answer: Answer) -> str | None:
        """What is wrong; None if it is as it must be."""
        output = self._outputs[answer.file]
        if isinstance(output, str):
            return f"no output: {output}"
        return self._rules[answer.category](answer, output)

    def _tag_retained(self, answer: Answer, output: Output) -> str | None:
        return "gone" if found(output.data_set, answer.path) is None else None

    def _not_null(self, answer: Answer, output: Output) -> str | None:
        element = found(output.data_set, answer.path)
        return None if element is not None and _shown(element) else "empty or gone"

    def _text_retained(self, answer: Answer, output: Output) -> str | None:
        element = found(output.data_set, answer.path)
        if element is None:
            return "gone"
        if folded(answer.text) in folded(" ".join(texts(element))):
            return None
        source = found(self._sources_read[answer.file].data_set, answer.path)  # numbers of unknown VR are bytes
        return None if source is not None and source.value == element.value else _shown(element)

    def _text_removed(self, answer: Answer, output: Output) -> str | None:
        needle = folded(answer.text)
        if not answer.path:
            at = output.everything.find(needle)
            return None if at < 0 else "still there: " + output.everything[max(0, at - 40) : at + 60]
        element = found(output.data_set, answer.path)
        if element is None or needle not in folded(" ".join(texts(element))):
            return None
        return _shown(element)

    def _shifted(self, answer: Answer, output: Output) -> str | None:
        element = found(output.data_set, answer.path)
        try:
            old, new = _day(answer.text), _day("" if element is None else next(texts(element), ""))
        except ValueError:
            return "gone" if element is None else _shown(element)
        days = self._days.setdefault(self._sources[answer.file].person, new - old)
        return None if new - old == days != 0 else f"moved by {new - old} days, the patient's others by {days}"

    def _uid_changed(self, answer: Answer, output: Output) -> str | None:
        element = found(output.data_set, answer.path)
        if element is None:
            return "gone"
        return None if element.value and str(element.value) != answer.text else "as it was"

    def _uid_consistent(self, answer: Answer, output: Output) -> str | None:
        element = found(output.data_set, answer.path)
        return _consistent(self._uids, self._old_uids, answer.text, "" if element is None else str(element.value))

    def _patient_id(self, answer: Answer, output: Output) -> str | None:
        new = str(output.data_set.get("PatientID", ""))
        return _consistent(self._patients, self._old_patients, answer.text, new)

    def _hidden(self, answer: Answer, output: Output) -> str | None:
        left, top, right, bottom = answer.box or (0, 0, 0, 0)
        rows = [_row(output.data_set, row)[left:right] for row in range(top, bottom)]
        return None if len(set(b"".join(rows))) == 1 else "still to be read"

    def _pixels_retained(self, answer: Answer, output: Output) -> str | None:
        source = self._sources_read[answer.file].data_set
        if answer.box is None:
            return None if source.PixelData == output.data_set.get("PixelData") else "changed"
        left, top, right, bottom = answer.box
        changed = [
            row for row in range(top, bottom) if _row(source, row)[left:right] != _row(output.data_set, row)[left:right]
        ]
        return f"rows {changed[0]} to {changed[-1]} changed" if changed else None


def _row(data_set: Dataset, row: int) -> bytes:
    """A row of an image of one byte a pixel."""
    return bytes(data_set.PixelData[row * data_set.Columns : (row + 1) * data_set.Columns])


def _consistent(known: dict[str, str], back: dict[str, str], old: str, new: str) -> str | None:
    """Whether old values and new ones stand one to one."""
    if not new:
        return "gone"
    if known.setdefault(old, new) != new:
        return f"{new}, elsewhere {known[old]}"
    return None if back.setdefault(new, old) == old else f"{new} stands for {back[new]} too"


def _day(text: str) -> int:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal()


def texts(holder: Dataset | DataElement) -> Iterator[str]:
    """Every value within as text; bytes in each way they may be meant."""
    if isinstance(holder, Dataset):
        for element in holder:
            yield from texts(element)
    elif holder.VR == "SQ":
        for item in holder.value:
            yield from texts(item)
    elif isinstance(holder.value, bytes):
        if holder.tag != 0x7FE00010:
            for codec in _CODECS:
                yield holder.value.decode(codec, "ignore")
    elif holder.value is not None:
        yield _text(holder.value)


def _text(value: Any) -> str:
    if isinstance(value, pydicom.multival.MultiValue):
        return "\\".join(map(as_text, value))
    return as_text(value)


def folded(text: str) -> str:
    """Without case, and each space once."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _shown(element: DataElement) -> str:
    return " ".join(texts(element))[:120]
