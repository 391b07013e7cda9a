"""The patients of a site, and those who refer, perform and read: all made up.

Family and given names are the most frequent of the United States' census of 1990 (public domain), and a few that
need other character sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from random import Random
from zlib import crc32

from diana_mock.chance import chance
from diana_mock.encoding import codec

_FAMILY = (
    "Smith Johnson Williams Jones Brown Davis Miller Wilson Moore Taylor Anderson Thomas Jackson White Harris Martin "
    "Thompson Garcia Martinez Robinson Clark Rodriguez Lewis Lee Walker Hall Allen Young Hernandez King Wright Lopez "
    "Hill Scott Green Adams Baker Gonzalez Nelson Carter Mitchell Perez Roberts Turner Phillips Campbell Parker Evans "
    "Edwards Collins Stewart Sanchez Morris Rogers Reed Cook Morgan Bell Murphy Bailey Rivera Cooper Richardson Cox "
    "Howard Ward Torres Peterson Gray Ramirez James Watson Brooks Kelly Sanders Price Bennett Wood Barnes Ross "
    "Henderson Coleman Jenkins Perry Powell Long Patterson Hughes Flores Washington Butler Simmons Foster Gonzales "
    "Bryant Alexander Russell Griffin Diaz Hayes Müller Núñez Lefèvre Søndergaard Šimánek Kovačević Иванова Петренко "
    "Παπαδόπουλος 山田 张 Nguyễn"
)
_FEMALE = (
    "Mary Patricia Linda Barbara Elizabeth Jennifer Maria Susan Margaret Dorothy Lisa Nancy Karen Betty Helen Sandra "
    "Donna Carol Ruth Sharon Michelle Laura Sarah Kimberly Deborah Jessica Shirley Cynthia Angela Melissa Brenda Amy "
    "Anna Rebecca Virginia Kathleen Pamela Martha Debra Amanda Stephanie Carolyn Christine Marie Janet Zoë Žofia Ольга "
    "Ελένη 花子"
)
_MALE = (
    "John Robert Michael William David Richard Charles Joseph Thomas Christopher Daniel Paul Mark Donald George "
    "Kenneth Steven Edward Brian Ronald Anthony Kevin Jason Matthew Gary Timothy Jose Larry Jeffrey Frank Scott Eric "
    "Stephen Andrew Raymond Gregory Joshua Jerry Dennis Walter Patrick Peter Harold Douglas Henry Jörg André Łukasz "
    "Игорь Νίκος 太郎"
)
_FIRST_BIRTH = date(1930, 1, 1)
_BIRTHS = 76 * 365


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody who does not exist."""

    number: int
    patient_id: str
    name: str
    """As DICOM writes it."""
    sex: str
    born: date
    height_m: float
    weight_kg: float

    @property
    def build(self) -> float:
        """How much wider than most, about 0.8 to 1.3: what pictures show, and dose goes by."""
        return float((self.weight_kg / self.height_m**2 / 25) ** 0.5)

    def age(self, day: date) -> str:
        """Age String of a day (PS3.5 table 6.2-1)."""
        days = max((day - self.born).days, 0)
        if days < 60:
            return f"{days:03d}D"
        return f"{days * 12 // 365:03d}M" if days < 730 else f"{days * 4 // 1461:03d}Y"


def patient(seed: object, charset: str, number: int) -> Patient:
    """The site's patient of a number, always the same."""
    draw = chance(seed, "patient", number)
    sex = draw.choice("FM")
    height = draw.gauss(1.64 if sex == "F" else 1.77, 0.07)
    weight = min(max(draw.gauss(26, 4), 17), 42) * height**2
    return Patient(
        number,
        f"M{crc32(str(seed).encode()) % 900 + 100}{number:08d}",
        _name(draw, charset, sex),
        sex,
        _FIRST_BIRTH + timedelta(days=draw.randrange(_BIRTHS)),
        round(height, 2),
        round(weight, 1),
    )


def doctor(seed: object, charset: str, role: str, number: int) -> str:
    """One of those who refer, perform or read; their name as DICOM writes it."""
    draw = chance(seed, role, number)
    return _name(draw, charset, draw.choice("FM")) + "^^Dr"


def _name(draw: Random, charset: str, sex: str) -> str:
    family, female, male = _names(codec(charset))
    given = draw.choice(female if sex == "F" else male)
    return f"{draw.choice(family)}^{given}^{draw.choice('ABCDEFGHJKLMNPRSTW')}"


@cache
def _names(encoding: str) -> tuple[list[str], list[str], list[str]]:
    return (_written(_FAMILY, encoding), _written(_FEMALE, encoding), _written(_MALE, encoding))


def _written(names: str, encoding: str) -> list[str]:
    """Those that a character set has letters for."""
    return [name for name in names.split() if name.encode(encoding, "ignore").decode(encoding) == name]
