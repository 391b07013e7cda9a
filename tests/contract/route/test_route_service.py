"""The contract of RouteService, on a real server with real folders; nobody answers it, so that its jobs wait."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from diana.route.v1 import route_service_pb2 as pb
from diana.route.v1.route_service_pb2_grpc import RouteServiceStub
from diana_common.errors import DianaError, Reason
from tests.contract.guid.refusals import refused
from tests.contract.route.conftest import RULES, Serve
from tests.support.awaiting import awaited
from tests.support.dicom_files import make_small

STUDY = pb.Item(study=pb.StudyItem(store="inbox", study_uid="1.2"))


def explain(item: pb.Item) -> pb.ExplainItemRequest:
    return pb.ExplainItemRequest(item=item)


def listed(stub: RouteServiceStub, state: str = "UNSPECIFIED", rule: str = "") -> list[pb.Job]:
    wanted = pb.Job.State.Value(f"STATE_{state}")
    return list(stub.ListJobs(pb.ListJobsRequest(state=wanted, rule=rule)).jobs)


def file(rule: str, path: str) -> pb.Item:
    return pb.Item(file=pb.FileItem(rule=rule, path=path))


def tried(stub: RouteServiceStub) -> bool:
    jobs = listed(stub)
    return bool(jobs) and jobs[0].steps[0].attempt_count > 0


def drained(call: Callable[[Any], Iterable[Any]]) -> Callable[[Any], list[Any]]:
    """A call whose answers are all read."""
    return lambda request: list(call(request))


@pytest.fixture
def waiting(stub: RouteServiceStub, incoming: Path) -> pb.Job:
    """A file's job whose first step has failed at least once."""
    (incoming / "in" / "a" / "one.dcm").write_bytes(make_small())
    assert awaited(lambda: tried(stub))
    return listed(stub)[0]


def test_rules_are_listed_with_their_places_and_counts(stub: RouteServiceStub, waiting: pb.Job, incoming: Path) -> None:
    intake, second = stub.ListRules(pb.ListRulesRequest()).rules
    assert (intake.name, intake.place) == ("intake", "rules.yaml line 2")
    assert intake.summary == f"{incoming}/in/{{site}} -> put inbox, notify $site, delete"
    assert (intake.waiting_count, intake.done_count, intake.dead_count) == (1, 0, 0)
    assert (second.waiting_count, second.trouble, second.stopped) == (0, "", False)


def test_a_rule_whose_folder_is_gone_is_in_trouble(stub: RouteServiceStub, incoming: Path) -> None:
    (incoming / "b").rmdir()
    assert awaited(lambda: "cannot be read" in stub.ListRules(pb.ListRulesRequest()).rules[1].trouble)
    (incoming / "b").mkdir()
    assert awaited(lambda: not stub.ListRules(pb.ListRulesRequest()).rules[1].trouble)


def test_a_job_waits_for_who_does_not_answer_and_says_so(stub: RouteServiceStub, waiting: pb.Job) -> None:
    job = stub.GetJob(pb.GetJobRequest(name=waiting.name)).job
    assert (job.rule, job.item, job.state) == ("intake", file("intake", "a/one.dcm"), pb.Job.STATE_WAITING)
    assert [step.action for step in job.steps] == ["put inbox", "notify $site", "delete"]
    assert "archive" in job.steps[0].last_error
    assert job.steps[0].HasField("next_attempt_time") and not job.steps[1].HasField("next_attempt_time")
    assert job.HasField("create_time") and not job.HasField("end_time")


def test_jobs_are_listed_newest_first_in_pages(stub: RouteServiceStub, incoming: Path) -> None:
    for number in range(5):
        (incoming / "b" / f"{number}.dcm").write_bytes(make_small())
    assert awaited(lambda: len(listed(stub)) == 5)
    request = pb.ListJobsRequest(page_size=2, rule="second")
    names: list[str] = []
    while True:
        page = stub.ListJobs(request)
        names += [job.name for job in page.jobs]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == [job.name for job in listed(stub)] and len(names) == 5
    assert listed(stub, rule="intake") == [] == listed(stub, "DONE")
    request.rule = ""
    assert refused(stub.ListJobs, request).reason == "PAGE_TOKEN_INVALID"


def test_a_cancelled_job_ends_and_can_be_retried(stub: RouteServiceStub, waiting: pb.Job) -> None:
    job = stub.CancelJob(pb.CancelJobRequest(name=waiting.name)).job
    assert job.state == pb.Job.STATE_CANCELLED and job.HasField("end_time")
    assert stub.CancelJob(pb.CancelJobRequest(name=waiting.name)).job.state == pb.Job.STATE_CANCELLED
    assert listed(stub, "WAITING") == []
    assert stub.RetryJob(pb.RetryJobRequest(name=waiting.name)).job.state == pb.Job.STATE_WAITING


