"""Which addresses fit their transports. What is refused here never reaches the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from urllib.parse import SplitResult, unquote, urlsplit

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.settings import nearest
from diana_notify.core.model import Recipient, Transport

MAX_ADDRESS_BYTES = 1024
NAMED = frozenset((Transport.SLACK, Transport.TEAMS, Transport.APPRISE))
"""The transports whose addresses are names in the configuration, because what they stand for is a secret."""

_MAX_EMAIL = 254
_PORTS = {"http": 80, "https": 443}
# RFC 5322 dot-atom. Quoted local parts are legal, and a way to smuggle more into a command.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBER = re.compile(r"[0-9]{5,15}")
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
_URL = re.compile(r"[!-\[\]-~]+")  # ASCII that shows, without the backslash, which some take for a slash


class AddressBook:
    """Knows which transports are configured, and what an address of each looks like."""

    def __init__(
        self,
        email: bool,
        webhook_prefixes: Sequence[str],
        sms_carriers: Collection[str] = (),
        twilio: bool = False,
        names: Mapping[Transport, Collection[str]] | None = None,
    ) -> None:
        """`names` are those of what is configured by name. Raises ValueError for a prefix that is no plain URL."""
        self._prefixes = [_split(prefix) for prefix in webhook_prefixes]
        if any(prefix.query for prefix in self._prefixes):
            raise ValueError("an allowed prefix has no query")
        self._sms_carriers = sms_carriers
        self._checks: dict[Transport, Callable[[str], object]] = {
            Transport.FILE: check_file_name,
            Transport.SCREEN: _check_empty,
        }
        if email:
            self._checks[Transport.EMAIL] = email_domain
        if self._prefixes:
            self._checks[Transport.WEBHOOK] = self.check_url
        if sms_carriers:
            self._checks[Transport.SMS] = self._check_sms
        if twilio:
            self._checks[Transport.TWILIO] = _check_number
        for transport, known in (names or {}).items():
            if known:
                self._checks[transport] = partial(_check_name, known)

    def check(self, recipient: Recipient, where: str) -> None:
        """Raise RECIPIENT_INVALID, naming the field, unless the recipient can be written to."""
        try:
            if recipient.transport not in self._checks:
                raise ValueError(f"the transport {recipient.transport.name.lower()} is not configured")
            self._checks[recipient.transport](recipient.address)
        except ValueError as error:
            raise DianaError(
                Reason.RECIPIENT_INVALID, f"{where}: {error}", fields=[FieldViolation(where, str(error))]
            ) from None

    def check_url(self, url: str) -> None:
        """Raise ValueError unless a webhook's URL begins as the configuration allows, after parsing both."""
        parts = _split(url)
        if not any(_is_below(parts, prefix) for prefix in self._prefixes):
            raise ValueError("the URL is not among those that the configuration allows")

    def _check_sms(self, address: str) -> None:
        carrier = sms_parts(address)[1]
        if carrier not in self._sms_carriers:
            raise ValueError(f"names no configured carrier; {nearest(carrier, self._sms_carriers)}")


def target_of(recipient: Recipient) -> str:
    """What fails together: the mail server, a webhook's host and port, a file, whatever is configured by name."""
    if recipient.transport is Transport.WEBHOOK:
        parts = urlsplit(recipient.address)
        return f"webhook {parts.scheme}://{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
    if recipient.transport is Transport.FILE:
        return f"file {recipient.address}"
    if recipient.transport in NAMED:
        return f"{recipient.transport.name.lower()} {recipient.address}"
    return recipient.transport.name.lower()


def email_domain(address: str) -> str:
    """The domain of one e-mail address, in ASCII. Raises ValueError unless it is just that, without a name."""
    local, _, domain = address.rpartition("@")
    if not _LOCAL.fullmatch(local) or len(local) > 64:
        raise ValueError("is not one e-mail address without a display name")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_domain = ""
    if not _DOMAIN.fullmatch(ascii_domain) or len(local) + 1 + len(ascii_domain) > _MAX_EMAIL:
        raise ValueError("has a domain that is none")
    return ascii_domain


def sms_parts(address: str) -> tuple[str, str]:
    """The digits and the carrier's name of "digits@carrier". Raises ValueError."""
    number, at, carrier = address.partition("@")
    if not at or not _NUMBER.fullmatch(number):
        raise ValueError("is not a number's 5 to 15 digits, '@' and a carrier's name")
    return number, carrier


def check_file_name(name: str) -> None:
    """Raise ValueError unless it is a plain name: nothing that leads out of a directory, or hides in it."""
    if not _FILE.fullmatch(name):
        raise ValueError("is not a plain file name of letters, digits, '.', '_' and '-'")


def _check_number(address: str) -> None:
    if not _E164.fullmatch(address):
        raise ValueError("is not '+' and a number's 8 to 15 digits, beginning with the country's")


def _check_name(known: Collection[str], address: str) -> None:
    if address not in known:
        raise ValueError(f"names nothing that is configured; {nearest(address, known)}")


def _check_empty(address: str) -> None:
    if address:
        raise ValueError("the screen has no address")


def _split(url: str) -> SplitResult:
    """An absolute http(s) URL taken apart, if it means the same to everybody. Raises ValueError."""
    if not _URL.fullmatch(url) or len(url) > MAX_ADDRESS_BYTES:
        raise ValueError("is not a URL of plain ASCII characters")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.port == 0:
        raise ValueError("is not an http or https URL with a host")
    if "@" in parts.netloc or "#" in url:
        raise ValueError("has a user or a fragment, which no webhook needs")
    if {".", ".."} & set(re.split("[/;]", unquote(parts.path))):
        raise ValueError("has a path with dots for directories")
    return parts


def _is_below(url: SplitResult, prefix: SplitResult) -> bool:
    """Whether it has the same scheme, host and port, and a path at or below the prefix's."""
    if (url.scheme, url.hostname) != (prefix.scheme, prefix.hostname):
        return False
    if (url.port or _PORTS[url.scheme]) != (prefix.port or _PORTS[prefix.scheme]):
        return False
    path, folder = url.path or "/", prefix.path or "/"
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")
