"""One override of a profile: where it applies, to which objects, and what it does."""

from __future__ import annotations

from collections.abc import Iterator

from diana_anon.core.planning.overrides import fault
from diana_anon.core.profile import Action, Override, TagPath
from diana_anon.core.profiles.forms import misfit
from diana_anon.core.profiles.paths import parse_path, path_text
from diana_common.conditions import BadPath, Condition, bind, compile_condition
from diana_common.documents import FieldReader, Fields, Node
from diana_common.errors import DianaError
from diana_common.filters import And, Comparator, Filter, Member, Or, Restriction, Value, parse_filter, to_text
from diana_common.settings import join, nearest
from diana_common.sop_classes import sop_class_uid

KEYS = ("tag", "action", "value", "iod", "modality", "station", "when")

_ACTIONS = {action.value: action for action in Action}
_SHORTHAND = {"modality": "Modality", "station": "StationName"}


class OverrideReader:
    """Reads overrides, and notes their faults."""

    def __init__(self, fields: FieldReader) -> None:
        self._fields = fields

    def read(self, node: Node, field: str) -> tuple[Override, str] | None:
        """The override, and its condition in canonical form; None if it has not even a path and an action."""
        found = self._fields.mapping(node, field, KEYS)
        if found is None:
            return None
        for key in ("tag", "action"):
            if key not in found:
                self._fault(node, join(field, key), "is required")
        path, action = self._path(found, field), self._action(found, field)
        value = self._value(found, field, action)
        classes = self._sop_classes(found, field)
        tree, condition = self._condition(found, field)
        if path is None or action is None or (action is Action.REPLACE and not value):
            return None
        when = to_text(tree) if tree else ""
        override = Override(path, action, value, classes, condition, _text(path, action, value, classes, when))
        key = "value" if action is Action.REPLACE else "action"
        if wrong := _cannot(override):
            self._fault(found[key], join(field, key), wrong)
        return override, when

    def _fault(self, node: Node, field: str, description: str) -> None:
        self._fields.faults.add(node.line, field, description)

    def _text(self, found: Fields, field: str, key: str, limit: int = 4096) -> str | None:
        return self._fields.text(found[key], join(field, key), limit) if key in found else None

    def _path(self, found: Fields, field: str) -> TagPath | None:
        text = self._text(found, field, "tag")
        if text is None:
            return None
        try:
            return parse_path(text)
        except BadPath as error:
            self._fault(found["tag"], join(field, "tag"), str(error))
            return None

    def _action(self, found: Fields, field: str) -> Action | None:
        text = self._text(found, field, "action")
        if text is not None and text not in _ACTIONS:
            self._fault(found["action"], join(field, "action"), f"is no action; {nearest(text[:64], _ACTIONS)}")
        return _ACTIONS.get(text or "")

    def _value(self, found: Fields, field: str, action: Action | None) -> str:
        where = join(field, "value")
        if action is Action.REPLACE and "value" not in found:
            self._fault(found["action"], where, "is required by the action replace")
        elif action not in (None, Action.REPLACE) and "value" in found:
            self._fault(found["value"], where, "has a meaning only with the action replace")
            return ""
        return self._text(found, field, "value", 65_536) or ""

    def _sop_classes(self, found: Fields, field: str) -> frozenset[str]:
        uids = set()
        for text, line, where in self._texts(found, field, "iod", 128):
            try:
                uids.add(sop_class_uid(text))
            except DianaError as error:
                self._fields.faults.add(line, where, error.fields[0].description)
        return frozenset(uids)

    def _texts(self, found: Fields, field: str, key: str, limit: int) -> Iterator[tuple[str, int, str]]:
        if key in found:
            yield from self._fields.texts(found[key], join(field, key), limit)

    def _condition(self, found: Fields, field: str) -> tuple[Filter | None, Condition | None]:
        trees = [
            tree
            for key in ("modality", "station", "when")
            if key in found and (tree := self._tree(found, field, key)) is not None
        ]
        if not trees:
            return None, None
        tree = trees[0] if len(trees) == 1 else And(tuple(trees))
        return tree, compile_condition(tree, field)

    def _tree(self, found: Fields, field: str, key: str) -> Filter | None:
        """What one key asks of an object; None if it has a fault."""
        where = join(field, key)
        if key in _SHORTHAND:
            values = [Value(text) for text, _, _ in self._texts(found, field, key, 64)]
            member = Member((_SHORTHAND[key],))
            tests = tuple(Restriction(member, Comparator.EQUALS, value) for value in values)
            return Or(tests) if len(tests) > 1 else next(iter(tests), None)
        text = self._text(found, field, key, 16_384)
        try:
            parsed = parse_filter(text, where) if text else None
            tree = bind(parsed, where) if parsed else None
            if tree:
                compile_condition(tree, where)
            return tree
        except DianaError as error:
            self._fault(found[key], where, error.fields[0].description if error.fields else error.message)
            return None


def _cannot(override: Override) -> str:
    """Why an override cannot be followed, and what could; empty if it can."""
    last = override.path.steps[-1]
    written = override.action is Action.REPLACE and not last.creator
    return (misfit(last.tag, override.value) if written else "") or fault(override)


def _text(path: TagPath, action: Action, value: str, classes: frozenset[str], when: str) -> str:
    """The override in canonical form, on one line."""
    parts = [path_text(path), action.value]
    parts += [repr(value)] if value else []
    parts += [f"in {', '.join(sorted(classes))}"] if classes else []
    parts += [f"when {when}"] if when else []
    return " ".join(parts)
