"""Completion as bash asks for it: verbs, options, values, endpoints, and words with colons."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from diana_cli.app import cli

BASH = r"""
source script.sh
COMP_LINE=%s
COMP_POINT=${#COMP_LINE}
COMP_WORDS=(%s)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p diana-cli > /dev/null || exit 1
_diana_cli_completion diana-cli 2> errors
printf '%%s\n' "${COMPREPLY[@]}"
"""
# The words as bash breaks a line into them, with the colon one by itself, and what is offered.
IN_BASH = {
    "diana-cli find --level ser": ("diana-cli find --level ser", "series"),
    "diana-cli dgetall path:here/de": ("diana-cli dgetall path : here/de", "here/deep/"),
    "diana-cli --failures kept dgetall inb": ("diana-cli --failures kept dgetall inb", "inbox"),
}
LINES = {
    "diana-cli dgeta": ["dgetall"],
    "diana-cli find --lev": ["--level"],
    "diana-cli print ": ["plain", "jsonl", "csv"],
    "diana-cli dgetall path:x print js": ["jsonl"],
    "diana-cli get inb": ["inbox"],
    "diana-cli get inbox x put arch": ["archive", "archive:"],
    "diana-cli find --in inb": ["inbox"],
    "diana-cli dgetall pat": ["path:"],
    "diana-cli dgetall inbox put path:here/deep/": ["here/deep/er/"],
    "diana-cli --state x dgetal": ["dgetall"],
    "diana-cli get inbox - pri": ["print"],
    "diana-cli get inbox @missing setmeta @missing pri": ["print"],
    "diana-cli cohort sho": ["show"],
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with services of which none can be reached."""
    monkeypatch.chdir(tmp_path)
    Path("here/deep/er").mkdir(parents=True)
    Path("kept").write_text("what failed")
    Path("services.yaml").write_text(
        "inbox: {ctype: folder, path: x}\narchive: {ctype: archive, address: '127.0.0.1:1'}"
    )


def _offered(line: str, **more: str) -> list[str]:
    asked = {"_DIANA_CLI_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_WORDBREAKS": ":="}
    answer = CliRunner().invoke(cli, [], prog_name="diana-cli", env={**asked, **more}, input="x\n")
    assert answer.exit_code == 0, answer.output
    return [one.partition(",")[2] for one in answer.stdout.split()]


@pytest.mark.parametrize("line", IN_BASH)
def test_bash_completes_what_can_stand_there_and_writes_nothing(line: str) -> None:
    words, offered = IN_BASH[line]
    Path("script.sh").write_text(CliRunner().invoke(cli, ["completion", "bash"]).stdout)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    script = BASH % (f"'{line}'", words)
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == offered
    assert Path("kept").read_text() == "what failed"


@pytest.mark.parametrize("line", LINES)
def test_verbs_options_values_and_endpoints_are_offered(line: str) -> None:
    assert _offered(line) == LINES[line]


def test_words_are_taken_as_bash_counts_them_where_there_is_no_line() -> None:
    assert _offered("", COMP_WORDS="diana-cli\ndgetall\ninb", COMP_CWORD="2") == ["inbox"]


def test_a_shell_that_breaks_no_word_at_colons_is_offered_whole_words() -> None:
    assert _offered("diana-cli dgetall path:here/de", COMP_WORDBREAKS="=") == ["path:here/deep/"]


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_each_shell_has_its_script(shell: str, word: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert word in result.stdout
    assert "_DIANA_CLI_COMPLETE" in result.stdout


@pytest.mark.parametrize("services", ["x: {ctype: nonsense}", "x: [", "x: {ctype: folder, path: '${UNSET:?}'}"])
def test_services_that_cannot_be_read_leave_the_prefixes(services: str) -> None:
    assert _offered("diana-cli dgetall pat", DIANA_SERVICES=services) == ["path:"]


def test_to_start_and_to_complete_nothing_is_loaded_that_few_commands_need() -> None:
    heavy = ("pydicom", "numpy", "PIL", "redis", "urllib3", "apprise", "jinja2", "sqlite3")
    look = f"import diana_cli.app, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
