"""The sealed signature: whose a de-identified study is, kept encrypted with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from diana_client import ArchiveClient
from diana_common.attempts import Refused
from diana_common.dicomjson import texts
from diana_common.errors import invalid_field
from diana_common.tags import tag_hex, tag_of
from diana_route.core.model import Job, StudyItem
from diana_route.peers.faults import attempted
from diana_route.peers.held import ARCHIVE, origin

_MOST = 64
_MOST_BYTES = 1024
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def sealed_key(keyword: str) -> str:
    """The name under which an attribute is sealed: "PatientID" is "patient_id"."""
    return _WORDS.sub("_", keyword).lower()


class Signature:
    """Which attributes of an original are sealed into what is made of it."""

    def __init__(self, keywords: Sequence[str]) -> None:
        """Raises DianaError INVALID_FIELD for what is no keyword of PS3.6, and for more than 64."""
        self._tags = {keyword: _tag(keyword) for keyword in keywords}
        if len(self._tags) > _MOST:
            raise invalid_field("sealed", f"names more than {_MOST} attributes")

    def seal(self, archive: ArchiveClient, original: StudyItem, job: Job, store: str, study_uid: str) -> None:
        """Seal the values that one of the original's instances has into a study. Idempotent. Raises Failed.

        The values are nowhere but in the two calls.
        """
        if not self._tags:
            return
        with attempted(ARCHIVE):
            values = self._values(_header(archive, original))
            if values:
                archive.seal_attributes(study_uid, values, store=store, origin=origin(job))

    def _values(self, header: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
        found = {keyword: "\\".join(texts(header, tag)) for keyword, tag in self._tags.items()}
        _check_sizes(found.items())
        return {sealed_key(keyword): value for keyword, value in found.items() if value}


def _header(archive: ArchiveClient, study: StudyItem) -> Mapping[str, Mapping[str, object]]:
    first = next(archive.instances(study.study_uid, store=study.store, page_size=1), None)
    if first is None:
        raise Refused("the original has no instances any more, whose attributes could be sealed")
    header: Mapping[str, Mapping[str, object]] = json.loads(
        archive.header(first.sop_instance_uid, store=study.store).dicom_json
    )
    return header


def _check_sizes(values: Iterable[tuple[str, str]]) -> None:
    for keyword, value in values:
        if len(value.encode()) > _MOST_BYTES:
            raise Refused(f"{keyword} of the original is longer than can be sealed, {_MOST_BYTES} bytes")


def _tag(keyword: str) -> str:
    tag = tag_of(keyword)
    if tag is None:
        raise invalid_field("sealed", f"{keyword!r} is no keyword of PS3.6")
    return tag_hex(tag)
