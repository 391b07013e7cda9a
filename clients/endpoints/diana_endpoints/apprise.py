"""Other messengers, by Apprise (github.com/caronc/apprise): Slack, Teams, Matrix, ntfy and many more."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.settings import config_invalid
from diana_endpoints.connection_settings import from_environment, secret
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.telling import Telling, one_line

if TYPE_CHECKING:
    from apprise import Apprise


@dataclass(frozen=True)
class AppriseSettings:
    """A messenger that Apprise knows, by its URL, which is a secret."""

    url: str = field(default="", repr=False)
    """Apprise's URL, as `${VARIABLE}`."""

    url_file: Path | None = None
    """A file with the URL, instead of `url`."""

    subject: str = "DIANA"
    """The template of the title of what is put, with $NAME for what the item says."""

    body: str = "$text"
    """The template of its text."""


class AppriseMessenger(Telling):
    """Endpoint `apprise`. Raises DianaError CONFIG_INVALID for a URL that Apprise does not know."""

    def __init__(self, settings: AppriseSettings) -> None:
        super().__init__(settings.subject, settings.body)
        self._settings = settings

    def close(self) -> None:
        """Nothing to give back."""

    def check(self) -> Health:
        """Whether Apprise knows the messenger: it can only be tried by telling something."""
        try:
            return Health(bool(self._messenger), "known; it is not asked before something is told")
        except DianaError as error:
            return Health(False, error.message)

    def tell(self, recipient: str, subject: str, body: str) -> Item:
        """Send one notification. Raises DianaError ENDPOINT_REFUSED if the messenger does not take it."""
        if recipient:
            raise invalid_field("recipient", "must be empty: the settings' URL says who is told")
        if not self._messenger.notify(body=body or subject, title=one_line(subject) if body else ""):
            raise DianaError(Reason.ENDPOINT_REFUSED, "the messenger did not take the notification")
        return Item({"outcome": "sent", "recipient": "apprise"}, number=1)

    @cached_property
    def _messenger(self) -> Apprise:
        try:
            from apprise import Apprise
        except ImportError as error:
            raise DianaError(Reason.EXTRA_MISSING, "apprise is not installed: pip install diana-mesh") from error
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines hold the URL
        made = Apprise()
        url = secret(self._settings.url, self._settings.url_file, "url")
        if not url or not made.add(url):
            raise config_invalid("url", "is no URL that Apprise knows")
        return made


def read_url(url: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings of `apprise:`: APPRISE_URL or APPRISE_URL_FILE. Raises DianaError INVALID_FIELD."""
    if url.partition(":")[2]:
        raise invalid_field(
            "ENDPOINT",
            "takes nothing after apprise: - its URL is a secret, so set APPRISE_URL, or name it in services YAML",
        )
    return from_environment("APPRISE", env, ("url", "url_file"))


KIND = Kind(AppriseSettings, AppriseMessenger, read_url=read_url)
