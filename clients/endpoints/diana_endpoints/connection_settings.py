"""What descriptions of servers have in common, whatever is spoken: secrets, variables of the environment, addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.settings import config_invalid

LOGIN = ("user", "user_file", "password", "password_file", "ca_file")
"""Settings of every server that has users and may speak TLS."""
TOKEN = ("token", "token_file")
"""Settings of those that take a token."""
CLEAR = "; credentials go to it without TLS"
"""What health adds where credentials could be read on their way."""

_LARGEST_SECRET = 64 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, of its URL. The port is 0 where the URL has none."""

    host: str
    port: int
    path: str


def secret(value: str, path: Path | None, name: str) -> str:
    """A secret of the settings, or of the file they name; empty if there is neither. Raises DianaError."""
    if path is not None:
        if value:
            raise config_invalid(name, f"is given twice: keep {name} or {name}_file")
        value = _first_line(path, f"{name}_file")
    if not value.isprintable():
        raise config_invalid(name, "must be one line of printable characters")
    return value


def from_environment(prefix: str, env: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
    """Of the settings `names`, those that variables such as ORTHANC_USER or ORTHANC_CA_FILE give; empty ones do not."""
    return {name: value for name in names if (value := env.get(f"{prefix}_{name.upper()}"))}


def place_from_environment(prefix: str, env: Mapping[str, str]) -> dict[str, Any]:
    """The settings `host` and `port` that PREFIX_HOST and PREFIX_PORT give. Raises DianaError INVALID_FIELD."""
    given = from_environment(prefix, env, ("host", "port"))
    return {**given, "port": port_of(given["port"], f"{prefix}_PORT")} if "port" in given else given


def port_of(text: str, field: str) -> int:
    """A port that somebody wrote. Raises DianaError INVALID_FIELD."""
    if not (text.isdecimal() and text.isascii()) or not 0 < int(text[:6]) < 65536:
        raise invalid_field(field, "must be a port from 1 to 65535")
    return int(text)


def address_of(url: str, written: str, secrets: str) -> Address:
    """Where a URL leads. `written` shows how one is written, `secrets` says where a user and password come from.

    Raises DianaError INVALID_FIELD for one with a password, which a command line is no place for, or with settings.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise invalid_field("ENDPOINT", f"is no address: write {written}") from None
    if "@" in parts.netloc:
        remedy = f"write {written}, set {secrets} in the environment, or describe it in services YAML"
        raise invalid_field("ENDPOINT", f"a command line is no place for a password: {remedy}")
    if url.partition(":")[2] and not parts.netloc:
        raise invalid_field("ENDPOINT", f"is no address: write {written}, and set {secrets} in the environment")
    if parts.query or parts.fragment or port == 0:
        raise invalid_field("ENDPOINT", f"is no address: write {written}; settings go in services YAML")
    return Address(parts.hostname or "", port or 0, parts.path.strip("/"))


def check_scheme(url: str, schemes: Iterable[str], written: str) -> None:
    """Raises DianaError INVALID_FIELD for a URL of another scheme, as of `redis+http://HOST`: another kind's."""
    if url.partition(":")[0].lower() not in schemes:
        raise invalid_field("ENDPOINT", f"is another kind's address: write {written}")


def check_port(port: int) -> None:
    """Raises ValueError for what is no port."""
    if not 0 < port < 65536:
        raise ValueError("port must be from 1 to 65535")


def check_timeout(timeout: float) -> None:
    """Raises ValueError for one of nothing, or of more than a day."""
    if not 0 < timeout <= 86400:
        raise ValueError("timeout must be above 0, and a day at most")


def is_loopback(host: str) -> bool:
    """Whether what is sent to a host stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def untrusted() -> DianaError:
    """The error for a server whose TLS is no proof of who it is: nothing can be done with it, now and for all items."""
    return DianaError(Reason.PEER_UNAVAILABLE, "the server's certificate is not trusted, or it has none: see ca_file")


def _first_line(path: Path, name: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LARGEST_SECRET).strip()
    except OSError as error:
        raise config_invalid(name, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise config_invalid(name, "is not UTF-8 text") from error
