"""Rules in words, for people: a line for a rule, a few words for an action."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from diana_route.core.rules import (
    Anonymize,
    Delete,
    Event,
    FeedSource,
    FolderSource,
    Index,
    Notify,
    Put,
    Send,
    Source,
    Spec,
    Webhook,
)


def rule_text(source: Source, actions: Sequence[Spec]) -> str:
    """What a rule does, in a line: "/incoming/{site}/{trial} -> put inbox, delete"."""
    return f"{_source_text(source)} -> {', '.join(map(action_text, actions))}"


def action_text(spec: Spec) -> str:
    """What an action does, as jobs show it: "put inbox"."""
    match spec:
        case Put():
            return f"put {spec.store}"
        case Anonymize():
            return f"anonymize to {spec.to}"
        case Index():
            return f"index {spec.folder}"
        case Send():
            return f"send to {_target_text(spec)}"
        case Notify():
            return f"notify {spec.channel}"
        case Webhook():
            return f"webhook {urlsplit(spec.url).hostname}"  # the rest of a URL may hold a secret
        case Delete():
            return "delete"


def _target_text(spec: Send) -> str:
    if spec.peer:
        return spec.peer
    if spec.archive:
        return f"archive {spec.archive} store {spec.store}"
    return f"endpoint {spec.endpoint}" if spec.endpoint else f"folder {spec.folder}"


def _source_text(source: Source) -> str:
    match source:
        case FolderSource():
            return f"{source.path}/{source.layout}" if source.layout else str(source.path)
        case FeedSource(event=Event.INSTANCE_STORED):
            return f"each instance of {source.store}"
        case FeedSource():
            return f"each study of {source.store}"
    return f"studies of {source.store} that a query finds"
