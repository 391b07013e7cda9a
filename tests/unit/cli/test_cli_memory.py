"""A long chain takes no more memory than a short one, and ends quietly when nobody reads on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
# A million takes some fifteen seconds; what grows, grows with fewer too.
COUNT = int(os.environ.get("DIANA_TEST_ITEMS", "100000"))
MOST_GROWTH = 30 * 1024 * 1024


def _run(line: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, with `many` for diana-cli with its endpoint of very many items."""
    script = f"set -o pipefail; many() {{ '{sys.executable}' -m tests.unit.cli.many_items {COUNT} \"$@\"; }}; {line}"
    return subprocess.run(["bash", "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=150)


@pytest.mark.parametrize("form", ["plain", "csv"])
def test_very_many_items_flow_through_a_chain_in_flat_memory(form: str) -> None:
    done = _run(f"many dgetall many setmeta '{{trial: hobit}}' print {form} | wc -l")
    told = json.loads(done.stderr)
    assert (done.returncode, told["taken"]) == (0, COUNT)
    assert int(done.stdout) in (COUNT, COUNT + 1)
    assert told["grew_bytes"] < MOST_GROWTH


def test_a_chain_whose_reader_goes_away_ends_quietly_and_soon() -> None:
    done = _run("many dgetall many setmeta 'a: 1' print jsonl | head -n 2")
    assert len(done.stdout.splitlines()) == 2
    assert done.returncode == 141  # that of SIGPIPE, as of other commands
    [told] = done.stderr.splitlines()  # that of the endpoint, and no error
    assert json.loads(told)["taken"] < COUNT
