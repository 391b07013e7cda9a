"""What sites drop into an incoming folder, over and over: small studies, as files and as zips, in several manners."""

from __future__ import annotations

import io
import random
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.dicom_files import ROOT, make_small

SITES = ("north", "south")
TRIALS = ("atlas", "mammo")
PATIENT = "Planted^Arrival"
"""In every instance's Patient's Name; each study's Patient ID is its own."""

MOST_INSTANCES = 3


@dataclass(frozen=True)
class Arrival:
    """A study that a site dropped."""

    number: int
    site: str
    trial: str
    count: int

    @property
    def study_uid(self) -> str:
        """Its Study Instance UID."""
        return f"{ROOT}.77.{self.number}"

    @property
    def patient_id(self) -> str:
        """Whose it is."""
        return f"PLANTED-{self.number}"

    @property
    def instances(self) -> tuple[str, ...]:
        """Its SOP Instance UIDs."""
        return tuple(f"{self.study_uid}.1.{one}" for one in range(1, self.count + 1))

    def files(self) -> dict[str, bytes]:
        """Its instances by file name."""
        return {f"{uid}.dcm": self._instance(uid) for uid in self.instances}

    def _instance(self, sop_uid: str) -> bytes:
        return make_small(
            patient_id=self.patient_id,
            PatientName=PATIENT,
            study_uid=self.study_uid,
            series_uid=f"{self.study_uid}.1",
            sop_uid=sop_uid,
        )


class Sites:
    """Drop studies below a folder laid out as {site}/{trial}, each in one of the manners of sites."""

    def __init__(self, incoming: Path, beside: Path, chance: random.Random) -> None:
        """`beside` is on the same file system, and nobody looks at it: what is moved in is made there."""
        self._incoming, self._beside, self._chance = incoming, beside, chance
        self._manners: tuple[Callable[[Path, Mapping[str, bytes]], None], ...] = (
            self._write_in_place,
            self._rename_in_place,
            self._move_zip,
            self._move_zip_of_folders,
        )
        self.dropped: list[Arrival] = []

    def drop_until(self, enough: threading.Event, pause_seconds: float) -> None:
        """Drop one study after another, at random moments that lie `pause_seconds` apart on the average."""
        while not enough.wait(self._chance.random() * 2 * pause_seconds):
            self.drop()

    def drop(self) -> None:
        """Drop the next study."""
        site, trial = self._chance.choice(SITES), self._chance.choice(TRIALS)
        arrival = Arrival(len(self.dropped), site, trial, self._chance.randint(1, MOST_INSTANCES))
        folder = self._incoming / site / trial
        folder.mkdir(parents=True, exist_ok=True)
        self._chance.choice(self._manners)(folder, arrival.files())
        self.dropped.append(arrival)

    def _write_in_place(self, folder: Path, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            (folder / name).write_bytes(data)

    def _rename_in_place(self, folder: Path, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            made = folder / f"{name}.part"
            made.write_bytes(data)
            made.rename(folder / name)

    def _move_zip(self, folder: Path, files: Mapping[str, bytes]) -> None:
        self._move(folder, files, "")

    def _move_zip_of_folders(self, folder: Path, files: Mapping[str, bytes]) -> None:
        self._move(folder, files, "export/series 1/")

    def _move(self, folder: Path, files: Mapping[str, bytes], within: str) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(within + name, data)
        name = f"{next(iter(files))}.zip"
        self._beside.mkdir(exist_ok=True)
        (self._beside / name).write_bytes(packed.getvalue())
        (self._beside / name).rename(folder / name)
