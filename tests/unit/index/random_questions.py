"""Archives and questions made up at random, small enough that values meet often."""

from __future__ import annotations

from random import Random
from typing import Any

from diana_index.core.attributes import Level
from diana_index.core.question import Asked, Key, OrderKey
from diana_index.core.reports.report import make_report
from tests.unit.index.clause_oracle import Held
from tests.unit.index.fake_archive import FakeArchive, header

_NAMES = [
    "Doe^Jane",
    "DOE^JANE^Ann",
    "Müller^Jo",
    "Smith^Jon",
    "Smyth^John",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "O'Brien^P",
    "Doe",
]
_TEXTS = [
    "CT Thorax",
    "ct thorax low dose",
    "Röntgen Thorax",
    "100%_x",
    "a[b]c",
    "A*B?",
    "x' OR '1'='1",
    'say "a"',
    "\\d\n",
    "thoracic",
]
_DAYS = ["20251231", "20260101", "20260115", "20260131", "20260201", "2026.01.15", "no date"]
_TIMES = ["10", "1015", "101500.5", "235959", "000000", "no time"]
_MOMENTS = ["20260115101500", "20260115101500+0100", "2026", "202601", "20251231235959.9"]
_NUMBERS = [0, 1, 2, 10, "2.50", 2.5, -1, "x"]
_UIDS = ["1.2.840.1", "1.2.840.2", "1.2.840"]
_CODES = ["A", "B", "C", 'A","B', "a"]
_REPORTS = ["BI-RADS 4A. Thorax normal.", "RADCAT 3", "never smoker, low dose", "Lung-RADS 2. BI-RADS 2."]

_VALUES: dict[str, list[Any]] = {
    "PatientName": _NAMES,
    "OtherPatientIDs": _CODES,
    "PatientSex": ["M", "F", "O"],
    "PatientBirthDate": ["19800101", "20200601", "no date"],
    "PatientComments": _TEXTS,
    "StudyDate": _DAYS,
    "StudyTime": _TIMES,
    "StudyDescription": _TEXTS,
    "AccessionNumber": _CODES,
    "PatientAge": ["045Y", "006M", "old"],
    "PatientWeight": _NUMBERS,
    "ReferringPhysicianName": _NAMES,
    "OtherStudyNumbers": [1, 2, 3],
    "AdmittingDiagnosesDescription": _TEXTS,
    "Modality": ["CT", "MR", "SR"],
    "SeriesNumber": _NUMBERS,
    "SeriesDescription": _TEXTS,
    "BodyPartExamined": ["CHEST", "HEAD"],
    "OperatorsName": _NAMES,
    "SeriesDate": _DAYS,
    "SeriesTime": _TIMES,
    "SOPClassUID": _UIDS,
    "InstanceNumber": _NUMBERS,
    "ImageType": _CODES,
    "AcquisitionDateTime": _MOMENTS,
    "ContentDescription": _TEXTS,
    "Rows": [512, 256],
}
_SEVERAL = {"OtherPatientIDs", "ImageType", "OperatorsName", "AccessionNumber", "OtherStudyNumbers", "SeriesNumber"}
_OWNERS = {
    Level.PATIENT: list(_VALUES)[:5],
    Level.STUDY: list(_VALUES)[5:14],
    Level.SERIES: list(_VALUES)[14:21],
    Level.INSTANCE: list(_VALUES)[21:],
}
_DERIVED = [
    "ModalitiesInStudy", "SOPClassesInStudy", "NumberOfPatientRelatedStudies", "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances", "NumberOfSeriesRelatedInstances", "age",
]  # fmt: skip
_NESTED = [
    "RequestAttributesSequence.ScheduledProcedureStepID", "RequestAttributesSequence.RequestedProcedureID",
    "ProcedureCodeSequence.CodeValue", "ProcedureCodeSequence.CodeMeaning",
]  # fmt: skip
_ORDERED = [
    "PatientName",
    "PatientBirthDate",
    "StudyDate",
    "StudyDescription",
    "PatientWeight",
    "age",
    "AccessionNumber",
    "ImageType",
    "OperatorsName",
]
_WILD = ["*a*", "?", "*T*", "A*", "*[b]*", "*%*", "*\\*", '*"*', "Doe*", "d?e^*", "*^J*"]


