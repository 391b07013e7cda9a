"""What services YAML is written in: its text, files and variables that stand in for values.

A value that begins with "@" is the text of the file it names, relative to the YAML's own folder; where that
file ends in .yaml or .json, the tree it holds. "@@" stands for "@". `${VARIABLE}` is the environment's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from diana_common.plain_yaml import PlainLoader, YamlRefused
from diana_common.settings import config_invalid, expand, join, path_of

_LARGEST_FILE = 4 * 1024 * 1024
_LONGEST_YAML = 256 * 1024
"""Characters: thousands of services, read in seconds."""


class _Loader(PlainLoader):
    """Plain YAML in which every name is said once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = Counter(str(name.value) for name, _ in node.value if isinstance(name, yaml.ScalarNode))
        for name in (one for one, count in names.items() if count > 1):
            raise YamlRefused(f"says {name} twice")
        return super().construct_mapping(node, deep)


def parse(text: str, where: str) -> Any:
    """What YAML or JSON says. Raises DianaError CONFIG_INVALID."""
    if len(text) > _LONGEST_YAML:
        raise config_invalid(where, "is longer than 256 KiB")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise config_invalid(where, f"is not YAML{place}") from error
    except YamlRefused as error:
        raise config_invalid(where, str(error)) from error
    except ValueError as error:
        raise config_invalid(where, "holds a number or date that cannot be: put it in quotes") from error
    except RecursionError as error:
        raise config_invalid(where, "is nested too deep") from error


def resolve(tree: Any, env: Mapping[str, str], folder: Path, where: str) -> Any:
    """Read @files and expand variables, in every string of a tree; what a variable holds is never a file's name."""
    if isinstance(tree, Mapping):
        return {key: resolve(value, env, folder, join(where, str(key))) for key, value in tree.items()}
    if isinstance(tree, list):
        return [resolve(value, env, folder, f"{where}[{number}]") for number, value in enumerate(tree)]
    if not isinstance(tree, str):
        return tree
    if not tree.startswith("@"):
        return expand(tree, env, where)
    if tree.startswith("@@"):
        return expand(tree[1:], env, where)
    path = folder / path_of(expand(tree[1:], env, where), where)
    text = text_of(path, where)
    return parse(text, where) if path.suffix in (".yaml", ".yml", ".json") else text.rstrip("\r\n")


def text_of(path: Path, where: str) -> str:
    """A file's text: UTF-8, of 4 Mi characters at most. Raises DianaError CONFIG_INVALID."""
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise config_invalid(where, f"the file cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise config_invalid(where, "the file is not UTF-8 text") from error
    except ValueError as error:
        raise config_invalid(where, "is no name of a file") from error
    if len(text) > _LARGEST_FILE:
        raise config_invalid(where, "the file is larger than 4 MiB")
    return text
