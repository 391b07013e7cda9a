"""Which addresses fit their transports. What is refused here never reaches the ledger."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_notify.core.model import Recipient, Transport

MAX_ADDRESS_BYTES = 1024
_MAX_EMAIL = 254
_PORTS = {"http": 80, "https": 443}
# RFC 5322 dot-atom. Quoted local parts are legal, and a way to smuggle more into a command.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_URL = re.compile(r"[!-\[\]-~]+")  # ASCII that shows, without the backslash, which some take for a slash


class AddressBook:
    """Knows which transports are configured, and what an address of each looks like."""

    def __init__(self, email: bool, webhook_prefixes: Sequence[str], files: bool = True, screen: bool = True) -> None:
        """Raises ValueError for a prefix that is no plain http or https URL."""
        self._prefixes = [_split(prefix) for prefix in webhook_prefixes]
        if any(prefix.query for prefix in self._prefixes):
            raise ValueError("an allowed prefix has no query")
        usable = {Transport.EMAIL: email, Transport.FILE: files, Transport.SCREEN: screen}
        usable[Transport.WEBHOOK] = bool(self._prefixes)
        self._usable = usable
        self._checks = {
            Transport.EMAIL: email_domain,
            Transport.WEBHOOK: self.check_url,
            Transport.FILE: check_file_name,
            Transport.SCREEN: _check_empty,
        }

    def check(self, recipient: Recipient, where: str) -> None:
        """Raise RECIPIENT_INVALID, naming the field, unless the recipient can be written to."""
        try:
            if not self._usable[recipient.transport]:
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


def target_of(recipient: Recipient) -> str:
    """What fails together: the mail server, a webhook's host and port, a file."""
    if recipient.transport is Transport.WEBHOOK:
        parts = urlsplit(recipient.address)
        return f"webhook {parts.scheme}://{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
    if recipient.transport is Transport.FILE:
        return f"file {recipient.address}"
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


def check_file_name(name: str) -> None:
    """Raise ValueError unless it is a plain name: nothing that leads out of a directory, or hides in it."""
    if not _FILE.fullmatch(name):
        raise ValueError("is not a plain file name of letters, digits, '.', '_' and '-'")


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
