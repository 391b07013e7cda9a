"""Commands whose plain words may stand before their options, as people write them: `dispatch news --subject Hello`.

In a chain click takes whatever follows a command's first plain words for the next command. Here an argument that is
required takes its word whatever it is; one that is optional, or takes any number of words, takes none that is the
name of a command. What bears such a name is written ./NAME (a file), [NAME] (of an ARRAY), or NAME after --.
"""

from __future__ import annotations

from collections.abc import Collection

import rich_click as click


class Worded(click.RichCommand):
    """A chained command that takes its words before, between and after its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what is this command's own; what is left for the next ones is in `ctx.args`."""
        group = ctx.parent.command if ctx.parent else None
        options, words, rest = self._split(args, group.commands if isinstance(group, click.Group) else ())
        ctx.allow_interspersed_args = True
        super().parse_args(ctx, [*options, *words] if "--" in options else [*words, *options])
        ctx.args = rest
        return rest

    def _split(self, args: list[str], commands: Collection[str]) -> tuple[list[str], list[str], list[str]]:
        """This command's options with their values, its words, and what comes after."""
        options: list[str] = []
        words: list[str] = []
        place, dashed = 0, False
        while place < len(args):
            arg = args[place]
            if arg.startswith("-") and len(arg) > 1 and not dashed:
                dashed = arg == "--"
                end = place + 1 + self._values(arg)
                options += args[place:end]
                place = end
            elif self._takes(len(words), arg in commands and not dashed):
                words.append(arg)
                place += 1
            else:
                break
        return options, words, args[place:]

    def _values(self, arg: str) -> int:
        """How many values follow an option that is written like this."""
        for option in self.params:
            if isinstance(option, click.Option) and arg in option.opts:
                return 0 if option.is_flag else option.nargs
        return 0

    def _takes(self, count: int, is_command: bool) -> bool:
        """Whether, after so many words, another one is this command's own."""
        arguments = [param for param in self.params if isinstance(param, click.Argument)]
        needed = sum(one.nargs for one in arguments if one.required and one.nargs > 0)
        most = sum(one.nargs for one in arguments if one.nargs > 0)
        return count < needed or (not is_command and (count < most or any(one.nargs < 0 for one in arguments)))
