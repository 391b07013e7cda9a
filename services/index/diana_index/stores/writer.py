"""Applying changes to a generation: instances first, then the records above those that were touched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from diana_index.core.attributes import ATTRIBUTES, BY_KEYWORD, Level
from diana_index.core.forms import Form
from diana_index.core.records import Elements, Gathered, Names, build_record, parse_header, patient_key
from diana_index.core.store import Change, Mark, Put, PutReport, Remove, RemoveReport
from diana_index.core.vocabulary import Vocabulary
from diana_index.stores.connection import Connection
from diana_index.stores.packing import pack, pack_elements, unpack
from diana_index.stores.record_writer import RecordWriter
from diana_index.stores.report_writer import ReportWriter
from diana_index.stores.schema import TABLES

_SOP_CLASS = [one.keyword for one in ATTRIBUTES[Level.INSTANCE]].index("SOPClassUID")
_NO_NAMES = Names("", "", "")
_PATIENT_COUNTS = [f'"NumberOfPatientRelated{what}"' for what in ("Studies", "Series", "Instances")]


@dataclass(slots=True)
class _Held:
    """An instance that is there, or will be with this batch."""

    id: int
    version: str
    series: int
    sop_class: str
    put: Put | None = None
    """Of one that is not written yet."""


@dataclass
class _Batch:
    """What the changes come to before anything is written."""

    held: dict[tuple[str, str], _Held] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)
    classes: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Instances gained or lost by series and SOP Class."""
    series: dict[int, None] = field(default_factory=dict)
    """Touched series, in order."""
    newest: dict[int, tuple[int, Put]] = field(default_factory=dict)
    """The newest instance put into a series, which is its newest of all."""


