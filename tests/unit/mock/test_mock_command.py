"""`diana-cli mock`, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydicom import dcmread

from diana_cli.app import cli
from diana_cli.mocking import Order
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_mock.ledger import whole_studies
from tests.support.awaiting import awaited
from tests.unit.mock.mock_bench import site

SMALL = site("US", service={"instances": 2})


def run(*words: str) -> Result:
    """Type a line."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def described(tree: Any) -> str:
    """A description as a word."""
    return json.dumps(tree)


def test_a_folder_gets_what_the_ledger_says(tmp_path: Path) -> None:
    scans, ledger = tmp_path / "scans", tmp_path / "ledger.jsonl"
    done = run("mock", described(SMALL), "--studies", "3", "--dest", f"path:{scans}", "--ledger", str(ledger))
    assert (done.exit_code, done.stdout) == (0, "6 stored\n")
    assert "mock: 3 studies; 6 stored; faults: none" in done.stderr
    whole = whole_studies(ledger.read_text().splitlines())
    found = {path.stem: dcmread(path).StudyInstanceUID for path in scans.rglob("*.dcm")}
    assert found == {uid: study for study, uids in whole.items() for uid in uids} and len(whole) == 3


def test_more_studies_than_anyone_can_count_are_refused(tmp_path: Path) -> None:
    done = run("mock", described(SMALL), "--studies", "9" * 20, "--dest", f"path:{tmp_path}")
    assert done.exit_code == 2
    assert "is not in the range" in done.stderr


def test_spoiled_instances_reach_a_folder_under_the_names_that_were_planned(tmp_path: Path) -> None:
    tree = site("US", faults={"missing_uid": 0.5, "truncated": 0.5}, service={"instances": 2})
    done = run("mock", described(tree), "--studies", "4", "--dest", f"path:{tmp_path}")
    assert (done.exit_code, done.stdout) == (0, "8 stored\n")


def test_without_a_destination_items_flow_down_the_chain(tmp_path: Path) -> None:
    done = run("mock", described(SMALL), "--studies", "2", "put", f"path:{tmp_path}", "print", "-r", "Modality")
    assert done.exit_code == 0 and done.stdout.count("Modality=US") == 4
    assert len(list(tmp_path.rglob("*.dcm"))) == 4


def test_a_description_in_a_file_and_one_left_out(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("name: Y\nservices:\n- {name: MR, modality: MR, instances: 1}\n")
    assert run("mock", "--studies", "1", f"@{tmp_path / 'site.yaml'}").stdout == "3 instances\n"
    assert run("mock", "--studies", "1").stdout == "25 instances\n"


def test_a_seed_on_the_line_is_every_sites(tmp_path: Path) -> None:
    lines = ["mock", described(SMALL), "--studies", "1", "print"]
    first, again, other = (run("--json", *lines[:1], "--seed", seed, *lines[1:]).stdout for seed in ("7", "7", "8"))
    assert first == again != other


def test_reports_as_text_go_to_a_folder_of_their_own(tmp_path: Path) -> None:
    tree = described({**SMALL, "reports": "text"})
    refused = run("mock", tree, "--studies", "2", "--dest", f"path:{tmp_path / 'scans'}")
    assert refused.exit_code == 2 and "--reports DIR" in refused.stderr
    done = run(
        "mock", tree, "--studies", "2", "--dest", f"path:{tmp_path / 'scans'}", "--reports", str(tmp_path / "reports")
    )
    studies = {path.name for path in (tmp_path / "scans").iterdir()}
    assert done.exit_code == 0 and {path.stem for path in (tmp_path / "reports").iterdir()} == studies
    assert all("IMPRESSION:" in path.read_text() for path in (tmp_path / "reports").iterdir())


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--speed", "0"), 2, "must be max, or a number above 0"),
        (("--speed", "nan"), 2, "must be max, or a number above 0"),
        (("--duration", "soon"), 2, "must be a length of time"),
        (("--duration", "99999d"), 2, "must be a length of time"),
        (("--studies", "1", "--start", "9999-12-31"), 2, "1990 to 2100"),
        (("--studies", "1", "--dest", "index:"), 4, "no service of this kind"),
        (("--studies", "1", "--dest", "nowhere"), 2, "is not a service by name"),
        (("{name: X, services: [{name: CT, modalty: CT}]}", "--studies", "1"), 4, "did you mean 'modality'?"),
        (("{name: [", "--studies", "1"), 2, "neither JSON nor YAML"),
        (("[&a [x], *a]", "--studies", "1"), 2, "aliases"),
        (("@missing.yaml", "--studies", "1"), 2, "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_of(words: tuple[str, ...], status: int, said: str, tmp_path: Path) -> None:
    done = CliRunner(env={"DIANA_STATE": str(tmp_path)}).invoke(cli, ["mock", *words])
    assert done.exit_code == status, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "speed"),
    [((), 1.0), (("--studies", "5"), None), (("--duration", "1h"), None), (("--duration", "1h", "--speed", "60"), 60.0),
     (("--speed", "max"), None)],
)  # fmt: skip
def test_what_never_ends_goes_on_in_real_time_if_nothing_else_is_said(
    words: tuple[str, ...], speed: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[Order] = []

    def keep(session: Session, order: Order) -> Iterator[Item]:
        orders.append(order)
        return iter(())

    monkeypatch.setattr("diana_cli.commands.mock.run_mock", keep)
    assert run("mock", *words).exit_code == 0
    assert [one.speed for one in orders] == [speed]


def test_the_first_interrupt_ends_it_in_order_with_counts(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    tree = described(site("US", service={"studies_per_hour": 60}))
    line = ["mock", tree, "--speed", "600", "--dest", f"path:{tmp_path / 'scans'}", "--ledger", str(ledger)]
    process = subprocess.Popen(
        [sys.executable, "-m", "diana_cli", *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert awaited(lambda: any((tmp_path / "scans").rglob("*.dcm")))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    stored = len(list((tmp_path / "scans").rglob("*.dcm")))
    assert (process.returncode, stdout) == (0, f"{stored} stored\n") and f"{stored} stored; faults: none" in stderr
    assert len(ledger.read_text().splitlines()) == stored