def test_what_waits_survives_a_restart_but_goes_on_only_under_its_rule(serve: Serve, waiting: pb.Job) -> None:
    stub = serve()
    assert [job.name for job in listed(stub, "WAITING")] == [waiting.name]
    stub = serve(rules=RULES.replace("put: inbox", "put: elsewhere"))
    assert awaited(lambda: [job.name for job in listed(stub, "DEAD")] == [waiting.name])
    assert "has other actions" in listed(stub)[0].steps[0].last_error
    assert refused(stub.RetryJob, pb.RetryJobRequest(name=waiting.name)).reason == "RULE_CHANGED"
    stub = serve()
    assert stub.RetryJob(pb.RetryJobRequest(name=waiting.name)).job.state == pb.Job.STATE_WAITING


def test_what_died_under_other_actions_is_made_anew_once(serve: Serve, busy: str, waiting: pb.Job) -> None:
    stub = serve(rules=RULES.replace("put: inbox", "put: elsewhere"), archive={"address": busy})
    assert awaited(lambda: [job.name for job in listed(stub, "DEAD")] == [waiting.name])
    retry = pb.RetryJobRequest(name=waiting.name, with_new_actions=True)
    anew = stub.RetryJob(retry).job
    assert (anew.state, anew.steps[0].action, anew.item) == (pb.Job.STATE_WAITING, "put elsewhere", waiting.item)
    assert stub.RetryJob(retry).job.name == anew.name
    dead = stub.GetJob(pb.GetJobRequest(name=waiting.name)).job
    assert (dead.state, dead.successor) == (pb.Job.STATE_DEAD, anew.name)
    assert refused(stub.RetryJob, pb.RetryJobRequest(name=waiting.name)).reason == "JOB_ENDED"


def test_a_rule_is_run_on_a_file_once_a_request(stub: RouteServiceStub, waiting: pb.Job, incoming: Path) -> None:
    run = pb.RunRuleRequest(rule="intake", item=waiting.item, request_id="mine")
    assert refused(stub.RunRule, run).reason == "JOB_WAITING"
    stub.CancelJob(pb.CancelJobRequest(name=waiting.name))
    job = stub.RunRule(run).job
    assert (job.rule, job.item, job.state) == ("intake", waiting.item, pb.Job.STATE_WAITING)
    assert stub.RunRule(run).job.name == job.name
    (incoming / "in" / "a" / "mr.dcm").write_bytes(make_small(Modality="MR"))
    other = refused(stub.RunRule, pb.RunRuleRequest(rule="intake", item=file("intake", "a/mr.dcm")))
    assert other.reason == "RULE_NOT_FIRING"
    assert refused(stub.RunRule, pb.RunRuleRequest(rule="nobody", item=STUDY)).reason == "RULE_NOT_FOUND"
    assert refused(stub.RunRule, pb.RunRuleRequest(rule="intake")).reason == "INVALID_FIELD"


def test_only_a_rule_that_follows_a_store_is_made_up_for(stub: RouteServiceStub) -> None:
    backfill = drained(stub.BackfillRule)
    since = Duration(seconds=60)
    assert refused(backfill, pb.BackfillRuleRequest(rule="intake", since=since)).reason == "INVALID_FIELD"
    assert refused(backfill, pb.BackfillRuleRequest(rule="nobody", since=since)).reason == "RULE_NOT_FOUND"
    assert refused(backfill, pb.BackfillRuleRequest(rule="intake")).reason == "INVALID_FIELD"


def test_whoever_watches_hears_of_all_that_waits_and_of_every_change(
    stub: RouteServiceStub, waiting: pb.Job, incoming: Path
) -> None:
    watch = stub.WatchJobs(pb.WatchJobsRequest(rule="intake"))
    assert next(watch).job.name == waiting.name
    stub.CancelJob(pb.CancelJobRequest(name=waiting.name))
    states = (heard.job.state for heard in watch)
    assert pb.Job.STATE_CANCELLED in itertools.islice(states, 10)
    (incoming / "in" / "a" / "two.dcm").write_bytes(make_small())
    assert any(heard.job.item.file.path == "a/two.dcm" for heard in itertools.islice(watch, 10))
    watch.cancel()


