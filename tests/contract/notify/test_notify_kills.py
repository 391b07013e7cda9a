"""A notify service killed at each of its steps: nothing is lost, and what is repeated bears the same name."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.notify.v1 import notify_service_pb2 as pb
from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceStub
from diana_client import NotifyClient, connect
from diana_client.notify import content
from diana_common.settings import build
from diana_notify.__main__ import make_server
from diana_notify.config import NotifyConfig
from diana_notify.core.model import Delivery, Message, Parcel, Recipient, Transport
from diana_notify.stores.sqlite import SqliteLedger
from tests.contract.notify import one_study
from tests.contract.notify.one_study import OneStudy
from tests.support.awaiting import awaited
from tests.support.smtp import MailServer

TEXT = content("{{ values.n }}", "for {{ recipient.name }}", values={"n": "1"})
Step = tuple[str, str, str, int]


class Dying:
    """The process that dying services are forked from."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.contract.notify.dying"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def start(self, config: Path, step: Step) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"config": str(config), "step": step}) + "\n")
        self._process.stdin.flush()

    def end(self) -> int:
        """Wait for it to end; the signal that ended it."""
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def dying() -> Iterator[Dying]:
    one = Dying()
    yield one
    one.close()


class Place:
    """A notifier's folder, whose subscribers are files."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "notify"
        self.port_file = folder / "port"
        self.config = folder / "notify.yaml"
        people = [
            {"name": "Ada", "file": "ada.jsonl", "channels": ["all"]},
            {"name": "Bob", "file": "bob.jsonl", "channels": ["all"]},
            {"name": "Dan", "file": "dan.jsonl", "channels": ["digests"], "digest_seconds": 0.2},
        ]
        self.settings: dict[str, Any] = {
            "server": {"listen": "127.0.0.1:0", "port_file": str(self.port_file)},
            "state_dir": str(self.state),
            "channels": {"all": "All", "digests": "In one"},
            "subscribers": people,
        }
        self.configure()

    def configure(self, **settings: object) -> None:
        """Set more."""
        self.settings |= settings
        self.config.write_text(json.dumps(self.settings))

    @contextmanager
    def serving(self) -> Iterator[NotifyClient]:
        """A service that lives."""
        server = make_server(build(NotifyConfig, self.settings))
        try:
            with connect(server.start()) as channel:
                yield NotifyClient(channel)
        finally:
            server.stop(0)

    def killed(self, dying: Dying, step: Step, act: Callable[[NotifyServiceStub], object]) -> bool:
        """Run one until it kills itself; whether what a caller asked of it was answered."""
        dying.start(self.config, step)
        assert awaited(self.port_file.exists)
        answered = True
        with grpc.insecure_channel(self.port_file.read_text()) as channel:  # which repeats nothing, unlike the client
            try:
                act(NotifyServiceStub(channel))
            except grpc.RpcError:
                answered = False
            assert dying.end() == signal.SIGKILL
        self.port_file.unlink()
        return answered

    def lines(self, name: str) -> list[dict[str, str]]:
        """What was delivered to somebody."""
        path = self.state / "outbox" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def filled(self, fill: Callable[[SqliteLedger], Delivery]) -> str:
        """Have a ledger before any service runs; the delivery's name."""
        ledger = SqliteLedger(self.state / "ledger.sqlite")
        try:
            return fill(ledger).name
        finally:
            ledger.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def all_sent(client: NotifyClient, count: int) -> bool:
    states = [one.state for one in client.deliveries()]
    return states == [pb.Delivery.STATE_SENT] * count


@pytest.mark.parametrize(
    "step",
    [
        ("before", "ledger", "add", 1),  # rendered
        ("after", "rows", "insert", 1),  # half of the messages written
        ("after", "ledger", "add", 1),  # queued, and not answered
        ("after", "ledger", "next_for", 1),  # taken
        ("after", "ledger", "next_for", 2),
        ("after", "carrier", "_append", 1),  # handed over
        ("after", "carrier", "carry", 2),
        ("before", "ledger", "succeeded", 1),
        ("after", "ledger", "succeeded", 1),  # recorded
    ],
)
def test_a_message_to_two_arrives_though_the_service_is_killed(dying: Dying, place: Place, step: Step) -> None:
    request = pb.DispatchMessageRequest(request_id="r1", channel="all", content=TEXT)
    place.killed(dying, step, lambda stub: stub.DispatchMessage(request))
    with place.serving() as client:
        names = [one.name for one in client.dispatch("all", TEXT, request_id="r1")]
        assert awaited(lambda: all_sent(client, 2)), list(client.deliveries())
    for name, delivery in zip(("ada", "bob"), names, strict=True):
        lines = place.lines(name)
        assert 1 <= len(lines) <= 2
        assert lines == [lines[0]] * len(lines)
        assert (lines[0]["id"], lines[0]["body"]) == (delivery, f"for {name.capitalize()}")


