"""What may hold an instance back: pixels in doubt, pixels that cannot be read, an identifier left. Somebody who has
looked at it may let it go in spite of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from diana_anon.core.pixels.model import CleanedPixels
from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.ports import Whole
from diana_anon.core.profile import PixelPolicy
from diana_anon.core.proof.quarantine import Why, Withheld
from diana_common.conditions import Header
from diana_common.errors import DianaError, Reason

_PATHS_TOLD = 20

_REASONS = {
    Reason.INSTANCE_QUARANTINED: Why.DOUBTFUL_PIXELS,
    Reason.PIXELS_UNREADABLE: Why.PIXELS_UNREADABLE,
}


class Releases(Protocol):
    """What was let go, of `ports.Quarantine`."""

    def released_by(self, source_sha256: str, profile_sha256: str, why: Why) -> str:
        """See `ports.Quarantine`."""
        ...


class Cleaner(Protocol):
    """Cleans pixels (core.pixels.cleaner)."""

    def clean(self, source: Whole, header: Header, policy: PixelPolicy) -> CleanedPixels | None:
        """What becomes of them; None if there are none. Raises INSTANCE_QUARANTINED, PIXELS_UNREADABLE, OCR_MISSING."""
        ...

    def clear_overlays(self, source: Whole, header: Header) -> CleanedPixels | None:
        """The same where overlays alone are taken out of unused bits. Raises PIXELS_UNREADABLE."""
        ...


@dataclass(slots=True)
class Gates:
    """The gates that one source passes, by its digest; `released_by` is who let it through, if anybody had to."""

    releases: Releases
    procedure: Procedure
    source_sha256: str
    released_by: str = ""

    def clean(self, cleaner: Cleaner, source: Whole, header: Header) -> CleanedPixels | None:
        """What becomes of the pixels. Raises Withheld, OCR_MISSING.

        Of a source that was released, what was found with whatever confidence is blanked; what cannot be cleaned even
        so stays as it is.
        """
        policy = self.procedure.profile.pixels
        try:
            return cleaner.clean(source, header, policy)
        except DianaError as error:
            if error.reason not in _REASONS:
                raise
            self._pass(_REASONS[error.reason], error.message, error.metadata.get("detail", error.message))
        try:
            return cleaner.clean(source, header, replace(policy, quarantine_below=0.0))
        except DianaError as error:
            if error.reason not in _REASONS:
                raise
            return None

    def clear_overlays(self, cleaner: Cleaner, source: Whole, header: Header) -> CleanedPixels | None:
        """What becomes of pixels that hold overlays. Raises Withheld; of a released source they stay."""
        try:
            return cleaner.clear_overlays(source, header)
        except DianaError as error:
            if error.reason not in _REASONS:
                raise
            self._pass(_REASONS[error.reason], error.message, error.metadata.get("detail", error.message))
        return None

    def check(self, left: Sequence[str]) -> None:
        """Raises Withheld for a result in which identifiers are left, at these tag paths."""
        if left:
            shown = ", ".join(left[:_PATHS_TOLD])
            more = f" and {len(left) - _PATHS_TOLD} more" if len(left) > _PATHS_TOLD else ""
            self._pass(Why.IDENTIFIER_LEFT, f"an identifier of the source is left in {shown}{more}", shown + more)

    def _pass(self, why: Why, message: str, detail: str) -> None:
        released_by = self.releases.released_by(self.source_sha256, self.procedure.digest, why)
        if not released_by:
            raise Withheld(why, self.source_sha256, message, detail)
        self.released_by = released_by
