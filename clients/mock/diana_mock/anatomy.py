"""What bodies look like from inside, as ellipses of tissue: enough for a person to see what it is.

Coordinates are shares of the picture's width and height; x grows to the patient's left, y to the back (or the feet).
"""

from __future__ import annotations

from typing import NamedTuple


class Ellipse(NamedTuple):
    """An ellipse of one tissue, painted over those before it."""

    tissue: str
    x: float
    y: float
    width: float
    """Half of it."""
    height: float
    """Half of it."""
    swell: float = 0.0
    """How much it grows (or shrinks) from the first slice to the last, as a share of its size."""


def _body(width: float, height: float) -> tuple[Ellipse, Ellipse]:
    return Ellipse("fat", 0.5, 0.5, width, height), Ellipse("muscle", 0.5, 0.5, width * 0.92, height * 0.9)


AXIAL: dict[str, tuple[Ellipse, ...]] = {
    "HEAD": (
        Ellipse("fat", 0.5, 0.5, 0.34, 0.42),
        Ellipse("bone", 0.5, 0.5, 0.32, 0.40),
        Ellipse("brain", 0.5, 0.5, 0.29, 0.37),
        Ellipse("fluid", 0.44, 0.46, 0.03, 0.11, -0.6),
        Ellipse("fluid", 0.56, 0.46, 0.03, 0.11, -0.6),
    ),
    "CHEST": (
        *_body(0.44, 0.32),
        Ellipse("lung", 0.31, 0.48, 0.15, 0.22, 0.4),
        Ellipse("lung", 0.69, 0.48, 0.15, 0.22, 0.4),
        Ellipse("heart", 0.54, 0.42, 0.11, 0.10, 0.5),
        Ellipse("fluid", 0.55, 0.58, 0.03, 0.03),
        Ellipse("bone", 0.5, 0.68, 0.05, 0.06),
    ),
    "ABDOMEN": (
        *_body(0.44, 0.33),
        Ellipse("liver", 0.32, 0.42, 0.17, 0.17, -0.6),
        Ellipse("spleen", 0.72, 0.52, 0.07, 0.10, -0.5),
        Ellipse("kidney", 0.33, 0.62, 0.06, 0.06, 0.4),
        Ellipse("kidney", 0.67, 0.62, 0.06, 0.06, 0.4),
        Ellipse("air", 0.58, 0.34, 0.07, 0.04, 0.5),
        Ellipse("fluid", 0.5, 0.58, 0.03, 0.03),
        Ellipse("bone", 0.5, 0.70, 0.05, 0.06),
    ),
    "KNEE": (
        *_body(0.34, 0.34),
        Ellipse("bone", 0.5, 0.52, 0.22, 0.17, -0.3),
        Ellipse("marrow", 0.5, 0.52, 0.19, 0.14, -0.3),
        Ellipse("bone", 0.5, 0.24, 0.09, 0.05, -0.5),
    ),
}
"""Across the body, by Body Part Examined."""

PROJECTED: dict[str, tuple[Ellipse, ...]] = {
    "CHEST": (
        Ellipse("muscle", 0.5, 0.56, 0.46, 0.60),
        Ellipse("lung", 0.29, 0.48, 0.16, 0.34),
        Ellipse("lung", 0.71, 0.48, 0.16, 0.34),
        Ellipse("bone", 0.5, 0.5, 0.045, 0.6),
        Ellipse("heart", 0.56, 0.62, 0.16, 0.16),
        Ellipse("liver", 0.34, 0.95, 0.22, 0.20),
    ),
    "ABDOMEN": (
        Ellipse("muscle", 0.5, 0.5, 0.44, 0.60),
        Ellipse("liver", 0.32, 0.22, 0.20, 0.16),
        Ellipse("air", 0.6, 0.36, 0.10, 0.05),
        Ellipse("bone", 0.5, 0.5, 0.05, 0.6),
        Ellipse("bone", 0.5, 0.86, 0.28, 0.12),
    ),
    "KNEE": (
        Ellipse("muscle", 0.5, 0.5, 0.30, 0.60),
        Ellipse("bone", 0.5, 0.18, 0.13, 0.30),
        Ellipse("bone", 0.5, 0.84, 0.12, 0.30),
        Ellipse("bone", 0.5, 0.42, 0.08, 0.08),
    ),
    "BREAST": (
        Ellipse("fat", 0.0, 0.5, 0.70, 0.44),
        Ellipse("gland", 0.12, 0.5, 0.40, 0.28),
        Ellipse("gland", 0.36, 0.46, 0.14, 0.10),
    ),
    "HEART": (
        Ellipse("muscle", 0.5, 0.5, 0.60, 0.60),
        Ellipse("lung", 0.15, 0.4, 0.25, 0.5),
        Ellipse("heart", 0.55, 0.55, 0.32, 0.30, 0.15),
        Ellipse("contrast", 0.42, 0.42, 0.02, 0.20, 0.2),
        Ellipse("contrast", 0.58, 0.52, 0.16, 0.015, 0.2),
        Ellipse("contrast", 0.64, 0.66, 0.012, 0.14, 0.2),
    ),
    "WHOLEBODY": (
        Ellipse("muscle", 0.5, 0.10, 0.06, 0.08),
        Ellipse("muscle", 0.5, 0.38, 0.14, 0.22),
        Ellipse("muscle", 0.43, 0.78, 0.05, 0.22),
        Ellipse("muscle", 0.57, 0.78, 0.05, 0.22),
        Ellipse("bone", 0.5, 0.36, 0.02, 0.22),
        Ellipse("kidney", 0.45, 0.44, 0.02, 0.03),
        Ellipse("kidney", 0.55, 0.44, 0.02, 0.03),
        Ellipse("fluid", 0.5, 0.58, 0.03, 0.02),
    ),
}
"""Seen from the front, by Body Part Examined."""

SECTOR: tuple[Ellipse, ...] = (
    Ellipse("muscle", 0.5, 0.45, 0.42, 0.40),
    Ellipse("liver", 0.45, 0.42, 0.32, 0.28),
    Ellipse("kidney", 0.58, 0.56, 0.14, 0.09, 0.3),
    Ellipse("fluid", 0.38, 0.38, 0.07, 0.05, -0.4),
)
"""What an ultrasound probe sees."""

LESION = Ellipse("lesion", 0.40, 0.45, 0.035, 0.035)
"""What a report finds, in the middle of a stack."""
