"""The page of every service's settings."""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from tools.reference.markdown import GENERATED, prose, table

SERVICES = {
    "archive": "ArchiveConfig",
    "index": "IndexConfig",
    "guid": "GuidConfig",
    "anon": "AnonConfig",
    "notify": "NotifyConfig",
    "dimse": "DimseConfig",
    "route": "RouteConfig",
}

_INTRODUCTION = """# Configuration

Each service reads its settings once, when it starts: `python -m diana_archive --config FILE`. What is
said in more than one place is taken from the first of these:

1. the environment: the variable beside each setting below, its value read as YAML. A double underscore
   goes one level down, and `NAME` stands for a name that you choose, which becomes lower case;
2. the YAML file;
3. the default.

Nothing needs to be set. A key that is no setting is refused, and the nearest one that is gets named; so is
a variable that begins with `DIANA_`, the service's name and an underscore, but names no setting. A bad
configuration ends the process with status 4 and a message that says where it stands, never what it was.

Text values in the file may use the environment; keys may not:

| written | becomes |
| --- | --- |
| `${VAR}` | the variable's value; refused when it is not set |
| `${VAR:-default}` | its value, or `default` where it is not set or empty |
| `${VAR:?message}` | its value; refused with `message` where it is not set or empty |
| `$$` | a single `$` |

Secrets are named by file, or by environment variable where there is a setting `variable`; they are never written into
the settings.

"""
_SCALARS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", Any: "anything"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One line of the page. `default` is MISSING where the setting is required."""

    path: str
    hint: Any
    default: Any
    docstring: str


def make_page() -> str:
    """The page's text. Raises ModuleNotFoundError for a service without config.py, ValueError for a bare field."""
    return GENERATED + _INTRODUCTION + "".join(_section(service, name) for service, name in SERVICES.items())


def _section(service: str, class_name: str) -> str:
    config = getattr(importlib.import_module(f"diana_{service}.config"), class_name)
    rows = [
        (
            f"`{one.path}`<br>{_variable(service, one.path)}",
            type_of(one.hint),
            default_of(one.default),
            prose(one.docstring, {}),
        )
        for one in settings_of(config)
    ]
    about = prose(textwrap.dedent(inspect.getdoc(config) or ""), {})
    return f"## {service}\n\n{about}\n\n" + table(["setting", "type", "default", ""], rows)


def settings_of(cls: type, path: str = "", base: Any = None) -> Iterator[Setting]:
    """All settings of a configuration class, each followed by those below it.

    `base` is an instance whose values are the defaults; without one they are the class's own.
    """
    hints, docstrings = typing.get_type_hints(cls), field_docstrings(cls)
    for field in dataclasses.fields(cls):
        if field.name not in docstrings:
            raise ValueError(f"{cls.__name__}.{field.name} has no docstring")
        default = _own_default(field) if base is None else getattr(base, field.name)
        setting = Setting(path + field.name, hints[field.name], default, docstrings[field.name])
        yield setting
        yield from _below(setting)


def _below(setting: Setting) -> Iterator[Setting]:
    hint = _without_none(setting.hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        base = setting.default if dataclasses.is_dataclass(setting.default) else None
        yield from settings_of(typing.cast(type, hint), f"{setting.path}.", base)
    elif _is_mapping(origin) and dataclasses.is_dataclass(arguments[1]):
        yield from settings_of(typing.cast(type, arguments[1]), f"{setting.path}.NAME.")
    elif origin is tuple and dataclasses.is_dataclass(arguments[0]):
        yield from settings_of(typing.cast(type, arguments[0]), f"{setting.path}[].")


def field_docstrings(cls: type) -> dict[str, str]:
    """The string that stands under each field of a class and of its bases, unwrapped."""
    return {name: text for one in reversed(cls.__mro__[:-1]) for name, text in _own_docstrings(one)}


def _own_docstrings(cls: type) -> Iterator[tuple[str, str]]:
    body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]).body
    for statement, following in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(ast.Constant(str(text))):
                    yield statement.target.id, inspect.cleandoc(text)


def _own_default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(one for one in typing.get_args(hint) if one is not types.NoneType)
    return hint


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _variable(service: str, path: str) -> str:
    """The setting's environment variable. An entry of a list has none."""
    return "" if "[]" in path else f"`DIANA_{service.upper()}_{path.upper().replace('.', '__')}`"


def type_of(hint: Any) -> str:
    """A setting's type, in words."""
    hint = _without_none(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return "settings"
    if _is_mapping(origin):
        return f"{type_of(arguments[1])} by name"
    if origin is tuple:
        return f"list of {type_of(arguments[0])}"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in hint)
    return _SCALARS[hint]


def default_of(value: Any) -> str:
    """A setting's default, in words."""
    if value is dataclasses.MISSING:
        return "required"
    if value is None:
        return "none"
    if dataclasses.is_dataclass(value):
        return ""
    if isinstance(value, (Mapping, tuple)):
        return ", ".join(f"`{_scalar(one)}`" for one in value) or "none"
    return f"`{_scalar(value)}`"


def _scalar(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or '""'