class Maker:
    """Makes things up, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def archive(self) -> tuple[FakeArchive, dict[Level, list[Held]]]:
        """An archive, and its records as they must be."""
        archive = FakeArchive(batch=7)
        made: dict[Level, list[Held]] = {level: [] for level in Level}
        for number in range(self.random.randint(2, 6)):
            self._patient(archive, f"P{number}", number, made)
        return archive, made

    def question(self, level: Level) -> Asked:
        """Keys, a filter, or both."""
        several = self.random.random() < 0.3
        keys = [self._key() for _ in range(self.random.choice([0, 1, 1, 2]))]
        text = self._filter(self.random.randint(0, 4)) if several or not keys else ""
        return Asked("default", level, keys, text, self.random.random() < 0.2, self.random.random() < 0.2)

    def orders(self, level: Level) -> list[OrderKey]:
        """Sorting keys that records at a level have once."""
        owned = [name for each in Level if each <= level for name in _OWNERS[each] if name in _ORDERED]
        names = self.random.sample(owned, min(len(owned), self.random.randint(0, 2)))
        return [OrderKey(name, self.random.random() < 0.5) for name in names]

    def _patient(self, archive: FakeArchive, patient_id: str, number: int, made: dict[Level, list[Held]]) -> None:
        own = {"PatientID": patient_id, **self._values(Level.PATIENT)}
        patient = Held(Level.PATIENT, patient_id, header(**own))
        made[Level.PATIENT].append(patient)
        for study in range(1, self.random.randint(2, 4)):
            uid = f"{number}.{study}"
            self._study(archive, patient, uid, {**own, **self._values(Level.STUDY), **self._coded()}, made)

    def _study(self, archive: FakeArchive, patient: Held, uid: str, own: dict[str, Any], made: dict[Any, Any]) -> None:
        study = Held(Level.STUDY, uid, {}, patient)
        for number in range(1, self.random.randint(2, 4)):
            above = {**own, **self._values(Level.SERIES), **self._requested()}
            series = Held(Level.SERIES, f"{uid}.{number}", {}, study)
            for one in range(1, self.random.randint(2, 4)):
                sop = f"{series.uid}.{one}"
                values = {**above, **self._values(Level.INSTANCE)}
                archive.store(sop, uid, series.uid, **values)
                instance = Held(Level.INSTANCE, sop, header(**values), series)
                series.below.append(instance)
                patient.header = study.header = series.header = instance.header
                made[Level.INSTANCE].append(instance)
            study.below.append(series)
            made[Level.SERIES].append(series)
        if self.random.random() < 0.5:
            study.reports.append(make_report(f"r{uid}", uid, "", self.random.choice(_REPORTS)))
        patient.below.append(study)
        made[Level.STUDY].append(study)

    def _values(self, level: Level) -> dict[str, Any]:
        return {name: self._value(name) for name in _OWNERS[level]}

    def _value(self, name: str) -> Any:
        if self.random.random() < 0.2:
            return None
        if name in _SEVERAL:
            return self.random.choices(_VALUES[name], k=self.random.randint(1, 3))
        value = self.random.choice(_VALUES[name])
        if isinstance(value, str) and "=" in value and name.endswith("Name"):
            return dict(zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=True))
        return value

    def _coded(self) -> dict[str, Any]:
        return {"ProcedureCodeSequence": self._items("CodeValue", "CodeMeaning")}

    def _requested(self) -> dict[str, Any]:
        return {"RequestAttributesSequence": self._items("ScheduledProcedureStepID", "RequestedProcedureID")}

    def _items(self, *names: str) -> list[Any]:
        number = self.random.randint(0, 3)
        return [header(**{one: self.random.choice([*_CODES, None]) for one in names}) for _ in range(number)]

    def _key(self) -> Key:
        if self.random.random() < 0.2:
            names = self.random.choice(
                [("ScheduledProcedureStepID", "RequestedProcedureID"), ("CodeValue", "CodeMeaning")]
            )
            sequence = "ProcedureCodeSequence" if names[0] == "CodeValue" else "RequestAttributesSequence"
            inner = tuple(Key(one, (self.random.choice(_CODES),)) for one in names[: self.random.randint(1, 2)])
            return Key(sequence, (), inner)
        name = self._name()
        return Key(name, tuple(self._asked(name, True) for _ in range(self.random.choice([1, 1, 1, 2, 3]))))

    def _name(self) -> str:
        return self.random.choice([*_VALUES, *_VALUES, *_DERIVED, *_NESTED])

    def _asked(self, name: str, key: bool = False) -> str:
        """A value that an attribute may be asked for."""
        if key and self.random.random() < 0.1:
            return self.random.choice(["", "*", '""'])
        if name in ("age", "PatientWeight", "SeriesNumber", "InstanceNumber", "Rows") or name.startswith("NumberOf"):
            return self.random.choice(["0", "1", "2", "2.5", "5", "45.99", "512"])
        if name == "OtherStudyNumbers":
            return self.random.choice("123")
        held = _VALUES.get(name, {"M": ["CT", "MR"], "S": _UIDS}.get(name[0], _CODES))
        held = [one for one in held if not str(one).startswith("no ")]
        value = str(self.random.choice(held))
        if name.endswith(("Date", "Time", "DateTime")) and self.random.random() < 0.4:
            return self.random.choice([f"{value}-", f"-{value}"]) if "." not in value else value
        if name not in ("SOPClassUID", "SOPClassesInStudy", "PatientAge") and not name.endswith(("Date", "Time")):
            return self.random.choice([value, value, self.random.choice(_WILD), value[:2] + "*"])
        return value

    def _filter(self, depth: int) -> str:
        kind = self.random.random()
        if depth == 0 or kind < 0.25:
            return self._restriction()
        if kind < 0.45:
            return f"NOT ({self._filter(depth - 1)})"
        parts = [f"({self._filter(depth - 1)})" for _ in range(self.random.randint(2, 3))]
        return self.random.choice([" AND ", " OR ", " "]).join(parts)

    def _restriction(self) -> str:
        kind = self.random.random()
        if kind < 0.1:
            return self.random.choice(["thorax", '"low dose"', "thor*", '"ct thor*"', "normal", "rontgen"])
        if kind < 0.2:
            return self.random.choice(
                ["report.bi_rads = 4A", "report.bi_rads >= 2", "report.bi_rads != 2", "report.smoking = never",
                 "report.radcat:*", "report.lung_rads < 3", "report.smoking != current"]
            )  # fmt: skip
        name = self._name()
        comparator = self.random.choice(["=", "=", "!=", "!=", ":", ":*", '= ""', '!= ""', "<", "<=", ">", ">="])
        if comparator.endswith(("*", '"')):
            return f"{name}{comparator}" if comparator == ":*" else f"{name} {comparator}"
        value = self._asked(name)
        if comparator[0] in "<>" and name.endswith(("Date", "Time")):
            value = value.strip("-")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name} {comparator} "{escaped}"'
