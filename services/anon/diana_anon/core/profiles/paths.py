"""Tag paths as profiles write them: "RequestAttributesSequence.(0040,0009)", "*.StudyDate", "(0019,xx10){CREATOR}"."""

from __future__ import annotations

import re

from diana_anon.core.profile import TagPath
from diana_common.conditions import BadPath, parse_step, step_text, tag_text
from diana_common.tags import vr_of

_ANYWHERE = "*."
_SEPARATOR = re.compile(r"\.(?![^{}]*\})")
"""A dot that is not part of a private creator."""
_MOST_STEPS = 16


def parse_path(text: str) -> TagPath:
    """The path a text means. Raises BadPath."""
    text = text.strip()
    anywhere = text.startswith(_ANYWHERE)
    parts = _SEPARATOR.split(text.removeprefix(_ANYWHERE))
    if len(parts) > _MOST_STEPS:
        raise BadPath(f"has more than {_MOST_STEPS} steps")
    steps = tuple(parse_step(part) for part in parts)
    for step in steps[:-1]:
        if not step.creator and vr_of(step.tag) != "SQ":
            raise BadPath(f"{step_text(step)} is no sequence: nothing stands within it")
    return TagPath(steps, anywhere)


def path_text(path: TagPath) -> str:
    """A path in canonical form: keywords where there are any."""
    return (_ANYWHERE if path.anywhere else "") + ".".join(map(step_text, path.steps))


def tags_text(path: TagPath) -> str:
    """A path in tags: "(0040,0275).(0040,0009)"."""
    return (_ANYWHERE if path.anywhere else "") + ".".join(map(tag_text, path.steps))
