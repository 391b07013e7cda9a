"""Writes data/standard.json: the facts of PS3.15 and PS3.6 that the tests of de-identification hold the engine against.

They come from the corpus' own extracts of the standard, never from the engine's tables, and are kept here so that the
tests run where the corpus is not. `python -m tests.deid.make_data` writes them anew.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from tests.support.corpus import CORPUS

TARGET = Path(__file__).parent / "data" / "standard.json"
EDITION = "2026c"
_CONTENT = ("code_value", "coding_scheme", "code_meaning", "value_type")
_TECHNICAL = frozenset({"CS", "DS", "FD", "FL", "IS", "SL", "SS", "UL", "US"})


def made(tables: Path) -> dict[str, Any]:
    """The facts, as they are kept."""
    rows = [_row(row) for row in _read(tables / "ps3_15_table_e1_1.csv")]
    listed = {row[0] for row in rows}
    return {
        "edition": EDITION,
        "table_e1_1": rows,
        "table_e3_10_1": [
            [row["data_element"].strip("()"), row["private_creator"], row["vr"], row["vm"]]
            for row in _read(tables / "ps3_15_table_e3_10_1_safe_private.csv")
        ],
        "table_e3_4_1": [
            [*(row[name] for name in _CONTENT), row["basic"], _options(row)]
            for row in _read(tables / "ps3_15_table_e3_4_1_clean_struct_content.csv")
        ],
        "technical": [
            [row["tag"], row["keyword"], row["vr"]]
            for row in _read(tables / "ps3_6_dictionary_2026c.csv")
            if row["vr"] in _TECHNICAL and row["vm"] == "1" and row["tag"] not in listed and _usable(row)
        ],
    }


def _row(row: dict[str, str]) -> list[Any]:
    return [row["tag"], row["keyword"], row["vr"], row["basic"], _options(row)]


def _options(row: dict[str, str]) -> dict[str, str]:
    """The actions of the options that override the basic one, by the extract's names of the options."""
    return {column: action for column, action in row.items() if column.startswith(("rtn_", "clean_")) and action}


def _usable(row: dict[str, str]) -> bool:
    """What pixels are read by, what a de-identifier writes, and what is no attribute of an object is left out."""
    group = row["tag"][:4]
    apart = group in ("0028", "0042", "7FE0", "FFFE") or row["tag"] == "0012,0062"
    return row["retired"] == "N" and "x" not in row["tag"] and group > "0008" and not apart


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def text(facts: dict[str, Any]) -> str:
    """The file: a line a fact."""
    parts = []
    for key, value in facts.items():
        lines = ",\n".join(json.dumps(one) for one in value) if isinstance(value, list) else ""
        parts.append(f'"{key}": [\n{lines}\n]' if lines else f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    TARGET.write_text(text(made(CORPUS / "tables")))
