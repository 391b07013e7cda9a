"""What a person says of a mock hospital: sites and their services.

- name: Example Hospital
  services:
  - {name: Main CT, modality: CT, devices: 3, studies_per_hour: 15}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from diana_common.settings import build, config_invalid

MOST_SITES = 100
MOST_DEVICES = 10_000
_MOST_PIXELS = 256 * 1024 * 1024
"""Of one instance."""

_CHARSETS = ("ISO_IR 6", "ISO_IR 100", "ISO_IR 101", "ISO_IR 126", "ISO_IR 144", "ISO_IR 192", "GB18030")


class Modality(Enum):
    """What a device is; the standard's words."""

    CT = "CT"
    MR = "MR"
    CR = "CR"
    DX = "DX"
    US = "US"
    MG = "MG"
    NM = "NM"
    PT = "PT"
    XA = "XA"
    RF = "RF"


class Reports(Enum):
    """In which form a study's report follows it."""

    NONE = "none"
    """Not at all."""
    SR = "sr"
    """As a Basic Text SR."""
    TEXT = "text"
    """As plain text, for a folder of reports."""
    BOTH = "both"
    """As both."""


@dataclass(frozen=True)
class Faults:
    """How often something goes wrong: probabilities, of each instance if not said otherwise. An instance has one."""

    duplicates: float = 0.0
    """It is sent twice, byte for byte."""

    drops: float = 0.0
    """It is never sent."""

    late_instances: float = 0.0
    """It is sent `late_minutes` after its time."""

    wrong_vr: float = 0.0
    """One of its elements has a VR that PS3.6 does not give it."""

    odd_charsets: float = 0.0
    """Its Patient's Name is in another character set than its Specific Character Set says."""

    wrong_patient_id: float = 0.0
    """Its Patient ID is another patient's."""

    missing_uid: float = 0.0
    """Its data set lacks its Study, Series or SOP Instance UID."""

    truncated: float = 0.0
    """Its end is missing."""

    slow: float = 0.0
    """Of each study: its instances come `slow_seconds` apart, over an association that stays open."""

    def __post_init__(self) -> None:
        for one in fields(self):
            _within(one.name, getattr(self, one.name), 0, 1)
        if sum(getattr(self, one.name) for one in fields(self) if one.name != "slow") > 1:
            raise ValueError("the probabilities of an instance's faults are more than 1 together")


@dataclass(frozen=True)
class Service:
    """A service of a site: like devices in one place."""

    name: str
    """What it is called; each device's Station Name begins with it."""

    modality: Modality
    """Of its devices."""

    devices: int = 1
    """How many there are."""

    studies_per_hour: float = 4.0
    """How many studies each device makes on the average; they arrive as a Poisson process."""

    instances: int = 0
    """Instances a series, or frames where they lie in one instance; 0 is what is usual for the modality."""

    image_size: int = 128
    """Rows and columns."""

    ae_title: str = ""
    """AE title of the devices, a number behind it; made from the name when empty."""

    manufacturer: str = "Mockworks"
    """Manufacturer."""

    rdsr: bool = True
    """Whether a device that radiates sends an X-Ray Radiation Dose SR with each study."""

    def __post_init__(self) -> None:
        _text("name", self.name, 64)
        _within("devices", self.devices, 1, 1000)
        _within("studies_per_hour", self.studies_per_hour, 0.001, 100_000)
        _within("instances", self.instances, 0, 5000)
        _within("image_size", self.image_size, 16, 2048)
        if self.modality in (Modality.XA, Modality.RF) and self.instances * self.image_size**2 > _MOST_PIXELS:
            raise ValueError("a run of so many frames of this size has more than 256 Mi pixels")
        _text("ae_title", self.ae_title or self.name, 12 if self.ae_title else 64)
        _text("manufacturer", self.manufacturer, 64)


@dataclass(frozen=True)
class Site:
    """A site: its patients and its services."""

    name: str
    """What it is called."""

    services: tuple[Service, ...]
    """What it has."""

    seed: int = 1
    """What all chance is drawn from. The same seed and description make the same bytes."""

    institution: str = ""
    """Institution Name; the site's name when empty."""

    patients: int = 1000
    """How many patients it has; each study is of one of them, so that they return."""

    priors: float = 0.0
    """Probability that a study brings a prior with it: of the same patient and procedure, months or years older."""

    reports: Reports = Reports.NONE
    """Whether and how each study's report follows, about half an hour later."""

    charset: str = "ISO_IR 100"
    """Specific Character Set; names are taken from those that it can write."""

    faults: Faults = field(default_factory=Faults)
    """What goes wrong, and how often."""

    late_minutes: float = 30.0
    """How much later a late instance comes; simulated time."""

    slow_seconds: float = 30.0
    """How far apart a slow study's instances are; simulated time."""

    def __post_init__(self) -> None:
        _text("name", self.name, 64)
        _text("institution", self.institution or self.name, 64)
        _within("patients", self.patients, 1, 10_000_000)
        _within("priors", self.priors, 0, 1)
        _within("late_minutes", self.late_minutes, 0, 100_000)
        _within("slow_seconds", self.slow_seconds, 0, 100_000)
        if self.charset not in _CHARSETS:
            raise ValueError(f"charset is none of {', '.join(_CHARSETS)}")
        if not 1 <= len(self.services) <= 100:
            raise ValueError("services must be one to 100")
        if len({one.name for one in self.services}) < len(self.services):
            raise ValueError("two services have the same name")


def sites(tree: Any) -> tuple[Site, ...]:
    """The sites that a parsed description is of: a list of them, or one.

    Raises DianaError CONFIG_INVALID, naming the key and the nearest.
    """
    described = [tree] if isinstance(tree, Mapping) else tree
    if not isinstance(described, list) or not 1 <= len(described) <= MOST_SITES:
        raise config_invalid("DESC", f"must be a site, or a list of one to {MOST_SITES} sites")
    found = tuple(build(Site, one, f"sites[{number}]") for number, one in enumerate(described))
    if len({site.name for site in found}) < len(found):
        raise config_invalid("DESC", "two sites have the same name")
    if sum(service.devices for site in found for service in site.services) > MOST_DEVICES:
        raise config_invalid("DESC", f"describes more than {MOST_DEVICES} devices")
    return found


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # a NaN is not, either
        raise ValueError(f"{name} must be {least:g} to {most:g}")


def _text(name: str, value: str, longest: int) -> None:
    if not 1 <= len(value) <= longest or not value.isprintable() or "\\" in value or not value.isascii():
        raise ValueError(f"{name} must be 1 to {longest} printable ASCII characters, and no backslash")
