"""RouteService over the core."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import grpc

from diana.route.v1 import route_service_pb2 as pb
from diana.route.v1.route_service_pb2_grpc import RouteServiceServicer
from diana_common.pages import Pages
from diana_route.core.checking import Checker
from diana_route.core.dry_run import DryRun
from diana_route.core.explaining import Explainer
from diana_route.core.journal import Journal
from diana_route.core.model import Job, State
from diana_route.core.rulebook import Rulebook
from diana_route.core.rules import Rule
from diana_route.core.running import Running
from diana_route.core.watching import Watching
from diana_route.wire.items import item_from_proto
from diana_route.wire.jobs import job_to_proto, state_from_proto
from diana_route.wire.rules import (
    backfill_summary_to_proto,
    checked_to_proto,
    dry_job_to_proto,
    dry_summary_to_proto,
    explained_to_proto,
    rule_to_proto,
)

_PAGE_SIZE = 100
_AT_A_TIME = 200
_DAY = 86_400.0

LookBack = Callable[[Sequence[Rule], float], DryRun]
"""A dry run of rules over what happened since a time, in seconds since the epoch."""


class RouteServicer(RouteServiceServicer):
    """Every RPC of the contract; its comments say what each answers and refuses."""

    def __init__(
        self,
        rulebook: Rulebook,
        checker: Checker,
        journal: Journal,
        explainer: Explainer,
        look_back: LookBack,
        running: Running,
        watching: Watching,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when there is something to do at once."""
        self._rulebook = rulebook
        self._checker = checker
        self._journal = journal
        self._explainer = explainer
        self._look_back = look_back
        self._running = running
        self._watching = watching
        self._wake = wake

    def ListRules(self, request: pb.ListRulesRequest, context: grpc.ServicerContext) -> pb.ListRulesResponse:
        return pb.ListRulesResponse(rules=map(rule_to_proto, self._rulebook.standings()))

    def CheckRules(self, request: pb.CheckRulesRequest, context: grpc.ServicerContext) -> pb.CheckRulesResponse:
        return checked_to_proto(self._checker.check(request.rules_yaml.encode()))

    def DryRun(self, request: pb.DryRunRequest, context: grpc.ServicerContext) -> Iterator[pb.DryRunResponse]:
        rules = self._checker.read(request.rules_yaml.encode()) if request.rules_yaml else self._rulebook.rules
        back = request.since.ToTimedelta().total_seconds() if request.HasField("since") else _DAY
        run = self._look_back(rules, time.time() - back)
        if not context.add_callback(run.cancel):  # the call has ended already: nobody would end the run
            return
        yield from map(dry_job_to_proto, run)
        yield dry_summary_to_proto(run.entry_count, run.job_counts)

    def ExplainItem(self, request: pb.ExplainItemRequest, context: grpc.ServicerContext) -> pb.ExplainItemResponse:
        return explained_to_proto(self._explainer.explain(item_from_proto(request.item)))

    def RunRule(self, request: pb.RunRuleRequest, context: grpc.ServicerContext) -> pb.RunRuleResponse:
        job = self._running.run(request.rule, item_from_proto(request.item), request.request_id)
        return pb.RunRuleResponse(job=job_to_proto(job))

    def BackfillRule(
        self, request: pb.BackfillRuleRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.BackfillRuleResponse]:
        since = time.time() - request.since.ToTimedelta().total_seconds()
        backfill = self._running.backfill(request.rule, since)
        if not context.add_callback(backfill.cancel):  # the call has ended already: nobody would end it
            return
        for job in backfill:
            yield pb.BackfillRuleResponse(job=job_to_proto(job))
        yield backfill_summary_to_proto(backfill.entry_count, backfill.job_count)

    def GetJob(self, request: pb.GetJobRequest, context: grpc.ServicerContext) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=job_to_proto(self._journal.get(request.name)))

    def ListJobs(self, request: pb.ListJobsRequest, context: grpc.ServicerContext) -> pb.ListJobsResponse:
        size, pages = request.page_size or _PAGE_SIZE, Pages(request.state, request.rule)
        before = pages.number(request.page_token)
        found = self._journal.page(before, size + 1, state_from_proto(request.state), request.rule)
        return pb.ListJobsResponse(
            jobs=[job_to_proto(one) for one in found[:size]],
            next_page_token=pages.token(found[size - 1].number) if len(found) > size else "",
        )

    def WatchJobs(self, request: pb.WatchJobsRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchJobsResponse]:
        with self._watching.watcher() as watcher:
            if not context.add_callback(watcher.end):  # the call has ended already: nobody would end the wait
                return
            yield from map(_told, self._waiting(request.rule))
            while (numbers := watcher.take()) is not None:
                changed = (job for job in self._some(numbers) if request.rule in ("", job.rule))
                yield from map(_told, changed)

    def RetryJob(self, request: pb.RetryJobRequest, context: grpc.ServicerContext) -> pb.RetryJobResponse:
        if request.with_new_actions:
            job = self._running.retry(request.name)
        else:
            job = self._journal.retry(request.name, self._rulebook.digests, time.time())
        self._wake()
        return pb.RetryJobResponse(job=job_to_proto(job))

    def CancelJob(self, request: pb.CancelJobRequest, context: grpc.ServicerContext) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=job_to_proto(self._journal.cancel(request.name, time.time())))

    def _waiting(self, rule: str) -> Iterator[Job]:
        """All jobs that have not ended, a page at a time."""
        before: int | None = None
        while page := self._journal.page(before, _AT_A_TIME, State.WAITING, rule):
            yield from page
            before = page[-1].number

    def _some(self, numbers: Sequence[int]) -> Iterator[Job]:
        left = iter(numbers)
        while some := list(islice(left, _AT_A_TIME)):
            yield from self._journal.some(some)


def _told(job: Job) -> pb.WatchJobsResponse:
    return pb.WatchJobsResponse(job=job_to_proto(job))
