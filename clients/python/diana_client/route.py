"""The router's clients: rules, what they would do, and the jobs that they have made."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from diana.route.v1 import route_service_pb2 as pb
from diana.route.v1.route_service_pb2_grpc import RouteServiceStub
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import BadAnswer

if TYPE_CHECKING:
    from diana.route.v1.route_service_pb2_grpc import RouteServiceAsyncStub

DryEvent = pb.DryJob | pb.DryRunSummary
"""What a dry run tells: a job that would have been made; last of all, how much was looked at."""

BackfillEvent = pb.Job | pb.BackfillSummary
"""What a backfill tells: a job that was made; last of all, how much was looked at."""

_ANY = pb.Job.STATE_UNSPECIFIED


def study_item(study_uid: str, store: str = "default") -> pb.Item:
    """A study of a store."""
    return pb.Item(study=pb.StudyItem(store=store, study_uid=study_uid))


def instance_item(sop_instance_uid: str, store: str = "default") -> pb.Item:
    """An instance of a store."""
    return pb.Item(instance=pb.InstanceItem(store=store, sop_instance_uid=sop_instance_uid))


def file_item(rule: str, path: str) -> pb.Item:
    """A file of the folder that a rule watches; the path is below that folder, with "/"."""
    return pb.Item(file=pb.FileItem(rule=rule, path=path))


class RouteClient(Caller):
    """Talks to `RouteService`. Safe to share between threads.

    `study_item(...)`, `instance_item(...)` and `file_item(...)` make what `explain` and `run` are told.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = RouteServiceStub(channel.raw)

    def rules(self) -> list[pb.Rule]:
        """The rules in force, in the order of the configuration, and how they fare."""
        return list(self._ask(self.stub.ListRules, pb.ListRulesRequest()).rules)

    def check_rules(self, rules_yaml: str) -> pb.CheckRulesResponse:
        """What is wrong with a file of rules, by line; the rules' names where nothing is."""
        return self._ask(self.stub.CheckRules, pb.CheckRulesRequest(rules_yaml=rules_yaml))

    def dry_run(
        self, rules_yaml: str = "", *, since: datetime.timedelta | None = None, timeout: float | None = None
    ) -> Iterator[DryEvent]:
        """What the rules in force, or those of a text, would have made of the feed since then (None: for a day).

        Raises InvalidRequest with reason RULES_INVALID, naming lines. `timeout`: seconds for all of it.
        """
        for message in self._stream(self.stub.DryRun, _dry_run_request(rules_yaml, since), timeout):
            yield _event(message)

    def explain(self, item: pb.Item) -> pb.ExplainItemResponse:
        """Why each rule would make a job of something, or why not; and its jobs. Raises NotFound."""
        return self._ask(self.stub.ExplainItem, pb.ExplainItemRequest(item=item))

    def run(self, rule: str, item: pb.Item, *, request_id: str = "") -> pb.Job:
        """Make a job of something by a rule as it is now, whatever was made of it before. Raises NotFound,
        FailedPrecondition (it does not fire, or a job of it waits).

        Calls with the same `request_id` make one job; without, each call is a request of its own.
        """
        return self._ask(self.stub.RunRule, _run_request(rule, item, request_id)).job

    def backfill(
        self, rule: str, since: datetime.timedelta, *, timeout: float | None = None
    ) -> Iterator[BackfillEvent]:
        """Make jobs by a rule of what the feed tells since then and it has none of. Leaving the loop ends it.

        Raises NotFound, InvalidRequest for a rule that follows no store. `timeout`: seconds for all of it.
        """
        for message in self._stream(self.stub.BackfillRule, _backfill_request(rule, since), timeout):
            yield _backfill_event(message)

    def job(self, name: str) -> pb.Job:
        """One job as it stands. Raises NotFound."""
        return self._ask(self.stub.GetJob, pb.GetJobRequest(name=name)).job

    def jobs(self, *, state: pb.Job.State.ValueType = _ANY, rule: str = "") -> Iterator[pb.Job]:
        """Jobs, newest first; those of one state or rule if told."""
        request = pb.ListJobsRequest(state=state, rule=rule, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListJobs, request, lambda page: page.jobs)

    def watch(self, *, rule: str = "", timeout: float | None = None) -> Iterator[pb.Job]:
        """The jobs that have not ended, then each one whenever it changes. Leaving the loop ends it."""
        for message in self._stream(self.stub.WatchJobs, pb.WatchJobsRequest(rule=rule), timeout):
            yield message.job

    def retry(self, name: str, *, with_new_actions: bool = False) -> pb.Job:
        """Have a dead or cancelled job go on where it ended. Raises NotFound, FailedPrecondition.

        `with_new_actions`: where its rule has other actions now, the job by which its item is run again.
        """
        request = pb.RetryJobRequest(name=name, with_new_actions=with_new_actions)
        return self._ask(self.stub.RetryJob, request).job

    def cancel(self, name: str) -> pb.Job:
        """End a job after the action that is under way. Raises NotFound, FailedPrecondition."""
        return self._ask(self.stub.CancelJob, pb.CancelJobRequest(name=name)).job


