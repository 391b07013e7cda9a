"""Text messages over carriers' mail relays, with a real mail server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from diana_common.attempts import Failed, Postponed, Refused
from diana_notify.adapters.sms import RELAYS, SmsCarrier
from diana_notify.adapters.smtp import SmtpCarrier, SmtpServer
from diana_notify.core.addresses import email_domain
from diana_notify.core.model import Transport
from tests.support.smtp import MailServer
from tests.unit.notify.test_notify_transports import parcel

ADDRESS = "16465550123@verizon"
RELAYED = "16465550123@vtext.com"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def sms(mail: MailServer) -> Iterator[SmsCarrier]:
    smtp = SmtpCarrier(SmtpServer("127.0.0.1", mail.port, "none", "diana@hospital.example", 10.0))
    yield SmsCarrier(smtp, RELAYS)
    smtp.close()


def test_a_text_message_is_one_short_line_without_a_subject_or_encoding(sms: SmsCarrier, mail: MailServer) -> None:
    sms.carry(parcel(Transport.SMS, ADDRESS, "A study is complete", "1.2.3,\n  12 instances.\n"))
    (one,) = mail.mails
    assert one.recipients == (RELAYED,)
    assert one.message["Subject"] is None
    assert one.message["Content-Transfer-Encoding"] == "7bit"
    assert one.text.strip() == "A study is complete 1.2.3, 12 instances."
    assert one.message_id == "<abc123@hospital.example>"


def test_a_long_one_is_cut_and_other_letters_survive(sms: SmsCarrier, mail: MailServer) -> None:
    sms.carry(parcel(Transport.SMS, ADDRESS, "Grüße", "Здравствуйте " * 100))
    text = mail.mails[0].text.strip()
    assert len(text) == 160
    assert text.startswith("Grüße Здравствуйте") and text.endswith("…")


@pytest.mark.parametrize(("answer", "kind"), [("550 no such number", Refused), ("450 busy", Postponed)])
def test_a_relay_says_no_as_a_mail_server_does(
    sms: SmsCarrier, mail: MailServer, answer: str, kind: type[Failed]
) -> None:
    mail.refuse[RELAYED] = answer
    with pytest.raises(kind):
        sms.carry(parcel(Transport.SMS, ADDRESS))


def test_a_carrier_that_is_not_configured_any_more_gets_nothing(sms: SmsCarrier, mail: MailServer) -> None:
    with pytest.raises(Refused, match="not configured"):
        sms.carry(parcel(Transport.SMS, "16465550123@pigeon"))
    assert not mail.mails


def test_the_carriers_that_are_known_have_domains() -> None:
    assert all(email_domain(f"x@{domain}") == domain for domain in RELAYS.values())
