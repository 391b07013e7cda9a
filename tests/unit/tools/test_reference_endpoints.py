"""The reference of the kinds of endpoint is complete, and says how each is addressed."""

from __future__ import annotations

import pytest

from diana_endpoints.registry import ctypes, kind
from tools.reference import endpoints


@pytest.mark.parametrize("ctype", ctypes())
def test_every_kind_is_there_with_its_settings_and_what_it_does(ctype: str) -> None:
    section = endpoints.section(ctype, kind(ctype))
    assert section.startswith(f"## {ctype}\n\n")
    assert "\n- URL: " in section
    assert "\n- does: `check`" in section
    assert "| `" in section
    assert section in endpoints.make_page()


def test_urls_are_written_as_they_are_typed() -> None:
    assert "- URL: `path:PATH`\n" in endpoints.section("folder", kind("folder"))
    assert "- URL: `archive:STORE`, `archive:`\n" in endpoints.section("archive", kind("archive"))
    assert "- URL: dicomweb+https://HOST/ROOT;" in endpoints.section("dicomweb", kind("dicomweb"))
    assert "- older name: `DcmDir`\n" in endpoints.section("folder", kind("folder"))


def test_inherited_settings_are_explained() -> None:
    assert "| `password_file` | path | none | A file with the password" in endpoints.section("orthanc", kind("orthanc"))
