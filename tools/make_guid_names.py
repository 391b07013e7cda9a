"""Make the guid service's name lists from the US Census 1990 name files.

    python tools/make_guid_names.py CENSUS_DIR            writes services/guid/diana_guid/data
    python tools/make_guid_names.py CENSUS_DIR --check    exits 1 when what is written there is stale

The census files (`dist.all.last.txt` and its two sisters, works of the US government and so public
domain) give a name a line followed by frequencies, most frequent first. Identities are drawn from
the names alone, sorted, so that is all that is kept: one gzip file a list, and `source.json` with
the digests of what went in and came out.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from pathlib import Path

DATA = Path(__file__).parents[1] / "services/guid/diana_guid/data"
LISTS = {"last": "dist.all.last.txt", "female": "dist.female.first.txt", "male": "dist.male.first.txt"}
SOURCE = "US Census Bureau, Frequently Occurring Surnames and First Names, Census 1990 (public domain)"


def sorted_names(census: bytes) -> bytes:
    """The first column of a census file, sorted, one name a line."""
    names = sorted(line.split()[0] for line in census.splitlines() if line.strip())
    return b"\n".join(names) + b"\n"


def make(census_dir: Path) -> tuple[dict[str, bytes], dict[str, object]]:
    """The lists by file stem and the content of `source.json`."""
    lists: dict[str, bytes] = {}
    record: dict[str, object] = {}
    for stem, file_name in LISTS.items():
        census = (census_dir / file_name).read_bytes()
        lists[stem] = sorted_names(census)
        record[stem] = {
            "from": file_name,
            "from_sha256": hashlib.sha256(census).hexdigest(),
            "names": lists[stem].count(b"\n"),
            "names_sha256": hashlib.sha256(lists[stem]).hexdigest(),
        }
    return lists, {"source": SOURCE, "lists": record}


def is_current(lists: dict[str, bytes], source: str) -> bool:
    """Whether the data folder holds these lists; gzip's own bytes may differ from one zlib to the next."""
    return (DATA / "source.json").read_text() == source and all(
        gzip.decompress((DATA / f"{stem}.txt.gz").read_bytes()) == names for stem, names in lists.items()
    )


def main() -> int:
    """Write the data folder, or check it."""
    parser = argparse.ArgumentParser(description="Make the guid service's name lists.")
    parser.add_argument("census_dir", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    lists, record = make(arguments.census_dir)
    source = json.dumps(record, indent=1) + "\n"
    if arguments.check:
        return 0 if is_current(lists, source) else 1
    for stem, names in lists.items():
        (DATA / f"{stem}.txt.gz").write_bytes(gzip.compress(names, 9, mtime=0))
    (DATA / "source.json").write_text(source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
