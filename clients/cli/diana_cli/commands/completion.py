"""completion: the script with which a shell completes diana-cli's command lines."""

from __future__ import annotations

import rich_click as click
from click.shell_completion import FishComplete, ShellComplete, ZshComplete

from diana_cli.chain import Flow, Stage, Takes, show_nothing
from diana_cli.completion import Bash
from diana_cli.session import Session

_NAME = "diana-cli"
_SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": FishComplete}


@click.command(
    "completion", epilog="Example: diana-cli completion bash > ~/.local/share/bash-completion/completions/diana-cli"
)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> Stage:
    """Print the script that makes a shell complete verbs, options, values and endpoints.

    Nothing is contacted while it completes; services are those of --services, DIANA_SERVICES or the running mesh.
    """
    script = _SHELLS[shell](ctx.find_root().command, {}, _NAME, "_DIANA_CLI_COMPLETE").source()

    def run(session: Session, _: Flow | None) -> Flow:
        session.echo(script)
        yield from ()

    return Stage("completion", Takes.ALONE, run, show_nothing)


COMMANDS = (completion,)
