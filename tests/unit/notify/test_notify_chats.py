"""Slack, Teams and Twilio against a real web server: what they are sent, and what their answers mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from urllib.parse import parse_qs

import pytest

from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import DianaError
from diana_notify.adapters.chats import ChatCarrier, slack_payload, teams_payload
from diana_notify.adapters.posting import MAX_PAUSE_SECONDS, Answer, Poster, failure_of
from diana_notify.adapters.secret import Secret
from diana_notify.adapters.twilio import TwilioAccount, TwilioCarrier
from diana_notify.core.carriers import Carrier
from diana_notify.core.model import Transport
from tests.unit.notify.hooks import Hooks
from tests.unit.notify.test_notify_transports import parcel

NUMBER = "+16465550123"
SLACK = parcel(Transport.SLACK, "ops")


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        server.status, server.answer = 200, b"ok"
        yield server


def slack(url: str, folder: Path, timeout: float = 10.0) -> ChatCarrier:
    (folder / "url").write_text(f"{url}/services/T0/SECRET\n")
    secret = Secret("slack.urls.ops", folder / "url", "")
    return ChatCarrier("slack", {"ops": secret}, Poster("slack", timeout), slack_payload)


def twilio(hooks: Hooks, folder: Path, sender: str = "+16465550100") -> TwilioCarrier:
    (folder / "token").write_text("hush\n")
    account = TwilioAccount("AC0", Secret("twilio.token", folder / "token", ""), sender, f"{hooks.url}/")
    return TwilioCarrier(account, Poster("twilio", 10.0))


def failure(carrier: Carrier, transport: Transport, address: str) -> Failed:
    with pytest.raises(Failed) as caught:
        carrier.carry(parcel(transport, address))
    assert "SECRET" not in caught.value.why and address not in caught.value.why
    return caught.value


def test_slack_gets_plain_text_that_calls_nobody(hooks: Hooks, tmp_path: Path) -> None:
    one = parcel(Transport.SLACK, "ops", "Grüße & <!channel>", "Zeile 1\nuser_name *x* <!here>\n")
    slack(hooks.url, tmp_path).carry(one)
    (posted,) = hooks.requests
    assert posted.path == "/services/T0/SECRET"
    assert posted.json == {
        "text": "Grüße &amp; &lt;!channel&gt;\nZeile 1\nuser_name *x* &lt;!here&gt;",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Grüße & <!channel>", "emoji": False}},
            {
                "type": "section",
                "text": {"type": "plain_text", "text": "Zeile 1\nuser_name *x* <!here>", "emoji": False},
            },
        ],
    }


@pytest.mark.parametrize(
    ("subject", "body"), [("", ""), ("s" * 500, "b"), ("", "\n" * 10), ("s", "📎" * 50_000), ("", "x\n" * 50_000)]
)
def test_whatever_a_message_holds_fits_slack_and_teams(subject: str, body: str) -> None:
    one = parcel(Transport.SLACK, "ops", subject, body)
    blocks = slack_payload(one)["blocks"]
    assert 1 <= len(blocks) <= 50
    for block in blocks:
        assert 1 <= len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000)
    assert len(slack_payload(one)["text"]) <= 4000
    card = teams_payload(one)
    assert len(json.dumps(card, ensure_ascii=False).encode()) <= 28_000
    assert all(block["inlines"][0]["text"] for block in card["attachments"][0]["content"]["body"])


def test_teams_gets_an_adaptive_card_with_a_block_for_each_line(hooks: Hooks, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{hooks.url}/hook?sig=SECRET")
    url = Secret("teams.urls.trial", tmp_path / "url", "")
    hooks.status, hooks.answer = 202, b""
    carrier = ChatCarrier("teams", {"trial": url}, Poster("teams", 10.0), teams_payload)
    carrier.carry(parcel(Transport.TEAMS, "trial", "A *study*", "one\n\n# two"))
    message = hooks.requests[0].json
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.2")
    assert [(block["type"], block["inlines"][0]["text"]) for block in card["body"]] == [
        ("RichTextBlock", text) for text in ("A *study*", "one", " ", "# two")
    ]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, Refused), (413, Refused), (302, Refused)),
        *((401, Unreachable), (403, Unreachable), (404, Unreachable), (410, Unreachable), (429, Unreachable)),
        *((408, Postponed), (500, Postponed), (503, Postponed)),
    ],
)
def test_what_is_wrong_with_our_url_waits_and_what_is_wrong_with_a_message_does_not(
    hooks: Hooks, tmp_path: Path, status: int, kind: type[Failed]
) -> None:
    hooks.status = status
    found = failure(slack(hooks.url, tmp_path), Transport.SLACK, "ops")
    assert (type(found), found.why, found.retry_after) == (kind, f"HTTP {status}", 0.0)


def test_teams_yes_that_tells_of_a_failure_is_a_failure(hooks: Hooks, tmp_path: Path) -> None:
    hooks.answer = b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with"
    hooks.headers = {"Retry-After": "7"}
    found = failure(slack(hooks.url, tmp_path), Transport.SLACK, "ops")
    assert (type(found), found.why, found.retry_after) == (Unreachable, "HTTP 429", 7.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("1e9", 0.0),
        ("soon", 0.0),
        ("9" * 400, MAX_PAUSE_SECONDS),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 2100 07:28:00 GMT", MAX_PAUSE_SECONDS),
    ],
)
def test_a_server_is_left_alone_for_as_long_as_it_says_within_reason(
    hooks: Hooks, tmp_path: Path, header: str, seconds: float
) -> None:
    hooks.status, hooks.headers = 429, {"Retry-After": header}
    found = failure(slack(hooks.url, tmp_path), Transport.SLACK, "ops")
    assert (type(found), found.retry_after) == (Unreachable, seconds)


def test_a_url_of_strangers_is_left_alone_too_when_it_says_for_how_long() -> None:
    kinds = {pause: failure_of(Answer(429, b"", pause), is_ours=False) for pause in (0.0, 9.0)}
    assert isinstance(kinds[0.0], Postponed)
    assert isinstance(kinds[9.0], Unreachable) and kinds[9.0].retry_after == 9.0
    slow = failure_of(Answer(500, b"", 9.0), is_ours=False)
    assert isinstance(slow, Postponed) and slow.retry_after == 9.0


@contextmanager
def trickling(answer: bytes) -> Iterator[str]:
    """A server that sends an answer, and then byte after byte for ever; its URL."""
    over = threading.Event()
    with create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(answer)
                while not over.wait(0.02):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def test_a_yes_is_a_yes_though_its_body_never_ends(tmp_path: Path) -> None:
    with trickling(b"HTTP/1.1 200 OK\r\n\r\n") as url:
        slack(url, tmp_path, timeout=0.1).carry(SLACK)


def test_an_answer_that_never_ends_is_none(tmp_path: Path) -> None:
    with trickling(b"HTTP/1.1 2") as url:
        assert isinstance(failure(slack(url, tmp_path, timeout=0.1), Transport.SLACK, "ops"), Unreachable)


def test_a_url_may_be_renewed_or_come_from_the_environment(
    hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = slack(hooks.url, tmp_path)
    carrier.carry(SLACK)
    (tmp_path / "url").write_text(f"{hooks.url}/new")
    carrier.carry(SLACK)
    monkeypatch.setenv("OPS_URL", f"{hooks.url}/env")
    secret = Secret("slack.urls.ops", None, "OPS_URL")
    ChatCarrier("slack", {"ops": secret}, Poster("slack", 10.0), slack_payload).carry(SLACK)
    assert [one.path for one in hooks.requests] == ["/services/T0/SECRET", "/new", "/env"]
    for gone in ("http://elsewhere.example/", "", "two\nlines"):
        (tmp_path / "url").write_text(gone)
        with pytest.raises(Unreachable, match="is not"):
            carrier.carry(SLACK)
    assert failure(carrier, Transport.SLACK, "other").why == "no URL of this name is configured"


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.example/x",
        "https://user:pw@chat.example/",
        "chat.example",
        "https://",
        "https://a b/",
        "https://x:y/",
    ],
)
def test_a_secret_url_is_https_and_its_complaint_does_not_hold_it(tmp_path: Path, url: str) -> None:
    (tmp_path / "url").write_text(url)
    secret = Secret("slack.urls.ops", tmp_path / "url", "")
    with pytest.raises(DianaError, match=r"slack\.urls\.ops: is not") as caught:
        ChatCarrier("slack", {"ops": secret}, Poster("slack", 10.0), slack_payload)
    assert url not in str(caught.value)


def test_twilio_gets_a_form_under_our_login(hooks: Hooks, tmp_path: Path) -> None:
    hooks.status, hooks.answer = 201, b'{"sid": "SM0", "status": "queued"}'
    twilio(hooks, tmp_path).carry(parcel(Transport.TWILIO, NUMBER, "Grüße", "a&b=c\n" * 500))
    twilio(hooks, tmp_path, "MG0").carry(parcel(Transport.TWILIO, NUMBER, "", "short"))
    one, other = hooks.requests
    assert one.path == "/2010-04-01/Accounts/AC0/Messages.json"
    assert one.headers["Authorization"] == "Basic QUMwOmh1c2g="
    form = parse_qs(one.body.decode(), strict_parsing=True)
    assert (form["To"], form["From"]) == ([NUMBER], ["+16465550100"])
    assert form["Body"][0].startswith("Grüße\na&b=c\n") and len(form["Body"][0]) == 1600
    assert parse_qs(other.body.decode()) == {"To": [NUMBER], "MessagingServiceSid": ["MG0"], "Body": ["short"]}


@pytest.mark.parametrize(
    ("status", "answer", "kind", "why"),
    [
        (400, {"code": 21211, "message": f"Invalid 'To' {NUMBER}"}, Refused, "HTTP 400, Twilio 21211"),
        (400, {"code": 21606}, Postponed, "HTTP 400, Twilio 21606"),
        (401, {"code": 20003}, Unreachable, "HTTP 401, Twilio 20003"),
        (404, {"code": 20404}, Unreachable, "HTTP 404, Twilio 20404"),
        (429, {"code": 20429}, Unreachable, "HTTP 429, Twilio 20429"),
        (500, {"code": "x"}, Postponed, "HTTP 500"),
        (400, [NUMBER], Refused, "HTTP 400"),
        (400, {"code": 16465550123}, Refused, "HTTP 400"),
    ],
)
def test_twilios_number_for_an_error_is_told_and_none_of_its_words(
    hooks: Hooks, tmp_path: Path, status: int, answer: object, kind: type[Failed], why: str
) -> None:
    hooks.status, hooks.answer = status, json.dumps(answer).encode()
    found = failure(twilio(hooks, tmp_path), Transport.TWILIO, NUMBER)
    assert (type(found), found.why) == (kind, why)


def test_an_answer_that_is_no_json_or_bottomless_is_taken_by_its_status(hooks: Hooks, tmp_path: Path) -> None:
    for answer in (b"\xff<html>", b"[" * 60_000, b"{" * 100_000):
        hooks.status, hooks.answer = 400, answer
        assert failure(twilio(hooks, tmp_path), Transport.TWILIO, NUMBER).why == "HTTP 400"