class AsyncRouteClient(AsyncCaller):
    """As `RouteClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: RouteServiceAsyncStub = RouteServiceStub(channel.raw)

    async def rules(self) -> list[pb.Rule]:
        """The rules in force, in the order of the configuration, and how they fare."""
        return list((await self._ask(self.stub.ListRules, pb.ListRulesRequest())).rules)

    async def check_rules(self, rules_yaml: str) -> pb.CheckRulesResponse:
        """As `RouteClient.check_rules`."""
        return await self._ask(self.stub.CheckRules, pb.CheckRulesRequest(rules_yaml=rules_yaml))

    async def dry_run(
        self, rules_yaml: str = "", *, since: datetime.timedelta | None = None, timeout: float | None = None
    ) -> AsyncIterator[DryEvent]:
        """As `RouteClient.dry_run`."""
        async for message in self._stream(self.stub.DryRun, _dry_run_request(rules_yaml, since), timeout):
            yield _event(message)

    async def explain(self, item: pb.Item) -> pb.ExplainItemResponse:
        """As `RouteClient.explain`."""
        return await self._ask(self.stub.ExplainItem, pb.ExplainItemRequest(item=item))

    async def run(self, rule: str, item: pb.Item, *, request_id: str = "") -> pb.Job:
        """As `RouteClient.run`."""
        return (await self._ask(self.stub.RunRule, _run_request(rule, item, request_id))).job

    async def backfill(
        self, rule: str, since: datetime.timedelta, *, timeout: float | None = None
    ) -> AsyncIterator[BackfillEvent]:
        """As `RouteClient.backfill`."""
        async for message in self._stream(self.stub.BackfillRule, _backfill_request(rule, since), timeout):
            yield _backfill_event(message)

    async def job(self, name: str) -> pb.Job:
        """One job as it stands. Raises NotFound."""
        return (await self._ask(self.stub.GetJob, pb.GetJobRequest(name=name))).job

    def jobs(self, *, state: pb.Job.State.ValueType = _ANY, rule: str = "") -> AsyncIterator[pb.Job]:
        """Jobs, newest first; those of one state or rule if told."""
        request = pb.ListJobsRequest(state=state, rule=rule, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListJobs, request, lambda page: page.jobs)

    async def watch(self, *, rule: str = "", timeout: float | None = None) -> AsyncIterator[pb.Job]:
        """As `RouteClient.watch`."""
        async for message in self._stream(self.stub.WatchJobs, pb.WatchJobsRequest(rule=rule), timeout):
            yield message.job

    async def retry(self, name: str, *, with_new_actions: bool = False) -> pb.Job:
        """As `RouteClient.retry`."""
        request = pb.RetryJobRequest(name=name, with_new_actions=with_new_actions)
        return (await self._ask(self.stub.RetryJob, request)).job

    async def cancel(self, name: str) -> pb.Job:
        """As `RouteClient.cancel`."""
        return (await self._ask(self.stub.CancelJob, pb.CancelJobRequest(name=name))).job


def _dry_run_request(rules_yaml: str, since: datetime.timedelta | None) -> pb.DryRunRequest:
    request = pb.DryRunRequest(rules_yaml=rules_yaml)
    if since is not None:
        request.since.CopyFrom(_span(since))
    return request


def _run_request(rule: str, item: pb.Item, request_id: str) -> pb.RunRuleRequest:
    return pb.RunRuleRequest(rule=rule, item=item, request_id=request_id or secrets.token_hex(16))


def _backfill_request(rule: str, since: datetime.timedelta) -> pb.BackfillRuleRequest:
    return pb.BackfillRuleRequest(rule=rule, since=_span(since))


def _span(since: datetime.timedelta) -> Duration:
    span = Duration()
    span.FromTimedelta(since)
    return span


def _backfill_event(message: pb.BackfillRuleResponse) -> BackfillEvent:
    match message.WhichOneof("event"):
        case "job":
            return message.job
        case "summary":
            return message.summary
        case _:
            raise BadAnswer("The service told of a backfill's job without saying which.")


def _event(message: pb.DryRunResponse) -> DryEvent:
    match message.WhichOneof("event"):
        case "job":
            return message.job
        case "summary":
            return message.summary
        case _:
            raise BadAnswer("The service told of a dry run's job without saying which.")
