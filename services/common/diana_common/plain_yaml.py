"""YAML as people type it: without aliases, with which a few lines could stand for gigabytes."""

from __future__ import annotations

from typing import Any

import yaml


class YamlRefused(ValueError):
    """What is wrong with YAML that PyYAML would take, in words that do not repeat it."""


class PlainLoader(yaml.SafeLoader):
    """Plain values without aliases. Raises yaml.YAMLError, YamlRefused, and ValueError for a number that cannot be."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise YamlRefused("uses YAML aliases (*NAME), which are not taken: write out what they stand for")
        return super().compose_node(parent, index)
