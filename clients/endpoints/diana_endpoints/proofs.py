"""What anon keeps of what it did: receipts, quarantine, reports, and who pseudonyms stand for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

from diana.anon.v1 import receipt_service_pb2 as pb
from diana.guid.v1.guid_service_pb2 import Sex, Subject
from diana_client import CrosswalkClient, ReceiptClient, ReceiptInvalid, file_sha256, verify_receipt
from diana_client.receipts import ReportForm
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint

_REASON = len("QUARANTINE_REASON_")
_SEXES = {Sex.SEX_FEMALE: "F", Sex.SEX_MALE: "M", Sex.SEX_OTHER: "O"}


class KeptProofs(MeshEndpoint):
    """The part of endpoint `anon` that is about proof. Every method raises MeshError when it cannot go on."""

    @cached_property
    def _receipts(self) -> ReceiptClient:
        return ReceiptClient(self._channel)

    def receipt(self, sop_instance_uid: str = "", result: Path | None = None, against: Path | None = None) -> Item:
        """The receipt of a de-identified instance, by its UID or its file, once it has been verified.

        `against` is held against it too: `meta["file"]` says whether it is the result or the source. Raises OSError.
        """
        found = self._receipts.get(sop_instance_uid, result_sha256=file_sha256(result) if result else "")
        said = verify_receipt(found, self._receipts.signing_keys())
        file = against or result
        held = {"file": _which(said, file)} if file else {}
        if found.pending:
            held["stored"] = "not confirmed by the store"
        meta = {key: value for key, value in said.items() if key != "type"}
        return Item({**meta, "key_id": found.key_id, "signature": "good", **held, "actions": json.loads(found.actions)})

    def quarantined(self, operation: str = "", show_released: bool = False) -> Iterator[Item]:
        """The instances that were held back, by an operation or by all, oldest first."""
        return _entries(self._receipts.quarantined(operation=operation, show_released=show_released))

    def release(self, ids: Sequence[str], released_by: str) -> Iterator[Item]:
        """Let the next operation take them."""
        return _entries(self._receipts.release(ids, released_by))

    def deid_report(self, operation: str, form: str) -> Iterator[bytes]:
        """The report of an operation as html, json or csv, in pieces."""
        return self._receipts.report(operation, cast(ReportForm, form))


class KeptCrosswalk(MeshEndpoint):
    """The part of endpoint `anon` that is about the way back; the channel needs a token that may take it."""

    @cached_property
    def _crosswalk(self) -> CrosswalkClient:
        return CrosswalkClient(self._channel)

    def reidentify(self, pseudonyms: Sequence[str], reason: str, domain: str = "") -> Iterator[Item]:
        """Who they stand for; who asked, and why, is logged."""
        for number, one in enumerate(self._crosswalk.reidentify(pseudonyms, reason, domain=domain), 1):
            subject = one.subject
            yield Item(
                {
                    "pseudonym": one.pseudonym,
                    "patient_id": subject.patient_id,
                    "issuer": subject.issuer,
                    "name": subject.name,
                    "birth_date": _date(subject),
                    "sex": _SEXES.get(subject.sex, ""),
                    "study_uid": one.study_uid,
                    "store": one.store,
                },
                number=number,
            )

    def reidentifications(self) -> Iterator[Item]:
        """The log, newest first, its chain of digests checked."""
        for one in self._crosswalk.reidentifications():
            yield Item(
                {
                    "number": one.number,
                    "time": one.create_time.ToJsonString(),
                    "caller": one.caller,
                    "domain": one.domain,
                    "pseudonyms": list(one.pseudonyms),
                    "reason": one.reason,
                    "granted": one.granted,
                    "digest": one.digest,
                },
                number=one.number,
            )


def _which(said: dict[str, object], file: Path) -> str:
    """Whether a file is the receipt's result or its source. Raises ReceiptInvalid for another."""
    digest = file_sha256(file)
    for name in ("result", "source"):
        if digest == said.get(f"{name}_sha256"):
            return name
    raise ReceiptInvalid("The file is neither the result nor the source that the receipt names.")


def _entries(entries: Iterable[pb.QuarantineEntry]) -> Iterator[Item]:
    for number, one in enumerate(entries, 1):
        yield Item(
            {
                "id": one.id,
                "reason": pb.QuarantineReason.Name(one.reason)[_REASON:].lower(),
                "detail": one.detail,
                "store": one.source_store,
                "study_uid": one.study_uid,
                "sop_instance_uid": one.sop_instance_uid,
                "source_sha256": one.source_sha256,
                "profile": one.profile,
                "operation": one.operation,
                "time": one.create_time.ToJsonString(),
                "released_by": one.released_by,
            },
            number=number,
        )


def _date(subject: Subject) -> str:
    born = subject.birth_date
    return f"{born.year:04}-{born.month:02}-{born.day:02}" if subject.HasField("birth_date") else ""
