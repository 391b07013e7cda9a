"""Endpoints that answer without a mesh, under the names that the commands look for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from diana_client import MeshError
from diana_endpoints.items import BytesContent, Failure, Item
from diana_endpoints.protocol import Message, OnProgress, StudyOrder

REFUSED = Failure("NOT_DEIDENTIFIABLE", "it cannot be de-identified for sure", "Have its sender mend it.")


@dataclass
class Anonymizing:
    """Makes study N.9 of a study N; refuses instances and studies on request."""

    refused: tuple[str, ...] = ()
    error: MeshError | None = None
    orders: list[StudyOrder] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def anonymize(self, items: Iterable[Item], profile: str = "") -> Iterator[Item]:
        self.profiles.append(profile)
        for item in items:
            yield Item({"outcome": "anonymized"}, content=item.content, number=item.number)

    def start_study(self, order: StudyOrder) -> str:
        if self.error:
            raise self.error
        self.orders.append(order)
        return f"operations/anon-{len(self.orders)}"

    def await_study(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        order = self.orders[-1]
        for uid in self.refused:
            yield Item({"sop_instance_uid": uid}, failure=REFUSED)
        counts = {"instances": 3, "refused": len(self.refused), "complete": not self.refused}
        yield Item({"study_uid": f"{order.study_uid}.9", "store": order.target_store, **counts})


@dataclass
class Source:
    """A finder's place in a chain: lists items with study UIDs, or with content."""

    items: list[Item]
    passed_over: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """Nothing."""

    def list(self) -> Iterator[Item]:
        yield from self.items


def instance(number: int, study: str = "1.2") -> Item:
    """An item of a study, with content."""
    return Item({"study_uid": study, "store": "default"}, content=BytesContent(b"x"), number=number)


@dataclass
class Telling:
    """Takes messages, and answers a ledger of them."""

    sent: list[tuple[str, Message]] = field(default_factory=list)
    ledgers: list[list[Item]] = field(default_factory=list)
    """What `deliveries` answers, in turn; when there is no more, a person presses Ctrl-C."""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def send(self, recipient: str, message: Message) -> Item:
        self.sent.append((recipient, message))
        return delivery(len(self.sent), recipient=recipient)

    def dispatch(self, channel: str, message: Message) -> Iterator[Item]:
        self.sent.append((channel, message))
        yield delivery(1, channel=channel)
        yield delivery(2, channel=channel)

    def deliveries(self, state: str = "", channel: str = "") -> Iterator[Item]:
        self.asked.append((state, channel))
        if not self.ledgers:
            raise KeyboardInterrupt
        yield from self.ledgers.pop(0)


def delivery(number: int, state: str = "queued", **more: str) -> Item:
    """A delivery as the endpoint tells of it."""
    return Item({"delivery": f"deliveries/{number}", "state": state, **more}, number=number)


@dataclass
class Keeping:
    """Starts long work, and ends it with one failed item and some counts."""

    failed: Item | None = None
    started: list[tuple[object, ...]] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def start_import(self, path: str) -> str:
        return self._start("import", path)

    def start_verify(self, repair: bool) -> str:
        return self._start("verify", repair)

    def start_backup(self) -> str:
        return self._start("backup")

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        if self.failed:
            yield self.failed
        yield Item({"operation": operation, "store": "default", "file_count": 7, "copied_count": 8, "damaged_count": 9})

    def _start(self, *what: object) -> str:
        self.started.append(what)
        return f"operations/archive-{len(self.started)}"
