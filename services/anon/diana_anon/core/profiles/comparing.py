"""Which attributes two profiles treat differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from diana_anon.core.profile import TagPath
from diana_anon.core.profiles.explaining import Explainer
from diana_anon.core.profiles.paths import tags_text
from diana_anon.core.profiles.reading import ReadProfile
from diana_common.conditions import Step
from diana_common.tags import keyword_of, known_tags

_MOST_CONDITIONS = 10
"""Conditions that are told of one attribute."""
_OVERLAYS = (0x60000022, 0x60001500, 0x60003000, 0x60004000)
"""Overlay Description, Label, Data and Comments of the first group: what the others get."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute, by its tag path, and what each does to it: an action, and others where conditions hold."""

    path: str
    keyword: str
    left: str
    right: str


def differences(left: Explainer, right: Explainer, named: tuple[TagPath, ...]) -> Iterator[Difference]:
    """The attributes of PS3.6 at the top of an object, and `named` paths within it, that become something else."""
    for path in attributes(named):
        actions = done(left, path), done(right, path)
        if actions[0] != actions[1]:
            last = path.steps[-1]
            yield Difference(tags_text(path), "" if last.creator else keyword_of(last.tag), *actions)


def attributes(named: tuple[TagPath, ...] = ()) -> list[TagPath]:
    """The attributes that are compared, by tag."""
    single = {TagPath((Step(tag),)) for tag in (*known_tags(), *_OVERLAYS) if tag >> 16 > 0x0004 and tag & 0xFFFF}
    return sorted(
        single | {replace(path, anywhere=False) for path in named},
        key=lambda path: [(step.tag, step.creator) for step in path.steps],
    )


def named_paths(*profiles: ReadProfile) -> tuple[TagPath, ...]:
    """The paths that overrides of these profiles name."""
    return tuple(override.path for read in profiles for override in read.profile.overrides)


def done(explainer: Explainer, path: TagPath) -> str:
    """What is done to an attribute, in a few words: "keep", "keep (remove if Modality = CT)"."""
    action = explainer.action(path)
    conditional = [f"{one.action} if {one.condition}" for one in explainer.conditional(path)]
    if len(conditional) > _MOST_CONDITIONS:
        conditional[_MOST_CONDITIONS:] = [f"and {len(conditional) - _MOST_CONDITIONS} more"]
    return f"{action} ({'; '.join(conditional)})" if conditional else action
