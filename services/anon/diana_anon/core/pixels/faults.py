"""The refusals of this package."""

from __future__ import annotations

from collections.abc import Sequence

from diana_anon.core.pixels.model import Finding
from diana_common.errors import DianaError, Reason

_SHOWN = 10
"""Findings that a refusal tells of."""


def unreadable(what: str) -> DianaError:
    """PIXELS_UNREADABLE: the pixels had to be cleaned, and cannot be."""
    return DianaError(Reason.PIXELS_UNREADABLE, f"the pixels cannot be cleaned: {what}")


def missing() -> DianaError:
    """OCR_MISSING: what decodes pixels and reads text is not installed."""
    return DianaError(Reason.OCR_MISSING, "what decodes pixels and reads text in them is not installed")


def doubtful(why: str, findings: Sequence[Finding] = ()) -> DianaError:
    """INSTANCE_QUARANTINED; its metadata's `detail` names frames, regions and confidences, never what was read."""
    return DianaError(
        Reason.INSTANCE_QUARANTINED,
        f"the pixels are in doubt: {why}",
        metadata={
            "quarantine_reason": "DOUBTFUL_PIXELS",
            "detail": "; ".join(map(_told, findings[:_SHOWN])) or why,
        },
    )


def _told(finding: Finding) -> str:
    region = finding.region
    place = f"columns {region.left}-{region.right - 1}, rows {region.top}-{region.bottom - 1}"
    return f"frame {finding.frame + 1}: {place}: confidence {finding.confidence:.2f}"
