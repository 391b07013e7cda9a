"""send, dispatch, deliveries: what is said, to whom, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_endpoints.protocol.notify import Message
from diana_endpoints.services import Services
from tests.unit.cli.doubles import Source, Telling, delivery


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Telling:
    double = Telling()
    services = Services({})
    services._made |= {"notify:": double, "source": Source([])}
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str, given: str = "") -> Result:
    return CliRunner().invoke(cli, args, input=given, env={"COLUMNS": "200", "TERM": "dumb"})


def test_a_message_goes_to_one_recipient_and_its_delivery_is_shown(told: Telling) -> None:
    result = _run("send", "email:ada@hospital.example", "--subject", "Hello", "--body", "It works.")
    assert result.exit_code == 0, result.output
    assert told.sent == [("email:ada@hospital.example", Message(subject="Hello", body="It works."))]
    assert result.stdout.splitlines()[1].split() == ["queued", "email:ada@hospital.example", "deliveries/1"]


def test_a_channel_is_told_by_a_template_with_values(told: Telling) -> None:
    result = _run("--json", "dispatch", "mammo-a", "--template", "news", "--value", "count=12", "--value", "a=b=c")
    assert [json.loads(line)["channel"] for line in result.stdout.splitlines()] == ["mammo-a"] * 2
    assert told.sent == [("mammo-a", Message(template="news", values={"count": "12", "a": "b=c"}))]


def test_after_another_command_one_is_sent_for_each_item_and_says_nothing_of_patients_or_paths(
    told: Telling,
) -> None:
    items = [Item({"study_uid": f"1.{n}", "instances": n, "path": "doe/1.dcm", "patient_id": "P1"}) for n in (1, 2)]
    Session.services._made |= {"source": Source(items)}  # type: ignore[attr-defined]
    result = _run("dgetall", "source", "dispatch", "mammo-a", "--template", "news", "--value", "instances=many")
    assert result.exit_code == 0, result.output
    values = [{"study_uid": f"1.{n}", "instances": "many"} for n in (1, 2)]
    assert told.sent == [("mammo-a", Message(template="news", values=one)) for one in values]
    _run("dgetall", "source", "send", "screen:", "--subject", "News")
    assert [message.values["instances"] for _, message in told.sent[2:]] == ["1", "2"]


def test_a_text_comes_from_a_file_or_from_the_input(told: Telling, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Grüße\n")
    _run("send", "screen:", "--body-file", str(tmp_path / "text"))
    _run("send", "screen:", "--body-file", "-", given="from the input")
    assert [message.body for _, message in told.sent] == ["Grüße\n", "from the input"]


def test_deliveries_are_listed_as_asked(told: Telling) -> None:
    told.ledgers = [[delivery(3, "dead", last_error="SMTP 550"), delivery(2), delivery(1)]]
    result = _run("--json", "deliveries", "--state", "dead", "--channel", "mammo-a", "--limit", "2")
    assert told.asked == [("dead", "mammo-a")]
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["delivery"] for line in lines] == ["deliveries/3", "deliveries/2"]
    assert lines[0]["last_error"] == "SMTP 550"


def test_watching_tells_what_comes_until_ctrl_c(told: Telling) -> None:
    told.ledgers = [[delivery(1), delivery(2), delivery(2, "sent")]]
    result = _run("--json", "deliveries", "--watch", "--channel", "mammo-a")
    assert result.exit_code == 0
    assert told.asked == [("watch", "mammo-a")]
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["delivery"], line["state"]) for line in lines] == [
        ("deliveries/1", "queued"),
        ("deliveries/2", "queued"),
        ("deliveries/2", "sent"),
    ]


def test_deliveries_are_replayed_and_cancelled_each_by_itself(told: Telling) -> None:
    result = _run("--json", "deliveries", "deliveries/1", "deliveries/2", "deliveries/3", "--replay")
    assert told.changed == [("queued", f"deliveries/{number}") for number in (1, 2, 3)]
    assert result.exit_code == 1  # one of them had been sent
    told.ledgers = [[delivery(4), delivery(5)]]
    result = _run("deliveries", "--state", "queued", "--channel", "mammo-a", "--cancel")
    assert result.exit_code == 0, result.output
    assert told.changed[3:] == [("cancelled", "deliveries/4"), ("cancelled", "deliveries/5")]


def test_a_preview_shows_what_would_be_sent(told: Telling) -> None:
    result = _run("preview", "channel:mammo-a", "--template", "news", "--study", "deid/1.2")
    assert told.sent == [("channel:mammo-a", Message(template="news", study="deid/1.2"))]
    assert result.stdout.splitlines()[:5] == ["To: channel:mammo-a", "Subject: News", "", "Dear Ada,", "it is here."]


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["send", "screen:"], "either --template NAME, or --subject and --body"),
        (["send", "screen:", "--template", "t", "--body", "x"], "either --template NAME, or --subject and --body"),
        (["send", "screen:", "--body", "x", "--body-file", "-"], "exclude one another"),
        (["send", "screen:", "--template", "t", "--value", "x"], "must be KEY=VALUE"),
        (["send", "--template", "t"], "Missing argument"),
        (["deliveries", "--state", "lost"], "is not one of"),
        (["deliveries", "deliveries/1"], "--replay or --cancel"),
        (["deliveries", "--cancel"], "Name the deliveries"),
        (["deliveries", "--watch", "--state", "dead"], "list or watch"),
        (["dispatch", "news", "--template", "t", "ls"], "stands alone"),
        (["dispatch", "news", "--template", "t", "--in", "source"], "cannot tell anyone"),
    ],
)
def test_what_makes_no_sense_ends_with_status_2(told: Telling, args: list[str], hint: str) -> None:
    result = _run(*args)
    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert not told.sent
