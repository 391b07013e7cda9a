"""Kinds that installed packages offer: where they stand beside ours, and what becomes of clashes and of broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints import registry
from diana_endpoints.csv_table import CsvTable
from diana_endpoints.folder import Folder
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.services import Services

MODULE = """
from dataclasses import dataclass
from diana_endpoints.extending import Health, Kind, Listed

@dataclass
class Settings:
    path: str

class Offered(Listed):
    def __init__(self, settings):
        self.path = settings.path

def read_url(url, env):
    return {"path": url, "kept": 1} if "kept" in url else 1 / 0

KIND = Kind(Settings, Offered, setting="path")
URL_KIND = Kind(Settings, Offered, read_url=read_url)
"""


class Others:
    """A folder of installed packages, each of which offers what it is told to."""

    def __init__(self, site: Path) -> None:
        self._site = site
        (site / "offered_by_others.py").write_text(MODULE)

    def install(self, package: str, *names: str, kind: str = "KIND") -> None:
        metadata = self._site / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = offered_by_others:{kind}" for name in names]
        (metadata / "entry_points.txt").write_text("\n".join(["[diana_endpoints]", *lines, ""]))


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Others]:
    monkeypatch.syspath_prepend(tmp_path)
    registry.kind.cache_clear()
    registry._offered.cache_clear()
    yield Others(tmp_path)
    registry.kind.cache_clear()
    registry._offered.cache_clear()


def test_an_offered_kind_stands_beside_ours(others: Others) -> None:
    others.install("theirs", "sheet")
    assert "sheet" in registry.ctypes()
    assert "sheet" in registry.prefixes()
    with Services({"by-name": {"ctype": "sheet", "path": "x"}}) as services:
        assert _path(services.endpoint("by-name")) == "x"
        assert _path(services.endpoint("sheet:y")) == "y"


def test_names_of_ours_cannot_be_taken(others: Others) -> None:
    before = registry.ctypes(), registry.prefixes()
    registry._offered.cache_clear()
    others.install("grabbing", "csv", "path", "DcmDir", "rediss")
    assert (registry.ctypes(), registry.prefixes()) == before
    with Services({"older": {"ctype": "DcmDir", "path": "x"}}) as services:
        assert isinstance(services.endpoint("csv:x"), CsvTable)
        assert isinstance(services.endpoint("path:x"), Folder)
        assert isinstance(services.endpoint("older"), Folder)
    with pytest.raises(DianaError, match="did you mean 'folder'"):
        Services({"x": {"ctype": "path", "path": "x"}}).endpoint("x")


def test_what_two_packages_offer_is_of_neither(others: Others) -> None:
    others.install("one", "sheet")
    others.install("two", "sheet")
    with pytest.raises(DianaError) as refused, Services({}) as services:
        services.endpoint("sheet:x")
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert refused.value.message == "sheet: sheet is offered by one, two: keep one of these packages"


def test_urls_are_read_by_the_package_and_it_is_blamed_for_failing(others: Others) -> None:
    others.install("theirs", "sheet", kind="URL_KIND")
    with Services({}) as services:
        with pytest.raises(DianaError, match=r"^sheet: the package theirs cannot be used \(ZeroDivisionError\)"):
            services.endpoint("sheet:x")
        with pytest.raises(DianaError, match=r"^sheet.kept: is not a setting"):
            services.endpoint("sheet+http://kept")
        assert services.describe("sheet+http://kept")["path"] == "http://kept"


@pytest.mark.parametrize("ctype", [["csv"], {"csv": 1}, 1, True])
def test_a_ctype_that_is_no_name_is_refused(ctype: object) -> None:
    with pytest.raises(DianaError, match=r"^x\.ctype: is not a kind of endpoint"):
        Services({"x": {"ctype": ctype}}).endpoint("x")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("C:\\data", "is a path alone: write path:DIR"),
        ("/data/dcm", "is a path alone: write path:DIR"),
        ("csv+https://x", "takes nothing before the colon: write csv:"),
        ("archive+x:trial", "takes nothing before the colon: write archive:"),
        ("+:", "begins with no known prefix"),
        ("", "is not a service by name, nor a URL"),
    ],
)
def test_what_looks_like_an_endpoint_and_is_none_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(DianaError) as refused, Services({}) as services:
        services.endpoint(text)
    assert refused.value.reason is Reason.INVALID_FIELD
    assert hint in refused.value.message


def test_one_that_does_not_close_keeps_no_other_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []

    def close(endpoint: object) -> None:
        closed.append(endpoint)
        raise OSError("no")

    monkeypatch.setattr(CsvTable, "close", close)
    services = Services({})
    made = {services.endpoint("csv:a"), services.endpoint("csv:b")}
    with pytest.raises(OSError):
        services.close()
    assert set(closed) == made


def _path(endpoint: Endpoint) -> str:
    return str(getattr(endpoint, "path", ""))
