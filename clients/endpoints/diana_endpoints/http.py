"""Requests to an HTTP server that is not ours: pooled, TLS verified, in bounded time and memory, failures typed.

What the server says of a failure is never repeated, nor is a URL: either may hold patient values.
"""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.settings import config_invalid
from diana_endpoints.connection_settings import CLEAR, is_loopback, untrusted
from diana_endpoints.http_settings import ServerSettings, credentials

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # its lines hold URLs, and with them what is asked for

MOST = 64 * 1024 * 1024
"""Bytes that an answer held in memory may have."""
_CONNECT_SECONDS = 10.0
_HURRIED_SECONDS = 5.0
_LONGEST_SECONDS = 900.0
_PIECE = 256 * 1024
_PLAIN = "*,:/"
"""What a query may hold as it is (RFC 3986 section 3.4): some servers take no %2A for a wildcard."""
_ABSENT = {404, 410}
_BUSY = {429, 502, 503, 504}
_SAYINGS = {
    400: "does not understand the request",
    401: "wants other credentials: see user_file, password_file and token_file",
    403: "forbids this to the user of the settings",
    405: "does not offer this",
    413: "takes no request as large as this",
    415: "does not take this kind of content",
    501: "does not offer this",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """What the body says. Raises DianaError ENDPOINT_REFUSED when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise refused("does not answer in JSON") from None


class Server:
    """One server, at the URL of its settings. Paths are relative to it and already quoted; threads may share it.

    Every method raises DianaError: PEER_UNAVAILABLE for a server that cannot be reached, is overloaded or breaks off,
    ITEM_NOT_FOUND for what it does not have, ENDPOINT_REFUSED for all else that is no success. Redirects are refused:
    credentials go nowhere but where the settings say.
    """

    def __init__(
        self, settings: ServerSettings, url: str, *, headers: Mapping[str, str] | None = None, hurry: bool = False
    ) -> None:
        """`hurry`: as `hurried`. Raises DianaError CONFIG_INVALID for a URL or credentials that cannot be used."""
        self._settings = settings
        self._base = _checked(url)
        self._headers = {**credentials(settings), **(headers or {})}
        self._hurry = hurry
        patience = min(settings.timeout, _HURRIED_SECONDS) if hurry else settings.timeout
        ca_file = settings.ca_file
        if ca_file and not ca_file.is_file():
            raise config_invalid("ca_file", "cannot be read")
        self._pool = urllib3.PoolManager(
            4,
            maxsize=4,
            timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, patience), read=patience),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca_file) if ca_file else None,
        )

    def close(self) -> None:
        """Drop the connections."""
        self._pool.clear()

    @contextmanager
    def hurried(self) -> Iterator[Server]:
        """The same for a look at how it is: seconds, no second attempt, and closed in the end."""
        server = Server(self._settings, self._base, headers=self._headers, hurry=True)
        try:
            yield server
        finally:
            server.close()

    @property
    def exposed(self) -> str:
        """What health adds where credentials go to another host without TLS; else nothing."""
        parts = urlsplit(self._base)
        clear = "Authorization" in self._headers and parts.scheme == "http" and not is_loopback(parts.hostname or "")
        return CLEAR if clear else ""

    def ask(
        self,
        method: str,
        path: str,
        *,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
        accepted: Iterable[int] = (),
        most: int = MOST,
    ) -> Answer:
        """The whole answer, of at most so many bytes.

        `fields` go into the URL. `again` says that a request whose connection broke may be repeated (those that read,
        set or delete are anyway). `accepted` are statuses beyond 2xx that are answers too.
        """
        with self._response(method, path, fields, body, headers, again, accepted) as response:
            return Answer(response.status, _headers(response), _whole(response, most))

    @contextmanager
    def stream(
        self, path: str, *, fields: Iterable[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Mapping[str, str], BinaryIO]]:
        """The answer to GET while it comes: its headers, and a stream that raises as this class does."""
        with self._response("GET", path, fields, None, headers, False, ()) as response:
            yield _headers(response), io.BufferedReader(_Stream(response), _PIECE)

    def open(self, path: str, *, headers: Mapping[str, str] | None = None) -> BinaryIO:
        """What GET answers, as a stream to be closed by the caller; it raises as this class does."""
        with ExitStack() as stack:
            response = stack.enter_context(self._response("GET", path, (), None, headers, False, ()))
            return io.BufferedReader(_Stream(response, stack.pop_all().close), _PIECE)

    @contextmanager
    def _response(
        self,
        method: str,
        path: str,
        fields: Iterable[tuple[str, str]],
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str] | None,
        again: bool,
        accepted: Iterable[int],
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        source = _Body(body) if body is not None and not isinstance(body, bytes) else None
        query = urlencode(list(fields), safe=_PLAIN, quote_via=quote)
        try:
            response = self._pool.urlopen(
                method,
                f"{self._base}{path}{'?' if query else ''}{query}",
                body=source or body,
                headers={**self._headers, **(headers or {})},
                retries=urllib3.Retry(0) if self._hurry else _retries(again, streamed=source is not None),
                redirect=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            if source and source.error:
                raise source.error from None
            _unavailable(error)
        try:
            _expect(response.status, accepted)
            yield response
        except HTTPError as error:
            _unavailable(error)
        finally:
            response.close()  # which gives a connection back that was read to its end


class _Body:
    """A body that is made while it is sent; it tells a source that failed from a server that did."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        except Exception as error:
            self.error = error
            raise OSError("the source failed") from None


class _Stream(io.RawIOBase):
    """An answer's bytes while they come."""

    def __init__(self, response: urllib3.BaseHTTPResponse, on_close: Callable[[], object] | None = None) -> None:
        self._response = response
        self._on_close = on_close

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        try:
            piece = self._response.read(len(view))
        except (HTTPError, OSError) as error:
            _unavailable(error)
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed and self._on_close:
            self._on_close()
        super().close()


def refused(what: str) -> DianaError:
    """The error for an answer that is no help: what the server does, in words that follow "the server"."""
    return DianaError(Reason.ENDPOINT_REFUSED, f"the server {what}")


def not_found(what: str) -> DianaError:
    """The error for what the server does not have."""
    return DianaError(Reason.ITEM_NOT_FOUND, f"the server has no such {what}")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise config_invalid("url", "must be http://HOST or https://HOST, with a port and path where needed")
    if parts.username or parts.password:
        raise config_invalid("url", "holds a user or password: use user_file and password_file, or the environment")
    if parts.query or parts.fragment:
        raise config_invalid("url", "must end with its path")
    return url.rstrip("/")


def _retries(again: bool, *, streamed: bool) -> urllib3.Retry:
    """What is read from a stream cannot be sent twice, once a connection is made."""
    methods = None if again else ("GET", "PUT", "DELETE")
    return urllib3.Retry(
        total=2,
        read=0 if streamed else 1,
        redirect=0,
        status=0,
        other=0,
        allowed_methods=methods,
        backoff_factor=0.2,
        respect_retry_after_header=False,
    )


def _expect(status: int, accepted: Iterable[int]) -> None:
    if 200 <= status < 300 or status in accepted:
        return
    if status in _ABSENT:
        raise DianaError(Reason.ITEM_NOT_FOUND, f"the server has no such item (status {status})")
    if status in _BUSY:
        raise DianaError(Reason.PEER_UNAVAILABLE, f"the server cannot answer now (status {status})")
    if 300 <= status < 400:
        raise refused(f"redirects (status {status}): set url to where it leads")
    raise refused(f"{_SAYINGS.get(status, 'failed')} (status {status})")


def _unavailable(error: Exception) -> NoReturn:
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, SSLError):
        raise untrusted() from None
    kind = type(cause).__name__
    raise DianaError(Reason.PEER_UNAVAILABLE, f"the server does not answer, or broke off ({kind})") from None


def _headers(response: urllib3.BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _whole(response: urllib3.BaseHTTPResponse, most: int) -> bytes:
    held = bytearray()
    until = time.monotonic() + _LONGEST_SECONDS
    while piece := response.read(_PIECE):
        held += piece
        if len(held) > most:
            raise refused(f"answers more than {most // (1024 * 1024)} MiB")
        if time.monotonic() > until:
            raise refused("does not come to the end of its answer")
    return bytes(held)


def segment(text: object, field: str) -> str:
    """One segment of a path, quoted. Raises DianaError INVALID_FIELD for what cannot be one: "..", say."""
    found = bounded_text(text, field)
    if not found.strip("."):
        raise invalid_field(field, "must be more than dots")
    return quote(found, safe="")


def bounded_text(text: object, field: str) -> str:
    """A value that goes into a path or header of a request. Raises DianaError INVALID_FIELD for one that cannot."""
    found = str(text)
    if not found or len(found) > 256 or not found.isprintable():
        raise invalid_field(field, "must be one to 256 printable characters")
    return found
