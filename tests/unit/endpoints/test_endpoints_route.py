"""What the router is asked by a command line's words, and what is told of its rules and jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from diana.route.v1 import route_service_pb2 as pb
from diana_common.errors import DianaError, Reason
from diana_endpoints.route import Route, RouteSettings, item_of
from diana_endpoints.route_jobs import job_item, word_of

TIME = Timestamp(seconds=1_700_000_000, nanos=5_000_000)
JOB = pb.Job(
    name="jobs/a1",
    rule="intake",
    item=pb.Item(file=pb.FileItem(rule="intake", path="site/a.dcm")),
    state=pb.Job.STATE_WAITING,
    steps=[
        pb.Step(action="put inbox", done=True, attempt_count=1),
        pb.Step(action="delete", attempt_count=2, last_error="in use", next_attempt_time=TIME),
    ],
    create_time=TIME,
    stored_count=3,
)


class Client:
    """A router that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.findings: list[pb.RuleFinding] = []

    def rules(self) -> list[pb.Rule]:
        return [pb.Rule(name="a", waiting_count=2), pb.Rule(name="b", trouble="away"), pb.Rule(name="c", stopped=True)]

    def check_rules(self, text: str) -> pb.CheckRulesResponse:
        return pb.CheckRulesResponse(findings=self.findings, rules=["a"])

    def dry_run(self, text: str, *, since: timedelta | None) -> Iterator[pb.DryJob | pb.DryRunSummary]:
        self.asked.append((text, since))
        yield pb.DryJob(rule="a", item=item_of("study:inbox/1.2"), time=TIME, actions=["put x"])
        yield pb.DryRunSummary(entry_count=4, job_counts={"b": 2, "a": 1})

    def explain(self, item: pb.Item) -> pb.ExplainItemResponse:
        self.asked.append((item,))
        return pb.ExplainItemResponse(explanations=[pb.Explanation(rule="a", reason="no")], jobs=[JOB])

    def backfill(self, rule: str, since: timedelta) -> Iterator[pb.Job | pb.BackfillSummary]:
        self.asked.append((rule, since))
        yield JOB
        yield pb.BackfillSummary(entry_count=4, job_count=1)

    def jobs(self, *, state: int, rule: str) -> Iterator[pb.Job]:
        self.asked.append((state, rule))
        yield JOB

    def watch(self, *, rule: str) -> Iterator[pb.Job]:
        yield JOB

    def __getattr__(self, name: str) -> Any:
        def change(*named: Any, **how: Any) -> pb.Job:
            self.asked.append((name, *named, *(key for key, value in how.items() if value)))
            return JOB

        return change


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def route(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Route]:
    endpoint = Route(RouteSettings("127.0.0.1:1"))
    monkeypatch.setattr(endpoint, "_client", client)
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize("word", ["study:inbox/1.2", "instance:inbox/1.2.3", "file:intake/site/trial/a b.zip"])
def test_an_item_is_named_by_a_word_and_told_by_the_same(word: str) -> None:
    assert word_of(item_of(word)) == word


def test_a_study_without_a_store_is_one_of_the_default_store() -> None:
    assert word_of(item_of("study:1.2")) == "study:default/1.2"


@pytest.mark.parametrize(("word", "hint"), [("studi:1.2", "did you mean 'study:'"), ("file:a", "file:RULE/PATH")])
def test_what_names_no_item_is_refused_with_a_hint(word: str, hint: str) -> None:
    with pytest.raises(DianaError, match=hint) as caught:
        item_of(word)
    assert caught.value.reason is Reason.INVALID_FIELD


def test_rules_are_told_with_their_state(route: Route) -> None:
    assert [(item.meta["rule"], item.meta["state"]) for item in route.rules()] == [
        ("a", "ok"),
        ("b", "in trouble"),
        ("c", "stopped"),
    ]


def test_a_text_is_good_or_has_faults(route: Route, client: Client) -> None:
    assert [item.meta for item in route.check_rules("x")] == [{"outcome": "good", "rules": ["a"]}]
    client.findings = [pb.RuleFinding(line=2, field="rules", description="bad")]
    [fault] = route.check_rules("x")
    assert fault.meta == {"outcome": "faulty", "line": 2, "field": "rules", "description": "bad"}
    client.findings = [pb.RuleFinding(line=2, field="rules", description="unasked", is_warning=True)]
    warning, good = route.check_rules("x")
    assert (warning.meta["outcome"], good.meta["outcome"]) == ("warning", "good")


def test_a_dry_run_ends_with_its_counts(route: Route, client: Client) -> None:
    job, summary = route.dry_run("text", timedelta(days=1))
    assert client.asked == [("text", timedelta(days=1))]
    assert (job.meta["item"], job.meta["time"]) == ("study:inbox/1.2", "2023-11-14T22:13:20.005Z")
    assert summary.meta == {"outcome": "looked_at", "entries": 4, "jobs": {"a": 1, "b": 2}}


def test_a_backfill_ends_with_its_counts(route: Route, client: Client) -> None:
    job, summary = route.backfill("intake", timedelta(days=30))
    assert client.asked == [("intake", timedelta(days=30))]
    assert job.meta["job"] == "jobs/a1"
    assert summary.meta == {"outcome": "looked_at", "entries": 4, "jobs": 1}


def test_a_rule_is_run_on_an_item(route: Route, client: Client) -> None:
    assert route.run_rule("intake", "study:inbox/1.2").meta["job"] == "jobs/a1"
    assert client.asked == [("run", "intake", item_of("study:inbox/1.2"))]


def test_a_job_tells_what_took_its_place() -> None:
    assert job_item(pb.Job(successor="jobs/b2")).meta["successor"] == "jobs/b2"


def test_a_job_is_told_by_its_current_step(route: Route, client: Client) -> None:
    [item] = route.jobs("dead", "intake")
    assert client.asked == [(pb.Job.STATE_DEAD, "intake")]
    told = {key: value for key, value in item.meta.items() if key != "steps"}
    assert told == {
        "job": "jobs/a1",
        "state": "waiting",
        "rule": "intake",
        "item": "file:intake/site/a.dcm",
        "step": "delete",
        "attempts": 2,
        "last_error": "in use",
        "created": "2023-11-14T22:13:20.005Z",
        "next_attempt": "2023-11-14T22:13:20.005Z",
        "stored": 3,
        "refused": 0,
    }
    assert [step["done"] for step in item.meta["steps"]] == [True, False]
    assert [one.meta["job"] for one in route.watch_jobs()] == ["jobs/a1"]


def test_an_explanation_is_followed_by_the_jobs(route: Route) -> None:
    explanation, job = route.explain("study:inbox/1.2")
    assert explanation.meta == {"rule": "a", "fires": False, "reason": "no"}
    assert job.meta["job"] == "jobs/a1"


def test_a_job_is_named_with_or_without_its_collection(route: Route, client: Client) -> None:
    route.job("a1")
    route.retry_job("jobs/a1")
    route.cancel_job("a1")
    route.retry_job("a1", with_new_actions=True)
    assert client.asked == [
        ("job", "jobs/a1"),
        ("retry", "jobs/a1"),
        ("cancel", "jobs/a1"),
        ("retry", "jobs/a1", "with_new_actions"),
    ]
