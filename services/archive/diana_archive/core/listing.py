"""Lists, page by page, and counts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from diana_archive.core.finding import require_selected, study_not_found
from diana_archive.core.model import Instance, Selector, Series, State, Statistics, Study
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue
from diana_common.errors import DianaError, Reason

T = TypeVar("T")
DEFAULT_PAGE = 100
_LONGEST = 1024
_PLAIN = re.compile(r"[0-9.]{0,64}")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and what gets the next page: "" after the last."""

    items: list[T]
    next_token: str


class Listing:
    """Lists of one archive. All raise STORE_UNKNOWN, and PAGE_TOKEN_INVALID for a token of another request."""

    def __init__(self, catalogue: Catalogue, policies: Policies) -> None:
        self._catalogue = catalogue
        self._policies = policies

    def study(self, store: str, study_uid: str) -> Study:
        """One study. Raises STUDY_NOT_FOUND."""
        name = self._policies.find(store).name
        with self._catalogue.snapshot() as snapshot:
            study = snapshot.study(name, study_uid)
        if study is None:
            raise study_not_found()
        return study

    def studies(self, store: str, page_size: int, page_token: str) -> Page[Study]:
        """By Study Instance UID."""
        name = self._policies.find(store).name
        token = _Token("studies", name)
        (after,) = token.read(page_token) or [""]
        size = page_size or DEFAULT_PAGE
        with self._catalogue.snapshot() as snapshot:
            found, more = snapshot.studies(name, after, size)
        return Page(found, token.write(found[-1].study_uid) if more else "")

    def series(self, store: str, study_uid: str, page_size: int, page_token: str) -> Page[Series]:
        """By Series Instance UID. Raises STUDY_NOT_FOUND."""
        name = self._policies.find(store).name
        token = _Token("series", name, study_uid)
        (after,) = token.read(page_token) or [""]
        size = page_size or DEFAULT_PAGE
        with self._catalogue.snapshot() as snapshot:
            require_selected(snapshot, name, Selector(study_uid), (State.CURRENT,))
            found = snapshot.series(name, study_uid, after, size + 1)
        return Page(found[:size], token.write(found[size - 1].series_uid) if len(found) > size else "")

    def instances(
        self, store: str, study_uid: str, series_uid: str, show_all: bool, page_size: int, page_token: str
    ) -> Page[Instance]:
        """By Series Instance UID, SOP Instance UID and age. Raises STUDY_NOT_FOUND, SERIES_NOT_FOUND."""
        name = self._policies.find(store).name
        token = _Token("instances", name, study_uid, series_uid, show_all)
        after = token.read(page_token) or ["", "", "0"]
        size = page_size or DEFAULT_PAGE
        states = (State.CURRENT, State.OLDER, State.DELETED) if show_all else (State.CURRENT,)
        with self._catalogue.snapshot() as snapshot:
            require_selected(snapshot, name, Selector(study_uid, series_uid), states)
            found = snapshot.instances(name, study_uid, series_uid, states, (after[0], after[1], after[2]), size + 1)
        if len(found) <= size:
            return Page(found, "")
        last = found[size - 1]
        return Page(found[:size], token.write(last.series_uid, last.sop_instance_uid, str(last.sequence)))

    def statistics(self, store: str) -> Statistics:
        """Counts and sizes."""
        name = self._policies.find(store).name
        with self._catalogue.snapshot() as snapshot:
            return snapshot.statistics(name)


def _is_plain(part: object) -> bool:
    return isinstance(part, str) and _PLAIN.fullmatch(part) is not None


class _Token:
    """Page tokens of one request: where the page before ended, tied to the request's other fields."""

    def __init__(self, *fields: str | bool) -> None:
        self._request = hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]
        self._parts = 3 if fields[0] == "instances" else 1

    def read(self, token: str) -> list[str] | None:
        """Where to go on; None without a token."""
        if not token:
            return None
        try:
            request, *after = json.loads(base64.urlsafe_b64decode(token.encode())) if len(token) <= _LONGEST else [""]
        except (ValueError, TypeError):
            request, after = "", []
        if request != self._request or len(after) != self._parts or not all(_is_plain(part) for part in after):
            raise DianaError(Reason.PAGE_TOKEN_INVALID, "The page token is not from this request.")
        return after

    def write(self, *after: str) -> str:
        """The token that goes on after these."""
        return base64.urlsafe_b64encode(json.dumps([self._request, *after]).encode()).decode()
