"""Commands whose first word says what to do: `cohort list`. In a chain click allows no group within the group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rich_click as click


class Actions(click.RichCommand):
    """A chained command that is one of several, by its first word."""

    def __init__(self, name: str, actions: Sequence[click.Command], about: str, epilog: str) -> None:
        self.actions: Mapping[str, click.Command] = {str(one.name): one for one in actions}
        self.about = about
        width = max(map(len, self.actions)) + 2
        listed = "\n".join(f"{key:<{width}}{one.get_short_help_str(60)}" for key, one in self.actions.items())
        super().__init__(
            name=name,
            help=f"{about}\n\n\b\n{listed}",
            epilog=epilog,
            params=[click.Argument(["action"], type=click.Choice(list(self.actions)), metavar="ACTION")],
        )

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the action that the first word names; its own, where that is none, to say so."""
        action = self.actions.get(args[0]) if args else None
        if action is None:
            return super().make_context(info_name, args, parent, **extra)
        return action.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
