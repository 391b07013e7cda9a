"""What the archive is told of studies beside their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from diana_dimse.core.intake.receiving import Origin


class Evidence(Protocol):
    """The archive, as far as it weighs what doors know of a study's completeness. Raises DianaError."""

    def session_ended(self, origin: Origin, study_uid: str, session: str, released: bool, instance_count: int) -> None:
        """An association that carried so many instances of a study has ended, in order or not."""
        ...

    def describe(self, origin: Origin, study_uid: str, attributes: Mapping[str, str]) -> None:
        """Give a study plain attributes."""
        ...
