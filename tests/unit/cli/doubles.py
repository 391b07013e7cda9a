"""Endpoints that answer without a mesh, under the names that the commands look for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from grpc import StatusCode

from diana_client import FailedPrecondition, MeshError, NotFound, ReceiptInvalid, Unavailable
from diana_endpoints.items import BytesContent, Failure, Item
from diana_endpoints.protocol.anon import CohortOrder, StudyOrder
from diana_endpoints.protocol.dimse import Parcel, Wanted
from diana_endpoints.protocol.endpoint import OnProgress
from diana_endpoints.protocol.notify import Message
from diana_endpoints.protocol.query import Matches

REFUSED = Failure("NOT_DEIDENTIFIABLE", "it cannot be de-identified for sure", "Have its sender mend it.")


@dataclass
class Anonymizing:
    """Makes study N.9 of a study N; refuses instances and studies on request."""

    refused: tuple[str, ...] = ()
    error: MeshError | None = None
    text_error: MeshError | None = None
    entry: str = "0123456789abcdef" * 2
    orders: list[StudyOrder] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    cohorts: list[CohortOrder] = field(default_factory=list)
    texts: list[tuple[str, ...]] = field(default_factory=list)
    released: list[tuple[str, ...]] = field(default_factory=list)

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

    def start_cohort(self, order: CohortOrder) -> str:
        self.cohorts.append(order)
        return f"operations/anon-{len(self.cohorts)}"

    def await_cohort(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        order = self.cohorts[-1]
        counts = {"studies": len(order.study_uids), "instances": 3000, "refused": 0}
        yield Item({"operation": operation, **counts, **({"texts": 17} if order.preview else {})})

    def anonymize_text(self, text: str, study_uid: str = "", store: str = "", profile: str = "") -> Item:
        if self.text_error:
            raise self.text_error
        self.texts.append((text, study_uid, store, profile))
        return Item({"text": text.replace("Ada", "[...]"), "changed": text.count("Ada")})

    def receipt(self, sop_instance_uid: str = "", result: Path | None = None, against: Path | None = None) -> Item:
        if against:
            raise ReceiptInvalid("The file is neither.")
        name = sop_instance_uid or (result.name if result else "")
        return Item({"sop_instance_uid": name, "signature": "good", "actions": [["(0010,0010)", "identity"]]})

    def quarantined(self, operation: str = "", show_released: bool = False) -> Iterator[Item]:
        held = {"reason": "doubtful_pixels", "detail": "frame 1", "sop_instance_uid": "1.2.3"}
        yield Item({"id": self.entry, **held, "operation": operation})

    def release(self, ids: Sequence[str], released_by: str) -> Iterator[Item]:
        self.released.append((*ids, released_by))
        yield from (Item({"id": one, "reason": "doubtful_pixels", "released_by": released_by}) for one in ids)

    def deid_report(self, operation: str, form: str) -> Iterator[bytes]:
        yield f"{operation} as ".encode()
        if self.error:
            raise self.error
        yield form.encode()

    def reidentify(self, pseudonyms: Sequence[str], reason: str, domain: str = "") -> Iterator[Item]:
        for one in pseudonyms:
            yield Item({"pseudonym": one, "patient_id": "P1", "study_uid": reason, "store": domain})

    def reidentifications(self) -> Iterator[Item]:
        yield Item({"number": 1, "caller": "ada", "pseudonyms": ["X", "Y"], "granted": False, "reason": "why\x1b"})


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
    changed: list[tuple[str, str]] = field(default_factory=list)

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

    def watch_deliveries(self, channel: str = "") -> Iterator[Item]:
        self.asked.append(("watch", channel))
        yield from self.ledgers.pop(0)
        raise KeyboardInterrupt

    def replay(self, delivery: str) -> Item:
        return self._change("queued", delivery)

    def cancel_delivery(self, delivery: str) -> Item:
        return self._change("cancelled", delivery)

    def preview(self, recipient: str, message: Message) -> Iterator[Item]:
        self.sent.append((recipient, message))
        for body in ("Dear Ada,\nit is here.", "Dear Bob"):
            yield Item({"recipient": recipient, "subject": "News", "body": body})

    def _change(self, to: str, name: str) -> Item:
        self.changed.append((to, name))
        if name.endswith("/2"):
            raise FailedPrecondition(StatusCode.FAILED_PRECONDITION, "It was sent.", reason="DELIVERY_ENDED")
        return Item({"delivery": name, "state": to})


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


@dataclass
class PeerUsing:
    """Knows one peer, which has some studies; starts work, and ends it with what failed and some counts."""

    answers: list[Item] = field(default_factory=list)
    failed: list[Item] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    pulled: list[Wanted] = field(default_factory=list)
    pushed: list[Parcel] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def peers(self) -> Iterator[Item]:
        yield Item({"peer": "pacs", "ae_title": "PACS", "address": "10.1.2.3:104", "tls": False})

    def associations(self) -> Iterator[Item]:
        yield Item({"calling_ae_title": "CT1\x1b[2J", "called_ae_title": "DIANA", "address": "10.1.2.4", "received": 7})

    def echo(self, peer: str) -> Item:
        return Item({"peer": peer, "milliseconds": 1.5})

    def find_at(
        self, peer: str, level: str, matches: Matches, return_keys: Sequence[str] = (), limit: int = 0
    ) -> Iterator[Item]:
        self.asked.append((peer, level, matches, return_keys, limit))
        yield from self.answers

    def start_pull(self, peer: str, wanted: Wanted) -> str:
        self.pulled.append(wanted)
        return f"operations/dimse-{len(self.pulled)}"

    def start_push(self, peer: str, parcel: Parcel) -> str:
        self.pushed.append(parcel)
        return f"operations/dimse-{len(self.pushed)}"

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        yield from self.failed
        yield Item({"operation": operation, "study_count": 4, "instance_count": 77, "sent_count": 76})


@dataclass
class Routing:
    """Knows two rules and three jobs, of which the second cannot be changed; a text with "faulty" has a fault."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def rules(self) -> Iterator[Item]:
        counts = {"waiting": 1, "done": 20, "dead": 0}
        yield Item({"rule": "intake", "state": "ok", **counts, "summary": "/in -> put inbox", "trouble": ""})
        yield Item({"rule": "send", "state": "stopped", **counts, "summary": "inbox -> send", "trouble": "\x1b[2Jfed"})

    def check_rules(self, text: str) -> Iterator[Item]:
        self.asked.append(("check", text))
        if text == "away":
            raise Unavailable(StatusCode.UNAVAILABLE, "away")
        if "nobody" in text:
            yield Item({"outcome": "warning", "line": 2, "field": "rules[0].do", "description": "was not looked up"})
        if "faulty" in text:
            yield Item({"outcome": "faulty", "line": 3, "field": "rules[0].do", "description": "is required"})
        else:
            yield Item({"outcome": "good", "rules": ["intake", "send"]})

    def dry_run(self, text: str = "", since: timedelta | None = None) -> Iterator[Item]:
        self.asked.append(("dry-run", text, since))
        if not text:
            told = {"rule": "send", "item": "study:inbox/1.2", "time": "2026-01-01T00:00:00.000Z"}
            yield Item({"outcome": "would_do", **told, "actions": ["send pacs", "delete"]})
        yield Item({"outcome": "looked_at", "entries": 9, "jobs": {} if text else {"send": 1}})

    def run_rule(self, rule: str, item: str) -> Item:
        self.asked.append(("run", rule, item))
        if item == "study:inbox/2":
            raise FailedPrecondition(StatusCode.FAILED_PRECONDITION, "It is false.", reason="RULE_NOT_FIRING")
        return self.job("jobs/4")

    def backfill(self, rule: str, since: timedelta) -> Iterator[Item]:
        self.asked.append(("backfill", rule, since))
        made = rule == "send"
        yield from (self.job("jobs/5"),) if made else ()
        yield Item({"outcome": "looked_at", "entries": 9, "jobs": int(made)})

    def explain(self, item: str) -> Iterator[Item]:
        self.asked.append(("explain", item))
        yield Item({"rule": "intake", "fires": False, "reason": "it is no file"})
        yield Item({"rule": "send", "fires": True, "reason": "the condition holds"})
        yield self.job("jobs/1")

    def jobs(self, state: str = "", rule: str = "") -> Iterator[Item]:
        self.asked.append(("jobs", state, rule))
        yield from (self.job(f"jobs/{number}") for number in (1, 2, 3))

    def job(self, name: str) -> Item:
        done = {"action": "put inbox", "done": True, "attempts": 1, "last_error": ""}
        failed = {"action": "send pacs", "done": False, "attempts": 4, "last_error": "refused"}
        step = {"step": "send pacs", "attempts": 4, "last_error": "refused"}
        told = {"job": name, "state": "dead", "rule": "send", "item": "study:inbox/1.2", **step}
        return Item({**told, "stored": 7, "refused": 1, "steps": [done, failed, {**failed, "action": "delete"}]})

    def watch_jobs(self, rule: str = "") -> Iterator[Item]:
        yield from self.jobs("", rule)

    def retry_job(self, name: str, with_new_actions: bool = False) -> Item:
        return self._change("retry anew" if with_new_actions else "retry", name)

    def cancel_job(self, name: str) -> Item:
        return self._change("cancel", name)

    def _change(self, what: str, name: str) -> Item:
        self.asked.append((what, name))
        if name == "jobs/2":
            raise FailedPrecondition(StatusCode.FAILED_PRECONDITION, "It is done.", reason="JOB_ENDED")
        return Item({"job": name, "state": "waiting"})


@dataclass
class Sealing:
    """Has something sealed on study 1.2, and on no other."""

    def close(self) -> None:
        """Nothing."""

    def unseal(self, wanted: Item) -> Item:
        if wanted.meta["study_uid"] != "1.2":
            raise NotFound(StatusCode.NOT_FOUND, "Nothing was sealed on it.", reason="SEAL_MISSING")
        return Item({"study_uid": "1.2", "sealed": {"patient_id": "P1\x1b[2J"}})
