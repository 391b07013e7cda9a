"""Rules and what is said of them, to messages."""

from __future__ import annotations

from collections.abc import Mapping

from diana.route.v1 import route_service_pb2 as pb
from diana_route.core.checking import Checked
from diana_route.core.dry_run import DryJob
from diana_route.core.explaining import Explained
from diana_route.core.references import Finding
from diana_route.core.rulebook import Standing
from diana_route.core.words import action_text
from diana_route.wire.items import item_to_proto
from diana_route.wire.jobs import job_to_proto
from diana_server.times import timestamp


def rule_to_proto(standing: Standing) -> pb.Rule:
    """A rule and how it fares."""
    rule = standing.rule
    return pb.Rule(
        name=rule.name,
        place=rule.place,
        summary=rule.summary,
        waiting_count=standing.waiting_count,
        done_count=standing.done_count,
        dead_count=standing.dead_count,
        trouble=standing.trouble,
        stopped=standing.stopped,
    )


def checked_to_proto(checked: Checked) -> pb.CheckRulesResponse:
    """What is wrong with rules."""
    return pb.CheckRulesResponse(findings=map(_finding, checked.findings), rules=checked.rules)


def _finding(one: Finding) -> pb.RuleFinding:
    line, field, description = one.fault.line, one.fault.field, one.fault.description
    return pb.RuleFinding(line=line, field=field, description=description, is_warning=one.is_warning)


def dry_job_to_proto(job: DryJob) -> pb.DryRunResponse:
    """A job that would have been made."""
    actions = [action_text(spec) for spec in job.rule.actions]
    made = pb.DryJob(rule=job.rule.name, item=item_to_proto(job.item), time=timestamp(job.time), actions=actions)
    return pb.DryRunResponse(job=made)


def dry_summary_to_proto(entry_count: int, job_counts: Mapping[str, int]) -> pb.DryRunResponse:
    """The end of a dry run."""
    return pb.DryRunResponse(summary=pb.DryRunSummary(entry_count=entry_count, job_counts=job_counts))


def backfill_summary_to_proto(entry_count: int, job_count: int) -> pb.BackfillRuleResponse:
    """The end of a backfill."""
    summary = pb.BackfillSummary(entry_count=entry_count, job_count=job_count)
    return pb.BackfillRuleResponse(summary=summary)


def explained_to_proto(explained: Explained) -> pb.ExplainItemResponse:
    """What becomes of an item."""
    return pb.ExplainItemResponse(
        explanations=[
            pb.Explanation(rule=rule, fires=verdict.fires, reason=verdict.reason)
            for rule, verdict in explained.verdicts
        ],
        jobs=[job_to_proto(job) for job in explained.jobs],
    )