def test_a_file_of_rules_can_be_checked_before_it_is_installed(stub: RouteServiceStub, incoming: Path) -> None:
    good = stub.CheckRules(pb.CheckRulesRequest(rules_yaml=RULES))
    assert list(good.rules) == ["intake", "second"] and all(one.is_warning for one in good.findings)
    assert [(one.line, one.field.rpartition(".")[2]) for one in good.findings] == [
        (6, "put"),
        (7, "template"),
        (11, "put"),
    ]
    assert good.findings[0].description == "store 'inbox' was not looked up: The archive does not answer."
    bad = stub.CheckRules(pb.CheckRulesRequest(rules_yaml="rules:\n  - name: a\n    sorce: {}\n    do: [putt: x]\n"))
    assert not bad.rules
    assert [(one.line, one.field) for one in bad.findings] == [
        (2, "rules[0].source"),
        (3, "rules[0].sorce"),
        (4, "rules[0].do[0]"),
    ]
    assert bad.findings[1].description == "is not a setting; did you mean 'source'?"


def test_the_environment_is_not_told_to_those_who_ask(stub: RouteServiceStub) -> None:
    asked = RULES.replace("${INCOMING}", "${PATH}")
    checked = stub.CheckRules(pb.CheckRulesRequest(rules_yaml=asked))
    assert [one.line for one in checked.findings if "environment" in one.description] == [3, 10]
    assert refused(drained(stub.DryRun), pb.DryRunRequest(rules_yaml=asked)).reason == "RULES_INVALID"
    unset = stub.CheckRules(pb.CheckRulesRequest(rules_yaml=RULES.replace("${INCOMING}", "${NO_SUCH_VARIABLE}")))
    assert (unset.findings[0].line, unset.findings[0].is_warning) == (3, False)
    assert unset.findings[0].description == "the environment variable NO_SUCH_VARIABLE is not set"


def test_a_file_is_explained_with_the_jobs_that_were_made_of_it(
    stub: RouteServiceStub, waiting: pb.Job, incoming: Path
) -> None:
    explained = stub.ExplainItem(explain(file("intake", "a/one.dcm")))
    assert [(one.rule, one.fires, one.reason) for one in explained.explanations] == [
        ("intake", True, "the condition holds: Modality = CT"),
        ("second", False, "it looks at the files of its own folder"),
    ]
    assert [job.name for job in explained.jobs] == [waiting.name]
    assert refused(stub.ExplainItem, explain(file("intake", "a/../../rules.yaml"))).reason == "SOURCE_NOT_FOUND"
    assert refused(stub.ExplainItem, explain(file("nobody", "a/one.dcm"))).reason == "SOURCE_NOT_FOUND"


def test_what_the_archive_would_have_to_say_is_not_guessed(serve: Serve) -> None:
    stub = serve(rules="rules: [{name: a, source: {store: inbox}, do: [{webhook: 'http://a.example'}]}]")
    assert refused(stub.ExplainItem, explain(STUDY)).reason == "PEER_UNAVAILABLE"
    assert refused(drained(stub.DryRun), pb.DryRunRequest()).reason == "PEER_UNAVAILABLE"


def test_a_dry_run_of_rules_that_follow_nothing_finds_nothing(stub: RouteServiceStub) -> None:
    [only] = stub.DryRun(pb.DryRunRequest(since=Duration(seconds=60)))
    assert only.summary == pb.DryRunSummary()


def test_a_dry_run_of_bad_rules_names_their_lines(stub: RouteServiceStub) -> None:
    assert refused(drained(stub.DryRun), pb.DryRunRequest(rules_yaml="rules: 3")).reason == "RULES_INVALID"


@pytest.mark.parametrize(
    "item",
    [
        pb.Item(),
        pb.Item(study=pb.StudyItem(store="Inbox", study_uid="1.2")),
        pb.Item(study=pb.StudyItem(store="inbox", study_uid="PATIENT")),
        pb.Item(file=pb.FileItem(rule="intake")),
    ],
)
def test_what_names_nothing_is_refused(stub: RouteServiceStub, item: pb.Item) -> None:
    assert refused(stub.ExplainItem, explain(item)).reason == "INVALID_FIELD"


def test_a_job_that_is_not_there_is_not_found(stub: RouteServiceStub) -> None:
    assert refused(stub.GetJob, pb.GetJobRequest(name="jobs/none")).reason == "JOB_NOT_FOUND"
    assert refused(stub.RetryJob, pb.RetryJobRequest(name="jobs/none")).reason == "JOB_NOT_FOUND"
    assert refused(stub.CancelJob, pb.CancelJobRequest(name="jobs/none")).reason == "JOB_NOT_FOUND"


def test_a_service_with_bad_rules_does_not_start(serve: Serve) -> None:
    with pytest.raises(DianaError) as error:
        serve(rules="rules: [{name: a}]")
    assert error.value.reason is Reason.RULES_INVALID and error.value.message.startswith("rules.yaml: line 1")
    with pytest.raises(DianaError) as error:
        serve(rules_file="/nowhere/rules.yaml")
    assert error.value.reason is Reason.CONFIG_INVALID
