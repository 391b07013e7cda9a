"""Types of parameters: MAPPING, ARRAY, VALUES and ENDPOINT, alike in every command.

Trees are JSON or YAML. Of YAML, scalars are read as JSON has them: 0012, 2020-01-31 and yes are texts; aliases and tags
are refused.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any, TextIO

import rich_click as click
import yaml
from click.shell_completion import CompletionItem

from diana_cli.completion import endpoints
from diana_common.plain_yaml import PlainLoader, YamlRefused

MOST_CHARACTERS = 16 * 1024 * 1024
"""Of a list with a line each, or of JSON."""
MOST_YAML = 1024 * 1024
"""Characters of YAML, which takes some seconds a megabyte to read."""
MOST_DEPTH = 32
"""Levels of mappings and lists within one another."""

_TREE_FILES = (".yaml", ".yml", ".json")
_STANDARD_INPUT = ("-", "@-")
_UNSPACED = re.compile(r"^(\w+):(?=[\[{])")


class BadText(ValueError):
    """What is wrong with a text, in words that do not repeat it: it may hold patient values."""


class _Loader(PlainLoader):
    """Plain YAML with JSON's scalars, and without tags."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if getattr(self.peek_event(), "tag", None) is not None:  # type: ignore[no-untyped-call]
            raise YamlRefused("uses YAML tags (!...), which are not taken: put what begins with a ! in quotes")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise YamlRefused("names something twice")
        return found


class _TextLoader(_Loader):
    """The same, with every scalar a text as it is written."""


_Loader.yaml_implicit_resolvers = {}
_TextLoader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"),
    list("-0123456789"),
)


class MappingType(click.ParamType[dict[str, Any]]):
    """Values by name: JSON, YAML such as "project: trial" or "{project: trial, site: 3}", or @FILE of either.

    As in the older system no space is needed in "signature:[AccessionNumber,StudyDate]".
    """

    name = "mapping"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The mapping; click's usage error, naming the option and the remedy, for what is none."""
        if isinstance(value, dict) or _is_completed(ctx):
            return value if isinstance(value, dict) else {}
        try:
            text = read_text(value[1:]) if value.startswith("@") else _UNSPACED.sub(r"\1: ", value)
            tree = parse_tree(text)
            if not isinstance(tree, dict):
                raise BadText("must be a mapping")
        except BadText as error:
            self.fail(f"{error}. Write 'KEY: VALUE', '{{KEY: VALUE, ...}}', JSON, or @FILE of it.", param, ctx)
        return tree


class ArrayType(click.ParamType[list[Any]]):
    """Some of something: "a,b,c", a JSON or YAML list, @FILE with a line each (or a .yaml, .json list), - for lines
    from standard input. At least one.

    With `texts` whatever a list holds is a text, as it is written; else numbers and the like are what JSON says.
    """

    name = "array"

    def __init__(self, texts: bool) -> None:
        self._texts = texts

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        """The list; click's usage error, naming the option and the remedy, for what is none."""
        if isinstance(value, (list, tuple)) or _is_completed(ctx):
            return [] if isinstance(value, str) else list(value)
        try:
            found = self._parse(value)
            self._check(found)
        except BadText as error:
            self.fail(f"{error}. Write A,B,C, a JSON or YAML list, @FILE with a line each, or - for lines.", param, ctx)
        return found

    def _check(self, found: list[Any]) -> None:
        """Nothing, or an empty text, would be taken for anything: all that there is, where it is deleted."""
        if not found:
            raise BadText("has no values")
        if self._texts and not all(isinstance(one, str) for one in found):
            raise BadText("must be a list of plain values")
        if self._texts and not all(one.strip() for one in found):
            raise BadText("has a value that is empty")

    def _parse(self, value: str) -> list[Any]:
        if value in _STANDARD_INPUT:
            return _lines(read_text("-"))
        if value.startswith("@"):
            text = read_text(value[1:])
            return self._tree(text) if value.endswith(_TREE_FILES) else _lines(text)
        if value.lstrip().startswith(("[", "- ")):
            return self._tree(value)
        return [word.strip() for word in value.split(",") if word.strip()]

    def _tree(self, text: str) -> list[Any]:
        tree = parse_tree(text, self._texts)
        if not isinstance(tree, list):
            raise BadText("must be a list")
        return tree


