"""Transports against real servers and files."""

from __future__ import annotations

import io
import json
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import create_server

import pytest
import trustme

from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_notify.adapters.local import FileCarrier, ScreenCarrier
from diana_notify.adapters.smtp import SmtpCarrier, SmtpServer
from diana_notify.adapters.webhook import WebhookCarrier
from diana_notify.core.addresses import AddressBook
from diana_notify.core.carriers import Carrier
from diana_notify.core.model import Delivery, Parcel, Recipient, State, Transport
from tests.support.smtp import MailServer, free_port
from tests.unit.notify.hooks import Hooks

SENDER = "diana@hospital.example"


def parcel(
    transport: Transport, address: str, subject: str = "Grüße", body: str = "Zeile 1\n.\nЗдравствуйте\n"
) -> Parcel:
    recipient = Recipient(transport, address)
    delivery = Delivery(1, "deliveries/abc123", State.QUEUED, recipient, "mammo", "", 0, "", 1.7e9, 1.7e9, None)
    return Parcel(delivery, "target", subject, body)


def email(address: str = "ada@hospital.example", **text: str) -> Parcel:
    return parcel(Transport.EMAIL, address, **text)


def failure(carrier: Carrier, one: Parcel) -> Failed:
    with pytest.raises(Failed) as caught:
        carrier.carry(one)
    assert "@" not in caught.value.why and "ada" not in caught.value.why
    return caught.value


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def smtp(mail: MailServer, tls: str = "none", timeout: float = 10.0) -> SmtpServer:
    return SmtpServer("127.0.0.1", mail.port, tls, SENDER, timeout)


def test_a_mail_keeps_its_text_and_bears_the_deliverys_name(mail: MailServer) -> None:
    carrier = SmtpCarrier(smtp(mail))
    for _ in range(2):
        carrier.carry(email("ada@klinik-köln.example", subject="Grüße aus der Радиология " * 5))
    one, other = mail.mails
    assert one.data == other.data
    message = one.message
    assert message["Subject"] == "Grüße aus der Радиология " * 5
    assert one.text.replace("\r\n", "\n") == "Zeile 1\n.\nЗдравствуйте\n"
    assert one.message_id == "<abc123@hospital.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.timestamp() == 1.7e9
    assert one.sender == message["From"] == SENDER
    assert one.recipients[0].isascii() and one.recipients[0].startswith("ada@xn--")


@pytest.mark.parametrize(
    "subject", ["Hello", "=?utf-8?q?a?=", " spaces  kept ", "", "x" * 3000, "word " * 300, "📎" * 500]
)
def test_a_subject_arrives_as_it_was_queued(mail: MailServer, subject: str) -> None:
    SmtpCarrier(smtp(mail)).carry(email(subject=subject))
    (one,) = mail.mails
    assert one.message["Subject"] == subject
    assert max(len(line) for line in one.data.splitlines()) < 100


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", "\n\n"])
def test_a_subject_that_held_line_ends_would_make_no_headers(mail: MailServer, end: str) -> None:
    SmtpCarrier(smtp(mail)).carry(email(subject=f"a{end}Bcc: eve@evil.example"))
    (one,) = mail.mails
    assert one.message["Bcc"] is None
    assert one.message["Subject"].split() == ["a", "Bcc:", "eve@evil.example"]
    assert one.text.startswith("Zeile 1")


@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        ("550 no such user ada@hospital.example", Refused, "SMTP 550 for the recipient"),
        ("450 busy", Postponed, "SMTP 450 for the recipient"),
        ("421 closing", Unreachable, "SMTP 421 for the recipient"),
    ],
)
def test_a_recipient_that_is_refused_is_dead_now_or_later(
    mail: MailServer, answer: str, kind: type[Failed], why: str
) -> None:
    mail.refuse["ada@hospital.example"] = answer
    found = failure(SmtpCarrier(smtp(mail)), email())
    assert (type(found), found.why) == (kind, why)


def test_a_greylisted_recipient_is_written_to_when_asked_again(mail: MailServer) -> None:
    mail.greylist = 1
    carrier = SmtpCarrier(smtp(mail))
    assert isinstance(failure(carrier, email()), Postponed)
    carrier.carry(email())
    assert len(mail.mails) == 1


@pytest.mark.parametrize(("answer", "kind"), [("554 spam", Refused), ("452 full", Postponed)])
def test_a_message_that_is_refused_is_dead_now_or_later(mail: MailServer, answer: str, kind: type[Failed]) -> None:
    mail.refuse_data = answer
    assert type(failure(SmtpCarrier(smtp(mail)), email())) is kind


