"""Windows: which range of values an image shows, from black to white (PS3.3 section C.11.2.1.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from diana_common.errors import invalid_field
from diana_common.settings import nearest


@dataclass(frozen=True, slots=True)
class Window:
    """A window of values after the modality's transformation: of CT, Hounsfield units."""

    center: float
    width: float
    """At least 1 where the function is LINEAR, else more than 0."""

    function: str = "LINEAR"
    """VOI LUT Function: LINEAR, LINEAR_EXACT or SIGMOID."""


PRESETS = {
    "abdomen": Window(40, 400),
    "angio": Window(300, 600),
    "bone": Window(400, 1800),
    "brain": Window(40, 80),
    "liver": Window(60, 160),
    "lung": Window(-600, 1500),
    "mediastinum": Window(50, 350),
    "stroke": Window(35, 40),
    "subdural": Window(75, 250),
}
"""Windows for CT that have names."""

FULL = "full"
"""The word for all values that a frame has."""


def window_of(text: str) -> Window | None:
    """The window that a preset's name or CENTRE/WIDTH ("40/80") means; None for "full": all values of the frame.

    Raises DianaError INVALID_FIELD.
    """
    if text == FULL:
        return None
    if text in PRESETS:
        return PRESETS[text]
    center, slash, width = text.partition("/")
    if not slash:
        raise invalid_field("window", f"is neither CENTRE/WIDTH nor a name; {nearest(text, [*PRESETS, FULL])}")
    try:
        window = Window(float(center), float(width))
    except ValueError as error:
        raise invalid_field("window", "must be two numbers, CENTRE/WIDTH") from error
    if not (math.isfinite(window.center) and math.isfinite(window.width) and window.width >= 1):
        raise invalid_field("window", "needs a width of 1 or more")
    return window
