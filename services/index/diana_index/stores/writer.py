"""Applying changes to a generation: instances first, then the records above those that were touched."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from diana_index.core.attributes import ATTRIBUTES, BY_KEYWORD, Level
from diana_index.core.forms import Form
from diana_index.core.records import Elements, Gathered, LevelRecord, Names, build_record, parse_header, patient_key
from diana_index.core.store import Change, Mark, Put, Remove
from diana_index.stores.schema import TABLES

_SOP_CLASS = [one.keyword for one in ATTRIBUTES[Level.INSTANCE]].index("SOPClassUID")
_NO_NAMES = Names("", "", "")


def _columns(level: Level) -> list[str]:
    return [f'"{one.keyword}"' for one in ATTRIBUTES[level]]


_INSERT = (
    f"INSERT INTO instance (store, series, version, {', '.join(_columns(Level.INSTANCE))}, elements)"
    f" VALUES (?, ?, ?, {'?, ' * len(_columns(Level.INSTANCE))}?)"
)
_UPDATES = {
    level: f"UPDATE {TABLES[level]} SET {' = ?, '.join(_columns(level))} = ?, elements = ?, newest = ? WHERE id = ?"
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
}


class Application:
    """One transaction's changes. Make it inside the transaction, call `apply` once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._do = connection.execute
        self._do_many = connection.executemany
        self._series_ids: dict[tuple[str, str, str], int] = {}
        self._series: dict[int, None] = {}
        """Touched series, in order."""
        self._headers: dict[int, Elements] = {}
        """Parsed headers by instance: of touched series' newest ones."""
        self._newest_put: dict[int, int] = {}

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes and set the mark."""
        for change in changes:
            if isinstance(change, Put):
                self._put(change)
            else:
                self._remove(change)
        studies = dict.fromkeys(self._derive_series(one) for one in self._series)
        patients: dict[int, list[int]] = {}
        for study in studies:
            self._derive_study(study, patients)
        for patient, added in patients.items():
            self._derive_patient(patient, added)
        self._do("UPDATE state SET position = ?, commit_time = ?", (mark.position, mark.commit_time))

    def _put(self, put: Put) -> None:
        found = self._instance(put.store, put.names.sop_uid)
        if found and found[1] == put.version:
            return
        if found:
            self._drop(found)
        series = self._series_id(put.store, put.names)
        record = put.record
        values = [put.store, series, put.version, *record.forms, _dumps(record.elements)]
        instance = int(self._do(_INSERT, values).lastrowid or 0)
        self._do("INSERT INTO header VALUES (?, ?)", (instance, zlib.compress(put.dicom_json, 1)))
        self._do_many("INSERT OR IGNORE INTO instance_form VALUES (?, ?, ?)", [(instance, *one) for one in record.more])
        self._do(
            "INSERT INTO series_class VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET instances = instances + 1",
            (series, record.forms[_SOP_CLASS] or ""),
        )
        self._headers.pop(self._newest_put.get(series, 0), None)
        self._newest_put[series] = instance
        self._headers[instance] = put.header
        self._series[series] = None

    def _remove(self, remove: Remove) -> None:
        found = self._instance(remove.store, remove.sop_uid)
        if found and remove.version in ("", found[1]):
            self._drop(found)

    def _instance(self, store: str, sop_uid: str) -> tuple[int, str, int, str | None] | None:
        """Id, version, series and SOP Class."""
        row: tuple[int, str, int, str | None] | None = self._do(
            'SELECT id, version, series, "SOPClassUID" FROM instance WHERE store = ? AND "SOPInstanceUID" = ?',
            (store, sop_uid),
        ).fetchone()
        return row

    def _drop(self, found: tuple[int, str, int, str | None]) -> None:
        instance, _, series, sop_class = found
        self._do("DELETE FROM instance WHERE id = ?", (instance,))
        self._do("DELETE FROM header WHERE instance = ?", (instance,))
        self._do("DELETE FROM instance_form WHERE record = ?", (instance,))
        self._do(
            "UPDATE series_class SET instances = instances - 1 WHERE series = ? AND sop_class = ?",
            (series, sop_class or ""),
        )
        self._headers.pop(instance, None)
        self._series[series] = None

    def _series_id(self, store: str, names: Names) -> int:
        named = (store, names.study_uid, names.series_uid)
        if named not in self._series_ids:
            study = self._made(
                'SELECT id FROM study WHERE store = ? AND "StudyInstanceUID" = ?',
                'INSERT INTO study (store, "StudyInstanceUID") VALUES (?, ?)',
                (store, names.study_uid),
            )
            self._series_ids[named] = self._made(
                "SELECT id FROM series WHERE store = ? AND key = ? AND study = ?",
                "INSERT INTO series (store, key, study) VALUES (?, ?, ?)",
                (store, f"{names.series_uid}/{names.study_uid}", study),
            )
        return self._series_ids[named]

    def _made(self, select: str, insert: str, values: tuple[Any, ...]) -> int:
        row = self._do(select, values).fetchone()
        return int(row[0]) if row else int(self._do(insert, values).lastrowid or 0)

    def _derive_series(self, series: int) -> int:
        """Make a series what its instances say, or remove it if there are none; returns its study."""
        self._do("DELETE FROM series_class WHERE series = ? AND instances <= 0", (series,))
        key, study = self._do("SELECT key, study FROM series WHERE id = ?", (series,)).fetchone()
        newest = self._one("SELECT max(id) FROM instance WHERE series = ?", series)
        if newest is None:
            self._forget(Level.SERIES, series)
            return int(study)
        series_uid, _, study_uid = key.partition("/")
        count = self._one("SELECT sum(instances) FROM series_class WHERE series = ?", series)
        gathered: Gathered = {"NumberOfSeriesRelatedInstances": [count]}
        self._update(Level.SERIES, series, newest, Names(study_uid, series_uid, ""), gathered)
        return int(study)

    def _derive_study(self, study: int, patients: dict[int, list[int]]) -> None:
        """As for a series; adds to each patient concerned its change of studies, series and instances."""
        store, study_uid, patient, *counted = self._do(
            'SELECT store, "StudyInstanceUID", patient, "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"'
            " FROM study WHERE id = ?",
            (study,),
        ).fetchone()
        if patient is not None:
            _add(patients, patient, (-1, -counted[0], -counted[1]))
        newest, series, instances = self._do(
            'SELECT max(newest), count(*), sum("NumberOfSeriesRelatedInstances") FROM series WHERE study = ?', (study,)
        ).fetchone()
        if newest is None:
            self._forget(Level.STUDY, study)
            return
        key = patient_key(self._header(newest), study_uid)
        patient = self._made(
            "SELECT id FROM patient WHERE store = ? AND key = ?",
            "INSERT INTO patient (store, key) VALUES (?, ?)",
            (store, key),
        )
        _add(patients, patient, (1, series, instances))
        self._do("UPDATE study SET patient = ? WHERE id = ?", (patient, study))
        gathered = {
            "ModalitiesInStudy": self._modalities(study),
            "SOPClassesInStudy": self._sop_classes(study),
            "NumberOfStudyRelatedSeries": [series],
            "NumberOfStudyRelatedInstances": [instances],
        }
        self._update(Level.STUDY, study, newest, Names(study_uid, "", ""), gathered)

    def _derive_patient(self, patient: int, added: list[int]) -> None:
        newest = self._one("SELECT max(newest) FROM study WHERE patient = ?", patient)
        if newest is None:
            self._forget(Level.PATIENT, patient)
            return
        keywords = [f"NumberOfPatientRelated{what}" for what in ("Studies", "Series", "Instances")]
        before = self._do(
            f"SELECT {', '.join(keywords)} FROM patient WHERE id = ?",
            (patient,),
        ).fetchone()
        counts = [(was or 0) + more for was, more in zip(before, added, strict=True)]
        gathered = {keyword: [count] for keyword, count in zip(keywords, counts, strict=True)}
        self._update(Level.PATIENT, patient, newest, _NO_NAMES, gathered)

    def _modalities(self, study: int) -> list[Form]:
        rows = self._do(
            """SELECT "Modality" FROM series WHERE study = ?1 AND "Modality" IS NOT NULL
            UNION SELECT form FROM series_form JOIN series ON series.id = record WHERE study = ?1 AND tag = ?2
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
        record = build_record(self._header(newest), level, names, gathered)
        self._do(_UPDATES[level], [*record.forms, _dumps(record.elements), newest, record_id])
        self._sync_forms(level, record_id, record)

    def _sync_forms(self, level: Level, record_id: int, record: LevelRecord) -> None:
        table = f"{TABLES[level]}_form"
        held = set(self._do(f"SELECT tag, form FROM {table} WHERE record = ?", (record_id,)))
        needed = set(record.more)
        for words, forms in (
            (f"DELETE FROM {table} WHERE record = ? AND tag = ? AND form = ?", held - needed),
            (f"INSERT INTO {table} VALUES (?, ?, ?)", needed - held),
        ):
            self._do_many(words, [(record_id, *one) for one in forms])

    def _forget(self, level: Level, record_id: int) -> None:
        self._do(f"DELETE FROM {TABLES[level]} WHERE id = ?", (record_id,))
        self._do(f"DELETE FROM {TABLES[level]}_form WHERE record = ?", (record_id,))

    def _header(self, instance: int) -> Elements:
        if instance not in self._headers:
            body = self._one("SELECT body FROM header WHERE instance = ?", instance)
            self._headers[instance] = parse_header(zlib.decompress(body))
        return self._headers[instance]

    def _one(self, words: str, value: int) -> Any:
        return self._do(words, (value,)).fetchone()[0]


def _add(patients: dict[int, list[int]], patient: int, added: Iterable[int]) -> None:
    patients[patient] = [was + more for was, more in zip(patients.get(patient, (0, 0, 0)), added, strict=True)]


def _dumps(elements: Elements) -> str:
    return json.dumps(elements, separators=(",", ":"))
