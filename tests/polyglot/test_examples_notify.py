"""The examples that tell people, in every language: what they queue is in the ledger, and arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diana.notify.v1 import notify_service_pb2 as pb
from diana_client import NotifyClient, connect
from diana_common.errors import Reason
from tests.polyglot.toolchain import Examples
from tests.support.mesh import Mesh

SUBSCRIPTIONS = """
mammo-hospital_a: Mammography at A
ct-hospital_b: CT at B
---
- {name: Ada, affiliation: Hospital A, file: ada.jsonl, channels: [mammo-hospital_a]}
- {name: Bob, file: bob.jsonl, channels: [mammo-hospital_a]}
"""
SENT_WITHIN_SECONDS = 30


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outbox")


@pytest.fixture(scope="module")
def notify(outbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of the notify service."""
    state = tmp_path_factory.mktemp("notify")
    (state / "subscriptions.yaml").write_text(SUBSCRIPTIONS)
    settings = {
        "DIANA_NOTIFY_SUBSCRIPTIONS_FILE": str(state / "subscriptions.yaml"),
        "DIANA_NOTIFY_OUTBOX_DIR": str(outbox),
    }
    with Mesh(state, "notify", settings=settings) as mesh:
        yield mesh.processes["notify"].address


@pytest.fixture
def ledger(notify: str) -> Iterator[NotifyClient]:
    with connect(notify) as channel:
        yield NotifyClient(channel)


def delivered(ledger: NotifyClient, name: str) -> pb.Delivery:
    """The delivery, once it was sent."""
    until = time.monotonic() + SENT_WITHIN_SECONDS
    while (delivery := ledger.delivery(name)).state != pb.Delivery.STATE_SENT:
        assert time.monotonic() < until, delivery.last_error
        time.sleep(0.02)
    return delivery


def message(outbox: Path, file: str, name: str) -> dict[str, Any]:
    """The message of a delivery in a file of the outbox: it is there once."""
    lines = [json.loads(line) for line in (outbox / file).read_text().splitlines()]
    (found,) = [line for line in lines if line["id"] == name]
    return dict(found)


def test_a_message_is_queued_and_arrives(examples: Examples, notify: str, ledger: NotifyClient, outbox: Path) -> None:
    text = ["--subject", "Ready in {{ values.trial }}", "--body", "Come = look", "--value", "trial=mammo=1"]
    ((name, state, transport, *_),) = examples.lines("send", "--address", notify, *text, "file", "study.jsonl")
    assert (state, transport) == ("queued", "file")
    assert delivered(ledger, name).recipient.address == "study.jsonl"
    sent = message(outbox, "study.jsonl", name)
    assert (sent["subject"], sent["body"]) == ("Ready in mammo=1", "Come = look")


def test_a_channels_subscribers_are_all_told(
    examples: Examples, notify: str, ledger: NotifyClient, outbox: Path
) -> None:
    text = ["--subject", "For {{ recipient.name }}", "--body", "On {{ channel.name }}"]
    queued = [line[0] for line in examples.lines("dispatch", "--address", notify, *text, "mammo-hospital_a")]
    files = {delivered(ledger, name).recipient.address: name for name in queued}
    subjects = [message(outbox, file, files[file])["subject"] for file in ("ada.jsonl", "bob.jsonl")]
    assert subjects == ["For Ada", "For Bob"]
    assert message(outbox, "ada.jsonl", files["ada.jsonl"])["body"] == "On Mammography at A"


def test_a_channel_without_subscribers_queues_nothing(examples: Examples, notify: str) -> None:
    assert examples.lines("dispatch", "--address", notify, "--subject", "Ready", "ct-hospital_b") == []


def test_deliveries_are_listed_as_python_lists_them(
    examples: Examples, notify: str, ledger: NotifyClient, outbox: Path
) -> None:
    queued = examples.lines("dispatch", "--address", notify, "--subject", "Ready", "mammo-hospital_a")
    for name, *_ in queued:
        delivered(ledger, name)
    listed = examples.lines("deliveries", "--address", notify, "--state", "sent", "--channel", "mammo-hospital_a")
    expected = ledger.deliveries(state=pb.Delivery.STATE_SENT, channel="mammo-hospital_a")
    assert listed == [[one.name, "sent", "file", str(one.attempt_count), ""] for one in expected]
    assert {line[0] for line in queued} <= {line[0] for line in listed}


def test_a_channel_that_there_is_not_is_refused_with_its_remedy(examples: Examples, notify: str) -> None:
    ended = examples.run("dispatch", "--address", notify, "--subject", "Ready", "nonesuch")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("CHANNEL_UNKNOWN: ")
    assert ended.stderr.endswith(f"{Reason.CHANNEL_UNKNOWN.remedy}\n")


def test_a_word_that_there_is_not_is_refused(examples: Examples, notify: str) -> None:
    pigeon = examples.run("send", "--address", notify, "--subject", "Ready", "pigeon", "loft")
    lost = examples.run("deliveries", "--address", notify, "--state", "lost")
    assert (pigeon.returncode, lost.returncode) == (1, 1)
    assert 'there is no state "lost"' in lost.stderr
