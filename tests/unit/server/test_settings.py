"""Settings are read once, substituted, overridden by the environment, and refused when unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.settings import build, expand, override, path_of, read_yaml


class Policy(Enum):
    REFUSE = "refuse"
    KEEP_BOTH = "keep_both"


@dataclass(frozen=True)
class Listen:
    address: str = "a:1"
    size: int = 5


@dataclass(frozen=True)
class StoreSettings:
    policy: Policy = Policy.REFUSE
    days: float = 1.0


@dataclass(frozen=True)
class Settings:
    name: str
    listen: Listen = Listen(address="b:2")
    stores: Mapping[str, StoreSettings] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    key: Path | None = None
    loud: bool = False


def test_variables_are_substituted_as_a_shell_would() -> None:
    env = {"HOST": "pacs", "EMPTY": ""}
    assert expand("${HOST}:${PORT:-104}/${EMPTY:-x}/$${HOST}", env) == "pacs:104/x/${HOST}"
    assert expand("${EMPTY}", env) == ""


@pytest.mark.parametrize(
    ("text", "says"), [("${NO}", "NO is not set"), ("${NO:?name the host}", "name the host"), ("${E:?x}", "x")]
)
def test_a_missing_variable_is_refused_with_its_message(text: str, says: str) -> None:
    with pytest.raises(DianaError, match=says) as caught:
        expand(text, {"E": ""}, "peers.archive")
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.fields[0].field == "peers.archive"


def test_every_kind_of_field_is_built() -> None:
    tree = {
        "name": 7,
        "listen": {"size": 9},
        "stores": {"trial": {"policy": "keep_both", "days": 3}},
        "tags": ["a", "b"],
        "key": "/k",
        "loud": True,
    }
    built = build(Settings, tree)
    assert built == Settings(
        "7", Listen("b:2", 9), {"trial": StoreSettings(Policy.KEEP_BOTH, 3.0)}, ("a", "b"), Path("/k"), True
    )


@pytest.mark.parametrize(
    ("tree", "where", "says"),
    [
        ({}, "name", "required"),
        ({"name": "x", "lissten": {}}, "lissten", "did you mean 'listen'"),
        ({"name": "x", "listen": {"zzz": 1}}, "listen.zzz", "known: address, size"),
        ({"name": "x", "listen": {"size": "5"}}, "listen.size", "whole number"),
        ({"name": "x", "listen": {"size": True}}, "listen.size", "whole number"),
        ({"name": "x", "listen": 5}, "listen", "mapping"),
        ({"name": "x", "stores": []}, "stores", "mapping"),
        ({"name": "x", "stores": {"t": {"policy": "keep"}}}, "stores.t.policy", "did you mean 'keep_both'"),
        ({"name": "x", "tags": "a"}, "tags", "list"),
        ({"name": "x", "tags": [["a"]]}, "tags[0]", "text"),
        ({"name": "x", "loud": "yes"}, "loud", "true or false"),
    ],
)
def test_a_bad_setting_is_named_with_its_place_and_remedy(tree: object, where: str, says: str) -> None:
    with pytest.raises(DianaError) as caught:
        build(Settings, tree)
    assert caught.value.fields[0].field == where
    assert says in caught.value.message


def test_the_environment_overrides_the_file_one_level_down_at_each_double_underscore() -> None:
    tree = {"listen": {"size": 1}, "name": "x"}
    env = {"DIANA_T_LISTEN__SIZE": "3", "DIANA_T_TAGS": "[a, b]", "OTHER": "y"}
    assert override(tree, "DIANA_T", env) == {"listen": {"size": 3}, "name": "x", "tags": ["a", "b"]}
    assert tree == {"listen": {"size": 1}, "name": "x"}


def test_a_file_is_expanded_after_parsing_so_that_values_cannot_break_yaml(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: ${NAME}\ntags: ['${NAME}']\n")
    assert read_yaml(path, {"NAME": "a: {b"}) == {"name": "a: {b", "tags": ["a: {b"]}


@pytest.mark.parametrize(("text", "says"), [("a: [", "line 2"), ("- a", "mapping"), ("a: \xff", "UTF-8")])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(text.encode("latin-1") + b"\n")
    with pytest.raises(DianaError, match=says):
        read_yaml(path, {})


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DianaError, match=r"none\.yaml: cannot be read"):
        read_yaml(tmp_path / "none.yaml", {})


def test_the_home_directory_of_nobody_is_refused() -> None:
    with pytest.raises(DianaError, match=r"^folder: names the home directory of nobody here"):
        path_of("~nobody-of-this-name/scans", "folder")
