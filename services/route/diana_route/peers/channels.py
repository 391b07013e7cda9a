"""Connections to the mesh's services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diana_client import Channel


@dataclass(frozen=True)
class Channels:
    """One to each service, made when it is first needed; the owner closes them."""

    archive: Channel
    index: Channel
    anon: Channel
    notify: Channel
    dimse: Channel
    archives: Mapping[str, Channel]
    """Other archives, by name."""
