"""The report of a dry run: from what it found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial

from diana_anon.core.planning import tables
from diana_anon.core.proof.findings import FindingsReader, Refusal
from diana_anon.core.proof.receipts import software
from diana_anon.core.reports.counts import previewed_counts
from diana_anon.core.reports.model import Acted, Facts, Held, Operations, Refused, Remaining, Report, Study, attribute


def previewed(operation: str, findings: FindingsReader, operations: Operations) -> Report | None:
    """The report; None if the operation was no dry run, or has been forgotten. Raises STORE_DAMAGED."""
    head = findings.head(operation)
    if head is None:
        return None
    conflicts, texts = findings.totals(operation)
    return Report(
        preview=True,
        facts=operations.facts(operation) or Facts(operation),
        basis={
            "profile": head.profile,
            "profile_sha256": head.profile_sha256,
            "standard": f"PS3.15 {tables.EDITION}",
            "software": software(),
            "domain": head.domain,
        },
        methods=head.methods,
        counts=asdict(previewed_counts(operation, findings, operations)) | {"conflicts": conflicts, "texts": texts},
        studies=lambda: (
            Study(one.new_study_uid, one.study_uid, one.instances, one.refused) for one in findings.studies(operation)
        ),
        actions=lambda: (Acted(path, attribute(path), act, n) for path, act, n in findings.actions(operation)),
        refused=partial(_refused, operation, findings),
        failed=partial(operations.failures, operation),
        held=partial(_held, operation, findings),
        conflicts=lambda: (_line(uid, one) for uid, one in findings.refusals(operation, conflicts=True)),
        texts=lambda: (Remaining(path, attribute(path), text, n) for path, text, n in findings.texts(operation)),
        proofs=lambda: iter(()),
        keys=(),
        left_out=sum(one.left_out for one in findings.studies(operation)),
    )


def _refused(operation: str, findings: FindingsReader) -> Iterator[Refused]:
    for uid, one in findings.refusals(operation, conflicts=False):
        if not one.held:
            yield _line(uid, one)


def _held(operation: str, findings: FindingsReader) -> Iterator[Held]:
    for uid, one in findings.refusals(operation, conflicts=False):
        if one.held:
            yield Held("", one.sop_instance_uid, uid, one.reason.lower(), one.detail or one.message, "")


def _line(study_uid: str, one: Refusal) -> Refused:
    return Refused(one.sop_instance_uid, study_uid, one.reason, one.message, one.detail)
