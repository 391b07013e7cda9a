"""The kinds of endpoint: by which words they are asked for, and what asking for one loads."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.registry import ctype_of, ctype_of_prefix, ctypes, kind
from diana_endpoints.services import Services


@pytest.mark.parametrize(
    ("prefix", "ctype"),
    [
        ("path", "folder"),
        ("ipath", "images"),
        ("rpath", "reports"),
        ("zip", "zip"),
        ("csv", "csv"),
        ("redis", "redis"),
        ("rediss", "redis"),
        ("smtp", "smtp"),
        ("gmail", "gmail"),
        ("apprise", "apprise"),
    ],
)
def test_what_a_url_begins_with_names_a_kind(prefix: str, ctype: str) -> None:
    assert ctype_of_prefix(prefix) == ctype


@pytest.mark.parametrize(
    ("older", "ctype"),
    [
        ("DcmDir", "folder"),
        ("ImageDir", "images"),
        ("ReportDir", "reports"),
        ("CsvFile", "csv"),
        ("Redis", "redis"),
        ("SmtpMessenger", "smtp"),
    ],
)
def test_the_older_systems_names_are_known(older: str, ctype: str) -> None:
    assert ctype_of({"ctype": older}, "x") == ctype


def test_every_setting_of_every_kind_is_read_by_its_type_and_explained() -> None:
    for ctype in ctypes():
        settings = kind(ctype).settings
        source = "".join(inspect.getsource(one) for one in settings.__mro__[:-1])
        for field in dataclasses.fields(settings):
            assert field.name in get_type_hints(settings)
            _, _, rest = source.partition(f"\n    {field.name}: ")
            assert rest.partition("\n")[2].lstrip().startswith('"""'), f"{ctype}: {field.name}"


def test_what_finds_by_reading_all_that_it_has_says_so() -> None:
    assert {ctype for ctype in ctypes() if kind(ctype).reads_through} == {"folder", "zip", "csv", "redis", "reports"}


def test_to_make_an_endpoint_loads_no_library_that_only_its_work_needs() -> None:
    script = (
        "import sys, pathlib\n"
        "from diana_endpoints.services import Services\n"
        "services = Services({}, {'APPRISE_URL': 'json://x'})\n"
        "for url in ('path:x', 'ipath:x', 'rpath:x', 'zip:x', 'csv:x', 'redis:', 'smtp:', 'gmail:', 'apprise:'):\n"
        "    services.endpoint(url)\n"
        "print([name for name in ('redis', 'numpy', 'PIL', 'apprise', 'pydicom') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "url",
    ["redis+http://x", "redis+http:", "smtp+http://x", "smtp+rediss:", "gmail+http:", "orthanc+ftp://x", "dicomweb+x:"],
)
def test_an_address_of_another_scheme_is_none_of_the_kind(url: str) -> None:
    with pytest.raises(DianaError, match=r"another kind's address|must be http://HOST") as refused:
        Services({}, {}).endpoint(url)
    assert refused.value.reason in (Reason.INVALID_FIELD, Reason.CONFIG_INVALID)
