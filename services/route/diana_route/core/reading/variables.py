"""Environment variables in rules: `${NAME}` within a value, which stays one value, whatever the variable holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from diana_common.documents import Entries, Faults, Items, Node, Scalar
from diana_common.errors import DianaError
from diana_common.settings import expand, variables_of


class Expansion:
    """Puts variables into a tree; comments are none of it. Names of settings are left as they are."""

    def __init__(self, variables: Mapping[str, str], withheld: Collection[str], faults: Faults) -> None:
        self._variables = variables
        self._withheld = withheld
        self._faults = faults
        self.withheld_lines: set[int] = set()
        """Lines of values with a variable that is set, but not told to who asks; those stay as they are."""

    def of(self, node: Node) -> Node:
        """The tree with its variables. One that is not set is a fault."""
        match node:
            case Scalar():
                return Scalar(node.line, self._text(node.text, node.line), node.plain) if "$" in node.text else node
            case Items():
                return Items(node.line, [self.of(one) for one in node.nodes])
            case Entries():
                return Entries(node.line, [(key, self.of(value)) for key, value in node.pairs])

    def _text(self, text: str, line: int) -> str:
        if not variables_of(text).isdisjoint(self._withheld):
            self.withheld_lines.add(line)
            return text
        try:
            return expand(text, self._variables)
        except DianaError as error:
            self._faults.add(line, "", error.fields[0].description)
            return text
