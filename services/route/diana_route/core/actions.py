"""What is done with an item: the actions, as the core knows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from diana_common.attempts import Failed, Postponed
from diana_route.core.model import Item, Task


class UnderWay(Postponed):
    """Another service is at it, and was waited for a moment."""


class Action(Protocol):
    """One action of one rule, ready to be carried out. Safe to share between threads."""

    def target(self, item: Item) -> str:
        """What fails together with others: "archive", "peer PACS", "notify". Nothing waits behind another's."""
        ...

    def carry_out(self, task: Task) -> None:
        """Do it, and return once it is confirmed; bounded in time: what takes longer notes how far it is (a memo in the
        journal) and raises Postponed or Unreachable, to be asked again.

        At every attempt of one task `task.request_id` is the same. Raises diana_common.attempts.Failed.
        """
        ...


class Joint(ABC):
    """An action that does many tasks of files (`Task.companions`) at less than what each alone would cost."""

    def carry_out(self, task: Task) -> None:
        """See Action."""
        (failed,) = self.carry_out_all([task])
        if failed is not None:
            raise failed

    @abstractmethod
    def carry_out_all(self, tasks: Sequence[Task]) -> Sequence[Failed | None]:
        """What became of each, in order: None where it is done and confirmed. Each task is without companions."""
