"""Splunk as an endpoint, played by a sink that behaves as its HTTP Event Collector does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.services import Services
from diana_endpoints.splunk import Splunk
from diana_endpoints.splunk_settings import SplunkSettings
from tests.support.dicom_files import make_small
from tests.support.hec import TOKEN, Hec, collecting


@pytest.fixture
def hec() -> Iterator[Hec]:
    with collecting() as sink:
        yield sink


def told(hec: Hec, items: list[Item], **settings: object) -> list[Item]:
    endpoint = Splunk(SplunkSettings(url=hec.url, token=TOKEN, **settings))  # type: ignore[arg-type]
    try:
        return list(endpoint.put(items))
    finally:
        endpoint.close()


def rows(count: int) -> list[Item]:
    return [Item({"row": number}, data={"dose": number}, number=number) for number in range(1, count + 1)]


def test_a_row_becomes_an_event_with_its_metadata_but_no_path(hec: Hec) -> None:
    item = Item({"path": "Doe/x.dcm", "id": "Doe/x.dcm", "trial": "hobit"}, data={"dose": 1.5, "StudyDate": "20260114"})
    [sent] = told(hec, [item], index="imaging", event_host="ct01")
    assert sent.meta["outcome"] == "sent"
    [event] = hec.events
    assert event["event"] == {"trial": "hobit", "dose": 1.5, "StudyDate": "20260114"}
    assert (event["index"], event["host"], event["source"], event["sourcetype"]) == (
        "imaging",
        "ct01",
        "diana",
        "_json",
    )


def test_an_instance_becomes_its_header_at_its_studys_time(hec: Hec) -> None:
    data = make_small(StudyDate="20260114", StudyTime="100900", TimezoneOffsetFromUTC="-0500")
    told(hec, [Item({"trial": "hobit"}, content=BytesContent(data))])
    [event] = hec.events
    assert event["event"]["Modality"] == "CT"
    assert event["event"]["trial"] == "hobit"
    assert event["time"] == datetime(2026, 1, 14, 15, 9, tzinfo=UTC).timestamp()


def test_many_events_go_in_few_requests_and_no_more_is_taken_than_is_on_its_way(hec: Hec) -> None:
    taken = 0

    def source() -> Iterator[Item]:
        nonlocal taken
        for item in rows(25):
            taken += 1
            yield item

    endpoint = Splunk(SplunkSettings(url=hec.url, token=TOKEN, batch_size=10))
    answered = endpoint.put(source())
    next(answered)
    assert taken == 10
    assert len(list(answered)) == 24
    assert hec.requests == 3
    assert [event["event"]["dose"] for event in hec.events] == list(range(1, 26))
    endpoint.close()


def test_a_busy_splunk_is_asked_again_and_at_last_given_up(hec: Hec) -> None:
    hec.busy = 2
    assert [item.meta["outcome"] for item in told(hec, rows(2))] == ["sent", "sent"]
    assert hec.requests == 3
    hec.busy = 9
    with pytest.raises(DianaError) as error:
        told(hec, rows(1), attempts=3)
    assert error.value.reason is Reason.PEER_UNAVAILABLE


@pytest.mark.parametrize("silent", [False, True])
def test_an_event_that_is_refused_fails_its_item_and_no_other(hec: Hec, silent: bool) -> None:
    hec.silent_about_place = silent
    items = rows(5)
    items[2] = Item()
    answered = told(hec, items)
    assert {item.number for item in answered if item.failure} == {0}
    assert sorted(event["event"]["dose"] for event in hec.events) == [1, 2, 4, 5]


def test_an_index_that_the_token_may_not_use_fails_every_event(hec: Hec) -> None:
    answered = told(hec, rows(2), index="secret")
    assert [item.failure and item.failure.reason for item in answered] == ["ENDPOINT_REFUSED"] * 2


def test_acknowledged_events_are_indexed(hec: Hec) -> None:
    hec.acknowledges = True
    hec.asked_before_indexed = 2
    assert [item.meta["outcome"] for item in told(hec, rows(2), acknowledgement=True)] == ["indexed"] * 2


def test_what_is_not_acknowledged_is_not_said_to_be_indexed(hec: Hec) -> None:
    [item] = told(hec, rows(1), acknowledgement=True)
    assert item.failure
    assert "acknowledge" in item.failure.message


def test_a_wrong_token_is_told_and_not_repeated(hec: Hec) -> None:
    endpoint = Splunk(SplunkSettings(url=hec.url, token="wrong-token"))
    with pytest.raises(DianaError) as error:
        list(endpoint.put(rows(1)))
    assert "token" in error.value.message
    assert "wrong-token" not in str(error.value) + repr(endpoint._settings)


def test_health_is_told(hec: Hec) -> None:
    endpoint = Splunk(SplunkSettings(url=hec.url, token=TOKEN))
    assert endpoint.check().ok
    hec.busy = 1
    assert not endpoint.check().ok


def test_what_cannot_be_an_event_fails_and_the_rest_goes_on(hec: Hec) -> None:
    items = [Item(data={"x": float("nan")}), Item(data={"x": "y" * 2_000_000}), *rows(1)]
    assert [bool(item.failure) for item in told(hec, items)] == [True, True, False]


def test_it_is_described_by_url_by_yaml_and_by_the_older_names(hec: Hec, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    port = int(hec.url.rpartition(":")[2])
    yaml = {
        "newer": {"ctype": "splunk", "url": hec.url, "token_file": str(token)},
        "older": {"ctype": "Splunk", "host": "h", "port": port, "user": "u", "password": "p", "hec_token": "t"},
    }
    with Services(yaml, {"SPLUNK_HEC_TOKEN": TOKEN}) as services:
        for name in ("newer", f"splunk+{hec.url}"):
            endpoint = services.endpoint(name)
            assert isinstance(endpoint, Splunk)
            assert next(iter(endpoint.put(rows(1)))).meta["outcome"] == "sent"
        assert isinstance(services.endpoint("older"), Splunk)
    with Services({}, {}) as services:
        for url in ("splunk:", "splunk:token@host", f"splunk+{hec.url}"):
            with pytest.raises(DianaError):
                services.endpoint(url)
