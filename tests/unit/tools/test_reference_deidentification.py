"""The page of what the shipped profiles do."""

from __future__ import annotations

from diana_anon.core.profiles import NAMES
from tools.reference.deidentification import make_page

PAGE = make_page()


def test_a_line_says_what_each_profile_does_to_an_attribute() -> None:
    assert f"| tag | code | keyword | {' | '.join(NAMES)} |\n" in PAGE
    assert "| (0010,0020) | Z/D | PatientID | identity | identity | identity | identity |\n" in PAGE
    assert "| (0008,1030) | X | StudyDescription | remove | clean | clean | clean |\n" in PAGE
    assert "| (0008,0050) | Z | AccessionNumber | empty | map | empty | empty |\n" in PAGE
    assert "| (7FE0,0010) |  | PixelData | keep | keep | keep | clean |\n" in PAGE


def test_what_all_keep_is_left_out() -> None:
    assert "(0028,0010)" not in PAGE
    assert "| keep | keep | keep | keep |" not in PAGE
