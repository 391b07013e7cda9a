"""rules and jobs: what is asked of the router, and what is told of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_endpoints.services import Services
from tests.unit.cli.doubles import Routing, Source


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Routing:
    double = Routing()
    services = Services({})
    services._made |= {"route:": double, "source": Source([Item({"study_uid": "1.2"}, number=1)])}
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], env={"COLUMNS": "200", "TERM": "dumb"})


def test_rules_are_listed_with_how_they_fare_and_do_not_steer_the_terminal(router: Routing) -> None:
    result = _run("rules", "list")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split() == ["intake", "ok", "1", "20", "0", "/in", "->", "put", "inbox"]
    assert "stopped" in result.stdout and "\x1b" not in result.stdout


def test_a_good_file_of_rules_is_told_with_their_names(router: Routing, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: []")
    result = _run("rules", "check", file)
    assert (result.exit_code, result.stdout) == (0, "rules.yaml: good, rules: intake, send\n")


def test_each_fault_of_a_file_is_told_with_its_line(router: Routing, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("faulty")
    result = _run("rules", "check", file)
    assert (result.exit_code, result.stdout) == (1, "rules.yaml:3: rules[0].do: is required\n")
    assert "1 fault\n" in result.stderr
    told = json.loads(_run("--json", "rules", "check", file).stdout)
    assert (told["outcome"], told["line"]) == ("faulty", 3)


def test_what_could_not_be_looked_up_is_told_and_no_fault(router: Routing, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("nobody answers")
    result = _run("rules", "check", file)
    told = "rules.yaml:2: warning: rules[0].do: was not looked up\nrules.yaml: good, rules: intake, send\n"
    assert (result.exit_code, result.stdout) == (0, told)


def test_a_file_of_rules_is_looked_at_here_without_a_router(
    router: Routing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE", "inbox")
    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules:\n"
        "  - name: a # ${NOT_SET}\n"
        "    source: {store: '${STORE}'}\n"
        "    do: [{send: {peer: PACS}}, {notify: {channel: '${NOT_SET}', template: t}}]\n"
    )
    result = _run("rules", "check", "--offline", file)
    alone, unbound, fault = result.stdout.splitlines()
    assert result.exit_code == 1 and router.asked == []
    assert alone.startswith("rules.yaml: warning: stores, profiles") and "settings" in unbound
    assert fault == "rules.yaml:4: the environment variable NOT_SET is not set"
    file.write_text("away")
    result = _run("rules", "check", file)
    assert "looked at here" in result.stderr and "rules.yaml:1:" in result.stdout


def test_an_empty_file_of_rules_is_refused(router: Routing, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").touch()
    assert _run("rules", "check", tmp_path / "rules.yaml").exit_code == 2
    assert router.asked == []


def test_a_dry_run_shows_what_would_be_done_and_how_much_was_looked_at(router: Routing) -> None:
    result = _run("rules", "dry-run", "--since", "12h")
    assert result.exit_code == 0, result.output
    assert router.asked == [("dry-run", "", timedelta(hours=12))]
    _, job, counts = result.stdout.splitlines()
    assert job.split()[1:] == ["send", "study:inbox/1.2", "send", "pacs,", "delete"]
    assert counts == "9 entries; jobs: send 1"


def test_a_dry_run_of_other_rules_that_would_do_nothing_says_so(router: Routing, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: []")
    result = _run("rules", "dry-run", "--rules", tmp_path / "rules.yaml")
    assert (result.exit_code, result.stdout) == (0, "9 entries; jobs: none\n")
    assert router.asked == [("dry-run", "rules: []", None)]


def test_a_dry_run_is_told_to_scripts_line_by_line(router: Routing) -> None:
    lines = [json.loads(line) for line in _run("--json", "rules", "dry-run").stdout.splitlines()]
    assert [line["outcome"] for line in lines] == ["would_do", "looked_at"]


@pytest.mark.parametrize("span", ["1", "d", "1y", "-1d", "1.5h"])
def test_a_span_of_another_form_is_refused(router: Routing, span: str) -> None:
    result = _run("rules", "dry-run", "--since", span)
    assert result.exit_code == 2
    assert "such as 12h" in result.stderr


def test_an_item_is_explained_rule_by_rule_with_the_jobs_made_of_it(router: Routing) -> None:
    result = _run("rules", "explain", "study:inbox/1.2")
    assert result.exit_code == 0, result.output
    assert router.asked == [("explain", "study:inbox/1.2")]
    assert result.stdout.splitlines()[:2] == [
        "intake: does not fire: it is no file",
        "send: fires: the condition holds",
    ]
    assert "jobs/1" in result.stdout
    assert len(_run("--json", "rules", "explain", "study:inbox/1.2").stdout.splitlines()) == 3


def test_a_rule_is_run_on_items_and_what_it_does_not_fire_for_is_told(router: Routing) -> None:
    result = _run("rules", "run", "send", "study:inbox/2", "study:inbox/1")
    assert result.exit_code == 1
    assert router.asked == [("run", "send", "study:inbox/2"), ("run", "send", "study:inbox/1")]
    assert result.stdout.splitlines()[-1].split()[-1] == "jobs/4"
    assert "RULE_NOT_FIRING" in result.stderr


def test_a_rule_is_run_on_all_that_it_missed(router: Routing) -> None:
    result = _run("rules", "run", "send", "--since", "30d")
    assert result.exit_code == 0, result.output
    assert router.asked == [("backfill", "send", timedelta(days=30))]
    _, job, counts = result.stdout.splitlines()
    assert job.split()[-1] == "jobs/5"
    assert counts == "9 entries; jobs: 1"
    assert _run("rules", "run", "other", "--since", "30d").stdout == "9 entries; jobs: none\n"


@pytest.mark.parametrize("args", [(), ("study:inbox/1", "--since", "1d")])
def test_a_rule_is_run_on_items_or_on_what_happened(router: Routing, args: tuple[str, ...]) -> None:
    assert _run("rules", "run", "send", *args).exit_code == 2
    assert router.asked == []


def test_jobs_of_a_rule_that_was_changed_are_made_anew(router: Routing) -> None:
    assert _run("jobs", "list", "--state", "dead", "jobs", "retry", "--with-new-actions").exit_code == 1
    assert router.asked[1:] == [("retry anew", "jobs/1"), ("retry anew", "jobs/2"), ("retry anew", "jobs/3")]


def test_jobs_are_listed_by_state_and_rule(router: Routing) -> None:
    result = _run("jobs", "list", "--state", "dead", "--rule", "send", "--limit", "2")
    assert result.exit_code == 0, result.output
    assert router.asked == [("jobs", "dead", "send")]
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == ["jobs/1", "jobs/2"]


def test_a_job_is_shown_step_by_step(router: Routing) -> None:
    assert _run("jobs", "show", "jobs/1").stdout.splitlines() == [
        "jobs/1: dead, send of study:inbox/1.2",
        "  1 put inbox: done",
        "  2 send pacs: dead, tried 4 times: refused",
        "  3 delete: to do, tried 4 times: refused",
        "  7 instances stored, 1 refused",
    ]
    assert len(json.loads(_run("--json", "jobs", "show", "jobs/1").stdout)["steps"]) == 3


def test_jobs_are_followed_a_line_each(router: Routing) -> None:
    lines = _run("jobs", "watch", "--rule", "send").stdout.splitlines()
    assert lines[0] == "dead  send  study:inbox/1.2  send pacs  refused  jobs/1"
    assert router.asked == [("jobs", "", "send")]


@pytest.mark.parametrize("verb", ["retry", "cancel"])
def test_one_that_cannot_be_changed_fails_and_the_others_go_on(router: Routing, verb: str) -> None:
    result = _run("jobs", verb, "jobs/1", "jobs/2", "jobs/3")
    assert result.exit_code == 1
    assert router.asked == [(verb, f"jobs/{number}") for number in (1, 2, 3)]
    assert "JOB_ENDED" in result.stderr
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [["waiting", "jobs/1"], ["waiting", "jobs/3"]]


def test_what_is_listed_can_be_retried(router: Routing) -> None:
    result = _run("jobs", "list", "--state", "dead", "jobs", "retry")
    assert result.exit_code == 1, result.output
    assert router.asked == [("jobs", "dead", ""), *(("retry", f"jobs/{number}") for number in (1, 2, 3))]


def test_what_is_no_job_is_not_retried(router: Routing) -> None:
    result = _run("dgetall", "source", "jobs", "retry")
    assert result.exit_code == 1
    assert "is no job" in result.stderr and router.asked == []


def test_an_endpoint_that_carries_out_no_rules_is_refused(router: Routing) -> None:
    result = _run("rules", "list", "--in", "source")
    assert result.exit_code == 2
    assert "cannot carry out rules" in result.stderr
