"""Connections to the mail server are used again, and one that has died costs no message and doubles none."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, Envelope, Session

from diana_common.attempts import Postponed, Refused, Unreachable
from diana_notify.adapters import smtp_pool
from diana_notify.adapters.smtp import SmtpCarrier, SmtpServer
from diana_notify.core.model import Delivery, Parcel, Recipient, State, Transport
from tests.support.awaiting import awaited
from tests.support.smtp import MailServer


def mail_to(name: str = "ada") -> Parcel:
    recipient = Recipient(Transport.EMAIL, f"{name}@hospital.example")
    delivery = Delivery(1, f"deliveries/{name}", State.QUEUED, recipient, "", "", 0, "", 1.7e9, 1.7e9, None)
    return Parcel(delivery, "email", "Hello", ".dots\n..and lines\n")


class Moody(MailServer):
    """Goes wrong, in a way that `mood` names, on every connection that has brought a message."""

    mood = ""

    def wrong(self, mood: str, server: SMTP, session: Session) -> bool:
        """Whether to go wrong now; hangs up if the mood is to."""
        brought = any(one.peer == session.peer for one in self.mails)
        if brought and self.mood == f"hangs up at {mood}":
            transport: Any = server.transport
            transport.abort()
        return brought and self.mood == f"refuses {mood}"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.wrong("senders", server, session):
            return "450 4.7.0 enough messages on this connection"
        if self.wrong("everything", server, session):
            return "421 4.7.0 closing"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.wrong("recipients", server, session):
            return "421 4.7.0 closing"
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        wrong = self.wrong("messages", server, session)
        answer = await super().handle_DATA(server, session, envelope)
        return "421 4.7.0 closing" if wrong else answer

    @property
    def connections(self) -> int:
        """How many brought messages."""
        return len({one.peer for one in self.mails})


@pytest.fixture
def mail() -> Iterator[Moody]:
    server = Moody()
    with server:
        yield server


@contextmanager
def carrying(mail: MailServer) -> Iterator[SmtpCarrier]:
    carrier = SmtpCarrier(SmtpServer("127.0.0.1", mail.port, "none", "diana@hospital.example", 10.0))
    try:
        yield carrier
    finally:
        carrier.close()


def test_one_connection_serves_message_after_message_whole(mail: Moody) -> None:
    with carrying(mail) as carrier:
        for _ in range(5):
            carrier.carry(mail_to())
    assert mail.connections == 1
    assert {one.data for one in mail.mails} == {mail.mails[0].data}
    assert mail.mails[0].text.replace("\r\n", "\n") == ".dots\n..and lines\n"


def test_a_refused_recipient_or_message_leaves_the_connection_for_the_next(mail: Moody) -> None:
    mail.refuse["bob@hospital.example"] = "550 no such user"
    mail.refuse["eve@hospital.example"] = "450 busy"
    with carrying(mail) as carrier:
        carrier.carry(mail_to())
        for name, kind in (("bob", Refused), ("eve", Postponed)):
            with pytest.raises(kind):
                carrier.carry(mail_to(name))
        mail.refuse_data = "554 spam"
        with pytest.raises(Refused):
            carrier.carry(mail_to())
        mail.refuse_data = ""
        carrier.carry(mail_to())
    assert mail.connections == 1


@pytest.mark.parametrize(
    "mood",
    ["refuses senders", "refuses everything", "refuses recipients", "hangs up at senders", "hangs up at recipients"],
)
def test_a_connection_that_fails_before_the_message_is_on_its_way_is_replaced_at_once(mail: Moody, mood: str) -> None:
    mail.mood = mood
    with carrying(mail) as carrier:
        for name in ("ada", "bob", "eve"):
            carrier.carry(mail_to(name))
    assert [one.recipients[0][:3] for one in mail.mails] == ["ada", "bob", "eve"]
    assert mail.connections == 3


@pytest.mark.parametrize("mood", ["refuses messages", "hangs up at messages"])
def test_a_message_that_may_have_been_taken_is_not_sent_again_at_once(mail: Moody, mood: str) -> None:
    with carrying(mail) as carrier:
        carrier.carry(mail_to())
        mail.mood = mood
        with pytest.raises(Unreachable):
            carrier.carry(mail_to("bob"))
        assert [one.recipients[0][:3] for one in mail.mails] == ["ada", "bob"]
        carrier.carry(mail_to("eve"))
    assert mail.connections == 2


def test_a_server_that_went_and_came_back_is_written_to_on_a_new_connection(mail: Moody) -> None:
    with carrying(mail) as carrier:
        carrier.carry(mail_to())
        mail.stop()
        with pytest.raises(Unreachable, match="refused"):
            carrier.carry(mail_to("bob"))
        mail.start()
        carrier.carry(mail_to("bob"))
    assert len(mail.mails) == 2


def test_threads_have_connections_of_their_own_and_a_few_are_kept(mail: Moody) -> None:
    with carrying(mail) as carrier:
        for _ in range(2):
            threads = [threading.Thread(target=carrier.carry, args=(mail_to(),)) for _ in range(8)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
        assert len(carrier._pool._idle) <= smtp_pool.MAX_IDLE
    assert len(mail.mails) == 16
    assert mail.connections <= 8 + 8 - smtp_pool.MAX_IDLE


def test_connections_are_left_when_old_idle_or_worn(mail: Moody) -> None:
    clock = [0.0]
    with carrying(mail) as carrier:
        carrier._pool = pool = smtp_pool.SmtpPool(lambda: clock[0])
        carrier.carry(mail_to())
        session = pool.take()
        assert session is not None
        for wear in ((-300.0, 0.0, 1), (0.0, -30.0, 1), (0.0, 0.0, 100)):
            worn = smtp_pool.Session(session.smtp, *wear)
            pool._idle.append(worn)
            assert pool.take() is None
            assert worn.smtp.sock is None
            carrier.carry(mail_to())
            session = pool.take()
            assert session is not None
        pool.give(session)
        clock[0] = 31.0
        pool.drop_unfit()
        assert session.smtp.sock is None


def test_whoever_closes_says_goodbye_and_keeps_nothing_more(mail: Moody) -> None:
    said = threading.Event()

    async def goodbye(server: SMTP, session: Session, envelope: Envelope) -> str:
        said.set()
        return "221 Bye"

    mail.handle_QUIT = goodbye  # type: ignore[attr-defined]
    with carrying(mail) as carrier:
        carrier.carry(mail_to())
        assert not said.is_set()
    assert awaited(said.is_set)
    carrier.carry(mail_to())
    carrier.carry(mail_to())
    assert mail.connections == 3


def test_a_connection_is_used_again_under_tls_and_login(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (tmp_path / "password").write_text("opens\n")
    mail = Moody(tls=context, login=("diana", "opens"))
    with mail:
        server = SmtpServer("127.0.0.1", mail.port, "starttls", "diana@hospital.example", 10.0)
        carrier = SmtpCarrier(
            replace(server, user="diana", password_file=tmp_path / "password", ca_file=tmp_path / "ca.pem")
        )
        for _ in range(3):
            carrier.carry(mail_to())
        carrier.close()
        assert mail.connections == 1
