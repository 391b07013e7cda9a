"""Settings read from a document's tree, each fault noted with its line and the setting's path."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from diana_common.documents.document import Entries, Items, Node, Scalar
from diana_common.documents.faults import Faults, shown
from diana_common.settings import join, nearest

_MOST_TEXTS = 256

Fields = dict[str, Node]
"""The settings of a mapping by name."""


class FieldReader:
    """Reads values of the right kind, or notes what is wrong and gives None."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def mapping(self, node: Node, field: str, known: Collection[str]) -> Fields | None:
        """The settings of a mapping; unknown ones and those said twice are faults."""
        if not isinstance(node, Entries):
            self.faults.add(node.line, field, f"must be a mapping of settings: {', '.join(known)}")
            return None
        found: Fields = {}
        for key, value in node.pairs:
            where = join(field, shown(key.text)[1:-1])
            if key.text not in known:
                self.faults.add(key.line, where, f"is not a setting; {nearest(key.text[:64], known)}")
            elif key.text in found:
                self.faults.add(key.line, where, f"is said twice, first on line {found[key.text].line}")
            else:
                found[key.text] = value
        return found

    def items(self, node: Node, field: str) -> list[Node]:
        """The entries of a list."""
        if isinstance(node, Items):
            return node.nodes
        if not (isinstance(node, Scalar) and node.is_null):
            self.faults.add(node.line, field, "must be a list")
        return []

    def text(self, node: Node, field: str, limit: int) -> str | None:
        """A text of one to `limit` characters, as it was written: 0012 is no number."""
        if not isinstance(node, Scalar):
            self.faults.add(node.line, field, "must be text")
        elif node.is_null or not node.text.strip():
            self.faults.add(node.line, field, "is empty")
        elif len(node.text) > limit:
            self.faults.add(node.line, field, f"has more than {limit:,} characters")
        else:
            return node.text.strip()
        return None

    def texts(self, node: Node, field: str, limit: int) -> Iterator[tuple[str, int, str]]:
        """One text, or a list of 1 to 256: each with its line and path."""
        several = isinstance(node, Items)
        if isinstance(node, Items) and len(node.nodes) > _MOST_TEXTS:
            self.faults.add(node.line, field, f"has more than {_MOST_TEXTS} entries")
            return
        if isinstance(node, Items) and not node.nodes:
            self.faults.add(node.line, field, "is empty")
        for number, one in enumerate(self.items(node, field) if several else [node]):
            where = f"{field}[{number}]" if several else field
            text = self.text(one, where, limit)
            if text is not None:
                yield text, one.line, where

    def truth(self, node: Node, field: str) -> bool | None:
        """true or false."""
        word = node.text.lower() if isinstance(node, Scalar) and node.plain else ""
        if word not in ("true", "false"):
            self.faults.add(node.line, field, "must be true or false")
            return None
        return word == "true"

    def fraction(self, node: Node, field: str) -> float | None:
        """A number from 0 to 1."""
        try:
            number = float(node.text) if isinstance(node, Scalar) and node.plain else -1.0
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            self.faults.add(node.line, field, "must be a number from 0 to 1")
            return None
        return number
