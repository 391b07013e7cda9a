"""The demonstration's mail server: takes real mail, keeps it as it came, and leaves nothing running."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator

import pytest

from diana_cli.demo.mailbox import Mailbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


def _send(port: int, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        text = f"Subject: {subject}\r\n\r\nA study is ready.\r\n"
        client.sendmail("diana@localhost", ["ada@localhost", "ben@localhost"], text)


def test_mail_is_kept_as_it_came_in_its_order(mailbox: Mailbox) -> None:
    mailbox.open()
    for subject in ("one", "two"):
        _send(mailbox.port, subject)
    assert mailbox.next_mail(30) == b"Subject: one\r\n\r\nA study is ready.\r\n"
    assert (mailbox.next_mail(30) or b"").startswith(b"Subject: two\r\n")
    assert mailbox.next_mail(0.01) is None


def test_a_closed_mailbox_leaves_no_thread_and_no_port() -> None:
    before = set(threading.enumerate())
    box = Mailbox()
    box.open()
    port = box.port
    _send(port, "one")
    box.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_connection_that_is_still_open_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    box = Mailbox()
    box.open()
    with smtplib.SMTP("127.0.0.1", box.port, timeout=30) as client:
        client.noop()
        box.close()
        with pytest.raises(smtplib.SMTPException):
            client.noop()
    assert caplog.messages == []


def test_one_that_was_never_opened_is_closed_as_well() -> None:
    Mailbox().close()
