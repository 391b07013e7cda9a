"""The keys of PS3.4 tables C.6-1 to C.6-5 can be matched, but for the exceptions that docs/queries.md gives."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

import pytest

from diana_common.errors import DianaError
from diana_index.core.attributes import Level
from diana_index.core.vocabulary import Vocabulary, make_search_key
from tests.support.corpus import CORPUS, needs_corpus

TABLE = CORPUS / "tables" / "ps3_4_qr_tables_c2020.csv"
_TAG = re.compile(r"\((\w{4}),(\w{4})\)")
_LEVELS = {"Patient": Level.PATIENT, "Study": Level.STUDY, "Series": Level.SERIES, "Composite": Level.INSTANCE}

NOT_MATCHED = {
    "00081120": "retired",
    "00080063": "no header has it",
    "00083001": "no header has it",
    "0008001A": "a search key",
    "00081110.00081150": "a search key",
    "0040A504": "a search key",
    "00400512": "a search key",
    "00400560": "a search key",
}
"""Paths, each with all below, and why."""


def keys() -> Iterator[tuple[Level, str, str]]:
    """Level, type (U, R or O) and path of every key in the tables of both models."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        above: list[str] = []
        for title, name, *rest in csv.reader(file):
            tag = _TAG.fullmatch(rest[0]) if "Root Query/Retrieve Information Model" in title and rest else None
            if tag:
                above = [*above[: len(name) - len(name.lstrip(">"))], "".join(tag.groups())]
                yield _LEVELS[title.split()[0]], rest[1], ".".join(above)


@needs_corpus
def test_every_key_of_the_standard_is_matched_but_for_the_exceptions() -> None:
    vocabulary = Vocabulary()
    found = list(keys())
    assert len(found) > 90
    for level, kind, path in found:
        if any(path == one or path.startswith(f"{one}.") for one in NOT_MATCHED):
            assert kind == "O", path
            with pytest.raises(DianaError):
                vocabulary.find(path, "")
            continue
        try:
            assert vocabulary.find(path, "").level <= level, path
        except DianaError:
            assert vocabulary.find_sequence(path, "") == path  # matched by what is in its items


@pytest.mark.parametrize(
    "path",
    [
        "RelatedGeneralSOPClassUID",
        "ReferencedStudySequence.ReferencedSOPClassUID",
        "ContentTemplateSequence.TemplateIdentifier",
        "ContentTemplateSequence.MappingResource",
        "ContainerIdentifier",
        "SpecimenDescriptionSequence.SpecimenIdentifier",
        "SpecimenDescriptionSequence.SpecimenUID",
    ],
)
def test_what_is_left_to_search_keys_can_be_one(path: str) -> None:
    assert make_search_key("made", path, Level.INSTANCE, "").vr in ("UI", "CS", "LO")
