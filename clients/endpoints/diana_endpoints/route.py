"""The mesh's router: rules that move things, and the journal of their jobs."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from diana.route.v1 import route_service_pb2 as pb
from diana_client import Channel, RouteClient
from diana_common.errors import invalid_field
from diana_common.settings import nearest
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.mesh import MeshSettings, examine
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.route_collections import RoutedCollections
from diana_endpoints.route_jobs import STATES, job_item, time_of, word_of

CONTRACT = "diana.route.v1.RouteService"
_DEFAULT_STORE = "default"
_KINDS = ("study:", "instance:", "file:")
_JOBS = "jobs/"


@dataclass(frozen=True)
class RouteSettings(MeshSettings):
    """The router."""


class Route(RoutedCollections):
    """Endpoint `route`. Every method but `check` raises MeshError when it refuses, or cannot go on."""

    def __init__(self, settings: RouteSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._client = RouteClient(self._channel)

    def check(self) -> Health:
        """Whether it is ready, its rules and how many jobs wait or were given up."""
        return examine(self._settings, CONTRACT, _describe)

    def rules(self) -> Iterator[Item]:
        """The rules in force."""
        for number, rule in enumerate(self._client.rules(), 1):
            meta = {
                "rule": rule.name,
                "state": "stopped" if rule.stopped else "in trouble" if rule.trouble else "ok",
                "waiting": rule.waiting_count,
                "done": rule.done_count,
                "dead": rule.dead_count,
                "summary": rule.summary,
                "place": rule.place,
                "trouble": rule.trouble,
            }
            yield Item(meta, number=number)

    def check_rules(self, text: str) -> Iterator[Item]:
        """What is wrong with a file of rules; else its rules' names. And what could not be looked at."""
        yield from checked_items(self._client.check_rules(text))

    def dry_run(self, text: str = "", since: datetime.timedelta | None = None) -> Iterator[Item]:
        """What rules would have done; at last the counts."""
        for number, event in enumerate(self._client.dry_run(text, since=since), 1):
            if isinstance(event, pb.DryRunSummary):
                counts = dict(sorted(event.job_counts.items()))
                yield Item({"outcome": "looked_at", "entries": event.entry_count, "jobs": counts})
            else:
                told = {"rule": event.rule, "item": word_of(event.item), "time": time_of(event.time)}
                yield Item({"outcome": "would_do", **told, "actions": list(event.actions)}, number=number)

    def explain(self, item: str) -> Iterator[Item]:
        """What each rule makes of an item, then its jobs. Raises DianaError INVALID_FIELD for what is none."""
        answer = self._client.explain(item_of(item))
        for number, one in enumerate(answer.explanations, 1):
            yield Item({"rule": one.rule, "fires": one.fires, "reason": one.reason}, number=number)
        for number, job in enumerate(answer.jobs, 1):
            yield job_item(job, number)

    def run_rule(self, rule: str, item: str) -> Item:
        """A job of an item. Raises DianaError INVALID_FIELD for what is none."""
        return job_item(self._client.run(rule, item_of(item)))

    def backfill(self, rule: str, since: datetime.timedelta) -> Iterator[Item]:
        """The jobs that are made; at last the counts."""
        for number, event in enumerate(self._client.backfill(rule, since), 1):
            if isinstance(event, pb.BackfillSummary):
                yield Item({"outcome": "looked_at", "entries": event.entry_count, "jobs": event.job_count})
            else:
                yield job_item(event, number)

    def jobs(self, state: str = "", rule: str = "") -> Iterator[Item]:
        """The journal, newest first."""
        wanted = STATES[state] if state else pb.Job.STATE_UNSPECIFIED
        for number, job in enumerate(self._client.jobs(state=wanted, rule=rule), 1):
            yield job_item(job, number)

    def job(self, name: str) -> Item:
        """One job."""
        return job_item(self._client.job(_job_name(name)))

    def watch_jobs(self, rule: str = "") -> Iterator[Item]:
        """The journal, as it changes."""
        for number, job in enumerate(self._client.watch(rule=rule), 1):
            yield job_item(job, number)

    def retry_job(self, name: str, with_new_actions: bool = False) -> Item:
        """Have a job go on, or its item run again."""
        return job_item(self._client.retry(_job_name(name), with_new_actions=with_new_actions))

    def cancel_job(self, name: str) -> Item:
        """End a job."""
        return job_item(self._client.cancel(_job_name(name)))


def checked_items(checked: pb.CheckRulesResponse) -> Iterator[Item]:
    """What a check found, a "warning" or "faulty" each; and that the rules are "good", if nothing is wrong."""
    for number, one in enumerate(checked.findings, 1):
        outcome = "warning" if one.is_warning else "faulty"
        told = {"line": one.line, "field": one.field, "description": one.description}
        yield Item({"outcome": outcome, **told}, number=number)
    if all(one.is_warning for one in checked.findings):
        yield Item({"outcome": "good", "rules": list(checked.rules)})


def item_of(word: str) -> pb.Item:
    """The item that "study:STORE/UID", "instance:STORE/UID" or "file:RULE/PATH" means; no store is "default".

    Raises DianaError INVALID_FIELD.
    """
    kind, _, rest = word.partition(":")
    place, slash, name = rest.partition("/")
    match kind:
        case "study" | "instance":
            store, uid = (place, name) if slash else (_DEFAULT_STORE, place)
            if kind == "study":
                return pb.Item(study=pb.StudyItem(store=store, study_uid=uid))
            return pb.Item(instance=pb.InstanceItem(store=store, sop_instance_uid=uid))
        case "file" if name:
            return pb.Item(file=pb.FileItem(rule=place, path=name))
        case "file":
            raise invalid_field("ITEM", "must be file:RULE/PATH, the path below the rule's folder")
        case _:
            raise invalid_field("ITEM", f"is no study, instance or file; {nearest(f'{kind}:', _KINDS)}")


def _job_name(word: str) -> str:
    return word if word.startswith(_JOBS) else f"{_JOBS}{word}"


def _describe(channel: Channel) -> str:
    rules = RouteClient(channel).rules()
    waiting, dead = sum(rule.waiting_count for rule in rules), sum(rule.dead_count for rule in rules)
    told = f"{len(rules)} rules, {waiting} jobs waiting, {dead} dead"
    troubled = [rule.name for rule in rules if rule.trouble]
    return told + (f"; in trouble: {', '.join(troubled)}" if troubled else "")


KIND = Kind(RouteSettings, Route, mesh=True)