@pytest.mark.parametrize(
    "step",
    [
        ("before", "wire", "connect", 1),  # taken from the ledger
        ("before", "smtp", "announce", 1),  # greeted
        ("after", "wire", "rcpt", 1),  # the recipient is told
        ("after", "smtp", "announce", 1),  # the server waits for the text
        ("before", "wire", "getreply", 6),  # the text is sent, and its answer not read
        ("after", "smtp", "transmit", 1),  # taken, and not recorded
        ("before", "ledger", "succeeded", 1),
        ("after", "ledger", "succeeded", 1),
    ],
)
def test_a_mail_arrives_under_one_name_though_the_service_is_killed(dying: Dying, place: Place, step: Step) -> None:
    request = pb.DispatchMessageRequest(request_id="r1", channel="mail", content=TEXT)
    with MailServer() as server:
        place.configure(
            smtp={"host": "127.0.0.1", "port": server.port, "sender": "diana@a.example"},
            channels={"mail": "Mail"},
            subscribers=[{"name": "Eve", "email": "eve@a.example", "channels": ["mail"]}],
        )
        place.killed(dying, step, lambda stub: stub.DispatchMessage(request))
        with place.serving() as client:
            [name] = [one.name for one in client.dispatch("mail", TEXT, request_id="r1")]
            assert awaited(lambda: all_sent(client, 1)), list(client.deliveries())
        assert {mail.message_id for mail in server.mails} == {f"<{name.removeprefix('deliveries/')}@a.example>"}
        assert 1 <= len(server.mails) <= 2 and {mail.text.strip() for mail in server.mails} == {"for Eve"}


@pytest.mark.parametrize(
    "step",
    [
        ("before", "ledger", "_form", 1),
        ("after", "ledger", "_form", 1),
        ("after", "ledger", "next_for", 1),
        ("after", "carrier", "_append", 1),
        ("before", "ledger", "succeeded", 1),
        ("after", "ledger", "succeeded", 1),
    ],
)
def test_a_digest_means_the_same_though_the_service_is_killed(dying: Dying, place: Place, step: Step) -> None:
    """More is queued before the next attempt: what was formed does not grow."""

    def two(stub: NotifyServiceStub) -> None:
        for number in "12":
            text = content(number, f"text {number}")
            stub.DispatchMessage(pb.DispatchMessageRequest(channel="digests", content=text))

    place.killed(dying, step, two)
    with place.serving() as client:
        client.dispatch("digests", content("3", "text 3"))
        assert awaited(lambda: all_sent(client, 3)), list(client.deliveries())
        deliveries = list(client.deliveries())[::-1]
    texts: dict[str, set[str]] = {}
    for line in place.lines("dan"):
        texts.setdefault(line["id"], set()).add(line["body"])
    assert all(len(bodies) == 1 for bodies in texts.values())
    told = "".join(next(iter(bodies)) for bodies in texts.values())
    assert [told.count(f"text {number}") for number in "123"] == [1, 1, 1]
    assert {one.digest or one.name for one in deliveries} == set(texts)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_rule_says_is_said_though_the_service_is_killed(dying: Dying, place: Place, when: str) -> None:
    """Killed with the message queued and the feed's place noted, or neither."""
    archive = OneStudy()
    with one_study.serving(archive) as address:
        place.configure(
            archive={"address": address},
            templates={"ready": {"subject": "{{ study.PatientID }}"}},
            rules=[{"name": "r", "stores": ["deid"], "channel": "all", "template": "ready"}],
        )
        place.killed(dying, (when, "ledger", "add_followed", 2), lambda _: archive.complete())
        with place.serving() as client:
            assert awaited(lambda: all_sent(client, 2)), list(client.deliveries())
    assert [len(place.lines(name)) for name in ("ada", "bob")] == [1, 1]


@pytest.mark.parametrize(
    ("step", "again"),
    [(("before", "ledger", "replay", 1), False), (("after", "ledger", "replay", 1), True)],
)
def test_a_dead_one_is_replayed_once(dying: Dying, place: Place, step: Step, again: bool) -> None:
    name = place.filled(dead)
    assert not place.killed(dying, step, lambda stub: stub.ReplayDelivery(pb.ReplayDeliveryRequest(name=name)))
    with place.serving() as client:
        if not again:
            assert client.delivery(name).state == pb.Delivery.STATE_DEAD
            client.replay(name)
        assert awaited(lambda: all_sent(client, 1))
    assert {line["id"] for line in place.lines("ada")} == {name}


@pytest.mark.parametrize(
    ("step", "state"),
    [
        (("before", "ledger", "cancel", 1), pb.Delivery.STATE_QUEUED),
        (("after", "ledger", "cancel", 1), pb.Delivery.STATE_CANCELLED),
    ],
)
def test_a_cancelled_one_never_goes(dying: Dying, place: Place, step: Step, state: int) -> None:
    name = place.filled(late)
    assert not place.killed(dying, step, lambda stub: stub.CancelDelivery(pb.CancelDeliveryRequest(name=name)))
    with place.serving() as client:
        assert client.delivery(name).state == state
        assert client.cancel(name).state == pb.Delivery.STATE_CANCELLED
    assert not place.lines("ada")


def queued(ledger: SqliteLedger) -> Delivery:
    (one,) = ledger.add([Message(Recipient(Transport.FILE, "ada.jsonl"), "file ada.jsonl", "s", "b")], 1.0)
    return one


def dead(ledger: SqliteLedger) -> Delivery:
    one = queued(ledger)
    ledger.dead(Parcel(one, "file ada.jsonl", "", ""), "HTTP 404", 4e9)
    return one


def late(ledger: SqliteLedger) -> Delivery:
    one = queued(ledger)
    ledger.failed(Parcel(one, "file ada.jsonl", "", ""), "HTTP 503", 4e9)
    return one
