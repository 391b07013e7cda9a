"""What the makers of every modality go by: one study at one device, and the draws for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from diana_mock.anatomy import Ellipse
from diana_mock.chance import chance, uid
from diana_mock.encoding import Attributes
from diana_mock.phantoms import Contrast, Picture, pixels
from diana_mock.studies import Study


@dataclass(frozen=True)
class Scan:
    """One study, as its maker sees it."""

    study: Study
    draw: Random = field(default_factory=Random)

    @classmethod
    def of(cls, study: Study) -> Scan:
        """With draws of its own."""
        return cls(study, chance(*study.key, "scan"))

    @property
    def size(self) -> int:
        """Rows and columns."""
        return self.study.device.service.image_size

    @property
    def start(self) -> datetime:
        """When the study began."""
        return self.study.start

    @property
    def build(self) -> float:
        """How much wider than most the patient is."""
        return self.study.patient.build

    def count(self, usual: int) -> int:
        """Instances a series (or frames an instance): what is described, or what is usual."""
        return self.study.device.service.instances or usual

    def event_uid(self, number: int) -> str:
        """Irradiation Event UID."""
        return uid(*self.study.key, "event", number)

    def about(self, value: float, share: float = 0.1, digits: int = 2) -> float:
        """A value near the one given."""
        return round(value * self.draw.uniform(1 - share, 1 + share), digits)

    def stack(self, shapes: tuple[Ellipse, ...], contrast: Contrast, count: int) -> Callable[[int], bytes]:
        """Pixels of the images of a series along the body."""
        return self._images(self.picture(shapes, contrast), count)

    def picture(self, shapes: tuple[Ellipse, ...], contrast: Contrast) -> Picture:
        """What an image of this patient shows."""
        lesion = self.study.lesion_mm > 0 and contrast.tissues.get("lesion") is not None
        return Picture(shapes, contrast, self.size, self.size, round(self.build * 10), lesion)

    def frames(self, shapes: tuple[Ellipse, ...], contrast: Contrast, count: int) -> Callable[[int], bytes]:
        """Pixels of instances of many frames each."""
        one, first = self.picture(shapes, contrast), self.draw.randrange(1 << 15)
        return lambda place: b"".join(
            pixels(one, frame / count, first + place * count + frame) for frame in range(count)
        )

    def _images(self, one: Picture, count: int) -> Callable[[int], bytes]:
        first = self.draw.randrange(1 << 15)
        return lambda place: pixels(one, place / count, first + place)


def image_pixel(scan: Scan, bits: int = 16, stored: int = 12, interpretation: str = "MONOCHROME2") -> Attributes:
    """Image Pixel module (PS3.3 C.7.6.3), without the pixels."""
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": interpretation,
        "Rows": scan.size,
        "Columns": scan.size,
        "BitsAllocated": bits,
        "BitsStored": stored,
        "HighBit": stored - 1,
        "PixelRepresentation": 0,
    }


def millimetres(field_of_view: float, scan: Scan) -> list[float]:
    """Pixel Spacing of a field of view in mm."""
    return [round(field_of_view / scan.size, 6)] * 2


def day_and_time(time: datetime) -> tuple[str, str]:
    """DA and TM; local to the scanner."""
    return f"{time:%Y%m%d}", f"{time:%H%M%S.%f}"
