"""The part of Jinja2's language that messages are written in.

Templates may come from callers, and a sandbox keeps their hands off Python, not off the machine's time and
memory: `'a' * 10**10`, `|center(10**10)` and loops in loops are all legal in it. So templates get no more than
messages need: to name values, to test and compare them, to loop over them, and filters whose result is never
much larger than what they are given. With nothing that multiplies, a template's cost is bounded by its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.filters import do_round
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_NODES = 2_000
"""The most pieces a template may be made of; one that names a hundred values has about five hundred."""

MAX_ROUNDS = 100
"""How often a loop goes round at most; a message has up to 64 values."""

_MAX_TEXT = 16 << 10
"""The longest text, in characters, in an expression: a literal, or what a replacement comes to."""

_MOST_DIGITS = 15
"""How far from the point a number is rounded; Jinja's filter computes ten to the power of what it is given."""

_MOST_TRIMMED = 64
"""How many characters are trimmed; each character of the text is looked for among them."""

_FILTERS = frozenset(
    {"capitalize", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length", "lower"}
    | {"string", "title", "truncate", "upper"}
)
_LOOP_ATTRIBUTES = frozenset(("index", "index0", "first", "last", "length"))
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem),
    *(nodes.Filter, nodes.Test, nodes.If, nodes.For, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And),
    *(nodes.Or, nodes.Not, nodes.Tuple, nodes.List, nodes.Keyword, nodes.Slice, nodes.Neg),
)


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 for messages: plain text, nothing undefined let through, items of what is given only."""

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, autoescape=False)
        own = {"replace": _replace, "round": _round, "trim": _trim, _ROUNDS: _rounds}
        self.filters = {name: one for name, one in self.filters.items() if name in _FILTERS} | own
        self.globals.clear()

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An item of a mapping, whatever its name; never one of Python's attributes."""
        if isinstance(obj, Undefined) or (isinstance(obj, LoopContext) and attribute in _LOOP_ATTRIBUTES):
            return getattr(obj, attribute)
        return obj[attribute] if isinstance(obj, Mapping) and attribute in obj else self.undefined(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The same, and pieces of a text or a list."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.undefined(name=str(argument))


def restrict(tree: nodes.Template) -> nodes.Template:
    """The tree with its loops bounded. Raises TemplateSyntaxError at what a message may not hold."""
    tree = _Rewriter().visit(tree)
    rest: list[tuple[nodes.Node, bool]] = [(tree, False)]
    seen = 0
    while rest:
        node, looping = rest.pop()
        seen += 1
        if fault := f"has more than {MAX_NODES} pieces" if seen > MAX_NODES else _fault(node, looping):
            raise TemplateSyntaxError(fault, node.lineno)
        looping = looping or isinstance(node, nodes.For)
        rest += [(child, looping) for child in node.iter_child_nodes()]
    return tree


def _fault(node: nodes.Node, looping: bool) -> str:
    """Why a node is not let through; empty if it is."""
    match node:
        case nodes.For() if looping or node.recursive:
            return "loops within a loop"
        case nodes.Getitem() if not isinstance(node.arg, nodes.Const | nodes.Slice):
            return "names an item by something else than its name"
        case nodes.Const(value=str(text)) if len(text) > _MAX_TEXT:
            return f"has a literal of more than {_MAX_TEXT} characters"
    return "" if isinstance(node, _NODES) else f"uses {type(node).__name__}, which messages do not have"


class _Rewriter(NodeTransformer):
    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        """`values.items()` as the filter of that name, so that nothing at all is called."""
        self.generic_visit(node)
        bare = not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)
        if bare and isinstance(node.node, nodes.Getattr) and node.node.attr == "items":
            return _filtered(node.node.node, "items")
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _ROUNDS)
        return node


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


class _Missing(StrictUndefined):
    """What is not there, with an error that tells its name only: that stands in the template."""

    @property
    def _undefined_message(self) -> str:
        return f"{self._undefined_name} is not given"


_ROUNDS = "rounds of a loop"


def _rounds(items: Iterable[Any]) -> list[Any]:
    rounds = list(islice(items, MAX_ROUNDS + 1))
    if len(rounds) > MAX_ROUNDS or isinstance(items, str):
        raise ValueError("a loop over too much")
    return rounds


def _round(value: Any, precision: int = 0, method: str = "common") -> float:
    if not isinstance(precision, int) or abs(precision) > _MOST_DIGITS:
        raise ValueError("rounded too far from the point")
    return do_round(value, precision, method)  # type: ignore[arg-type]  # it refuses other methods itself


def _trim(text: object, chars: str | None = None) -> str:
    if chars is not None and len(chars) > _MOST_TRIMMED:
        raise ValueError("too many characters to trim")
    return str(text).strip(chars)


def _replace(text: object, old: object, new: object) -> str:
    texts = [str(one) for one in (text, old, new)]  # which refuses what is missing
    if len(texts[0]) + texts[0].count(texts[1]) * len(texts[2]) > _MAX_TEXT:
        raise ValueError("a replacement by too much")
    return texts[0].replace(texts[1], texts[2])
