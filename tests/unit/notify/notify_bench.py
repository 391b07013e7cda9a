"""A notifier's parts without a server: a ledger, a directory, and carriers that do as they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from diana_common.attempts import Attempting, Failed, RetryPolicy
from diana_common.errors import DianaError, Reason
from diana_notify.core.addresses import AddressBook
from diana_notify.core.carriers import Carriers
from diana_notify.core.composing import Composer, Sender
from diana_notify.core.directory import Directory, Subscription
from diana_notify.core.model import Delivery, Parcel, Recipient, State, StudyRef, Subscriber, Transport
from diana_notify.core.notifier import Notifier
from diana_notify.core.rendering import TemplateText
from diana_notify.core.watching import Changes
from diana_notify.stores.sqlite import SqliteLedger
from tests.support.awaiting import awaited

QUICK = RetryPolicy(first_seconds=0.01, longest_seconds=0.02, give_up_seconds=3600.0)
ADDRESSES = AddressBook(True, ["http://hooks.example/", "http://dead.example/"])
CHANNELS = {
    "digests": "In one message",
    "letters": "Wrapped",
    "mammo-hospital_a": "Mammography at A",
    "mammo-hospital_b": "Mammography at B",
    "quiet": "Nobody listens",
}
TEMPLATES = {
    "arrived": TemplateText("{{ channel.name }}: {{ values.study_uid }}", "Dear {{ recipient.name }},\nit is here.\n"),
    "personal": TemplateText("For {{ recipient.affiliation }}", "{{ values.secret }}"),
    "patient": TemplateText(
        "{{ study.store }} {{ item.reason }}", "{{ study.PatientID }} {{ study.attributes.trial }}"
    ),
    "letter": TemplateText("", "Dear {{ recipient.name }},\n{{ body }}\nYours, {{ sender.name }}"),
}


def subscription(
    name: str, *tags: str, affiliation: str = "", wrap: str = "", digest_seconds: float = 0.0
) -> Subscription:
    address = f"{name.lower()}@hospital.example"
    recipients = [Recipient(Transport.EMAIL, address)]
    return Subscription(Subscriber(name, address, affiliation, recipients, wrap, digest_seconds), tags)


SUBSCRIPTIONS = [
    subscription("Ada", "mammo-hospital_a", affiliation="Hospital A"),
    subscription("Bob", "mammo-hospital_a", "mammo-hospital_b"),
    subscription("Cleo", "letters", wrap="letter"),
    subscription("Dan", "digests", "letters", wrap="letter", digest_seconds=3600.0),
    subscription("Eve", "digests", digest_seconds=3600.0),
]


def email(name: str = "ada") -> Recipient:
    return Recipient(Transport.EMAIL, f"{name}@hospital.example")


def webhook(host: str = "hooks.example") -> Recipient:
    return Recipient(Transport.WEBHOOK, f"http://{host}/x")


class FakeStudies:
    """An archive of one study."""

    def __init__(self) -> None:
        self.asked: list[StudyRef] = []
        self.down = False

    def facts(self, study: StudyRef) -> Mapping[str, object]:
        self.asked.append(study)
        if self.down:
            raise DianaError(Reason.PEER_UNAVAILABLE, "Down.")
        if study.study_uid == "9.9":
            raise DianaError(Reason.STUDY_NOT_FOUND, "None.")
        return {"store": study.store, "attributes": {"trial": "mammo"}, "PatientID": "ZZPATIENTZZ"}


class FakeCarrier:
    """Keeps what it carries; `behave` may raise instead, or wait."""

    def __init__(self) -> None:
        self.behave: Callable[[Parcel], None] = lambda parcel: None
        self.carried: list[Parcel] = []
        self.attempts: list[str] = []
        self._lock = threading.Lock()

    def carry(self, parcel: Parcel) -> None:
        with self._lock:
            self.attempts.append(parcel.delivery.name)
        self.behave(parcel)
        with self._lock:
            self.carried.append(parcel)


class FakeObserver:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.unmatched_reasons: list[tuple[str, str, Reason]] = []
        self.matches: list[tuple[str, int]] = []
        self.losses: list[Reason] = []

    def succeeded(self, piece: Parcel) -> None: ...

    def failed(self, piece: Parcel, why: str) -> None: ...

    def dead(self, piece: Parcel, why: str, count: int) -> None: ...

    def stumbled(self, error: Exception) -> None:
        self.errors.append(error)

    def matched(self, rule: str, messages: int) -> None:
        self.matches.append((rule, messages))

    def unmatched(self, rule: str, study_uid: str, reason: Reason) -> None:
        self.unmatched_reasons.append((rule, study_uid, reason))

    def lost(self, error: DianaError) -> None:
        self.losses.append(error.reason)


class NotifyBench:
    """All of it together, in a folder."""

    def __init__(self, folder: Path, policy: RetryPolicy = QUICK) -> None:
        self.folder = folder
        self.policy = policy
        self.changes = Changes()
        self.ledger = SqliteLedger(folder / "ledger.sqlite", self.changes)
        self.directory = Directory(CHANNELS, SUBSCRIPTIONS, TEMPLATES, ADDRESSES)
        self.carrier = FakeCarrier()
        self.observer = FakeObserver()
        self.deliverer = self.new_deliverer()
        self.studies = FakeStudies()
        self.composer = Composer(self.directory, ADDRESSES, self.studies, Sender("DIANA", "diana@hospital.example"))
        self.notifier = Notifier(
            self.directory, self.composer, self.ledger, self.changes, lambda: self.deliverer.wake()
        )

    def new_deliverer(self) -> Attempting[Parcel]:
        carriers = Carriers(dict.fromkeys(Transport, self.carrier))
        return Attempting(self.ledger, carriers.carry, self.policy, 86_400.0, self.observer)

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Deliver inside the context."""
        self.deliverer.start()
        try:
            yield
        finally:
            self.deliverer.stop()
            self.deliverer = self.new_deliverer()

    def wait_until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for something that the deliverer's threads bring about."""
        assert awaited(true, seconds), [(one.state, one.last_error) for one in self.all()]

    def wait_for(self, state: State, count: int) -> list[Delivery]:
        """The deliveries in a state, once there are so many."""
        self.wait_until(lambda: len(self.all(state)) >= count)
        return self.all(state)

    def all(self, state: State | None = None) -> list[Delivery]:
        """Every delivery, newest first."""
        return self.ledger.page(None, 10_000, state, "")


def raising(failure: Failed) -> Callable[[Parcel], None]:
    """A carrier's behaviour: always to fail so."""

    def behave(parcel: Parcel) -> None:
        raise failure

    return behave
