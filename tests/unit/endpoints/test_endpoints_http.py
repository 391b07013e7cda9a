"""HTTP servers that are down, break off, redirect, lie or never end; who is let in, and what is never told."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from diana_common.errors import DianaError, Reason
from diana_endpoints.connection_settings import from_environment
from diana_endpoints.http import Server
from diana_endpoints.http_settings import NAMES, ServerSettings
from tests.support.http_server import Asked, Told, serving

SETTINGS = ServerSettings(timeout=5)


def ask(told: Told, **more: int) -> bytes:
    with serving(lambda _: told) as url:
        server = Server(SETTINGS, url)
        try:
            return server.ask("GET", "/x", **more).body  # type: ignore[arg-type]
        finally:
            server.close()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.ENDPOINT_REFUSED),
        (401, Reason.ENDPOINT_REFUSED),
        (404, Reason.ITEM_NOT_FOUND),
        (405, Reason.ENDPOINT_REFUSED),
        (429, Reason.PEER_UNAVAILABLE),
        (500, Reason.ENDPOINT_REFUSED),
        (503, Reason.PEER_UNAVAILABLE),
    ],
)
def test_a_status_that_is_no_success_is_told_by_its_kind_without_the_servers_words(status: int, reason: Reason) -> None:
    with pytest.raises(DianaError) as error:
        ask(Told(status, b"Doe^John is not known here", {"Retry-After": "60"}))
    assert error.value.reason is reason
    assert str(status) in error.value.message
    assert "Doe" not in error.value.message


def test_a_redirect_is_not_followed_and_credentials_stay() -> None:
    asked: list[Asked] = []

    def answer(one: Asked) -> Told:
        asked.append(one)
        return Told(302, headers={"Location": "/elsewhere"})

    with serving(answer) as url, pytest.raises(DianaError, match="redirects"):
        Server(ServerSettings(user="u", password="p"), url).ask("GET", "/x")
    assert [one.path for one in asked] == ["/x"]


def test_an_answer_larger_than_allowed_is_refused_packed_or_not() -> None:
    with pytest.raises(DianaError, match="more than 1 MiB"):
        ask(Told(200, (b"x" * 100_000 for _ in range(1000))), most=1024 * 1024)
    packed = gzip.compress(b"0" * 50_000_000)
    with pytest.raises(DianaError, match="more than 1 MiB"):
        ask(Told(200, packed, {"Content-Encoding": "gzip"}), most=1024 * 1024)


def test_a_server_that_breaks_off_is_told() -> None:
    with pytest.raises(DianaError) as error:
        ask(Told(200, [b"short"], {"Content-Length": "1000"}))
    assert error.value.reason is Reason.PEER_UNAVAILABLE
    with serving(lambda _: Told(200, [b"short"], {"Content-Length": "1000"})) as url:
        stream = Server(SETTINGS, url).open("/x")
        with pytest.raises(DianaError), stream:
            stream.read()


def test_a_server_that_is_not_there_is_told_without_what_was_asked() -> None:
    with serving(lambda _: Told()) as url:
        pass
    with pytest.raises(DianaError) as error:
        Server(SETTINGS, url).ask("GET", "/studies", fields=[("PatientName", "Doe^John")])
    assert error.value.reason is Reason.PEER_UNAVAILABLE
    assert error.value.__cause__ is None
    assert "Doe" not in str(error.value)


def test_a_source_that_fails_while_it_is_sent_is_told_as_itself() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise DianaError(Reason.INSTANCE_NOT_FOUND, "gone")

    with serving(lambda _: Told()) as url, pytest.raises(DianaError) as error:
        Server(SETTINGS, url).ask("POST", "/x", body=pieces(), again=True)
    assert error.value.reason is Reason.INSTANCE_NOT_FOUND


def test_credentials_come_from_files_and_a_token_goes_before_nobody(tmp_path: Path) -> None:
    for name, text in {"user": "ann\n", "password": "pa ss\n", "token": "abc\n"}.items():
        (tmp_path / name).write_text(text)
    seen: list[str] = []

    def answer(one: Asked) -> Told:
        seen.append(one.headers.get("authorization", ""))
        return Told()

    with serving(answer) as url:
        for settings in (
            ServerSettings(),
            ServerSettings(user_file=tmp_path / "user", password_file=tmp_path / "password"),
            ServerSettings(token_file=tmp_path / "token"),
        ):
            Server(settings, url).ask("GET", "/")
    assert seen == ["", "Basic YW5uOnBhIHNz", "Bearer abc"]


@pytest.mark.parametrize(
    "settings",
    [
        {"user": "a:b"},
        {"user": "a", "token": "t"},
        {"password_file": Path("/nowhere")},
        {"ca_file": Path("/nowhere")},
        {"token": "a\nb"},
    ],
)
def test_credentials_that_cannot_be_used_are_refused_and_not_repeated(settings: dict[str, str]) -> None:
    with pytest.raises(DianaError) as error:
        Server(ServerSettings(**settings), "https://host")  # type: ignore[arg-type]
    assert error.value.reason is Reason.CONFIG_INVALID
    assert "hush" not in repr(ServerSettings(password="hush", token="hush"))


@pytest.mark.parametrize(
    "url", ["host:80", "ftp://h", "http://", "http://u:p@h", "http://h/?x=1", "http://h:99999", "http://[::1"]
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(DianaError) as error:
        Server(SETTINGS, url)
    assert error.value.reason is Reason.CONFIG_INVALID
    assert "u:p" not in error.value.message


def test_a_certificate_is_trusted_by_its_ca_file_only(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving(lambda _: Told(200, b"in"), context) as url:
        assert Server(ServerSettings(ca_file=tmp_path / "ca.pem", timeout=5), url).ask("GET", "/").body == b"in"
        with pytest.raises(DianaError, match="certificate is not trusted"):
            Server(SETTINGS, url).ask("GET", "/")


def test_the_environment_gives_what_a_url_leaves_out() -> None:
    env = {"X_USER": "ann", "X_PASSWORD_FILE": "/f", "X_TOKEN": "", "Y_TOKEN": "t"}
    assert from_environment("X", env, NAMES) == {"user": "ann", "password_file": "/f"}


def test_what_is_not_json_is_told() -> None:
    for body in (b"<html>", b"\xff", b"[" * 100_000):
        with serving(lambda _, body=body: Told(200, body)) as url, pytest.raises(DianaError, match="JSON"):  # type: ignore[misc]
            Server(SETTINGS, url).ask("GET", "/").json()


@pytest.mark.parametrize(
    ("url", "settings", "is_exposed"),
    [
        ("http://pacs.example:8042", ServerSettings(user="u", password="p"), True),
        ("http://pacs.example:8042", ServerSettings(token="t"), True),
        ("http://pacs.example:8042", ServerSettings(), False),
        ("https://pacs.example:8042", ServerSettings(user="u", password="p"), False),
        ("http://127.0.0.1:8042", ServerSettings(user="u", password="p"), False),
        ("http://[::1]:8042", ServerSettings(user="u", password="p"), False),
        ("http://127.0.0.1.pacs.example", ServerSettings(user="u", password="p"), True),
    ],
)
def test_credentials_that_could_be_read_on_their_way_are_told_of(
    url: str, settings: ServerSettings, is_exposed: bool
) -> None:
    assert ("without TLS" in Server(settings, url).exposed) is is_exposed


def test_a_stream_that_is_refused_leaves_no_connection_taken() -> None:
    statuses = iter([404] * 5 + [200])
    with serving(lambda _: Told(next(statuses), b"in")) as url:
        server = Server(SETTINGS, url)
        for _ in range(5):  # more than the pool has
            with pytest.raises(DianaError):
                server.open("/x")
        with server.open("/x") as stream:
            assert stream.read() == b"in"
