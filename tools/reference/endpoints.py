"""The page of every kind of endpoint: its URLs, what it can do, its settings in services YAML."""

from __future__ import annotations

import inspect
import re

from diana_endpoints.kind import Kind
from diana_endpoints.registry import OLDER, ctype_of_prefix, ctypes, kind, prefixes
from tools.reference.configuration import default_of, settings_of, type_of
from tools.reference.markdown import GENERATED, anchor, escape, prose, table

VERBS = {
    "check": "check",
    "list": "dgetall",
    "get": "get",
    "find": "find",
    "put": "put",
    "update": "update",
    "delete": "delete",
}
"""The command that has an endpoint do it, by the role's method."""

_INTRODUCTION = """# Kinds of endpoint

What is written in services YAML after `ctype`, and what a URL begins with. [Endpoints](../endpoints.md) has the rest:
what they have in common, services YAML, secrets, how to add a kind.

"""
_RAISES = re.compile(r"\s*Raises DianaError[^.]*\.")
_PLAIN_HTTP = re.compile(r"(?=\bhttps?://)")
"""Where a kind's URL says by which protocol it is reached: what a kind reads is without its own prefix."""


def make_page() -> str:
    """The page's text. Raises ValueError for a setting without a docstring."""
    kinds = {ctype: kind(ctype) for ctype in ctypes()}
    rows = [
        (f"[`{ctype}`]({anchor(ctype)})", _about(found), ", ".join(_verbs(found))) for ctype, found in kinds.items()
    ]
    overview = table(["kind", "", "does"], rows)
    return GENERATED + _INTRODUCTION + overview + "".join(section(ctype, found) for ctype, found in kinds.items())


def section(ctype: str, found: Kind) -> str:
    """What there is to know of a kind."""
    facts = {
        "URL": _urls(ctype, found),
        "address": "that of a service in services YAML, or of the running mesh" if found.mesh else "",
        "older name": ", ".join(f"`{older}`" for older in OLDER if OLDER[older] == ctype),
        "does": ", ".join(_verbs(found)),
        "by `do` also": ", ".join(_methods(found)),
    }
    settings = [
        (f"`{one.path}`", type_of(one.hint), default_of(one.default), prose(one.docstring, {}))
        for one in settings_of(found.settings)
    ]
    points = "".join(f"- {name}: {text}\n" for name, text in facts.items() if text)
    return f"## {ctype}\n\n{_about(found)}\n\n{points}\n" + table(["setting", "type", "default", ""], settings)


def _about(found: Kind) -> str:
    return prose(inspect.getdoc(found.settings) or "", {})


def _urls(ctype: str, found: Kind) -> str:
    if found.read_url:
        text = _RAISES.sub("", " ".join((inspect.getdoc(found.read_url) or "").split()))
        return escape(_PLAIN_HTTP.sub(f"{ctype}+", text.removeprefix("The settings of ")))
    own = [prefix for prefix in prefixes() if ctype_of_prefix(prefix) == ctype]
    alone = [f"`{prefix}:`" for prefix in own if found.mesh]
    return ", ".join([f"`{prefix}:{found.setting.upper()}`" for prefix in own if found.setting] + alone)


def _verbs(found: Kind) -> list[str]:
    return [f"`{verb}`" for method, verb in VERBS.items() if hasattr(found.make, method)]


def _methods(found: Kind) -> list[str]:
    return [f"`{name}`" for name in getattr(found.make, "methods", {})]
