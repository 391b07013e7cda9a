"""Messages as e-mail has them, in ASCII."""

from __future__ import annotations

from datetime import UTC, datetime
from email.charset import QP, Charset
from email.header import Header
from email.utils import format_datetime

from diana_notify.core.addresses import email_domain
from diana_notify.core.model import Parcel

_PLAIN_HEADER = 60
_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP
_PLAIN = 'Content-Type: text/plain; charset="us-ascii"\nContent-Transfer-Encoding: 7bit\n'
_QUOTED = 'Content-Type: text/plain; charset="utf-8"\nContent-Transfer-Encoding: quoted-printable\n'


def message_of(parcel: Parcel, sender: str) -> str:
    """The e-mail in ASCII, the same at every attempt; its Message-ID is the delivery's id."""
    subject = f"Subject: {_header(parcel.subject)}\n"
    return _head(parcel, sender, parcel.delivery.recipient.address) + subject + _encoded(parcel.body)


def text_message_of(parcel: Parcel, sender: str, address: str, text: str) -> str:
    """The e-mail of which a carrier's relay makes a text message: without a subject, and unencoded if it can be."""
    return _head(parcel, sender, address) + (f"{_PLAIN}\n{text}\n" if text.isascii() else _encoded(text))


def ascii_address(address: str) -> str:
    """An address whose domain every server can read."""
    return f"{address.rpartition('@')[0]}@{email_domain(address)}"


def _head(parcel: Parcel, sender: str, to: str) -> str:
    """The headers but those of the text. All are short and ASCII: email.message would spend most of a mail's time."""
    delivery = parcel.delivery
    headers = {
        "From": ascii_address(sender),
        "To": ascii_address(to),
        "Date": format_datetime(datetime.fromtimestamp(delivery.create_time, UTC)),
        "Message-ID": f"<{delivery.name.removeprefix('deliveries/')}@{email_domain(sender)}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday notices in return
        "MIME-Version": "1.0",
    }
    return "".join(f"{name}: {value}\n" for name, value in headers.items())


def _encoded(text: str) -> str:
    return f"{_QUOTED}\n{_UTF8.body_encode(text)}"


def _header(text: str) -> str:
    """A header's value, encoded (RFC 2047) unless it is short and plain.

    Of the older classes of the standard library: the newer ones lose spaces where they fold. Were it ever to hold line
    ends they would become spaces, and no header of their own.
    """
    text = " ".join(text.splitlines())
    plain = text.isascii() and text == text.strip() and "=?" not in text and len(text) <= _PLAIN_HEADER
    return Header(text, "us-ascii" if plain else "utf-8", header_name="Subject").encode()
