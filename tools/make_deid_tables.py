"""Make the anon service's de-identification tables.

    python tools/make_deid_tables.py TABLES_DIR                  writes services/anon/diana_anon/data
    python tools/make_deid_tables.py TABLES_DIR --check          exits 1 when what is written there is stale
    python tools/make_deid_tables.py TABLES_DIR --only rules     (or types) makes or checks one of the two

TABLES_DIR holds `ps3_15_table_e1_1.csv` (PS3.15 Table E.1-1) and `ps3_6_dictionary_2026c.csv` (PS3.6).

- `rules.json`: every row of Table E.1-1, its basic action and those of the options.
- `types.json.gz`: SOP Class to IOD to modules to the type of each attribute that the table names, at
  its path of sequences. From the tables of PS3.3 and PS3.4 in an installed highdicom (MIT licence).

Each comes with the record of what it was made from: `rules_source.json`, `types_source.json`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "services/anon/diana_anon/data"
EDITION = "2026c"
TABLE = "ps3_15_table_e1_1.csv"
DICTIONARY = "ps3_6_dictionary_2026c.csv"
OPTION_COLUMNS = {
    "clean_graph": "113103",
    "clean_struct_cont": "113104",
    "clean_desc": "113105",
    "rtn_long_full_dates": "113106",
    "rtn_long_modif_dates": "113107",
    "rtn_pat_chars": "113108",
    "rtn_dev_id": "113109",
    "rtn_uids": "113110",
    "rtn_safe_priv": "113111",
    "rtn_inst_id": "113112",
}
STANDARD_FILES = ("sop_class_iod_map.json", "iod_module_map.json", "module_attribute_map.json")
# The edition of the standard by highdicom's version. The package leaves it out; the README beside the tables
# in highdicom's repository gives it.
EDITION_OF_HIGHDICOM = {"0.28.2": "2026b"}
STRICTEST_FIRST = ("1", "1C", "2", "2C", "3")


def pattern_of(tag: str) -> str:
    """The tag column as a pattern: `0008,0050` is `00080050`, `50xx,xxxx` is `50xxxxxx`, odd groups are `private`."""
    return "private" if "odd" in tag else tag.replace(",", "")


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_rules(tables_dir: Path) -> dict[str, bytes]:
    """The rules and their record, by file name."""
    rules = sorted(
        (
            pattern_of(row["tag"]),
            row["keyword"],
            row["basic"],
            {code: row[column] for column, code in OPTION_COLUMNS.items() if row[column]},
        )
        for row in rows_of(tables_dir / TABLE)
    )
    lines = ",\n".join(json.dumps(rule, separators=(",", ":")) for rule in rules)
    record = {
        "source": "PS3.15 Table E.1-1, Application Level Confidentiality Profile Attributes",
        "edition": EDITION,
        "from": {TABLE: sha256_of(tables_dir / TABLE)},
        "rules": len(rules),
    }
    return {"rules.json": f"[\n{lines}\n]\n".encode(), "rules_source.json": as_json(record)}


def as_json(record: object) -> bytes:
    """A record as it is written: one key a line."""
    return (json.dumps(record, indent=1) + "\n").encode()


def standard_dir() -> Path:
    """Where the installed highdicom keeps its tables; the process ends when there is none."""
    found = importlib.util.find_spec("highdicom")
    if found is None or found.origin is None:
        sys.exit("highdicom is not installed: its tables of PS3.3 give the attribute types (pip install highdicom)")
    return Path(found.origin).parent / "_standard"


def make_types(tables_dir: Path) -> dict[str, bytes]:
    """The types (not yet compressed) and their record, by file name."""
    folder = standard_dir()
    sop_classes, iods, modules = (json.loads((folder / name).read_bytes()) for name in STANDARD_FILES)
    # An IOD of which highdicom lacks a module is left out, so that its types are unknown and not wrong.
    known = {uid: iod for uid, iod in sop_classes.items() if all(one["key"] in modules for one in iods[iod])}
    modules_of = {iod: sorted(one["key"] for one in iods[iod]) for iod in known.values()}
    tags = {row["keyword"]: row["tag"].replace(",", "") for row in rows_of(tables_dir / DICTIONARY)}
    named = {row["keyword"] for row in rows_of(tables_dir / TABLE)} & tags.keys()
    used = sorted({key for keys in modules_of.values() for key in keys})
    types = {key: types_of(modules[key], named, tags) for key in used}
    content = {
        "sop_classes": known,
        "iods": {iod: [key for key in keys if types[key]] for iod, keys in modules_of.items()},
        "modules": {key: found for key, found in types.items() if found},
    }
    packed = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return {"types.json": packed, "types_source.json": as_json(types_record(folder, tables_dir, packed))}


def types_of(attributes: Iterable[Mapping[str, Any]], named: set[str], tags: Mapping[str, str]) -> dict[str, str]:
    """The types of a module's named attributes by the tags of their path and their own, run together.

    A sequence directly within itself (the content tree of a report) is written once. What has no type, as
    in services that store nothing, or a keyword that PS3.6 lacks on its path, is left out.
    """
    types: dict[str, str] = {}
    for attribute in attributes:
        path = [keyword for keyword, _ in groupby(attribute["path"])]
        if attribute["keyword"] in named and attribute["type"] in STRICTEST_FIRST and tags.keys() >= set(path):
            key = "".join(tags[keyword] for keyword in (*path, attribute["keyword"]))
            types[key] = min(types.get(key, "3"), attribute["type"], key=STRICTEST_FIRST.index)
    return with_content_items(types, tags["ContentSequence"])


def with_content_items(types: dict[str, str], content: str) -> dict[str, str]:
    """The types, and those of the Document Relationship Macro (PS3.3 Table C.17-6) in the items of Content Sequence.

    The macro holds Content Sequence and includes itself in it; highdicom expands it only once, so that what
    stands beside Content Sequence (Observation DateTime, say) is missing within.
    """
    beside = {f"{key[:-8]}{content}{key[-8:]}": found for key, found in types.items() if key[:-8] + content in types}
    return {key: found for key, found in beside.items() if content * 2 not in key} | types


def types_record(folder: Path, tables_dir: Path, packed: bytes) -> dict[str, object]:
    """What the types were made from, and the digest of what came out."""
    version = importlib.metadata.version("highdicom")
    return {
        "source": "PS3.3 and PS3.4 as tabled by highdicom",
        "edition": EDITION_OF_HIGHDICOM.get(version, "unknown"),
        "highdicom": version,
        "from": {path.name: sha256_of(path) for path in types_sources(folder, tables_dir)},
        "types_sha256": hashlib.sha256(packed).hexdigest(),
    }


def types_sources(folder: Path, tables_dir: Path) -> list[Path]:
    """Every file that the types depend on."""
    return [*(folder / name for name in STANDARD_FILES), tables_dir / TABLE, tables_dir / DICTIONARY]


def write(name: str, content: bytes) -> None:
    """Write one file of the data folder; the big one is compressed."""
    if name == "types.json":
        (DATA / "types.json.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    else:
        (DATA / name).write_bytes(content)


def is_current(name: str, content: bytes) -> bool:
    """Whether the data folder holds this; gzip's own bytes may differ from one zlib to the next."""
    path = DATA / ("types.json.gz" if name == "types.json" else name)
    if not path.exists():
        return False
    written = path.read_bytes()
    return content == (gzip.decompress(written) if path.suffix == ".gz" else written)


def main() -> int:
    """Write the data folder, or check it."""
    parser = argparse.ArgumentParser(description="Make the anon service's de-identification tables.")
    parser.add_argument("tables_dir", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", choices=("rules", "types"))
    arguments = parser.parse_args()
    made: dict[str, bytes] = {}
    if arguments.only != "types":
        made |= make_rules(arguments.tables_dir)
    if arguments.only != "rules":
        made |= make_types(arguments.tables_dir)
    if arguments.check:
        return 0 if all(is_current(name, content) for name, content in made.items()) else 1
    for name, content in made.items():
        write(name, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
