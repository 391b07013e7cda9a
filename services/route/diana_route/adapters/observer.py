"""Metrics and logs of what route does: items by their UIDs, and files not even by their paths."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge

from diana_common.errors import DianaError
from diana_common.traces import frames
from diana_route.core.model import FileItem, InstanceItem, Item, Job, Task

ATTEMPTS = Counter("diana_route_attempts_total", "Jobs' steps attempted, by action and outcome.", ["action", "outcome"])
DEAD = Counter("diana_route_dead_total", "Jobs given up, by the action that failed.", ["action"])
WAITING = Gauge("diana_route_waiting", "Jobs that have not ended.")
STOPPED = Counter("diana_route_stopped_total", "Times that a rule was stopped for feeding itself.", ["rule"])
LOST = Counter("diana_route_follow_failures_total", "Times that following the archive broke off.")
QUERIES = Counter("diana_route_query_failures_total", "Runs of queries that broke off, by rule.", ["rule"])
UNJUDGED = Counter("diana_route_unjudged_total", "Items that rules could not be asked of, by reason.", ["reason"])


class PrometheusObserver:
    """Whatever the core and diana_common.attempts have to tell, for Prometheus and the log."""

    def __init__(self, count_waiting: Callable[[], int]) -> None:
        self._log = structlog.get_logger().bind(service="route")
        WAITING.set_function(count_waiting)

    def close(self) -> None:
        """Count no more: the journal is about to be closed."""
        WAITING.set_function(float)

    def succeeded(self, piece: Task) -> None:
        """See attempts.Observer."""
        ATTEMPTS.labels(_action(piece), "done").inc(len(piece.jobs))

    def failed(self, piece: Task, why: str) -> None:
        """See attempts.Observer."""
        ATTEMPTS.labels(_action(piece), "failed").inc(len(piece.jobs))
        self._log.info("not done yet", **_facts(piece), why=why, failures=piece.attempt_count + 1)

    def dead(self, piece: Task, why: str, count: int) -> None:
        """See attempts.Observer."""
        if count:
            DEAD.labels(_action(piece)).inc(count)
            self._log.warning("given up", **_facts(piece), why=why, jobs=count)

    def stumbled(self, error: Exception) -> None:
        """See attempts.Observer. The error's own text is left out: it may hold values."""
        self._log.error("failed", error_type=type(error).__qualname__, frames=frames(error))

    def stopped(self, rule: str, why: str) -> None:
        """See core.intake.Stopped."""
        STOPPED.labels(rule).inc()
        self._log.error("rule stopped", rule=rule, why=why)

    def undone(self, job: Job, why: str) -> None:
        """See core.intake.Undone."""
        DEAD.labels(job.steps[0].action.partition(" ")[0]).inc()
        self._log.warning("left undone", job=job.name, rule=job.rule, why=why)

    def folder_trouble(self, rule: str, trouble: str) -> None:
        """A rule's folder cannot be looked at as it should, or can again where there is no trouble."""
        if trouble:
            self._log.warning("folder in trouble", rule=rule, why=trouble)
        else:
            self._log.info("folder well again", rule=rule)

    def lost(self, error: DianaError) -> None:
        """See core.following.FollowObserver."""
        LOST.inc()
        self._log.warning("not following the archive", reason=error.reason.name)

    def began_anew(self) -> None:
        """See core.following.FollowObserver."""
        self._log.error("the archive was restored or rebuilt: following begins anew, at its newest entry")

    def query_failed(self, rule: str, error: DianaError) -> None:
        """See core.querying.QueryObserver."""
        QUERIES.labels(rule).inc()
        self._log.warning("query broke off", rule=rule, reason=error.reason.name)

    def unjudged(self, item: Item, error: DianaError) -> None:
        """See core.following.FollowObserver and core.querying.QueryObserver."""
        UNJUDGED.labels(error.reason.name).inc()
        self._log.error("no rule could be asked", **_item_facts(item), reason=error.reason.name)


def _action(piece: Task) -> str:
    """The action's first word: there are few of them."""
    return piece.step.action.partition(" ")[0]


def _facts(piece: Task) -> dict[str, object]:
    return {"job": piece.job.name, "rule": piece.job.rule, "action": piece.step.action, "together": len(piece.jobs)}


def _item_facts(item: Item) -> dict[str, object]:
    if isinstance(item, FileItem):
        return {"rule": item.rule}
    uid = {"sop_instance_uid": item.sop_instance_uid} if isinstance(item, InstanceItem) else {}
    return {"store": item.store, "study_uid": item.study_uid, **uid}
