"""What rules do with the files of their folders: `put` and `delete`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from diana_client import ArchiveClient, Channel
from diana_route.core.actions import Action
from diana_route.core.journal import Journal
from diana_route.core.rules import Delete, Put, Rule
from diana_route.core.watched import WatchedFolders
from diana_route.peers.clearing import DeleteFiles
from diana_route.peers.putting import PutFiles


class FileActions:
    """peers.actions.Other."""

    def __init__(
        self, archive: Channel, watched: WatchedFolders, journal: Journal, stopping: Callable[[], bool]
    ) -> None:
        """`stopping`: whether to read no further files."""
        self._archive = ArchiveClient(archive)
        self._watched = watched
        self._journal = journal
        self._stopping = stopping

    def __call__(self, rule: Rule, spec: Put | Delete) -> Action:
        """The action. Raises KeyError for a rule without a folder."""
        folder = self._watched.folder(rule.name)
        if isinstance(spec, Put):
            return PutFiles(self._archive, folder, self._journal, spec.store, rule.when, self._stopping)
        stores = [one.store for one in rule.actions if isinstance(one, Put)]
        return DeleteFiles(self._archive, folder, stores, partial(self._watched.forget, rule.name))
