"""The key table of a collection: who each study is of and, where it was de-identified, what it has become.

Its columns are those of the older system. It is written to a file that only its owner may read, never to a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from diana_cli.csv_lines import CsvLines
from diana_client.collect import MARK, SOURCE_KEYS
from diana_endpoints.headers import data_of
from diana_endpoints.items import Item
from diana_endpoints.protocol.anon import Reidentifier
from diana_endpoints.protocol.archive import Marked

SHAM = {
    "ShamName": "PatientName",
    "ShamID": "PatientID",
    "ShamBirthDate": "PatientBirthDate",
    "ShamAccessionNumber": "AccessionNumber",
    "ShamStudyUID": "StudyInstanceUID",
    "ShamStudyDate": "StudyDate",
    "ShamStudyTime": "StudyTime",
}
"""The columns of what a study has become, and the attribute that each is."""

_TOGETHER = 100

Row = dict[str, str]


def sham_rows(made: Marked, knows: Reidentifier, mark: str, reason: str, domain: str) -> Mapping[str, Row]:
    """What studies have become, by the source's Study Instance UID. Every question is logged, with its reason."""
    rows: dict[str, Row] = {}
    studies = iter(made.marked(MARK, mark))
    while some := {str(one.meta["study_uid"]): one for one in islice(studies, _TOGETHER)}:
        for told in knows.reidentify(list(some), reason, domain):
            values = data_of(some[str(told.meta["pseudonym"])])
            rows[str(told.meta["study_uid"])] = {column: _text(values.get(key)) for column, key in SHAM.items()}
    return rows


def key_table(studies: Iterable[Item], shams: Mapping[str, Row]) -> bytes:
    """The table: CSV, UTF-8, safe to open in a spreadsheet. Columns of what was not de-identified are empty."""
    lines = CsvLines([*SOURCE_KEYS, *SHAM])
    table = [*lines.head(), *(line for row in _rows(studies, shams) for line in lines.of(Item(dict(row))))]
    return "".join(f"{line}\r\n" for line in table).encode()


def _rows(studies: Iterable[Item], shams: Mapping[str, Row]) -> Iterator[Row]:
    for study in studies:
        values = data_of(study)
        row = {key: _text(values.get(key)) for key in SOURCE_KEYS}
        yield {**row, **dict.fromkeys(SHAM, ""), **shams.get(row["StudyInstanceUID"], {})}


def _text(value: Any) -> str:
    """A value as a cell; of several the first."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if value else ""
    return "" if value is None else str(value)
