"""Values in a Redis, by key: JSON, or bytes as they are. Nothing of it is ever run or unpickled."""

from __future__ import annotations

import json
import math
import ssl
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.connection_settings import CLEAR, is_loopback, secret, untrusted
from diana_endpoints.failures import each, failure_of
from diana_endpoints.headers import data_of, said_by
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.kind import Kind
from diana_endpoints.matching import answers
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query
from diana_endpoints.redis_settings import RedisSettings, read_url
from diana_endpoints.wanted import name_of, wanted_id

if TYPE_CHECKING:
    from redis import Redis

_AT_A_TIME = 200
_TOGETHER = 4 * 1024 * 1024
_ATTEMPTS = 100
_PATIENCE = 3.0
_RETRIES, _PAUSE = 2, 0.1


class RedisValues:
    """Endpoint `redis`. Raises DianaError: PEER_UNAVAILABLE where it cannot be reached, ENDPOINT_REFUSED, and
    ITEM_NOT_FOUND for a key that is not there."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Drop the connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def check(self) -> Health:
        """Whether it answers, and how many keys its database has."""
        try:
            with _errors(), self._connected(_PATIENCE) as client:
                told = f"{client.dbsize()} keys in database {self._settings.db}"
                return Health(True, told + (CLEAR if self._is_exposed else ""))
        except DianaError as error:
            return Health(False, error.message)

    def list(self) -> Iterator[Item]:
        """Every key that begins with the prefix, with its value; one that is no such value with its failure.

        A key that comes or goes meanwhile may be missing, and one may come twice (SCAN).
        """
        return self._list("*")

    def find(self, query: Query) -> Iterator[Item]:
        """What matches by data, as `diana_endpoints.matching` has it; `id` may be matched as well."""
        ids = query.matches.get("id", ())
        pattern = ids[0] if not isinstance(ids, Mapping) and len(ids) == 1 and ids[0] else "*"
        return answers(self._list(pattern.replace("[", "\\[")), query)

    def get(self, wanted: Item) -> Iterator[Item]:
        """The value of a key."""
        yield self._one(self._key(wanted_id(wanted)))

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Set the value of each under its id, else its deepest UID."""
        return each(items, self._put)

    def update(self, wanted: Item, changes: Mapping[str, Any]) -> Item:
        """Merge changes into the data of a key, at once and only if nobody else does meanwhile; its expiry stays."""
        from redis import WatchError

        key = self._key(wanted_id(wanted))
        with _errors(), self._client.pipeline() as pipe:
            for _ in range(_ATTEMPTS):
                pipe.watch(key)  # type: ignore[no-untyped-call]
                item = self._one(key)
                if item.failure or item.content:
                    raise invalid_field("id", "names a value that is no data, which alone can be changed in parts")
                merged = {**(item.data or {}), **changes}
                item.data = {name: value for name, value in merged.items() if value is not None}
                pipe.multi()
                pipe.set(key, self._packed(item), keepttl=True)
                try:
                    pipe.execute()
                    return item
                except WatchError:
                    continue
        raise DianaError(Reason.ENDPOINT_REFUSED, "others change the value all the time")

    def delete(self, wanted: Item) -> int:
        """Delete a key."""
        with _errors():
            if not self._client.delete(self._key(wanted_id(wanted))):
                raise _absent()
        return 1

    @property
    def _is_exposed(self) -> bool:
        settings = self._settings
        lets_in = settings.password or settings.password_file
        return bool(lets_in) and not settings.tls and not is_loopback(settings.host)

    @cached_property
    def _client(self) -> Redis:
        return self._connected(self._settings.timeout)

    def _connected(self, timeout: float) -> Redis:
        try:
            from redis import Redis
        except ImportError as error:
            raise DianaError(Reason.EXTRA_MISSING, "redis is not installed: pip install diana-mesh") from error
        from redis.backoff import ConstantBackoff
        from redis.retry import Retry

        settings = self._settings
        return Redis(
            host=settings.host,
            port=settings.port,
            db=settings.db,
            username=secret(settings.user, settings.user_file, "user") or None,
            password=secret(settings.password, settings.password_file, "password") or None,
            ssl=settings.tls,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            ssl_ca_certs=str(settings.ca_file) if settings.ca_file else None,
            retry=Retry(ConstantBackoff(_PAUSE), _RETRIES),
        )

    def _key(self, key_id: str) -> bytes:
        return (self._settings.prefix + key_id).encode("utf-8", "surrogateescape")

    def _list(self, pattern: str) -> Iterator[Item]:
        prefix = "".join(f"\\{sign}" if sign in "*?[]\\" else sign for sign in self._settings.prefix)
        number = 0
        with _errors():
            found: Iterator[bytes] = self._client.scan_iter(match=prefix + pattern, count=_AT_A_TIME)
        while True:
            with _errors():
                keys = tuple(islice(found, _AT_A_TIME))
            if not keys:
                return
            for some in self._portions(keys):
                for item in self._read(some):
                    number += 1
                    item.number = number
                    yield item

    def _one(self, key: bytes) -> Item:
        for item in self._read([key]):
            return item
        raise _absent()

    def _portions(self, keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Keys whose values together are small enough to be held."""
        with _errors(), self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.strlen(key)
            sizes = pipe.execute(raise_on_error=False)
        first, held = 0, 0
        for place, size in enumerate(sizes):
            held += size if isinstance(size, int) else 0
            if place > first and held > _TOGETHER:
                yield keys[first:place]
                first, held = place, size
        yield keys[first:]

    def _read(self, keys: Sequence[bytes]) -> Sequence[Item]:
        """Their items; those that are gone are left out, and no more than the limit is read of any."""
        with _errors(), self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.getrange(key, 0, self._settings.max_value_bytes)
                pipe.exists(key)
            answers = iter(pipe.execute(raise_on_error=False))
        return [self._item(key, value) for key, value, there in zip(keys, answers, answers) if there]

    def _item(self, key: bytes, value: Any) -> Item:
        key_id = key.decode("utf-8", "surrogateescape").removeprefix(self._settings.prefix)
        item = Item({"id": key_id}, number=1)
        try:
            self._fill(item, value)
        except DianaError as error:
            item.failure = failure_of(error)
        return item

    def _fill(self, item: Item, value: Any) -> None:
        if not isinstance(value, bytes):
            raise DianaError(Reason.ENDPOINT_REFUSED, "the key holds no string")
        if len(value) > self._settings.max_value_bytes:
            raise DianaError(Reason.ENDPOINT_REFUSED, "the value is larger than the limit max_value_bytes")
        if self._settings.binary:
            item.meta["size_bytes"] = len(value)
            item.content = BytesContent(value)
            return
        try:
            found = json.loads(value, parse_constant=_no_number, parse_float=_number)
        except (ValueError, RecursionError) as error:
            raise DianaError(Reason.ENDPOINT_REFUSED, "the value is not JSON: set `binary: true` to get it") from error
        if self._settings.whole and isinstance(found, dict) and isinstance(found.get("meta"), dict):
            item.meta = {**found["meta"], **item.meta}
            item.header = found.get("header")
            found = found.get("data")
        item.data = found if isinstance(found, dict) or found is None else {"value": found}

    def _put(self, item: Item) -> str:
        if not self._settings.binary:
            said_by(item)
        key_id = name_of(item)
        if not key_id:
            raise invalid_field("id", "is required: it is the key")
        value = self._content(item) if self._settings.binary else self._packed(item)
        key = self._key(key_id)
        with _errors(), self._client.pipeline() as pipe:
            pipe.exists(key)
            pipe.set(key, value, ex=self._settings.expiry or None)
            was_there, _ = pipe.execute()
        return "replaced" if was_there else "stored"

    def _content(self, item: Item) -> bytes:
        if item.content is None:
            raise invalid_field("content", "is required: get the item with its content")
        with item.content.open() as stream:
            return self._bounded(stream.read(self._settings.max_value_bytes + 1))

    def _packed(self, item: Item) -> bytes:
        value: Any = data_of(item)
        if self._settings.whole:
            value = {"meta": item.meta, "data": item.data, "header": item.header}
        elif not value:
            raise invalid_field("data", "is required: the item says nothing (a header is data too, content is not)")
        try:
            text = json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
            return self._bounded(text.encode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            raise invalid_field("data", "is nothing that JSON can hold") from error

    def _bounded(self, value: bytes) -> bytes:
        if len(value) > self._settings.max_value_bytes:
            raise DianaError(Reason.INSTANCE_TOO_LARGE, "the value is larger than the limit max_value_bytes")
        return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number("a number beyond all bounds")


def _absent() -> DianaError:
    return DianaError(Reason.ITEM_NOT_FOUND, "there is no such key")


@contextmanager
def _errors() -> Iterator[None]:
    """Redis' errors as ours. Its own words may hold keys, so no more than their first, a code, is told."""
    from redis import exceptions

    try:
        yield
    except (exceptions.AuthenticationError, exceptions.AuthorizationError) as error:
        raise DianaError(Reason.ENDPOINT_REFUSED, "Redis refuses the user or password") from error
    except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
        if _is_distrust(error):
            raise untrusted() from error
        raise DianaError(Reason.PEER_UNAVAILABLE, "Redis cannot be reached") from error
    except exceptions.RedisError as error:
        code = str(error).partition(" ")[0]
        told = f" ({code})" if code.isalpha() and code.isupper() else ""
        raise DianaError(Reason.ENDPOINT_REFUSED, f"Redis refuses{told}") from error


def _is_distrust(error: BaseException | None) -> bool:
    """Whether TLS is why; redis-py raises in the handling of that."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


KIND = Kind(RedisSettings, RedisValues, read_url=read_url, reads_through=True)
