"""The packaged name lists are what their record says, and what the census files give."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from diana_guid.core.names import first_names, names, names_by_initial
from tests.support.corpus import CORPUS, needs_corpus

GENERATOR = Path(__file__).parents[3] / "tools" / "make_guid_names.py"


@pytest.mark.parametrize(("which", "count"), [("last", 88_799), ("female", 4_275), ("male", 1_219)])
def test_a_packaged_list_has_the_digest_on_record(which: str, count: int) -> None:
    record = json.loads(files("diana_guid").joinpath("data", "source.json").read_text())["lists"][which]
    text = "".join(f"{name}\n" for name in names(which)).encode("ascii")
    assert len(names(which)) == count == record["names"]
    assert hashlib.sha256(text).hexdigest() == record["names_sha256"]
    assert list(names(which)) == sorted(names(which))


def test_an_unknown_sex_draws_from_both_lists() -> None:
    either, female, male = (first_names(sex) for sex in "UFM")
    assert (female, male) == (names("female"), names("male"))
    assert either == female + male


def test_buckets_hold_the_whole_list_by_initial() -> None:
    buckets = names_by_initial("last")
    assert sum(buckets.values(), ()) == names("last")
    assert all(name[0] == initial for initial, bucket in buckets.items() for name in bucket)


@needs_corpus
def test_the_packaged_lists_are_not_stale() -> None:
    check = [sys.executable, str(GENERATOR), str(CORPUS / "us_census"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0
