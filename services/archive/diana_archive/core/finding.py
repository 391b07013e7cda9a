"""Whether what a selector names is there."""

from __future__ import annotations

from collections.abc import Sequence

from diana_archive.core.model import Selector, State
from diana_archive.core.ports import Snapshot
from diana_common.errors import DianaError, Reason


def study_not_found() -> DianaError:
    """STUDY_NOT_FOUND."""
    return DianaError(Reason.STUDY_NOT_FOUND, "The store holds no such study.")


def series_not_found() -> DianaError:
    """SERIES_NOT_FOUND."""
    return DianaError(Reason.SERIES_NOT_FOUND, "The study has no such series.")


def require_selected(snapshot: Snapshot, store: str, selector: Selector, states: Sequence[State]) -> None:
    """Raises DianaError when there is nothing, or when one instance that is named is not there.

    STUDY_NOT_FOUND, SERIES_NOT_FOUND or INSTANCE_NOT_FOUND, for the highest level that is missing.
    """
    if selector.study_uid and not snapshot.exists(store, Selector(selector.study_uid), states):
        raise study_not_found()
    if selector.series_uid and not snapshot.exists(store, Selector(selector.study_uid, selector.series_uid), states):
        raise series_not_found()
    if selector.sop_instance_uids:
        found = snapshot.selected_uids(store, selector, states)
        absent = sorted(set(selector.sop_instance_uids) - found)
        if absent:
            raise DianaError(
                Reason.INSTANCE_NOT_FOUND,
                f"{len(absent)} of the instances named are not there.",
                metadata={"sop_instance_uid": absent[0]},
            )
