"""What rules name that other services know: stores, profiles, templates, channels, peers, and what queries ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from diana_common.documents import Fault
from diana_common.errors import DianaError


class ReferenceKind(Enum):
    """What is named, in words for people."""

    STORE = "store"
    PROFILE = "profile"
    TEMPLATE = "template"
    CHANNEL = "channel"
    PEER = "peer"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, and where it stands."""

    kind: ReferenceKind
    name: str
    """Of a query: its text."""

    line: int
    field: str
    of: str = ""
    """Of a store: which other archive's it is, ours if empty. Of a query: the store that it is put to."""


class Directory(Protocol):
    """The services that know the names."""

    def fault(self, reference: Reference) -> str:
        """Why a name is none; empty if it is one. Raises DianaError where nobody could be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with rules; a warning tells of what could not be looked at."""

    fault: Fault
    is_warning: bool = False


def look_up(references: Iterable[Reference], directory: Directory) -> Iterator[Finding]:
    """What the services say against references, and which they could not be asked about."""
    for one in references:
        try:
            wrong = directory.fault(one)
        except DianaError as error:
            what = f"{one.kind.value} {one.name!r}" if one.kind is not ReferenceKind.QUERY else "the query"
            yield Finding(Fault(one.line, one.field, f"{what} was not looked up: {error.message}"), is_warning=True)
        else:
            if wrong:
                yield Finding(Fault(one.line, one.field, wrong))
