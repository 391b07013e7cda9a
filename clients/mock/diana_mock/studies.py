"""A study: who, where, when and what; everything about it is drawn from its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from random import Random

from diana_mock.chance import chance, uid
from diana_mock.description import Service, Site
from diana_mock.dose.events import Event
from diana_mock.encoding import Attributes
from diana_mock.people import Patient, doctor, patient
from diana_mock.procedures import PROCEDURES, Procedure

SERIES_SECONDS = 120.0
"""From one series' beginning to the next one's."""

_DOCTORS = 40
_PERSONS_ASKED = 64
"""How many patients are tried until one is of the sex that a procedure is for."""


@dataclass(frozen=True)
class Device:
    """One device of a service."""

    site: Site
    service: Service
    number: int
    """From 1."""

    @property
    def key(self) -> tuple[object, ...]:
        """What its chance is drawn from."""
        return self.site.seed, self.site.name, self.service.name, self.number

    @property
    def ae_title(self) -> str:
        """Its AE title: 16 characters at most."""
        letters = "".join(one for one in self.service.name.upper() if one.isalnum())
        return f"{(self.service.ae_title or letters or self.service.modality.value)[:12]}{self.number}"

    @property
    def station_name(self) -> str:
        """Station Name: 16 characters at most."""
        return f"{self.service.name[:12].strip()} {self.number}"


@dataclass(frozen=True)
class Study:
    """One study of a device."""

    device: Device
    number: int
    """Of the device, from 0."""
    start: datetime
    """Local to the scanner."""
    years_back: int = 0
    """Of a prior: which it is; 0 for one that is made now."""

    @property
    def key(self) -> tuple[object, ...]:
        """What its chance is drawn from."""
        return *self.device.key, self.number, self.years_back

    @property
    def site(self) -> Site:
        """Where it is made."""
        return self.device.site

    @cached_property
    def uid(self) -> str:
        """Study Instance UID."""
        return uid(*self.key, "study")

    def series_uid(self, series: int) -> str:
        """Series Instance UID of a series, by its number."""
        return uid(*self.key, "series", series)

    def instance_uid(self, series: int, place: int) -> str:
        """SOP Instance UID of the instance of a place, from 0, of a series."""
        return uid(*self.key, "series", series, "instance", place)

    @cached_property
    def accession_number(self) -> str:
        """Accession Number: 16 characters at most."""
        return f"A{int(self.uid.removeprefix('2.25.')) % 10**12:012d}"

    @cached_property
    def procedure(self) -> Procedure:
        """What is done. A prior's is that of the study that it is prior to."""
        return self._drawn("procedure").choice(PROCEDURES[self.device.service.modality])

    @cached_property
    def patient(self) -> Patient:
        """Whose it is."""
        seed, charset = (self.site.seed, self.site.name), self.site.charset
        first = self._drawn("patient").randrange(self.site.patients)
        for step in range(_PERSONS_ASKED):
            found = patient(seed, charset, (first + step) % self.site.patients)
            if self.procedure.sex in ("", found.sex):
                return found
        return found

    @cached_property
    def lesion_mm(self) -> int:
        """How large a lesion is; 0 for none."""
        draw = chance(*self.key, "lesion")
        return draw.randint(6, 30) if draw.random() < 0.3 else 0

    @cached_property
    def side(self) -> str:
        """L or R, where the body part is one of a pair."""
        return self._drawn("side").choice("LR") if self.procedure.region.name == "KNEE" else ""

    @cached_property
    def prior(self) -> Study | None:
        """The study before, of the same patient and procedure; only one that is made now has any."""
        draw = chance(*self.key, "prior")
        if self.years_back or draw.random() >= self.site.priors:
            return None
        return Study(self.device, self.number, self.start - timedelta(days=draw.randint(30, 1500)), 1)

    def doctor(self, role: str) -> str:
        """Who had a part in it, by role."""
        number = chance(*self.key, role).randrange(_DOCTORS)
        return doctor((self.site.seed, self.site.name), self.site.charset, role, number)

    def _drawn(self, purpose: str) -> Random:
        """Of what a study and its prior share."""
        return chance(*self.device.key, self.number, purpose)


@dataclass(frozen=True)
class Series:
    """What a device makes in one go."""

    description: str
    sop_class_uid: str
    attributes: Attributes
    """The same in all its instances."""
    count: int
    """Instances."""
    seconds: float
    """Between two instances."""
    instance: Callable[[int], Attributes]
    """What differs in the instance of a place, from 0."""
    image: Callable[[int], bytes]
    """Its pixels."""
    event: Callable[[int], Event] | None = None
    """The irradiation event of an instance."""
    events: int = 0
    """How many irradiation events there are: one for all instances, or one each."""


@dataclass(frozen=True)
class Plan:
    """A series of a study, in its place."""

    study: Study
    number: int
    """Series Number, from 1."""
    series: Series

    @property
    def start(self) -> datetime:
        """When it begins: its maker takes care that it ends before the next one begins."""
        return self.study.start + timedelta(seconds=60 + SERIES_SECONDS * (self.number - 1))

    def time(self, place: int) -> datetime:
        """When the instance of a place is made."""
        return self.start + timedelta(seconds=self.series.seconds * place)
