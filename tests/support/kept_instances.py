"""Fakes of what the DICOM door reads from: an archive of few instances in memory, and an index of them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from diana_common.errors import DianaError, Reason
from diana_dimse.core.intake.part10 import file_head
from diana_dimse.core.sending.selection import Portion, StoredInstance

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
RLE, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"


def stored(
    uid: str, sop_class: str = CT, syntax: str = EXPLICIT, study: str = "1.2", size: int = 1000
) -> StoredInstance:
    """An instance, by its SOP Instance UID."""
    return StoredInstance(study, sop_class, uid, syntax, size)


def data_set_of(uid: str) -> bytes:
    """What its data set is: bytes that tell it from others."""
    return f"data set of {uid}".encode()


@dataclass
class KeptInstances:
    """The core's `Reading`. A study's series is named as the study with `.1` after it."""

    kept: list[StoredInstance]
    piece_bytes: int = 150
    deleted: set[str] = field(default_factory=set)
    """Listed, and gone when they are to be read."""

    damaged: dict[str, int] = field(default_factory=dict)
    """Those that end with STORE_DAMAGED, after so many pieces."""

    refusal: Reason | None = None
    """Why nothing can be read at all."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Part 10 files, of those that have any."""

    downloads: list[list[str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    """A download has ended, or was given up."""

    def instances(self, store: str, study_uid: str, series_uid: str = "") -> Iterator[StoredInstance]:
        self._check()
        yield from (one for one in self.kept if one.study_uid == study_uid and series_uid in ("", f"{one.study_uid}.1"))

    def named(self, store: str, sop_instance_uids: Iterable[str]) -> Iterator[StoredInstance]:
        self._check()
        wanted = set(sop_instance_uids)
        yield from (one for one in self.kept if one.sop_instance_uid in wanted)

    def download(self, store: str, sop_instance_uids: Sequence[str]) -> Generator[Portion, None, None]:
        self._check()
        self.downloads.append(list(sop_instance_uids))
        if self.deleted & set(sop_instance_uids):
            raise DianaError(Reason.INSTANCE_NOT_FOUND, "gone")
        try:
            for one in self.kept:
                if one.sop_instance_uid in sop_instance_uids:
                    yield from self._portions(one)
        finally:
            self.ended.set()

    def file(self, one: StoredInstance) -> bytes:
        """Its Part 10 file."""
        head = file_head(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, "SENDER")
        return self.files.get(one.sop_instance_uid, head + data_set_of(one.sop_instance_uid))

    def _portions(self, one: StoredInstance) -> Iterator[Portion]:
        data = self.file(one)
        starts = range(0, len(data), self.piece_bytes)
        for place, start in enumerate(starts):
            if self.damaged.get(one.sop_instance_uid) == place:
                raise DianaError(Reason.STORE_DAMAGED, "damaged")
            yield Portion(one, data[start : start + self.piece_bytes], is_last=place == len(starts) - 1)

    def _check(self) -> None:
        if self.refusal is not None:
            raise DianaError(self.refusal, "refused")


@dataclass
class Places:
    """The core's `Locating`."""

    by_patient: dict[str, list[str]] = field(default_factory=dict)
    by_series: dict[str, str] = field(default_factory=dict)

    def studies_of(self, store: str, patient_id: str) -> list[str]:
        return self.by_patient.get(patient_id, [])

    def studies_with(self, store: str, series_uids: Sequence[str]) -> list[tuple[str, str]]:
        return [(self.by_series[one], one) for one in series_uids if one in self.by_series]
