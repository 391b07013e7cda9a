"""Settings: YAML with environment substitution, read once into frozen dataclasses.

Unknown keys are refused with the nearest known one named, and every error says where the bad value
stands (`stores.trial.conflict_policy`), because a setting that is silently ignored is found too late.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from diana_common.errors import DianaError, FieldViolation, Reason

T = TypeVar("T")

_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([^}]*))?\}")


def config_invalid(where: str, description: str) -> DianaError:
    """The error for a bad setting: `where` is its path, `description` never holds its value."""
    return DianaError(Reason.CONFIG_INVALID, f"{where}: {description}", fields=[FieldViolation(where, description)])


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the known word most like `name`, or lists them all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def expand(text: str, env: Mapping[str, str], where: str = "value") -> str:
    """Replace `${VAR}`, `${VAR:-default}` and `${VAR:?message}`; `$$` stands for `$`.

    As in a shell, an empty variable counts as unset for `:-` and `:?`.
    Raises DianaError CONFIG_INVALID for a variable that is unset and has no default.
    """

    def value(match: re.Match[str]) -> str:
        name, operator, argument = match.groups()
        if name is None:
            return "$"
        if found := env.get(name):
            return found
        if operator == ":-":
            return str(argument)
        if name in env and operator is None:
            return ""
        raise config_invalid(where, argument or f"the environment variable {name} is not set")

    return _VARIABLE.sub(value, text)


def variables_of(text: str) -> set[str]:
    """The names of the variables that `expand` would look for in a text."""
    return {found[1] for found in _VARIABLE.finditer(text) if found[1]}


def expand_tree(value: Any, env: Mapping[str, str], where: str = "") -> Any:
    """`expand` every string of a parsed YAML tree; keys are left as they are."""
    if isinstance(value, str):
        return expand(value, env, where or "value")
    if isinstance(value, Mapping):
        return {key: expand_tree(item, env, join(where, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [expand_tree(item, env, f"{where}[{number}]") for number, item in enumerate(value)]
    return value


def read_yaml(path: Path, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The mapping in a YAML file, expanded. Raises DianaError CONFIG_INVALID."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise config_invalid(path.name, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise config_invalid(path.name, "is not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the document"
        raise config_invalid(path.name, f"is not YAML at {place}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise config_invalid(path.name, "must be a mapping of settings")
    return typing.cast(dict[str, Any], expand_tree(tree, os.environ if env is None else env))


def override(tree: dict[str, Any], prefix: str, env: Mapping[str, str]) -> dict[str, Any]:
    """`tree` with the settings that the environment names.

    `PREFIX_SERVER__LISTEN=x` sets `server.listen`: a double underscore goes one level down. Values
    are read as YAML.
    """
    merged = dict(tree)
    for name, text in sorted(env.items()):
        if not name.startswith(prefix + "_"):
            continue
        path = name[len(prefix) + 1 :].lower().split("__")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise config_invalid(name, "is not a YAML value") from error
        _set(merged, path, value, name)
    return merged


def _set(tree: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    for key in path[:-1]:
        below = tree.get(key, {})
        if not isinstance(below, dict):
            raise config_invalid(where, f"{key} is not a mapping")
        tree[key] = dict(below)
        tree = tree[key]
    tree[path[-1]] = value


def join(where: str, key: str) -> str:
    """The path of `key` below `where`."""
    return f"{where}.{key}" if where else key


def path_of(text: str, where: str) -> Path:
    """The path that a person wrote, ~ expanded. Raises DianaError CONFIG_INVALID for ~ of nobody."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise config_invalid(where, "names the home directory of nobody here") from error


def build(cls: type[T], tree: Any, where: str = "", base: T | None = None) -> T:
    """A dataclass of settings from a parsed tree; what the tree leaves out comes from `base`.

    Fields may be str, int, float, bool, Path, an Enum (by value), `X | None`, `tuple[X, ...]`,
    `Mapping[str, X]` and further dataclasses. Raises DianaError CONFIG_INVALID.
    """
    if not isinstance(tree, Mapping):
        raise config_invalid(where or cls.__name__, "must be a mapping of settings")
    hints = typing.get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in tree:
        if key not in known:
            raise config_invalid(join(where, str(key)), f"is not a setting; {nearest(str(key), known)}")
    values = {key: _convert(hints[key], value, join(where, key), _default(known[key])) for key, value in tree.items()}
    if base is None:
        for name, field in known.items():
            if name not in tree and _default(field) is dataclasses.MISSING:
                raise config_invalid(join(where, name), "is required")
    try:
        return cls(**values) if base is None else dataclasses.replace(base, **values)  # type: ignore[type-var]
    except ValueError as error:
        raise config_invalid(where or cls.__name__, str(error)) from error


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _convert(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _convert(arguments[0], value, where)
    if origin is tuple:
        return _convert_tuple(arguments[0], value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise config_invalid(where, "must be a mapping")
        return {str(key): _convert(arguments[1], item, join(where, str(key))) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        base = default if isinstance(default, typing.cast(type, hint)) else None
        return build(typing.cast(type, hint), {} if value is None else value, where, base)
    return _convert_scalar(hint, value, where)


def _convert_tuple(item: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise config_invalid(where, "must be a list")
    return tuple(_convert(item, one, f"{where}[{number}]") for number, one in enumerate(value))


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        try:
            return hint(value)
        except ValueError as error:
            known = [str(member.value) for member in hint]
            raise config_invalid(where, f"is not one of its values; {nearest(str(value), known)}") from error
    if hint is Path:
        return path_of(_expect(str, value, where), where)
    if hint is float and type(value) is int:
        return float(value)
    if hint is Any:
        return value
    return _expect(hint, value, where)


def _expect(kind: type, value: Any, where: str) -> Any:
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if type(value) is not kind:
        names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        raise config_invalid(where, f"must be {names.get(kind, kind.__name__)}")
    return value
