"""What an index loads before it is asked for anything."""

from __future__ import annotations

import subprocess
import sys


def test_an_index_on_embedded_defaults_imports_no_other_database_and_no_maker_of_parquet() -> None:
    script = "import sys, diana_index.__main__; print({'duckdb', 'psycopg', 'redis'} & {*sys.modules})"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"
