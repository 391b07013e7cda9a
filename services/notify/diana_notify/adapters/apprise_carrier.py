"""Whatever else the library apprise reaches: https://github.com/caronc/apprise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

from diana_common.attempts import Unreachable
from diana_common.settings import config_invalid
from diana_notify.adapters.apprise_worker import Outcome
from diana_notify.adapters.secret import Secret
from diana_notify.core.model import Parcel

_COMMAND = (sys.executable, "-P", "-m", "diana_notify.adapters.apprise_worker")
_START_SECONDS = 20.0
"""What a process may take besides, on a busy machine."""

_WHY = {
    Outcome.NOT_SENT: "apprise could not send it",
    Outcome.TIMED_OUT: "timed out",
    Outcome.UNUSABLE: "apprise cannot use the configured URL",
}


class AppriseCarrier:
    """Sends one message at a time, by a process each: the library is foreign code that bounds little by itself.

    Apprise says only whether it worked. Whatever fails is taken to fail for all that goes to the same URL.
    """

    def __init__(self, urls: Mapping[str, Secret], timeout: float) -> None:
        """`timeout`: seconds for all of an attempt. Raises DianaError CONFIG_INVALID for a URL that apprise refuses."""
        self._urls = urls
        self._timeout = timeout
        for name, url in urls.items():
            if _run({"url": url.read()}, timeout) is Outcome.UNUSABLE:
                raise config_invalid(f"apprise.urls.{name}", "is no URL that apprise can use")

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        name = parcel.delivery.recipient.address
        if name not in self._urls:  # the configuration may have changed since it was queued
            raise Unreachable("no URL of this name is configured")
        message = {"title": parcel.subject, "body": parcel.body or parcel.subject or "(no text)"}
        if message["body"] == parcel.subject:
            message["title"] = ""
        outcome = _run({"url": self._urls[name].read(), "seconds": self._timeout, **message}, self._timeout)
        if outcome is not Outcome.SENT:
            raise Unreachable("apprise failed" if outcome is None else _WHY[outcome])


def _run(asked: Mapping[str, object], seconds: float) -> Outcome | None:
    """How it went; None if the process failed."""
    with subprocess.Popen(
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt of the service lets it finish
    ) as process:
        try:
            process.communicate(json.dumps(asked).encode(), seconds + _START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return Outcome.TIMED_OUT
    try:
        return Outcome(process.returncode)
    except ValueError:
        return None
