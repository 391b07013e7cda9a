"""Two machines that differ in hash seed, locale and time zone mint, map and rotate alike."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAM = """
from datetime import date, timedelta
import locale, time
from diana_common.hierarchical_uid import diana2_uid
from diana_guid.core import GuidMint, Subject, make_domain
from diana_guid.stores import MemoryKeyStore
locale.setlocale(locale.LC_ALL, "")
time.tzset()
domains = [make_domain("a", options={"seconds": True}), make_domain("old", "diana2"),
           make_domain("b", options={"subject_key": "name_birth_date_sex"})]
keys = MemoryKeyStore({domain.name: (bytes(range(32)), bytes(range(1, 33))) for domain in domains})
mint = GuidMint(domains, keys)
names = ["DOE^JANE", "İSTANBUL^Iğdır", "ﬁ^ﬂ", "山田^太郎", "Straße^ΣΊΣΥΦΟΣ", "کاشانی", "e\\u0301 x"]
for number, name in enumerate(names):
    born = date(1915, 3, 28) + timedelta(days=4000 * number)
    person = Subject(patient_id=name, issuer="İ", name=name, birth_date=born, reference_date=date(2018, 10, 28),
                     sex="FMO"[number % 3])
    for domain in domains:
        for version in (1, 2):
            made = mint.mint(domain.name, person, version)
            print(ascii((made, made.time_offset)))
    print(mint.map_accession_numbers("a", [name]), mint.map_uids("old", [f"1.2.{number}"]))
    print(diana2_uid([name, "1", "2", "3"]))
"""

MACHINES = [
    {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"},
    {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "Pacific/Kiritimati"},
    {"PYTHONHASHSEED": "4294967295", "LC_ALL": "POSIX", "TZ": "America/Los_Angeles", "PYTHONUTF8": "0"},
]


def ran(program: Path, settings: dict[str, str]) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **settings}
    command = [sys.executable, str(program)]
    return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout.decode("ascii")


def test_every_machine_gives_the_same_answers(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda settings: ran(program, settings), MACHINES))
    assert len(set(answers)) == 1
    assert len(answers[0].splitlines()) == 7 * 8