def test_a_server_that_is_not_there_is_unreachable() -> None:
    server = SmtpServer("127.0.0.1", free_port(), "none", SENDER, 10.0)
    found = failure(SmtpCarrier(server), email())
    assert (type(found), found.why) == (Unreachable, "connection refused")


def test_a_server_that_trickles_is_given_up_in_the_end() -> None:
    over = threading.Event()
    with create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                while not over.wait(0.02):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        server = SmtpServer("127.0.0.1", listener.getsockname()[1], "none", SENDER, 0.05)
        try:
            assert isinstance(failure(SmtpCarrier(server), email()), Unreachable)
        finally:
            over.set()
            thread.join()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return ca, tmp_path / "ca.pem"


def test_a_password_goes_over_tls_to_a_server_that_is_trusted(
    tmp_path: Path, authority: tuple[trustme.CA, Path]
) -> None:
    ca, ca_file = authority
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    secret = tmp_path / "password"
    secret.write_text("opens\n")
    with MailServer(tls=context, login=("diana", "opens")) as mail:
        server = replace(smtp(mail, "starttls"), user="diana", password_file=secret, ca_file=ca_file)
        SmtpCarrier(server).carry(email())
        assert len(mail.mails) == 1
        assert isinstance(failure(SmtpCarrier(replace(server, ca_file=None)), email()), Unreachable)
        secret.write_text("wrong")
        assert failure(SmtpCarrier(server), email()).why == "SMTP 535 at login"


def test_a_server_without_starttls_gets_nothing_when_it_must_have_it(mail: MailServer) -> None:
    assert isinstance(failure(SmtpCarrier(smtp(mail, "starttls")), email()), Unreachable)
    assert not mail.mails


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        yield server


def webhook(hooks: Hooks, path: str = "/in/a?x=1") -> tuple[Carrier, Parcel]:
    carrier = WebhookCarrier(AddressBook(False, [f"{hooks.url}/in/"]), 10.0)
    return carrier, parcel(Transport.WEBHOOK, hooks.url + path)


def test_a_webhook_gets_the_message_and_the_deliverys_name(hooks: Hooks) -> None:
    carrier, one = webhook(hooks)
    carrier.carry(one)
    body = {"id": "deliveries/abc123", "channel": "mammo", "subject": "Grüße", "body": one.body}
    assert hooks.posts == [("/in/a?x=1", "deliveries/abc123", body)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, Refused), (404, Refused), (410, Refused), (301, Refused), (307, Refused)),
        *((408, Postponed), (425, Postponed), (429, Postponed), (500, Postponed), (503, Postponed)),
    ],
)
def test_a_status_says_whether_to_come_again_and_redirects_are_not_followed(
    hooks: Hooks, status: int, kind: type[Failed]
) -> None:
    hooks.status = status
    found = failure(*webhook(hooks))
    assert (type(found), found.why) == (kind, f"HTTP {status}")
    assert len(hooks.posts) == 1


def test_a_url_that_is_not_allowed_any_more_gets_nothing(hooks: Hooks) -> None:
    assert isinstance(failure(*webhook(hooks, "/out")), Refused)
    assert not hooks.posts


def test_a_host_that_does_not_answer_is_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    found = failure(WebhookCarrier(AddressBook(False, [url]), 10.0), parcel(Transport.WEBHOOK, url))
    assert (type(found), found.why) == (Unreachable, "connection refused")


def test_a_file_gets_a_line_for_each_message_even_after_one_was_cut_short(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    carrier = FileCarrier(outbox)
    one = parcel(Transport.FILE, "study.jsonl")
    carrier.carry(one)
    with (outbox / "study.jsonl").open("a") as file:
        file.write('{"id": "deliv')
    carrier.carry(one)
    first, torn, last = (outbox / "study.jsonl").read_text().splitlines()
    assert json.loads(first) == json.loads(last)
    assert json.loads(first)["body"] == one.body
    assert torn == '{"id": "deliv'
    assert (outbox / "study.jsonl").stat().st_mode & 0o777 == 0o600


def test_neither_a_link_nor_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        assert isinstance(failure(FileCarrier(tmp_path), parcel(Transport.FILE, name)), Unreachable)
    assert not (tmp_path / "target").exists()


def test_the_screen_shows_one_line_without_anything_a_terminal_obeys() -> None:
    screen = io.StringIO()
    ScreenCarrier(screen).carry(parcel(Transport.SCREEN, "", "Hi", "a\x1b[31m\nb\x07\u2028c\u202ed"))
    assert screen.getvalue() == "[mammo] Hi: a [31m b c d\n"