class Application:
    """One transaction's changes. Make it inside the transaction, call `apply` once."""

    def __init__(self, connection: Connection, vocabulary: Vocabulary) -> None:
        self._do = connection.execute
        self._do_many = connection.executemany
        self._records = RecordWriter(connection)
        self._reports = ReportWriter(connection)
        self._keyed = vocabulary.keyed
        self._batch = _Batch()
        self._series_ids: dict[tuple[str, str, str], int] = {}
        self._headers: dict[int, Elements] = {}
        self._next_ids: dict[Level, int] = {}

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes and set the mark."""
        self._look_up(changes)
        for change in changes:
            if isinstance(change, Put):
                self._put(change)
            else:
                self._remove(change)
        self._write_instances()
        studies = dict.fromkeys(self._derive_series(one) for one in self._batch.series)
        patients: dict[int, list[int]] = {}
        for study in studies:
            self._derive_study(study, patients)
        for patient, added in patients.items():
            self._derive_patient(patient, added)
        self._records.flush()
        self._do("UPDATE state SET position = ?, commit_time = ?", (mark.position, mark.commit_time))

    def _look_up(self, changes: Sequence[Change]) -> None:
        """What is held of the instances that the changes speak of."""
        named: dict[str, dict[str, None]] = {}
        for change in changes:
            sop_uid = change.names.sop_uid if isinstance(change, Put) else change.sop_uid
            named.setdefault(change.store, {})[sop_uid] = None
        for store, sop_uids in named.items():
            found = self._do(
                """SELECT "SOPInstanceUID", id, version, series, "SOPClassUID" FROM instance
                WHERE store = ? AND "SOPInstanceUID" IN (SELECT value FROM json_each(?))""",
                (store, json.dumps(list(sop_uids))),
            )
            for sop_uid, instance, version, series, sop_class in found:
                self._batch.held[store, sop_uid] = _Held(instance, version, series, sop_class or "")

    def _put(self, put: Put) -> None:
        named = put.store, put.names.sop_uid
        held = self._batch.held.get(named)
        if held and held.version == put.version:
            return
        if held:
            self._drop(held)
        if tuple(put.keyed) != self._keyed[Level.INSTANCE]:
            put = self._made_anew(put)
        series = self._series_id(put.store, put.names)
        made = _Held(self._next_id(Level.INSTANCE), put.version, series, str(put.record.forms[_SOP_CLASS] or ""), put)
        self._batch.held[named] = made
        self._batch.classes[series, made.sop_class] += 1
        self._batch.series[series] = None
        self._batch.newest[series] = made.id, put

    def _made_anew(self, put: Put) -> Put:
        """With the search keys that there are now: filling them does not look at what comes meanwhile."""
        keyed = self._keyed[Level.INSTANCE]
        record = build_record(parse_header(put.dicom_json), Level.INSTANCE, put.names, {}, keyed)
        return replace(put, record=record, keyed=keyed)

    def _remove(self, remove: Remove) -> None:
        named = remove.store, remove.sop_uid
        held = self._batch.held.get(named)
        if held and remove.version in ("", held.version):
            self._drop(held)
            del self._batch.held[named]

    def _drop(self, held: _Held) -> None:
        if held.put is None:
            self._batch.dropped.append(held.id)
        self._batch.classes[held.series, held.sop_class] -= 1
        self._batch.series[held.series] = None
        if self._batch.newest.get(held.series, (0,))[0] == held.id:
            # Another of this batch may be the newest now; looking into the tables finds it.
            del self._batch.newest[held.series]

    def _write_instances(self) -> None:
        self._records.forget(Level.INSTANCE, self._batch.dropped)
        self._reports.forget_instances(self._batch.dropped)
        for held in self._batch.held.values():
            if put := held.put:
                own = (held.id, put.store, held.series, held.version)
                self._records.add_instance(own, put.record, pack_elements(put.record.elements), pack(put.dicom_json))
                if put.report:
                    self._reports.put(put.store, put.report, held.id)
        self._records.flush()
        self._do_many(
            """INSERT INTO series_class VALUES (?, ?, ?)
            ON CONFLICT (series, sop_class) DO UPDATE SET instances = series_class.instances + excluded.instances""",
            [(*of, count) for of, count in self._batch.classes.items() if count],
        )

    def _series_id(self, store: str, names: Names) -> int:
        named = (store, names.study_uid, names.series_uid)
        if named not in self._series_ids:
            study = self._made(Level.STUDY, '"StudyInstanceUID"', store, names.study_uid)
            key = f"{names.series_uid}/{names.study_uid}"
            self._series_ids[named] = self._made(Level.SERIES, "key", store, key, study)
        return self._series_ids[named]

    def _made(self, level: Level, column: str, store: str, key: str, study: int | None = None) -> int:
        """The id of the record with this key, made if there is none."""
        table = TABLES[level]
        row = self._do(f"SELECT id FROM {table} WHERE store = ? AND {column} = ?", (store, key)).fetchone()
        if row:
            return int(row[0])
        made = self._next_id(level)
        if study is None:
            self._do(f"INSERT INTO {table} (id, store, {column}) VALUES (?, ?, ?)", (made, store, key))
        else:
            self._do(f"INSERT INTO series (id, store, {column}, study) VALUES (?, ?, ?, ?)", (made, store, key, study))
        return made

    def _next_id(self, level: Level) -> int:
        if level not in self._next_ids:
            self._next_ids[level] = int(self._one(f"SELECT coalesce(max(id), 0) FROM {TABLES[level]}"))
        self._next_ids[level] += 1
        return self._next_ids[level]

    def _derive_series(self, series: int) -> int:
        """Make a series what its instances say, or remove it if there are none; returns its study."""
        self._do("DELETE FROM series_class WHERE series = ? AND instances <= 0", (series,))
        key, study = self._do("SELECT key, study FROM series WHERE id = ?", (series,)).fetchone()
        newest = self._newest_of(series)
        if newest is None:
            self._records.forget(Level.SERIES, [series])
            return int(study)
        series_uid, _, study_uid = key.partition("/")
        count = int(self._one("SELECT sum(instances) FROM series_class WHERE series = ?", series))
        gathered: Gathered = {"NumberOfSeriesRelatedInstances": [count]}
        self._update(Level.SERIES, series, newest, Names(study_uid, series_uid, ""), gathered)
        return int(study)

    def _newest_of(self, series: int) -> int | None:
        if series in self._batch.newest:
            newest, put = self._batch.newest[series]
            self._headers[newest] = parse_header(put.dicom_json)
            return newest
        found: int | None = self._one("SELECT max(id) FROM instance WHERE series = ?", series)
        return found

    def _derive_study(self, study: int, patients: dict[int, list[int]]) -> None:
        """As for a series; adds to each patient concerned its change of studies, series and instances."""
        store, study_uid, patient, *counted = self._do(
            'SELECT store, "StudyInstanceUID", patient, "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"'
            " FROM study WHERE id = ?",
            (study,),
        ).fetchone()
        if patient is not None:
            _add(patients, patient, (-1, -int(counted[0]), -int(counted[1])))
        newest, series, instances = self._do(
            'SELECT max(newest), count(*), sum("NumberOfSeriesRelatedInstances") FROM series WHERE study = ?', (study,)
        ).fetchone()
        if newest is None:
            self._records.forget(Level.STUDY, [study])
            return
        patient = self._made(Level.PATIENT, "key", store, patient_key(self._header(newest), study_uid))
        _add(patients, patient, (1, series, int(instances)))
        self._do("UPDATE study SET patient = ? WHERE id = ?", (patient, study))
        gathered = {
            "ModalitiesInStudy": self._modalities(study),
            "SOPClassesInStudy": self._sop_classes(study),
            "NumberOfStudyRelatedSeries": [series],
            "NumberOfStudyRelatedInstances": [int(instances)],
        }
        self._update(Level.STUDY, study, newest, Names(study_uid, "", ""), gathered)

    def _derive_patient(self, patient: int, added: list[int]) -> None:
        newest = self._one("SELECT max(newest) FROM study WHERE patient = ?", patient)
        if newest is None:
            self._records.forget(Level.PATIENT, [patient])
            return
        before = self._do(f"SELECT {', '.join(_PATIENT_COUNTS)} FROM patient WHERE id = ?", (patient,)).fetchone()
        counts = [int(was or 0) + more for was, more in zip(before, added, strict=True)]
        gathered = {name.strip('"'): [count] for name, count in zip(_PATIENT_COUNTS, counts, strict=True)}
        self._update(Level.PATIENT, patient, newest, _NO_NAMES, gathered)

    def _modalities(self, study: int) -> list[Form]:
        rows = self._do(
            """SELECT "Modality" FROM series WHERE study = ?1 AND "Modality" IS NOT NULL
            UNION SELECT text FROM series_form JOIN series ON series.id = record WHERE study = ?1 AND tag = ?2
            ORDER BY 1""",
            (study, BY_KEYWORD["Modality"].tag),
        )
        return [row[0] for row in rows]

    def _sop_classes(self, study: int) -> list[Form]:
        rows = self._do(
            """SELECT DISTINCT sop_class FROM series JOIN series_class ON series.id = series
            WHERE study = ? AND sop_class <> '' ORDER BY 1""",
            (study,),
        )
        return [row[0] for row in rows]

    def _update(self, level: Level, record_id: int, newest: int, names: Names, gathered: Gathered) -> None:
        record = build_record(self._header(newest), level, names, gathered, self._keyed[level])
        self._records.update(level, record_id, newest, record)

    def _header(self, instance: int) -> Elements:
        if instance not in self._headers:
            body = self._one("SELECT header FROM instance_answer WHERE record = ?", instance)
            self._headers[instance] = parse_header(unpack(body))
        return self._headers[instance]

    def _one(self, words: str, *values: int) -> Any:
        return self._do(words, values).fetchone()[0]


def apply_reports(connection: Connection, changes: Sequence[PutReport | RemoveReport], written: int) -> None:
    """Make changes of reports, within a transaction: those that another has not made meanwhile."""
    (held,) = connection.execute("SELECT written FROM state").fetchone()
    reports = ReportWriter(connection)
    for change in changes:
        if change.number <= held:
            continue
        if isinstance(change, PutReport):
            reports.put(change.store, change.report)
        else:
            reports.remove(change.store, change.report_id)
    connection.execute("UPDATE state SET written = ?", (max(held, written),))


def _add(patients: dict[int, list[int]], patient: int, added: Iterable[int]) -> None:
    patients[patient] = [was + more for was, more in zip(patients.get(patient, (0, 0, 0)), added, strict=True)]
