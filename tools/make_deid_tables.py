"""Make the anon service's de-identification tables.

    python tools/make_deid_tables.py TABLES_DIR                  writes services/anon/diana_anon/data
    python tools/make_deid_tables.py TABLES_DIR --check          exits 1 when what is written there is stale
    python tools/make_deid_tables.py TABLES_DIR --only rules     (private, types, concepts, words) makes or checks one

TABLES_DIR holds `ps3_15_table_e1_1.csv` (PS3.15 Table E.1-1), `ps3_15_table_e3_4_1_clean_struct_content.csv` (Table
E.3.4-1) and `ps3_6_dictionary_2026c.csv` (PS3.6).

- `rules.json`: every row of Table E.1-1, its basic action and those of the options.
- `safe_private.json`: every row of Table E.3.10-1 (`ps3_15_table_e3_10_1_safe_private.csv`).
- `types.json.gz`: SOP Class to IOD to modules (and which of them are mandatory) to the type of each
  attribute that the table names, at its path of sequences, and of what else stands at the top and has
  to (types 1 and 2). From the tables of PS3.3 and PS3.4 in an installed highdicom (MIT licence).
- `concepts.json`: every row of Table E.3.4-1.
- `words.txt`: the words of PS3.6's names and, as pydicom tables them, of PS3.16's code meanings.

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
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pydicom.sr._concepts_dict import concepts

DATA = Path(__file__).parents[1] / "services/anon/diana_anon/data"
EDITION = "2026c"
TABLE = "ps3_15_table_e1_1.csv"
DICTIONARY = "ps3_6_dictionary_2026c.csv"
SAFE_PRIVATE = "ps3_15_table_e3_10_1_safe_private.csv"
CONCEPTS_TABLE = "ps3_15_table_e3_4_1_clean_struct_content.csv"
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
NAMED_AFTER = frozenset((7480, 7486, 8112))
"""CID 7480 Breed, CID 7486 Mixed Breeds, CID 8112 Specimen Stains."""
WORD = re.compile("[A-Za-z]{3,}")
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


def make_private(tables_dir: Path) -> dict[str, bytes]:
    """The safe private attributes and their record, by file name; a VR that leaves a choice is none."""
    safe = sorted(
        (row["private_creator"], private_tag(row["data_element"]), row["vr"] if len(row["vr"]) == 2 else "")
        for row in rows_of(tables_dir / SAFE_PRIVATE)
    )
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in safe)
    record = {
        "source": "PS3.15 Table E.3.10-1, Safe Private Attributes",
        "edition": EDITION,
        "from": {SAFE_PRIVATE: sha256_of(tables_dir / SAFE_PRIVATE)},
        "attributes": len(safe),
    }
    return {"safe_private.json": f"[\n{lines}\n]\n".encode(), "safe_private_source.json": as_json(record)}


def private_tag(text: str) -> str:
    """`(2001,xx0a)` as `2001xx0A`."""
    group, number = text.strip("()").split(",")
    return group.upper() + "xx" + number[2:].upper()


def make_concepts(tables_dir: Path) -> dict[str, bytes]:
    """The concepts of structured content and their record, by file name."""
    rows = rows_of(tables_dir / CONCEPTS_TABLE)
    concepts = sorted(
        (
            row["coding_scheme"],
            row["code_value"],
            row["value_type"],
            row["basic"],
            {code: row[column] for column, code in OPTION_COLUMNS.items() if row.get(column)},
        )
        for row in rows
    )
    lines = ",\n".join(json.dumps(concept, separators=(",", ":")) for concept in concepts)
    record = {
        "source": "PS3.15 Table E.3.4-1, Concept Names and their actions under the Clean Structured Content Option",
        "edition": EDITION,
        "from": {CONCEPTS_TABLE: sha256_of(tables_dir / CONCEPTS_TABLE)},
        "concepts": len(concepts),
    }
    return {"concepts.json": f"[\n{lines}\n]\n".encode(), "concepts_source.json": as_json(record)}


def make_words(tables_dir: Path) -> dict[str, bytes]:
    """The words of the standard's own names and their record, by file name: three letters or more, in lower case."""
    names = [row["name"] for row in rows_of(tables_dir / DICTIONARY)]
    words = sorted({word.lower() for name in [*names, *meanings()] for word in WORD.findall(name)})
    record = {
        "source": "PS3.6, and PS3.16 as tabled by pydicom",
        "edition": EDITION,
        "pydicom": importlib.metadata.version("pydicom"),
        "from": {DICTIONARY: sha256_of(tables_dir / DICTIONARY)},
        "words": len(words),
    }
    return {"words.txt": ("\n".join(words) + "\n").encode("ascii"), "words_source.json": as_json(record)}


def meanings() -> list[str]:
    """The meanings of DICOM's and SNOMED's codes, without those of context groups that are called after places."""
    tabled: Mapping[str, Any] = concepts
    found = [code for scheme in ("DCM", "SCT") for codes in tabled[scheme].values() for code in codes.values()]
    return [meaning for meaning, groups, *_ in found if not groups or set(groups) - NAMED_AFTER]


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
    mandatory = {iod: {one["key"] for one in iods[iod] if one["usage"] == "M"} for iod in modules_of}
    tags = {row["keyword"]: row["tag"].replace(",", "") for row in rows_of(tables_dir / DICTIONARY)}
    named = {row["keyword"] for row in rows_of(tables_dir / TABLE)} & tags.keys()
    used = sorted({key for keys in modules_of.values() for key in keys})
    types = {key: types_of(modules[key], named, tags) for key in used}
    content = {
        "sop_classes": known,
        "iods": {iod: [key for key in keys if types[key]] for iod, keys in modules_of.items()},
        "mandatory": {
            iod: [key for key in modules_of[iod] if types[key] and key in keys] for iod, keys in mandatory.items()
        },
        "modules": {key: found for key, found in types.items() if found},
    }
    packed = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return {"types.json": packed, "types_source.json": as_json(types_record(folder, tables_dir, packed))}


def types_of(attributes: Iterable[Mapping[str, Any]], named: set[str], tags: Mapping[str, str]) -> dict[str, str]:
    """The types of a module's named attributes by the tags of their path and their own, run together.

    Of all others those at the top of types 1 and 2, which no override of a profile may take away. A sequence
    directly within itself (the content tree of a report) is written once. What has no type, as in services that
    store nothing, or a keyword that PS3.6 lacks on its path, is left out.
    """
    types: dict[str, str] = {}
    for attribute in attributes:
        path = [keyword for keyword, _ in groupby(attribute["path"])]
        wanted = STRICTEST_FIRST if attribute["keyword"] in named else () if path else ("1", "2")
        if attribute["type"] in wanted and tags.keys() >= {*path, attribute["keyword"]}:
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


MAKERS = {
    "rules": make_rules,
    "private": make_private,
    "types": make_types,
    "concepts": make_concepts,
    "words": make_words,
}
"""Each table by its name."""


def main() -> int:
    """Write the data folder, or check it."""
    parser = argparse.ArgumentParser(description="Make the anon service's de-identification tables.")
    parser.add_argument("tables_dir", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", choices=sorted(MAKERS))
    arguments = parser.parse_args()
    made: dict[str, bytes] = {}
    for name, make in MAKERS.items():
        if arguments.only in (None, name):
            made |= make(arguments.tables_dir)
    if arguments.check:
        return 0 if all(is_current(name, content) for name, content in made.items()) else 1
    for name, content in made.items():
        write(name, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
