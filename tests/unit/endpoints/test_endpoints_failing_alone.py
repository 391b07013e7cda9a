"""An item whose content fails in an unforeseen way, among others: it alone fails, wherever it is put."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import grpc
import pytest

from diana_client.errors import NotFound
from diana_common.errors import DianaError, Reason
from diana_endpoints.csv_table import CsvSettings, CsvTable
from diana_endpoints.items import Item
from diana_endpoints.protocol.items import Putter
from diana_endpoints.splunk import Splunk
from diana_endpoints.splunk_settings import SplunkSettings
from diana_endpoints.telling import Telling
from tests.support.hec import TOKEN, collecting


@dataclass(frozen=True)
class Breaking:
    """Content of another service, which raises when it is opened."""

    error: Exception
    size: int = 1

    def open(self) -> BinaryIO:
        raise self.error


class Shouting(Telling):
    """A messenger of this process."""

    def __init__(self) -> None:
        super().__init__("$status", "$status of $trial")
        self.told: list[str] = []

    def close(self) -> None:
        """Nothing."""

    def tell(self, recipient: str, subject: str, body: str) -> Item:
        self.told.append(body)
        return Item({"outcome": "sent"})


def put_among_others(endpoint: Putter, error: Exception) -> list[str]:
    rows = [Item({"id": str(number), "trial": True}, data={"id": str(number), "status": "read"}) for number in (1, 2)]
    items = [rows[0], Item({"id": "3"}, content=Breaking(error)), rows[1]]
    return [item.failure.reason if item.failure else item.meta["outcome"] for item in endpoint.put(items)]


ERRORS = [
    (NotFound(grpc.StatusCode.NOT_FOUND, "no such instance", reason="INSTANCE_NOT_FOUND"), "INSTANCE_NOT_FOUND"),
    (ZeroDivisionError(), "INTERNAL"),
]


@pytest.mark.parametrize(("error", "reason"), ERRORS)
def test_a_table_has_the_rows_of_the_others(error: Exception, reason: str, tmp_path: Path) -> None:
    table = CsvTable(CsvSettings(tmp_path / "t.csv"))
    assert put_among_others(table, error) == ["stored", reason, "stored"]
    assert [item.meta["id"] for item in table.list()] == ["1", "2"]


@pytest.mark.parametrize(("error", "reason"), ERRORS)
def test_people_are_told_of_the_others(error: Exception, reason: str) -> None:
    shouting = Shouting()
    assert put_among_others(shouting, error) == ["sent", reason, "sent"]
    assert shouting.told == ["read of true", "read of true"]


@pytest.mark.parametrize(("error", "reason"), ERRORS)
def test_splunk_gets_the_others(error: Exception, reason: str) -> None:
    with collecting() as hec:
        splunk = Splunk(SplunkSettings(url=hec.url, token=TOKEN))
        assert sorted(put_among_others(splunk, error)) == sorted(["sent", reason, "sent"])
        assert len(hec.events) == 2
        splunk.close()


def test_a_service_that_is_not_there_ends_the_whole_and_what_was_taken_stays(tmp_path: Path) -> None:
    gone = DianaError(Reason.PEER_UNAVAILABLE, "gone")
    with pytest.raises(DianaError):
        put_among_others(Shouting(), gone)
    table = CsvTable(CsvSettings(tmp_path / "t.csv"))
    with pytest.raises(DianaError):
        put_among_others(table, gone)
    assert [item.meta["id"] for item in table.list()] == ["1"]
