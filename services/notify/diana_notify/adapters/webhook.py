"""HTTP POSTs to URLs that the configuration allows."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from diana_common.attempts import Postponed, Refused, Unreachable
from diana_common.settings import config_invalid
from diana_notify.adapters.deadline import deadline
from diana_notify.core.addresses import AddressBook
from diana_notify.core.model import Parcel

_STEPS = 3
"""How many times the timeout of one step a whole exchange may take."""

_LATER = frozenset((408, 425, 429))
"""The client errors that say "try again"."""


class WebhookCarrier:
    """Posts one message at a time. It follows no redirect, uses no proxy, and reads no more than the headers."""

    def __init__(self, addresses: AddressBook, timeout: float, ca_file: Path | None = None) -> None:
        """Raises DianaError CONFIG_INVALID for certificates that cannot be read."""
        self._addresses = addresses
        self._timeout = timeout
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError):
            raise config_invalid("webhook.ca_file", "cannot be read as certificates") from None

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        url = parcel.delivery.recipient.address
        try:
            self._addresses.check_url(url)  # the configuration may have changed since it was queued
        except ValueError as error:
            raise Refused(f"not sent: {error}") from None
        status = self._post(url, parcel)
        if 200 <= status < 300:
            return
        raise (Postponed if status >= 500 or status in _LATER else Refused)(f"HTTP {status}")

    def _post(self, url: str, parcel: Parcel) -> int:
        """The answer's status."""
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, str(parts.hostname), parts.port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": parcel.delivery.name,
            "User-Agent": "diana-notify",
            "Connection": "close",
        }
        try:
            with deadline(_STEPS * self._timeout, lambda: connection.sock):
                connection.request("POST", target, json.dumps(message_of(parcel)).encode(), headers)
                return connection.getresponse().status
        except TimeoutError:
            raise Unreachable("timed out") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise Unreachable(str(why).lower()) from None
        finally:
            connection.close()

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)


def message_of(parcel: Parcel) -> dict[str, str]:
    """The JSON object that webhooks get and files keep."""
    delivery = parcel.delivery
    return {"id": delivery.name, "channel": delivery.channel, "subject": parcel.subject, "body": parcel.body}