class EndpointType(click.ParamType[str]):
    """A service's name, or an endpoint's URL. What it means is found when it is used."""

    name = "endpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names of services that are described, and what URLs begin with. Contacts none."""
        return [CompletionItem(one) for one in endpoints(ctx, incomplete)]


MAPPING = MappingType()
ARRAY = ArrayType(texts=True)
"""A list of texts: ids, accession numbers, UIDs."""
VALUES = ArrayType(texts=False)
"""A list of any values."""
ENDPOINT = EndpointType()


def parse_tree(text: str, texts: bool = False) -> Any:
    """What JSON or YAML says; with `texts` every scalar as it is written. Raises BadText."""
    try:
        tree = _parse_json(text, texts) if text.lstrip().startswith(("{", "[")) else _parse_yaml(text, texts)
    except RecursionError:
        raise BadText(f"is nested more than {MOST_DEPTH} deep") from None
    return _named_by_texts(tree, MOST_DEPTH)


def read_text(name: str) -> str:
    """The text of a file, or for "-" of standard input; UTF-8, of at most 16 Mi characters. Raises BadText."""
    try:
        if name == "-":
            return _bounded(sys.stdin)
        with Path(name).expanduser().open(encoding="utf-8-sig") as stream:
            return _bounded(stream)
    except UnicodeDecodeError:
        raise BadText("names a file that is not UTF-8 text") from None
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, BadText):
            raise
        why = error.strerror if isinstance(error, OSError) else "no such name"
        raise BadText(f"names a file that cannot be read ({why})") from None


def _is_completed(ctx: click.Context | None) -> bool:
    """Whether a shell only completes the line: nothing is read then."""
    return ctx is not None and ctx.resilient_parsing


def _bounded(stream: TextIO) -> str:
    text = stream.read(MOST_CHARACTERS + 1)
    if len(text) > MOST_CHARACTERS:
        raise BadText("has more than 16 Mi characters")
    return text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _parse_json(text: str, texts: bool) -> Any:
    """JSON, or the YAML that looks like it: {project: trial}."""
    try:
        if texts:
            return json.loads(text, object_pairs_hook=_named_once, parse_int=str, parse_float=str, parse_constant=str)
        return json.loads(text, object_pairs_hook=_named_once, parse_constant=str)  # NaN is no JSON
    except BadText:
        raise
    except ValueError:
        return _parse_yaml(text, texts)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(named := dict(pairs)) < len(pairs):
        raise BadText("names something twice")
    return named


def _parse_yaml(text: str, texts: bool) -> Any:
    if len(text) > MOST_YAML:
        raise BadText("has more than 1 Mi characters of YAML: write larger ones as JSON")
    try:
        return yaml.load(text, Loader=_TextLoader if texts else _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise BadText(f"is neither JSON nor YAML{place}") from None
    except YamlRefused as error:
        raise BadText(str(error)) from None
    except ValueError:
        raise BadText("holds a number of too many digits: put it in quotes") from None


def _named_by_texts(tree: Any, depth: int) -> Any:
    """The same with every name a text; numbers can be names in YAML."""
    if isinstance(tree, float) and math.isinf(tree):
        raise BadText("holds a number that is too great: put it in quotes")
    if not isinstance(tree, (dict, list)):
        return tree
    if not depth:
        raise BadText(f"is nested more than {MOST_DEPTH} deep")
    if isinstance(tree, list):
        return [_named_by_texts(value, depth - 1) for value in tree]
    if None in tree:
        raise BadText("has a value without a name")
    return _named_once([(str(name), _named_by_texts(value, depth - 1)) for name, value in tree.items()])
