"""What templates may name of a study, read from the archive only where one does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from diana_notify.core.model import StudyRef


class Studies(Protocol):
    """What is known of studies."""

    def facts(self, study: StudyRef) -> Mapping[str, object]:
        """`store`, `study_uid`, `attributes`, and the header of one of its instances, as text by keyword.

        Raises DianaError STUDY_NOT_FOUND, PEER_UNAVAILABLE, and what else the archive refuses.
        """
        ...
