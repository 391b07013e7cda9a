"""What the engine's tests share: plans, one identity, one mapper, and reading what came out."""

from __future__ import annotations

import io
import json
import re
from datetime import date, timedelta
from enum import Enum
from functools import partial
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from diana_anon.core.planning.plan import Plan, compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import BirthDate, Profile
from diana_anon.core.rewriting.engine import Contents, Deidentified, Identity, deidentify
from diana_anon.core.rewriting.uids import Pseudonyms
from diana_common.header import scan
from diana_common.uidmap import map_accession_number, map_uid


class Dates(Enum):
    """The two profiles that most tests run under."""

    REMOVE = Profile("test")
    SHIFT = Profile(
        "test",
        frozenset({Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES}),
        birth_date=BirthDate.NEAR,
    )


PLANS: dict[Dates, Plan] = {dates: compile_plan(dates.value) for dates in Dates}
OFFSET = timedelta(days=-81)
SUBKEY = bytes(range(32))


def new_uid(uid: str) -> str:
    """The mapper of these tests."""
    return map_uid(SUBKEY, uid)


PSEUDONYMS = Pseudonyms(new_uid, partial(map_accession_number, SUBKEY))


def identity(offset: timedelta = OFFSET) -> Identity:
    return Identity("NEWID234", "NEW^NAME", date(1961, 2, 3), offset)


def run(data: Contents, dates: Dates = Dates.REMOVE, offset: timedelta = OFFSET) -> Deidentified:
    return deidentify(data, PLANS[dates], identity(offset), PSEUDONYMS)


class Striker:
    """A cleaner that strikes planted words; the real one is tested beside itself."""

    _PLANTED = re.compile(r" *ZQ\w*( CANARY)?", re.IGNORECASE)

    def clean(self, text: str) -> str:
        return self._PLANTED.sub("", text)


def profile(*options: Option, **values: Any) -> Profile:
    """A profile of these options."""
    return Profile("test", frozenset(options), **values)


def under(data: Contents, chosen: Profile, *, offset: timedelta = OFFSET, **values: Any) -> bytes:
    """The bytes of the new file under a profile, its overrides' conditions asked, with planted words to strike."""
    header = json.loads(scan(data).dicom_json)
    plan = compile_plan(chosen).for_object(header)
    made = deidentify(data, plan, identity(offset), PSEUDONYMS, **{"cleaner": Striker(), **values})
    return b"".join(made.pieces)


def new_file(data: Contents, dates: Dates = Dates.REMOVE, offset: timedelta = OFFSET) -> bytes:
    """The bytes of the new file."""
    return b"".join(run(data, dates, offset).pieces)


def new_data_set(data: Contents, dates: Dates = Dates.REMOVE, offset: timedelta = OFFSET) -> Dataset:
    """The new file, read."""
    return read(new_file(data, dates, offset))


def read(data: bytes) -> Dataset:
    """A file as pydicom reads it, every element decoded."""
    data_set = dcmread(io.BytesIO(data))
    for _ in data_set.iterall():
        pass
    return data_set


def item(**values: object) -> Dataset:
    """A small data set by keywords."""
    data_set = Dataset()
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    return data_set


def written(data_set: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """A data set as a Part 10 file in one of the uncompressed encodings."""
    data_set.ensure_file_meta()
    data_set.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dcmwrite(buffer, data_set, enforce_file_format=True)
    return buffer.getvalue()
