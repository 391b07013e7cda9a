"""Chats and Twilio through the proxy that the environment names: a real one, on the loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from diana_common.attempts import Unreachable
from diana_common.errors import DianaError, Reason
from diana_notify.adapters.chats import ChatCarrier, slack_payload
from diana_notify.adapters.posting import Poster
from diana_notify.adapters.secret import Secret
from diana_notify.core.model import Transport
from tests.unit.notify.hooks import Hooks
from tests.unit.notify.test_notify_transports import parcel

HOST = "hooks.slack.example"
"""Nobody knows where it is, but for the proxy."""


class ConnectProxy:
    """Makes tunnels to one port of the loopback, whatever host is asked for; a context."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.status = 200
        self.asked: list[tuple[str, str]] = []
        """Where to, and with which credentials."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ConnectProxy:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                proxy.asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
                self.send_response(proxy.status)
                self.end_headers()
                if proxy.status == 200:
                    with socket.create_connection(("127.0.0.1", proxy.target)) as far:
                        back = threading.Thread(target=copy, args=(far, self.connection))
                        back.start()
                        copy(self.connection, far)
                        back.join()

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        return Handler


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Until the source has no more."""
    with suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """The server's side of TLS for that host, and whom to trust."""
    made, folder = trustme.CA(), tmp_path_factory.mktemp("authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert(HOST).configure_cert(context)
    made.cert_pem.write_to_path(str(folder / "ca.pem"))
    return context, folder / "ca.pem"


@pytest.fixture
def hooks(authority: tuple[ssl.SSLContext, Path]) -> Iterator[Hooks]:
    with Hooks(authority[0]) as server:
        server.status = 200
        yield server


@pytest.fixture
def proxy(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    with ConnectProxy(hooks.port) as one:
        monkeypatch.setenv("HTTPS_PROXY", f"http://diana:h%40sh@{one.address}")
        yield one


@pytest.fixture
def slack(authority: tuple[ssl.SSLContext, Path], tmp_path: Path) -> ChatCarrier:
    (tmp_path / "url").write_text(f"https://{HOST}/services/T0/SECRET\n")
    secret = Secret("slack.urls.ops", tmp_path / "url", "")
    return ChatCarrier("slack", {"ops": secret}, Poster("slack", 10.0, authority[1]), slack_payload)


MESSAGE = parcel(Transport.SLACK, "ops")


def test_a_message_goes_through_a_tunnel_in_which_the_proxy_reads_nothing(
    slack: ChatCarrier, proxy: ConnectProxy, hooks: Hooks
) -> None:
    slack.carry(MESSAGE)
    assert [one.path for one in hooks.requests] == ["/services/T0/SECRET"]
    assert proxy.asked == [(f"{HOST}:443", "Basic ZGlhbmE6aEBzaA==")]
    assert "Proxy-Authorization" not in hooks.requests[0].headers


def test_a_proxy_that_makes_no_tunnel_holds_messages_back(slack: ChatCarrier, proxy: ConnectProxy) -> None:
    proxy.status = 407
    with pytest.raises(Unreachable) as caught:
        slack.carry(MESSAGE)
    assert caught.value.why == "the proxy answers HTTP 407"


def test_a_host_that_is_to_be_reached_without_is(
    slack: ChatCarrier, proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost,.slack.example")
    with pytest.raises(Unreachable):  # since nobody knows where it is
        slack.carry(MESSAGE)
    assert proxy.asked == []


def test_the_loopback_and_plain_http_need_no_proxy(proxy: ConnectProxy) -> None:
    with Hooks() as plain:
        assert Poster("webhook", 10.0).post(f"{plain.url}/hook", b"{}", {}).status == 204
    assert proxy.asked == []


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1080", "https://proxy.example:443", "http://proxy.example:x"])
def test_what_is_no_such_proxy_is_told_at_the_start_without_its_password(
    proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url.replace("//", "//diana:hush@"))
    with pytest.raises(DianaError) as caught:
        Poster("slack", 10.0)
    assert caught.value.reason is Reason.CONFIG_INVALID and "HTTPS_PROXY" in caught.value.message
    assert "hush" not in caught.value.message
