"""The router's clients against a servicer of a few lines."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2

from diana.route.v1 import route_service_pb2 as pb
from diana.route.v1.route_service_pb2_grpc import RouteServiceServicer, add_RouteServiceServicer_to_server
from diana_client import AsyncRouteClient, BadAnswer, NotFound, RouteClient, connect, connect_async
from diana_client.route import file_item, instance_item, study_item
from tests.contract.client.conftest import Serve
from tests.contract.client.fake_archive import refuse, status_of

JOBS = 1500


class FakeRoute(RouteServiceServicer):
    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.events = [
            pb.DryRunResponse(job=pb.DryJob(rule="a")),
            pb.DryRunResponse(summary=pb.DryRunSummary(entry_count=9)),
        ]
        self.backfilled = [
            pb.BackfillRuleResponse(job=pb.Job(name="jobs/1")),
            pb.BackfillRuleResponse(summary=pb.BackfillSummary(entry_count=9, job_count=1)),
        ]

    def ListRules(self, request: pb.ListRulesRequest, context: grpc.ServicerContext) -> pb.ListRulesResponse:
        return pb.ListRulesResponse(rules=[pb.Rule(name="a"), pb.Rule(name="b")])

    def CheckRules(self, request: pb.CheckRulesRequest, context: grpc.ServicerContext) -> pb.CheckRulesResponse:
        return pb.CheckRulesResponse(findings=[pb.RuleFinding(line=2, field="rules", description=request.rules_yaml)])

    def DryRun(self, request: pb.DryRunRequest, context: grpc.ServicerContext) -> Iterator[pb.DryRunResponse]:
        self.requests.append(request)
        yield from self.events

    def ExplainItem(self, request: pb.ExplainItemRequest, context: grpc.ServicerContext) -> pb.ExplainItemResponse:
        self.requests.append(request)
        return pb.ExplainItemResponse(explanations=[pb.Explanation(rule="a", fires=True)])

    def GetJob(self, request: pb.GetJobRequest, context: grpc.ServicerContext) -> pb.GetJobResponse:
        if request.name != "jobs/1":
            refuse(context, status_of(code_pb2.NOT_FOUND, "JOB_NOT_FOUND", "None."))
        return pb.GetJobResponse(job=pb.Job(name=request.name))

    def ListJobs(self, request: pb.ListJobsRequest, context: grpc.ServicerContext) -> pb.ListJobsResponse:
        self.requests.append(request)
        start = int(request.page_token or 0)
        end = min(start + request.page_size, JOBS)
        jobs = [pb.Job(name=f"jobs/{number}") for number in range(start, end)]
        return pb.ListJobsResponse(jobs=jobs, next_page_token=str(end) if end < JOBS else "")

    def WatchJobs(self, request: pb.WatchJobsRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchJobsResponse]:
        for number in range(3):
            yield pb.WatchJobsResponse(job=pb.Job(name=f"jobs/{number}", rule=request.rule))

    def RunRule(self, request: pb.RunRuleRequest, context: grpc.ServicerContext) -> pb.RunRuleResponse:
        self.requests.append(request)
        return pb.RunRuleResponse(job=pb.Job(name="jobs/1", rule=request.rule, item=request.item))

    def BackfillRule(
        self, request: pb.BackfillRuleRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.BackfillRuleResponse]:
        self.requests.append(request)
        yield from self.backfilled

    def RetryJob(self, request: pb.RetryJobRequest, context: grpc.ServicerContext) -> pb.RetryJobResponse:
        self.requests.append(request)
        return pb.RetryJobResponse(job=pb.Job(name=request.name, state=pb.Job.STATE_WAITING))

    def CancelJob(self, request: pb.CancelJobRequest, context: grpc.ServicerContext) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=pb.Job(name=request.name, state=pb.Job.STATE_CANCELLED))


@pytest.fixture
def fake() -> FakeRoute:
    return FakeRoute()


@pytest.fixture
def target(serve: Serve, fake: FakeRoute) -> str:
    return serve(add_RouteServiceServicer_to_server, fake)


@pytest.fixture
def route(target: str) -> Iterator[RouteClient]:
    with connect(target) as channel:
        yield RouteClient(channel)


def test_rules_are_listed_and_checked(route: RouteClient) -> None:
    assert [rule.name for rule in route.rules()] == ["a", "b"]
    [finding] = route.check_rules("rules: 1").findings
    assert (finding.line, finding.description) == (2, "rules: 1")


def test_a_dry_run_tells_jobs_and_last_how_much_was_looked_at(route: RouteClient, fake: FakeRoute) -> None:
    job, summary = route.dry_run("rules: []", since=datetime.timedelta(hours=3))
    assert (job, summary) == (pb.DryJob(rule="a"), pb.DryRunSummary(entry_count=9))
    list(route.dry_run())
    told, untold = fake.requests
    assert (told.rules_yaml, told.since.seconds) == ("rules: []", 3 * 3600)
    assert not untold.HasField("since")


def test_a_dry_runs_answer_that_says_nothing_is_a_bad_one(route: RouteClient, fake: FakeRoute) -> None:
    fake.events = [pb.DryRunResponse()]
    with pytest.raises(BadAnswer):
        list(route.dry_run())


def test_studies_instances_and_files_are_explained(route: RouteClient, fake: FakeRoute) -> None:
    for item in (study_item("1.2", "inbox"), instance_item("1.2.3"), file_item("intake", "a/b.dcm")):
        assert route.explain(item).explanations[0].fires
    asked = [request.item for request in fake.requests]
    assert (asked[0].study.store, asked[0].study.study_uid) == ("inbox", "1.2")
    assert (asked[1].instance.store, asked[1].instance.sop_instance_uid) == ("default", "1.2.3")
    assert (asked[2].file.rule, asked[2].file.path) == ("intake", "a/b.dcm")


def test_jobs_come_page_by_page(route: RouteClient, fake: FakeRoute) -> None:
    found = list(route.jobs(state=pb.Job.STATE_DEAD, rule="a"))
    assert [job.name for job in found] == [f"jobs/{number}" for number in range(JOBS)]
    assert [(one.state, one.rule, one.page_size) for one in fake.requests] == [(pb.Job.STATE_DEAD, "a", 1000)] * 2


def test_a_rule_is_run_under_a_request_id_of_each_call(route: RouteClient, fake: FakeRoute) -> None:
    item = study_item("1.2", "inbox")
    assert route.run("a", item).item == item
    route.run("a", item)
    route.run("a", item, request_id="mine")
    first, second, named = (request.request_id for request in fake.requests)
    assert first and second and first != second and named == "mine"


def test_a_backfill_tells_jobs_and_last_how_much_was_looked_at(route: RouteClient, fake: FakeRoute) -> None:
    job, summary = route.backfill("a", datetime.timedelta(days=30))
    assert (job, summary) == (pb.Job(name="jobs/1"), pb.BackfillSummary(entry_count=9, job_count=1))
    assert (fake.requests[0].rule, fake.requests[0].since.seconds) == ("a", 30 * 86_400)
    fake.backfilled = [pb.BackfillRuleResponse()]
    with pytest.raises(BadAnswer):
        list(route.backfill("a", datetime.timedelta(days=30)))


def test_a_job_is_retried_with_the_actions_that_its_rule_has_now(route: RouteClient, fake: FakeRoute) -> None:
    route.retry("jobs/1")
    route.retry("jobs/1", with_new_actions=True)
    assert [request.with_new_actions for request in fake.requests] == [False, True]


def test_a_job_is_shown_followed_retried_and_cancelled(route: RouteClient) -> None:
    assert route.job("jobs/1").name == "jobs/1"
    with pytest.raises(NotFound):
        route.job("jobs/2")
    assert [job.rule for job in route.watch(rule="a")] == ["a"] * 3
    assert route.retry("jobs/1").state == pb.Job.STATE_WAITING
    assert route.cancel("jobs/1").state == pb.Job.STATE_CANCELLED


async def test_the_router_answers_asynchronously_too(target: str) -> None:
    async with connect_async(target) as channel:
        client = AsyncRouteClient(channel)
        assert len(await client.rules()) == 2
        assert (await client.check_rules("x")).findings
        assert len([one async for one in client.dry_run()]) == 2
        assert (await client.explain(study_item("1.2"))).explanations
        assert (await client.run("a", study_item("1.2"))).name == "jobs/1"
        assert len([one async for one in client.backfill("a", datetime.timedelta(days=1))]) == 2
        assert (await client.job("jobs/1")).name == "jobs/1"
        assert len([one async for one in client.jobs()]) == JOBS
        assert len([one async for one in client.watch()]) == 3
        assert (await client.retry("jobs/1")).name == (await client.cancel("jobs/1")).name
