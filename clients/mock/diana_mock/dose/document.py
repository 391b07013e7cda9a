"""The X-Ray Radiation Dose SR of a study (PS3.3 A.35.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydicom.uid import XRayRadiationDoseSRStorage

from diana_mock.codes import dcm
from diana_mock.documents import Document
from diana_mock.dose import ct, projection
from diana_mock.dose.events import CtEvent, ProjectionEvent
from diana_mock.studies import Plan, Study

SERIES = 501
"""Series Number of dose reports."""


def dose_report(study: Study, plans: Sequence[Plan]) -> Document | None:
    """What was given in a study, if anything was, and its device tells of it."""
    events = [plan.series.event(place) for plan in plans if plan.series.event for place in range(plan.series.events)]
    if not events or not study.device.service.rdsr:
        return None
    if isinstance(events[0], CtEvent):
        template, tree = "10011", ct.content(study, cast(list[CtEvent], events))
    else:
        template, tree = "10001", projection.content(study, cast(list[ProjectionEvent], events))
    named = tuple(
        (event.sop_class_uid, event.sop_instance_uid)
        for event in events
        if isinstance(event, ProjectionEvent) and event.sop_instance_uid
    )
    ended = max(plan.time(plan.series.count) for plan in plans)
    title = dcm("113701", "X-Ray Radiation Dose Report")
    return Document(
        study, SERIES, "Dose Report", XRayRadiationDoseSRStorage, ended, title, template, tree, evidence=named
    )
