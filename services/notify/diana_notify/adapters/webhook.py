"""HTTP POSTs to URLs that the configuration allows."""

from __future__ import annotations

import json
import time
from pathlib import Path

from diana_common.attempts import Refused, Unreachable
from diana_common.settings import config_invalid
from diana_notify.adapters.posting import Poster, failure_of
from diana_notify.adapters.secret import Secret
from diana_notify.adapters.signing import decoded_key, signature_headers
from diana_notify.core.addresses import AddressBook
from diana_notify.core.model import Parcel


class WebhookCarrier:
    """Posts one message at a time, signed if there is a key."""

    def __init__(
        self, addresses: AddressBook, timeout: float, ca_file: Path | None = None, key: Secret | None = None
    ) -> None:
        """Raises DianaError CONFIG_INVALID for certificates or a key that cannot be used."""
        self._addresses = addresses
        self._poster = Poster("webhook", timeout, ca_file)
        self._key = key
        if key is not None:
            try:
                decoded_key(key.read())
            except ValueError as error:
                raise config_invalid("webhook.signing_key", str(error)) from None

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        url = parcel.delivery.recipient.address
        try:
            self._addresses.check_url(url)  # the configuration may have changed since it was queued
        except ValueError as error:
            raise Refused(f"not sent: {error}") from None
        body = json.dumps(message_of(parcel)).encode()
        answer = self._poster.post(url, body, self._headers(parcel, body), answer_bytes=0)
        if failure := failure_of(answer, is_ours=False):
            raise failure

    def _headers(self, parcel: Parcel, body: bytes) -> dict[str, str]:
        name = parcel.delivery.name
        headers = {"Content-Type": "application/json", "Idempotency-Key": name}
        if self._key is None:
            return headers
        try:
            return headers | signature_headers(decoded_key(self._key.read()), name, int(time.time()), body)
        except ValueError as error:
            raise Unreachable(f"webhook.signing_key {error}") from None


def message_of(parcel: Parcel) -> dict[str, str]:
    """The JSON object that webhooks get and files keep."""
    delivery = parcel.delivery
    return {"id": delivery.name, "channel": delivery.channel, "subject": parcel.subject, "body": parcel.body}
