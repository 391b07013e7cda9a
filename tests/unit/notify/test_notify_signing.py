"""Webhooks are signed, and docs/notify.md shows how to tell."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diana_common.attempts import Unreachable
from diana_common.errors import DianaError
from diana_notify.adapters.secret import Secret
from diana_notify.adapters.signing import signature_headers
from diana_notify.adapters.webhook import WebhookCarrier
from diana_notify.core.addresses import AddressBook
from diana_notify.core.model import Transport
from tests.unit.notify.hooks import Hooks, Posted
from tests.unit.notify.test_notify_transports import parcel

KEY = base64.b64encode(bytes(range(32))).decode()
PAGE = (Path(__file__).parents[3] / "docs" / "notify.md").read_text(encoding="utf-8")


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        yield server


def secret(path: Path, text: str) -> Secret:
    path.write_text(f"{text}\n")
    return Secret("webhook.signing_key", path, "")


def signed(hooks: Hooks, key: Secret) -> Posted:
    book = AddressBook(False, [f"{hooks.url}/in/"])
    WebhookCarrier(book, 10.0, key=key).carry(parcel(Transport.WEBHOOK, f"{hooks.url}/in/a"))
    return hooks.requests[-1]


@pytest.fixture(scope="module")
def is_genuine() -> Any:
    """The function that the page shows."""
    (code,) = (one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "is_genuine" in one)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102
    return names["is_genuine"]


def test_a_receiver_that_does_as_the_page_says_knows_our_messages(
    hooks: Hooks, tmp_path: Path, is_genuine: Any
) -> None:
    for written in (KEY, f"whsec_{KEY}"):
        one = signed(hooks, secret(tmp_path / "key", written))
        assert is_genuine(one.headers, one.body, KEY)
        assert one.headers["webhook-id"] == one.headers["Idempotency-Key"] == "deliveries/abc123"


def test_a_receiver_takes_nothing_altered_old_or_from_others(hooks: Hooks, tmp_path: Path, is_genuine: Any) -> None:
    one = signed(hooks, secret(tmp_path / "key", KEY))
    headers = {name: one.headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    assert is_genuine(headers, one.body, KEY)
    assert not is_genuine(headers, one.body + b" ", KEY)
    assert not is_genuine({**headers, "webhook-id": "deliveries/other"}, one.body, KEY)
    assert not is_genuine(headers, one.body, base64.b64encode(bytes(32)).decode())
    earlier = int(headers["webhook-timestamp"]) - 301
    assert not is_genuine({**headers, "webhook-timestamp": str(earlier)}, one.body, KEY)
    assert not is_genuine(signature_headers(bytes(range(32)), "deliveries/abc123", earlier, one.body), one.body, KEY)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of its specification.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_key_may_be_renewed_and_nothing_goes_unsigned_without_it(hooks: Hooks, tmp_path: Path) -> None:
    key = secret(tmp_path / "key", KEY)
    book = AddressBook(False, [f"{hooks.url}/in/"])
    carrier = WebhookCarrier(book, 10.0, key=key)
    one = parcel(Transport.WEBHOOK, f"{hooks.url}/in/a")
    carrier.carry(one)
    (tmp_path / "key").write_text(base64.b64encode(bytes(24)).decode())
    carrier.carry(one)
    assert len({posted.headers["webhook-signature"] for posted in hooks.requests}) == 2
    for broken in ("short", ""):
        (tmp_path / "key").write_text(broken)
        with pytest.raises(Unreachable, match=r"webhook\.signing_key is not"):
            carrier.carry(one)
    (tmp_path / "key").unlink()
    with pytest.raises(Unreachable, match=r"webhook\.signing_key cannot be read"):
        carrier.carry(one)
    assert len(hooks.requests) == 2


@pytest.mark.parametrize("text", ["short", "not base64 at all, but long enough", base64.b64encode(bytes(65)).decode()])
def test_a_key_that_is_none_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(DianaError, match="signing_key: is not the base64 form") as caught:
        WebhookCarrier(AddressBook(False, []), 10.0, key=secret(tmp_path / "key", text))
    assert text not in str(caught.value)
