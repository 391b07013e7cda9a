"""Rules, as they are once their text was read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from diana_common.conditions import Condition


class Event(Enum):
    """What of a store's feed a rule waits for."""

    STUDY_COMPLETED = "study_completed"
    """A study is believed complete; once more after late instances. The condition is asked of one instance a series,
    and holds where it does for any."""

    INSTANCE_STORED = "instance_stored"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The files below a directory, and what is in its zips."""

    path: Path
    layout: str = ""
    """Names of the directories below it, each an attribute: "{site}/{trial}"; what lies elsewhere is left alone."""

    settle_seconds: float = 2.0
    """A file is whole when neither its size nor its time changed for so long."""

    poll_seconds: float = 1.0
    empty_seconds: float = 3_600.0
    """A rule that deletes removes directories below the layout's own that were empty and unchanged for so long."""


@dataclass(frozen=True, slots=True)
class FeedSource:
    """What happens in a store of the archive."""

    store: str
    event: Event = Event.STUDY_COMPLETED


@dataclass(frozen=True, slots=True)
class QuerySource:
    """The studies that a query to the index finds, on a schedule; each once, until it is found no more and again."""

    store: str
    query: str
    """A filter of the index (docs/queries.md), over studies."""

    every_seconds: float


Source = FolderSource | FeedSource | QuerySource


@dataclass(frozen=True, slots=True)
class Put:
    """Store a file's instances."""

    store: str


@dataclass(frozen=True, slots=True)
class Anonymize:
    """De-identify a study into another store."""

    to: str
    profile: str = ""
    attributes: Mapping[str, str] | None = None
    """Plain attributes of the new study; `$site` takes the item's."""

    copied: Sequence[str] = ()
    """Plain attributes that the new study takes over from the item."""

    sealed: Sequence[str] = ()
    """Keywords of attributes of the original whose values are sealed into the new study, as its signature."""


@dataclass(frozen=True, slots=True)
class Index:
    """Register a folder's file where it lies, in the index's folder registry."""

    folder: str
    """The folder as the registry has it: its absolute path where the index runs."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a study or an instance on: to a DICOM peer, another archive of ours, a folder, an endpoint. One is set."""

    peer: str = ""
    archive: str = ""
    folder: str = ""
    endpoint: str = ""
    """An endpoint of the service's configuration."""

    store: str = ""
    """The other archive's store."""

    commit: bool = False
    """Have a DICOM peer commit itself to keep what it took (PS3.4 Annex J)."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell a channel's subscribers."""

    channel: str
    """`$trial-$site` takes the item's attributes."""

    template: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """Tell another system, by a message of the notify service's to this URL."""

    url: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the item from its source, once all that was made of it before is confirmed where it went."""

    unconfirmed: bool = False
    """Also where all that is known is that a DICOM peer took it: it neither commits itself nor answers queries."""


Spec = Put | Anonymize | Index | Send | Notify | Webhook | Delete


@dataclass(frozen=True, slots=True)
class Rule:
    """A source, a condition and actions."""

    name: str
    place: str
    """Where it stands: "rules.yaml line 12"."""

    source: Source
    when: Condition | None
    when_text: str
    actions: Sequence[Spec]
    digest: str
    """Of the actions: jobs of another one cannot go on."""

    summary: str
    """For people: "/incoming/{site}/{trial} -> put inbox, delete"."""

    when_parts: Sequence[tuple[str, Condition]] = ()
    """The conditions that `when` joins with AND, each with its text; empty where it is asked as a whole."""
