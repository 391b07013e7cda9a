"""Text messages by Twilio's Messages resource: https://www.twilio.com/docs/messaging/api/message-resource."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import urlencode

from diana_common.attempts import Failed, Postponed, Refused
from diana_notify.adapters.posting import Answer, Poster, failure_of
from diana_notify.adapters.secret import Secret
from diana_notify.adapters.texts import shortened, whole
from diana_notify.core.model import Parcel

_MOST_CHARACTERS = 1600
_OURS = frozenset((21212, 21603, 21606, 21611, 21659, 21660))
"""Twilio's errors about our own number or its queue, which can be mended: https://www.twilio.com/docs/api/errors."""


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Whose name and which number messages go under. `sender` is a number, or a messaging service's SID ("MG...")."""

    account_sid: str
    token: Secret
    sender: str
    base_url: str


class TwilioCarrier:
    """Posts one message at a time. Twilio has no idempotency key: one tried twice may come twice."""

    def __init__(self, account: TwilioAccount, poster: Poster) -> None:
        self._account = account
        self._poster = poster
        base = account.base_url.rstrip("/")
        self._url = f"{base}/2010-04-01/Accounts/{account.account_sid}/Messages.json"

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        sender = "MessagingServiceSid" if self._account.sender.startswith("MG") else "From"
        form = {
            "To": parcel.delivery.recipient.address,
            sender: self._account.sender,
            "Body": shortened(whole(parcel), _MOST_CHARACTERS),
        }
        if failure := _failure(self._poster.post(self._url, urlencode(form).encode(), self._headers())):
            raise failure

    def _headers(self) -> dict[str, str]:
        login = f"{self._account.account_sid}:{self._account.token.read()}".encode()
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": f"Basic {base64.b64encode(login).decode()}",
        }


def _failure(answer: Answer) -> Failed | None:
    failure = failure_of(answer, is_ours=True)
    code = _error_code(answer)
    if failure is None or code is None:
        return failure
    why = f"{failure.why}, Twilio {code}"
    if isinstance(failure, Refused) and code in _OURS:
        return Postponed(why)
    return type(failure)(why, failure.retry_after)


def _error_code(answer: Answer) -> int | None:
    """The number of Twilio's error; its text is left aside, for it repeats the recipient's number."""
    try:
        given = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    code = given.get("code") if isinstance(given, dict) else None
    return code if isinstance(code, int) and 10_000 <= code < 100_000 else None
