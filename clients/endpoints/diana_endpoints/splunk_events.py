"""From items to events of Splunk's HTTP Event Collector."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import Any

from diana_common.dicomjson import first_value
from diana_common.errors import invalid_field
from diana_common.values import zone_of
from diana_endpoints.headers import said_by
from diana_endpoints.items import Item, public_meta
from diana_endpoints.splunk_settings import SplunkSettings

_LARGEST = 1024 * 1024


def event_of(item: Item, settings: SplunkSettings) -> bytes:
    """An item as an event: what it says, and its metadata but for places; of an instance, its header.

    Its time is its study's, else now. Raises DianaError for one that is too large, and as reading its header does.
    """
    said = said_by(item)
    placed = {"index": settings.index, "host": settings.event_host}
    event = {
        "time": round(time_of(item), 3),
        "source": settings.source,
        "sourcetype": settings.sourcetype,
        **{key: value for key, value in placed.items() if value},
        "event": {**public_meta(item), **said},
    }
    try:
        written = json.dumps(event, ensure_ascii=False, default=str, allow_nan=False).encode("utf-8", "replace")
    except ValueError:
        raise invalid_field("item", "holds what JSON cannot say: a number that is none, or itself") from None
    if len(written) > _LARGEST:
        raise invalid_field("item", "is too large for an event (1 MiB)")
    return written


def time_of(item: Item) -> float:
    """Seconds since 1970: StudyDate and StudyTime in their own zone, or this host's; else now."""
    header, data = item.header or {}, item.data or {}
    date = first_value(header, "00080020") or str(data.get("StudyDate") or "")
    clock = first_value(header, "00080030") or str(data.get("StudyTime") or "")
    digits = clock.partition(".")[0].replace(":", "")[:6].ljust(6, "0")
    try:
        moment = datetime.strptime(date + digits, "%Y%m%d%H%M%S")
        return moment.replace(tzinfo=_zone(header)).timestamp()
    except (ValueError, OverflowError, OSError):
        return time.time()


def _zone(header: dict[str, Any]) -> timezone | None:
    """What Timezone Offset From UTC says; None is this host's."""
    try:
        return zone_of(first_value(header, "00080201") or "")
    except ValueError:
        return None
