"""Images with text burned in: drawn with Pillow, on what ultrasound and captured screens look like."""

from __future__ import annotations

import random

from pydicom import Dataset

from tests.deid import objects
from tests.deid.answers import Answer, Box, Category
from tests.deid.people import Person

WIDTH, HEIGHT = 448, 320
_BANNER = 64
"""Rows at the top that hold the text; the picture lies below."""


def draw(data_set: Dataset, number: int, person: Person, rng: random.Random) -> list[Answer]:
    """Give an object a picture with its patient's name and id in a banner, and say where."""
    from PIL import Image, ImageChops, ImageDraw, ImageFont

    picture = Image.new("L", (WIDTH, HEIGHT), 0)
    # An organ, dark at its rim, at some place; grain as fine as a detector's.
    organ = Image.radial_gradient("L").point(lambda value: max(0, 150 - value))
    size = HEIGHT - 2 * _BANNER - rng.randrange(40)
    picture.paste(organ.resize((size * 2, size)), (rng.randrange(8, 40), _BANNER))
    grain = Image.frombytes("L", picture.size, bytes(b & 7 for b in rng.randbytes(WIDTH * HEIGHT)))
    picture = ImageChops.add(picture, grain)
    drawing = ImageDraw.Draw(picture)
    drawing.rectangle((0, 0, WIDTH, _BANNER - 1), fill=0)
    texts = (f"{person.family} {person.given}".encode("ascii", "ignore").decode(), f"ID {person.patient_id}")
    boxes: list[Box] = []
    for row, text in enumerate(text for text in texts if len(text.split()) > 1):
        where = (12, 4 + 30 * row)
        font = ImageFont.load_default(size=22)
        drawing.text(where, text, fill=255, font=font)
        left, top, right, bottom = drawing.textbbox(where, text, font=font)
        boxes.append((int(left), int(top), int(right) + 1, int(bottom) + 1))
    _fill(data_set, picture.tobytes())
    if data_set.SOPClassUID == objects.US:
        data_set.SequenceOfUltrasoundRegions = [
            objects.item(
                RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0, RegionLocationMinX0=0,
                RegionLocationMinY0=_BANNER, RegionLocationMaxX1=WIDTH - 1, RegionLocationMaxY1=HEIGHT - _BANNER - 1,
            )
        ]  # fmt: skip
    hidden = [Answer(number, Category.PIXELS_HIDDEN, (), "burned-in name or id", box=box) for box in boxes]
    picture_box = (0, _BANNER + 16, WIDTH, HEIGHT - _BANNER - 16)
    return [*hidden, Answer(number, Category.PIXELS_RETAINED, (), "the picture below the banner", box=picture_box)]


def _fill(data_set: Dataset, pixels: bytes) -> None:
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation, data_set.PixelRepresentation = 1, "MONOCHROME2", 0
    data_set.Rows, data_set.Columns = HEIGHT, WIDTH
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 8, 8, 7
    data_set.BurnedInAnnotation = "YES"
    data_set.PixelData = pixels
