"""Jinja2 for messages that the command line brings itself: sandboxed, and bounded in what it makes.

A template may come with a file of others'. The sandbox keeps it off Python; here it is kept off the machine's memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

MOST_CHARACTERS = 64 * 1024
"""Of a template, and of what it makes."""

_ROUNDS = 100
"""Numbers of a range, as many as notify's loops go round."""

_LOOPS = 2
"""Loops within one another."""

_PADDING = frozenset(
    {"center", "expandtabs", "format", "format_map", "ljust", "replace", "rjust", "translate", "zfill"}
)
"""Methods of texts that make long ones of short ones."""


class TooMuch(ValueError):
    """A template, or what it makes, is larger than messages are."""


class _Bounded(SandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False)
        for name in ("center", "format", "indent", "wordwrap"):
            del self.filters[name]
        self.globals = {"range": _few}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not all(isinstance(one, (int, float)) for one in (left, right)):
            raise TooMuch(f"{operator} is not there for messages")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not (isinstance(obj, str) and attr in _PADDING) and super().is_safe_attribute(obj, attr, value)


def compiled(text: str) -> Template:
    """The template. Raises jinja2.TemplateError; TooMuch for one of more than 64 Ki characters."""
    if len(text) > MOST_CHARACTERS:
        raise TooMuch("it has more than 64 Ki characters")
    bounded = _Bounded()
    _check(bounded.parse(text), 0)
    return bounded.from_string(text)


def filled(template: Template, values: Mapping[str, Any]) -> str:
    """What it makes. Raises TooMuch as soon as that is more than 64 Ki characters, and what the template raises."""
    pieces, size = [], 0
    for piece in template.generate(values):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_CHARACTERS:
            raise TooMuch("it makes more than 64 Ki characters")
    return "".join(pieces)


def _check(node: nodes.Node, loops: int) -> None:
    if isinstance(node, (nodes.Macro, nodes.CallBlock)):
        raise TemplateSyntaxError("macros are not there for messages", node.lineno)
    if isinstance(node, nodes.For):
        loops += 1
        if loops > _LOOPS or node.recursive:
            raise TemplateSyntaxError(f"has more than {_LOOPS} loops within one another", node.lineno)
    for child in node.iter_child_nodes():
        _check(child, loops)


def _few(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _ROUNDS:
        raise TooMuch(f"a range of more than {_ROUNDS}")
    return numbers
