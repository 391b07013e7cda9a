"""HTTP POSTs, bounded in time and in what is read."""

from __future__ import annotations

import email.utils
import http.client
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.settings import config_invalid
from diana_notify.adapters.deadline import deadline
from diana_notify.adapters.proxy import proxy_for

ANSWER_BYTES = 64 * 1024
"""More of an answer than that need not be read."""

MAX_PAUSE_SECONDS = 3600.0
"""For so long a server's Retry-After is honoured; then it is asked again."""

_STEPS = 3
"""How many times the timeout of one step a whole exchange may take."""

_TOO_MANY = 429
_UNAVAILABLE = 503
_LATER = frozenset((408, 425, _TOO_MANY))
"""The client errors that say "try again"."""

_WRONG_PLACE = frozenset((401, 403, 404, 410))
_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
_NO_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the beginning of the body, and the seconds for which to come no more; 0 if it did not say."""

    status: int
    body: bytes
    retry_after: float


class Poster:
    """Posts, a connection each. It follows no redirect, and uses a proxy for https only (adapters.proxy). Safe to share
    between threads."""

    def __init__(self, where: str, timeout: float, ca_file: Path | None = None) -> None:
        """`where` is the settings' name. Raises DianaError CONFIG_INVALID for certificates that cannot be read, and for
        what is no proxy."""
        self._timeout = timeout
        proxy_for("")  # so that what is wrong with it is told at the start
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError):
            raise config_invalid(f"{where}.ca_file", "cannot be read as certificates") from None

    def post(self, url: str, data: bytes, headers: Mapping[str, str], answer_bytes: int = ANSWER_BYTES) -> Answer:
        """The answer of an http or https URL, with so many bytes of its body at most. Raises Unreachable."""
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, str(parts.hostname), parts.port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            _connect(connection)
            held = connection.sock  # the connection forgets it while the body is still to come
            with deadline(_STEPS * self._timeout, lambda: held):
                given = {**headers, "User-Agent": "diana-notify", "Connection": "close"}
                connection.request("POST", target, data, given)
                with connection.getresponse() as response:
                    pause = _seconds(response.getheader("Retry-After", ""))
                    return Answer(response.status, _beginning(response, answer_bytes), pause)
        except TimeoutError:
            raise Unreachable("timed out") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise Unreachable(str(why).lower()) from None
        finally:
            connection.close()

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "https":
            if host not in _LOOPBACK and (proxy := proxy_for(host)):
                return proxy.to(host, port, self._timeout, self._context)
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)


def failure_of(answer: Answer, is_ours: bool) -> Failed | None:
    """What a status means for the message; None for any 2xx.

    With `is_ours` the URL and what opens it are our configuration's: what is wrong with them can be mended, and nothing
    goes there until then.
    """
    why, pause = f"HTTP {answer.status}", answer.retry_after
    if 200 <= answer.status < 300:
        return None
    if answer.status in (_TOO_MANY, _UNAVAILABLE) and pause:
        return Unreachable(why, pause)
    if is_ours and answer.status in (*_WRONG_PLACE, _TOO_MANY):
        return Unreachable(why)
    if answer.status >= 500 or answer.status in _LATER:
        return Postponed(why, pause)
    return Refused(why)


def check_endpoint(url: str) -> None:
    """Raise ValueError unless it is an https URL, or an http one of the loopback: it, or what goes with it, is secret.

    The complaint does not hold it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or not host or "@" in parts.netloc or parts.fragment:
        raise ValueError("is not a URL with a host, without a user or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError("is not an https URL")


def _connect(connection: http.client.HTTPConnection) -> None:
    """Raises what a socket does, and Unreachable for what a proxy says instead of making a tunnel."""
    try:
        connection.connect()
    except OSError as error:
        if found := _NO_TUNNEL.match(str(error)):
            raise Unreachable(f"the proxy answers HTTP {found[1]}") from None
        raise


def _beginning(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    """Of the body, if it comes: the status says enough."""
    try:
        return response.read(most_bytes)
    except (OSError, http.client.HTTPException, ValueError):
        return b""


def _seconds(retry_after: str) -> float:
    """RFC 9110 section 10.2.3: seconds, or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:9])
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS)
