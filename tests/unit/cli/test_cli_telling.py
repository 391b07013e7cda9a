"""wsend and dispatch with a text of one's own: what is said, to whom, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_common.errors import invalid_field
from diana_endpoints.items import Item
from diana_endpoints.protocol.notify import Message
from diana_endpoints.services import Services
from tests.unit.cli.doubles import Source, Telling

SUBSCRIPTIONS = """
news-a: News
---
- {name: Ben, email: ben@hospital.example, channels: [news-a]}
- {name: Ada, email: ada@hospital.example, channels: [news-a, other]}
- {name: Cleo, screen: yes, channels: [news-a]}
"""


@dataclass
class Mailing:
    """A messenger that tells at once, and knows no one called Ben."""

    told: list[tuple[str, str, str]] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def tell(self, recipient: str, subject: str, body: str) -> Item:
        if recipient.startswith("ben"):
            raise invalid_field("recipient", "is unknown")
        self.told.append((recipient, subject, body))
        return Item({"recipient": recipient, "outcome": "sent"})


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mailing:
    double = Mailing()
    items = [Item({"id": str(n), "trial": "news", "site": site}, data={"n": n}) for n, site in enumerate("ab", 1)]
    services = Services({})
    services._made |= {"mail": double, "notify:": Telling(), "two": Source(items)}
    monkeypatch.setattr(Session, "services", services)
    monkeypatch.chdir(tmp_path)
    Path("subscriptions.yaml").write_text(SUBSCRIPTIONS)
    return double


def _notify() -> list[tuple[str, Message]]:
    telling: Telling = Session.services._made["notify:"]  # type: ignore[attr-defined]
    return telling.sent


def _run(*args: str) -> Result:
    return CliRunner().invoke(cli, args, env={"COLUMNS": "200", "TERM": "dumb"})


def test_the_default_text_is_the_older_systems(mail: Mailing) -> None:
    assert _run("wsend", "--data", "msg_text: Hello 123", "-t", "ada@hospital.example", "mail").exit_code == 0
    assert mail.told == [("ada@hospital.example", "", "Hello 123")]


def test_a_first_line_can_be_the_subject(mail: Mailing) -> None:
    Path("news.txt").write_text("Subject: {{ n }} of {{ trial }}\n\nDear all,\n{{ site }}")
    _run("dgetall", "two", "wsend", "-m", "@news.txt", "mail")
    assert mail.told[0] == ("", "1 of news", "Dear all,\na")


def test_one_item_that_cannot_be_told_does_not_keep_the_rest(mail: Mailing) -> None:
    result = _run("dgetall", "two", "wsend", "-t", "x", "-m", "{{ 1 // (n - 1) }}", "mail")
    assert (result.exit_code, mail.told) == (1, [("x", "", "1")])
    assert "TEMPLATE_INVALID: the template cannot be filled: ZeroDivisionError" in result.stderr
    assert "'nothing' is undefined" in _run("wsend", "-m", "{{ nothing }}", "mail").stderr


def test_a_template_cannot_reach_python(mail: Mailing) -> None:
    result = _run("wsend", "-m", "{{ ''.__class__.__mro__ }}", "mail")
    assert (result.exit_code, mail.told) == (1, [])


def test_notify_is_given_the_text_as_it_is_and_not_as_a_template(mail: Mailing) -> None:
    _run("wsend", "--data", "msg_text: '{{ 7 * 7 }}'", "-t", "ada@hospital.example", "notify:")
    assert _notify() == [
        ("email:ada@hospital.example", Message(body="{{ values.body }}", values={"body": "{{ 7 * 7 }}"}))
    ]


def test_a_channel_is_made_of_what_each_item_says(mail: Mailing) -> None:
    _run("dgetall", "two", "dispatch", "$trial-$site", "--template", "news")
    assert [channel for channel, _ in _notify()] == ["news-a", "news-b"]
    _run("dgetall", "two", "dispatch", "--channel_tmpl", "other,$trial-$site", "--msg_t", "{{ n }}")
    assert [channel for channel, _ in _notify()[2:]] == ["other", "news-a", "other", "news-b"]
    result = _run("dgetall", "two", "dispatch", "$nothing", "--template", "news")
    assert result.stderr.count("the channel names 'nothing', which is not known") == 2


def test_those_who_subscribed_are_told_at_once_by_another_messenger(mail: Mailing) -> None:
    line = ["dispatch", "$trial-$site", "-E", "mail", "--subscriptions", "@subscriptions.yaml"]
    result = _run("dgetall", "two", *line, "--msg-t", "Dear {{ recipient.name }}: {{ channel.tag }}")
    assert mail.told == [("ada@hospital.example", "", "Dear Ada: news-a")]
    assert result.exit_code == 1  # Ben
    assert "is unknown" in result.stderr


def test_files_are_read_once_for_all_items(mail: Mailing, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(name: str) -> str:
        read.append(name)
        return Path(name).read_text()

    monkeypatch.setattr("diana_cli.telling.read_text", reading)
    Path("news.txt").write_text("{{ n }}")
    line = ["dispatch", "news-a", "-E", "mail", "--subscriptions", "@subscriptions.yaml", "--msg-t", "@news.txt"]
    _run("dgetall", "two", *line)
    assert [body for _, _, body in mail.told] == ["1", "2"]
    assert sorted(read) == ["news.txt", "subscriptions.yaml"]


def test_a_template_that_is_none_is_told_before_anyone_is(mail: Mailing) -> None:
    assert "TEMPLATE_INVALID" in _run("dgetall", "two", "wsend", "-t", "x", "-m", "{{ n", "mail").stderr
    assert mail.told == []


def test_a_text_goes_without_any_item(mail: Mailing) -> None:
    line = ["dispatch", "other", "-E", "mail", "--subscriptions", "@subscriptions.yaml"]
    _run(*line, "--data", "msg_text: Hello 123", "--msg_t", "{{ msg_text }}")
    assert mail.told == [("ada@hospital.example", "", "Hello 123")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--template", "news"], "Name a CHANNEL"),
        (["a", "--msg-t", "x", "--template", "news"], "--msg-t stands without"),
        (["a", "-E", "mail", "--msg-t", "x"], "goes with --subscriptions"),
        (["a", "-E", "mail", "--subscriptions", "@subscriptions.yaml", "--subject", "x"], "goes with --subscriptions"),
        (["a", "-E", "mail", "--subscriptions", "@none.yaml", "--msg-t", "x"], "names a file that cannot be read"),
    ],
)
def test_what_does_not_fit_is_told_before_anyone_is(mail: Mailing, line: list[str], said: str) -> None:
    result = _run("dispatch", *line)
    assert (result.exit_code, mail.told) == (2, [])
    assert said in result.output


def test_a_channel_that_nobody_knows_is_a_failure_as_with_notify(mail: Mailing) -> None:
    line = ["-E", "mail", "--subscriptions", "@subscriptions.yaml", "--msg-t", "x"]
    result = _run("dispatch", "nosuch,other", *line)
    assert (result.exit_code, mail.told) == (1, [("ada@hospital.example", "", "x")])
    assert "CHANNEL_UNKNOWN: nobody has subscribed to a channel 'nosuch'" in result.stderr
    assert _run("dgetall", "two", "dispatch", "other,nosuch-$site", *line).stderr.count("CHANNEL_UNKNOWN") == 2


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(10**6) %}{{ a }}{% endfor %}",
        "{% for a in range(90) %}{% for b in range(90) %}{% for c in range(90) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(90) %}{% for b in range(90) %}0123456789{% endfor %}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ 'x'|center(10**9) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_a_template_that_makes_too_much_is_refused(mail: Mailing, template: str) -> None:
    result = _run("wsend", "-t", "x", "-m", template, "mail")
    assert (result.exit_code, mail.told) == (1, [])
    assert "TEMPLATE_INVALID" in result.stderr


def test_wsend_hands_on_the_items_that_it_told_of(mail: Mailing) -> None:
    told = ["wsend", "-t", "x", "-m", "{{ n }}", "mail"]
    result = _run("dgetall", "two", *told, "print", "csv", "-r", "n", "-r", "recipient")
    assert result.stdout.split() == ["n,recipient", "1,x", "2,x"]


def test_who_cannot_tell_is_named(mail: Mailing) -> None:
    assert "wsend mail: INVALID_FIELD" in _run("wsend", "-t", "ben@x.org", "-m", "x", "mail").stderr
