"""The page of the command line."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from diana_cli.actions import Actions
from diana_cli.app import cli
from tools.reference.examples import Example, example_of, examples
from tools.reference.markdown import GENERATED, anchor, escape, prose, table

_NAME = "diana-cli"
_EXAMPLE = "Example: "


def make_page() -> str:
    """The page's text. Raises ValueError for a command without help or example."""
    names = sorted(cli.commands)
    typed = examples()
    overview = _table("command", _NAME, {name: cli.commands[name] for name in names})
    sections = "".join(_sections(cli.commands[name], f"{_NAME} {name}", typed) for name in names)
    return GENERATED + _section(cli, _NAME, "#") + overview + sections


def leaves() -> list[str]:
    """Every command, or each action of one that has actions: "diana-cli find", "diana-cli cohort list"."""
    return [path for name in sorted(cli.commands) for path in _leaves(cli.commands[name], f"{_NAME} {name}")]


def _leaves(command: click.Command, path: str) -> list[str]:
    return [f"{path} {name}" for name in command.actions] if isinstance(command, Actions) else [path]


def _sections(command: click.Command, path: str, typed: Sequence[Example]) -> str:
    """A command's section, and those of its actions."""
    if not isinstance(command, Actions):
        return _section(command, path, "##") + _typed(path, typed)
    own = _section(command, path, "##") + _table("action", path, command.actions)
    paths = {f"{path} {name}": action for name, action in command.actions.items()}
    return own + "".join(_section(action, path, "###") + _typed(path, typed) for path, action in paths.items())


def _typed(path: str, typed: Sequence[Example]) -> str:
    """An example with what it prints, from a page that a test types."""
    example = example_of(path, typed)
    if example is None:
        return ""
    link = f"[{example.page}]({_link(example.page)})"
    return f"As {link} has it, typed by a test:\n\n```console\n$ {example.line}\n{example.output}\n```\n\n"


def _link(page: Path) -> str:
    return f"../{page.name}" if page.parent.name == "docs" else f"../../{page}"


def _table(title: str, path: str, commands: Mapping[str, click.Command]) -> str:
    """What there is, with the first paragraph of each one's help."""
    about = {name: " ".join((command.help or "").split("\n\n")[0].split()) for name, command in commands.items()}
    return table([title, ""], [(f"[{name}]({anchor(f'{path} {name}')})", escape(text)) for name, text in about.items()])


def _section(command: click.Command, path: str, level: str) -> str:
    about, examples = _help(command)
    if not about or not examples:
        raise ValueError(f"{path} has no {'example' if about else 'help'}")
    blocks = [f"{level} {path}", f"```\n{_usage(command, path)}\n```", prose(_unwrapped(about), {})]
    blocks += [f"Example:\n\n```sh\n{example}\n```" for example in examples]
    text = "\n\n".join(blocks) + "\n\n"
    rows = [_option(one) for one in command.params if isinstance(one, click.Option) and not one.hidden]
    return text + (table(["option", "default", ""], rows) if rows else "")


def _help(command: click.Command) -> tuple[str, list[str]]:
    """A command's help and its examples, which stand there or in its epilog, a paragraph each."""
    told = command.about if isinstance(command, Actions) else command.help
    paragraphs = f"{inspect.cleandoc(told or '')}\n\n{command.epilog or ''}".split("\n\n")
    examples = [one.strip().removeprefix(_EXAMPLE) for one in paragraphs if one.strip().startswith(_EXAMPLE)]
    return "\n\n".join(one for one in paragraphs if not one.strip().startswith(_EXAMPLE)).strip(), examples


def _unwrapped(text: str) -> str:
    """Help without click's marks: a paragraph that click must not wrap keeps its lines in the source only."""
    return text.replace("\b\n", "")


def _usage(command: click.Command, path: str) -> str:
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    more = ["COMMAND [ARGS]..."] if isinstance(command, click.Group) else []
    return " ".join([path, "[OPTIONS]", *arguments, *more])


def _option(option: click.Option) -> tuple[str, str, str]:
    context = click.Context(cli)
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    extra = option.get_help_extra(context)
    about = [escape(option.help or "")]
    about += [f"Range: `{extra['range']}`."] if "range" in extra else []
    about += [f"Environment: `{option.envvar}`."] if isinstance(option.envvar, str) else []
    default = f"`{extra['default']}`" if "default" in extra else ""
    return ", ".join(f"`{name}{value}`" for name in option.opts), default, " ".join(about)
