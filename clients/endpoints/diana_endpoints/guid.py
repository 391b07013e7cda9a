"""The mesh's mint of pseudonymous identities, in one domain."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from diana.guid.v1.guid_service_pb2 import Identity, Subject
from diana_client import Channel, GuidClient, Minted, subject
from diana_common.dicomjson import first_value
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.domain_keys import DomainKeys
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.levels import UIDS
from diana_endpoints.mesh import MeshSettings, examine
from diana_endpoints.protocol.endpoint import Health

CONTRACT = "diana.guid.v1.GuidService"
_TAGS = {
    "patient_id": "00100020",
    "issuer": "00100021",
    "name": "00100010",
    "birth_date": "00100030",
    "sex": "00100040",
    "reference_date": "00080020",
}


@dataclass(frozen=True)
class GuidSettings(MeshSettings):
    """A domain of the mint."""

    domain: str = ""
    """The domain; "default" when empty."""


class Guid(DomainKeys):
    """Endpoint `guid`. Raises MeshError when the mint cannot go on."""

    def __init__(self, settings: GuidSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._client = GuidClient(self._channel)
        self._domain = settings.domain

    def check(self) -> Health:
        """Whether it is ready, and its domains."""
        return examine(self._settings, CONTRACT, self._describe)

    def mint(self, subjects: Iterable[Item]) -> Iterator[Item]:
        """The identity of each subject, in order; what is handed on holds the source's UIDs, no patient value.

        A subject's fields are `patient_id`, `issuer`, `name`, `birth_date`, `age_years`, `reference_date` and `sex`
        in `meta`, or else the attributes of its header.
        """
        waiting: deque[tuple[Item, Subject | DianaError]] = deque()

        def asked() -> Iterator[Subject]:
            for item in subjects:
                one = _subject_of(item)
                waiting.append((_handed_on(item), one))
                if isinstance(one, Subject):
                    yield one

        for answer in self._client.mint_many(asked(), domain=self._settings.domain):
            yield from _refused(waiting)
            yield _identified(waiting.popleft()[0], answer)
        yield from _refused(waiting)

    def _describe(self, channel: Channel) -> str:
        domains = GuidClient(channel).domains()
        named = self._settings.domain
        if named and named not in (domain.name for domain in domains):
            raise DianaError(Reason.DOMAIN_UNKNOWN, f"there is no domain {named}")
        return f"{len(domains)} domains: {', '.join(domain.name for domain in domains)}"


def _refused(waiting: deque[tuple[Item, Subject | DianaError]]) -> Iterator[Item]:
    """Those at the head who were never asked for."""
    while waiting and isinstance(error := waiting[0][1], DianaError):
        yield _identified(waiting.popleft()[0], error)


def _subject_of(item: Item) -> Subject | DianaError:
    """The subject that an item describes, or why it describes none."""
    header = item.header or {}
    values: dict[str, Any] = {key: first_value(header, tag) or "" for key, tag in _TAGS.items()}
    values |= {key: value for key, value in item.meta.items() if key in values}
    try:
        birth_date = _date("birth_date", values["birth_date"])
        age = None if birth_date else _age(item)
        return subject(
            values["patient_id"],
            issuer=values["issuer"],
            name=values["name"],
            birth_date=birth_date,
            age_years=age,
            reference_date=_reference_date(values["reference_date"], needed=age is not None),
            sex=values["sex"],
        )
    except DianaError as error:
        return error


def _age(item: Item) -> int | None:
    """Whole years: as given, else Patient's Age (0010,1010) where it counts years."""
    if "age_years" in item.meta:
        return int(item.meta["age_years"])
    age = first_value(item.header or {}, "00101010") or ""
    return int(age[:3]) if age[:3].isdecimal() and age.endswith("Y") else None


def _reference_date(text: str, *, needed: bool) -> datetime.date | None:
    """The day of the study, which tells who is over 89; one that cannot be read counts only where an age needs it."""
    try:
        return _date("reference_date", text)
    except DianaError:
        if needed:
            raise
        return None


def _date(field: str, text: str) -> datetime.date | None:
    """A date written as DA or ISO 8601. Raises DianaError INVALID_FIELD."""
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text.strip().replace(".", ""))
    except ValueError:
        raise invalid_field(field, "is not a date: YYYY-MM-DD or YYYYMMDD") from None


def _handed_on(item: Item) -> Item:
    """What is left of an item: some thousands wait for their answers, and must not hold their headers."""
    return Item({key: item.meta[key] for key in UIDS if item.meta.get(key)}, number=item.number)


def _identified(result: Item, answer: Minted | DianaError) -> Item:
    if isinstance(answer, DianaError):
        result.failure = failure_of(answer)
    elif answer.identity is None:
        result.failure = failure_of(answer.error or RuntimeError())
    else:
        result.meta |= _meta(answer.identity)
    return result


def _meta(identity: Identity) -> dict[str, Any]:
    born = identity.birth_date
    return {
        "id": identity.id,
        "name": identity.name,
        "birth_date": f"{born.year:04}-{born.month:02}-{born.day:02}" if identity.HasField("birth_date") else "",
        "time_offset_seconds": identity.time_offset.seconds,
    }


KIND = Kind(GuidSettings, Guid, setting="domain", mesh=True)
