"""Values in a real Redis: data and content by key, found, changed and deleted; and how it fails."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from diana_common.errors import DianaError
from diana_endpoints.items import BytesContent, Item, chunks
from diana_endpoints.protocol.query import Query
from diana_endpoints.redis_settings import RedisSettings
from diana_endpoints.redis_values import RedisValues
from diana_endpoints.services import Services
from tests.support.dicom_files import ROOT, make_small
from tests.support.redis_server import serving


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def client(server: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server) as client:
        client.flushall()
        yield client


def _endpoint(server: str, **settings: Any) -> RedisValues:
    port = server.rpartition(":")[2].partition("/")[0]
    entry = {"ctype": "redis", "host": "127.0.0.1", "port": int(port), **settings}
    made = Services({"redis": entry}, {}).endpoint("redis")
    assert isinstance(made, RedisValues)
    return made


def _put(endpoint: RedisValues, *items: Item) -> list[str]:
    return [item.failure.reason if item.failure else item.meta["outcome"] for item in endpoint.put(items)]


def test_data_is_put_and_got_by_key(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server)
    assert _put(endpoint, Item({"id": "my_key"}, data={"data": "test", "ß": [1, None]})) == ["stored"]
    assert client.get("my_key") == '{"data": "test", "ß": [1, null]}'.encode()
    [item] = endpoint.get(Item({"id": "my_key"}))
    assert item.data == {"data": "test", "ß": [1, None]}
    assert endpoint.check().detail == "1 keys in database 0"


def test_an_instance_is_put_by_its_header_under_its_uid(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server, prefix="index:")
    assert _put(endpoint, Item(content=BytesContent(make_small(AccessionNumber="A1")))) == ["stored"]
    assert client.keys() == [f"index:{ROOT}.4.1".encode()]
    [found] = endpoint.find(Query("", {"AccessionNumber": ["A*"]}, return_keys=["AccessionNumber", "Modality"]))
    assert found.meta["id"] == f"{ROOT}.4.1"
    assert found.data == {"AccessionNumber": "A1", "Modality": "CT"}


def test_values_are_found_by_data_and_by_id(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server)
    _put(endpoint, *(Item({"id": f"s[{number}]"}, data={"data": f"test{number % 3}"}) for number in range(1000)))
    assert len(list(endpoint.list())) == 1000
    assert sum(1 for _ in endpoint.find(Query("", {"data": ["test1"]}))) == 333
    assert [item.meta["id"] for item in endpoint.find(Query("", {"id": ["s[77]"]}))] == ["s[77]"]
    assert sum(1 for _ in endpoint.find(Query("", {"id": ["s[9?]"], "data": ["test0"]}))) == 4


def test_a_prefix_keeps_other_keys_out_even_if_it_looks_like_a_pattern(server: str, client: redis.Redis) -> None:
    client.set("other", '{"a": 1}')
    client.set("p*x:1", '{"a": 1}')
    client.set("pax:1", '{"a": 1}')
    assert [item.meta["id"] for item in _endpoint(server, prefix="p*x:").list()] == ["1"]


def test_content_is_kept_byte_for_byte_on_request(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server, binary=True)
    assert _put(endpoint, Item({"id": "file"}, content=BytesContent(make_small()))) == ["stored"]
    [item] = endpoint.get(Item({"id": "file"}))
    assert item.content is not None
    assert b"".join(chunks(item.content)) == make_small()
    assert _put(endpoint, Item({"id": "x"}, data={"a": 1})) == ["INVALID_FIELD"]


def test_metadata_and_header_are_kept_on_request(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server, whole=True)
    given = Item({"id": "k", "trial": "hobit"}, header={"00100020": {"vr": "LO", "Value": ["P"]}}, data={"a": 1})
    _put(endpoint, given)
    [item] = endpoint.get(Item({"id": "k"}))
    assert (item.meta["trial"], item.header, item.data) == ("hobit", given.header, {"a": 1})


def test_changes_are_merged_and_nothing_of_several_callers_is_lost(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server)
    client.set("k", '{"a": 1, "b": 2}', ex=1000)
    assert endpoint.update(Item({"id": "k"}), {"a": None, "c": 3}).data == {"b": 2, "c": 3}
    assert client.ttl("k") > 0

    def change(name: str) -> None:
        for number in range(20):
            endpoint.update(Item({"id": "k"}), {f"{name}{number}": 1})

    threads = [threading.Thread(target=change, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [item] = endpoint.get(Item({"id": "k"}))
    assert len(item.data or {}) == 62


def test_what_is_not_there_is_not_found(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server)
    wanted = Item({"id": "none"})
    for ask in (
        lambda: list(endpoint.get(wanted)),
        lambda: endpoint.update(wanted, {}),
        lambda: endpoint.delete(wanted),
    ):
        with pytest.raises(DianaError) as refused:
            ask()
        assert refused.value.reason.name == "ITEM_NOT_FOUND"
    client.set("there", "{}")
    assert endpoint.delete(Item({"id": "there"})) == 1
    assert client.exists("there") == 0
    with pytest.raises(DianaError, match="id: is required"):
        endpoint.delete(Item())


def test_what_is_put_expires(server: str, client: redis.Redis) -> None:
    _put(_endpoint(server, expiry=600), Item({"id": "k"}, data={"a": 1}))
    assert 0 < client.ttl("k") <= 600


@pytest.mark.parametrize("value", [b"\x80\x04pickled", b"[" * 100_000, b"not JSON"])
def test_a_value_that_is_not_json_fails_alone(server: str, client: redis.Redis, value: bytes) -> None:
    client.set("bad", value)
    client.rpush("list", "x")
    client.set("good", "[1, 2]")
    items = {item.meta["id"]: item for item in _endpoint(server).list()}
    assert items["good"].data == {"value": [1, 2]}
    assert [items[name].failure is None for name in ("bad", "list")] == [False, False]
    with pytest.raises(DianaError, match="is no data"):
        _endpoint(server).update(Item({"id": "bad"}), {"a": 1})


def test_a_value_beyond_the_limit_is_neither_put_nor_got(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server, max_value_bytes=100)
    assert _put(endpoint, Item({"id": "k"}, data={"a": "x" * 100})) == ["INSTANCE_TOO_LARGE"]
    client.set("k", '{"a": "' + "x" * 100 + '"}')
    [item] = endpoint.get(Item({"id": "k"}))
    assert item.failure is not None
    assert "max_value_bytes" in item.failure.message


def test_an_item_without_a_name_or_words_fails_and_the_rest_go_on(server: str, client: redis.Redis) -> None:
    items = [Item(data={"a": 1}), Item({"id": "k"}), Item({"id": "k"}, data={"a": 1})]
    assert _put(_endpoint(server), *items) == ["INVALID_FIELD", "INVALID_FIELD", "stored"]


def test_a_password_comes_from_a_file_and_a_wrong_one_is_told_of(
    server: str, client: redis.Redis, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("let me in\n")
    client.config_set("requirepass", "let me in")
    try:
        assert _endpoint(server, password_file=str(tmp_path / "password")).check().ok
        assert _endpoint(server, password="wrong").check().detail == "Redis refuses the user or password"
        assert not _endpoint(server).check().ok
    finally:
        client.config_set("requirepass", "")


def test_a_users_name_comes_from_a_file(server: str, client: redis.Redis, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("ann\n")
    client.acl_setuser("ann", enabled=True, passwords=["+let me in"], keys=["*"], commands=["+@all"])
    try:
        assert _endpoint(server, user_file=str(tmp_path / "user"), password="let me in").check().ok
        assert not _endpoint(server, user="bob", password="let me in").check().ok
    finally:
        client.acl_deluser("ann")


def test_a_password_that_could_be_read_on_its_way_is_told_of(server: str, client: redis.Redis) -> None:
    for host, is_exposed in (("redis.example", True), ("127.0.0.1", False)):
        endpoint = RedisValues(RedisSettings(host=host, password="x"))
        assert endpoint._is_exposed is is_exposed


def test_a_redis_that_is_not_there_is_told_of() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = _endpoint(f"redis://127.0.0.1:{free.getsockname()[1]}/0", timeout=0.5)
        assert endpoint.check().detail == "Redis cannot be reached"
        with pytest.raises(DianaError, match="cannot be reached"):
            list(endpoint.put([Item({"id": "k"}, data={"a": 1})]))


def test_urls_and_the_environment_say_where_it_is(server: str, client: redis.Redis) -> None:
    port = server.rpartition(":")[2].partition("/")[0]
    services = Services({}, {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": port, "REDIS_DB": "3"})
    for url, db in (("redis:", 3), (f"redis://127.0.0.1:{port}/5", 5), (f"redis://127.0.0.1:{port}", 0)):
        endpoint = services.endpoint(url)
        assert isinstance(endpoint, RedisValues)
        assert endpoint.check().detail.endswith(f"database {db}")


def test_tls_is_spoken_and_verified(server: str, client: redis.Redis, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    client.set("k", '{"a": 1}')
    with _tls_in_front_of(server, context) as port:
        services = Services({}, {"REDIS_CA_FILE": str(tmp_path / "ca.pem")})
        endpoint = services.endpoint(f"rediss://127.0.0.1:{port}/0")
        assert isinstance(endpoint, RedisValues)
        assert [item.data for item in endpoint.get(Item({"id": "k"}))] == [{"a": 1}]
        services.close()
        stranger = Services({}, {}).endpoint(f"rediss://127.0.0.1:{port}/0")
        assert isinstance(stranger, RedisValues)
        assert "certificate is not trusted" in stranger.check().detail


@contextmanager
def _tls_in_front_of(server: str, context: ssl.SSLContext) -> Iterator[int]:
    """A port that speaks TLS for a Redis that cannot."""
    behind = int(server.rpartition(":")[2].partition("/")[0])

    class Front(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                with context.wrap_socket(self.request, server_side=True) as near:
                    with socket.create_connection(("127.0.0.1", behind)) as far:
                        while asked := near.recv(65536):
                            far.sendall(asked)
                            near.sendall(far.recv(65536))
            except OSError:
                pass  # a caller that trusts nobody has gone

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Front) as front:
        front.daemon_threads = True
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield int(front.server_address[1])
        finally:
            front.shutdown()
            thread.join()


@pytest.mark.parametrize("url", ["redis://:secret@localhost", "redis://u:p@h:1/0", "redis:localhost", "redis://h/x"])
def test_a_url_with_a_password_or_nonsense_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(DianaError, match="ENDPOINT: ") as refused:
        Services({}, {}).endpoint(url)
    assert "secret" not in refused.value.message


def test_a_value_under_a_key_that_is_there_is_replaced(server: str, client: redis.Redis) -> None:
    endpoint = _endpoint(server)
    assert _put(endpoint, *(Item({"id": "k"}, data={"a": number}) for number in (1, 2))) == ["stored", "replaced"]
    assert client.get("k") == b'{"a": 2}'


@pytest.mark.parametrize("value", ["NaN", '{"a": -Infinity}', "[1e999]"])
def test_what_is_no_number_of_json_is_not_handed_on(server: str, client: redis.Redis, value: str) -> None:
    client.set("k", value)
    [item] = _endpoint(server).list()
    assert item.failure
    assert item.failure.reason == "ENDPOINT_REFUSED"


def test_what_is_no_number_of_json_is_not_put(server: str, client: redis.Redis) -> None:
    assert _put(_endpoint(server), Item({"id": "k"}, data={"a": float("nan")})) == ["INVALID_FIELD"]
    assert client.get("k") is None
