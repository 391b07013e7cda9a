"""Text messages over carriers' mail relays: a mail to number@carrier becomes a text message."""

from __future__ import annotations

from collections.abc import Mapping

from diana_common.attempts import Refused
from diana_notify.adapters.mail import text_message_of
from diana_notify.adapters.smtp import SmtpCarrier
from diana_notify.adapters.texts import shortened, whole
from diana_notify.core.addresses import sms_parts
from diana_notify.core.model import Parcel

RELAYS = {
    "google-fi": "msg.fi.google.com",
    "us-cellular": "email.uscc.net",
    "verizon": "vtext.com",
}
"""Domains of carriers by name. AT&T's and T-Mobile's relays are not here: they have been switched off."""

_MOST_CHARACTERS = 160


class SmsCarrier:
    """Sends one short text at a time over the mail server."""

    def __init__(self, smtp: SmtpCarrier, relays: Mapping[str, str]) -> None:
        """`relays` are domains by carrier."""
        self._smtp = smtp
        self._relays = relays

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        number, carrier = sms_parts(parcel.delivery.recipient.address)
        if carrier not in self._relays:  # the configuration may have changed since it was queued
            raise Refused("not sent: the carrier is not configured any more")
        address = f"{number}@{self._relays[carrier]}"
        text = shortened(" ".join(whole(parcel).split()), _MOST_CHARACTERS)
        self._smtp.hand_over(address, text_message_of(parcel, self._smtp.sender, address, text))
