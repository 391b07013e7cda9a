"""A handful of the older mint's published results; all names are test names.

From derekmerck/diana2 (package/diana/utils/guid/mint.py and dicom/uid_mint.py @ 983e58ef). The rest
are in the shared corpus, where it is present.
"""

from __future__ import annotations

from typing import Any

# Arguments; id, name, birth date, days and seconds of the time offset.
GUIDS: list[tuple[dict[str, Any], tuple[str, str, str, int, int]]] = [
    (
        {"name": "Bar Z Foo", "dob": "2000-01-01", "gender": "M"},
        ("HNG54O6PWWEIVTTQCYCVIYBENW4RK64G", "HOWDESHELL^NELSON^G", "2000-02-19", 48, 84883),
    ),
    (
        {"name": "Bar Z Foo", "dob": "2000-01-01", "gender": "female"},
        ("SIDYPTGPM27TDCMQOPSXFOAXECXJGOZZ", "SARSON^IRENA^D", "1999-10-19", -74, 1033),
    ),
    (
        {"name": "Bar Z Foo", "dob": "2000-01-01", "gender": "ABCD"},
        ("WHLOKMAGICLQGYKC3ZQLLMFKMOX3ZAP2", "WAGENAAR^HERIBERTO^L", "1999-10-08", -86, 85464),
    ),
    (
        {"name": "FOO^BAR^Z^^", "age": 10, "reference_date": "January 1, 2018"},
        ("JGHVCZSDBOFIA2QZ4H6EI43K4HAPB3IM", "JACKSITS^GENE^H", "2007-10-08", -86, 3040),
    ),
    (
        {"name": "ROE^RICHARD^Q", "age": 33.5, "reference_date": "2019-03-01", "gender": "M"},
        ("KEZ62IA2UXSCG4UOP65OX7WLXE2LOYYE", "KOBAK^EDWIN^Z", "1985-08-26", -6, 83780),
    ),
    (
        {"name": "DOE^JANE", "dob": "1969-12-31T23:59:59-05:00", "gender": "F"},
        ("MLKFVT4L3PX7FID7H3A5XIPHJF6ZZMWR", "MASTEN^LAURENE^K", "1969-12-07", -25, 84351),
    ),
    (
        {"name": "DOE^JANE", "dob": "2/1/1950", "gender": "F"},
        ("WDTIU4U3A5L6R6DFZRBQEVMZTBFGPGKT", "WENGER^DENA^T", "1950-01-17", -15, 650),
    ),
    (
        {"name": "STRASSE^\u1e9e", "dob": "1964-02-16", "gender": "F"},
        ("VNDZK3OXIL4356NSUUFY5UVI563OUY7O", "VANOS^NIDIA^D", "1964-05-03", 76, 84034),
    ),
]

# Arguments the older mint refused, and the field that is to blame.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "ROE^RICHARD^Q", "age": "abc", "reference_date": "2019-03-01", "gender": "M"}, "subject.age_years"),
    ({"name": "DOE^JANE", "dob": "notadate", "gender": "F"}, "subject.birth_date"),
]

# Application, path of names, UID.
UIDS: list[tuple[str | None, list[str], str]] = [
    (
        None,
        ["patient", "study", "series", "instance"],
        "1.2.826.0.1.3680043.10.43.62.7834598798.958245076358.6951.1763",
    ),
    ("anon", ["p", "s", "r"], "1.2.826.0.1.3680043.10.43.46.124017657689.862767848163.311"),
    (None, ["p", "s", "", "i"], "1.2.826.0.1.3680043.10.43.62.124017657689.862767848163"),
    (None, ["None", "None"], "1.2.826.0.1.3680043.10.43.62.5222876887.5222876887"),
]


def path_of(arguments: list[str | None]) -> list[str]:
    """The names that stand for the older mint's arguments: it took an absent patient or study for the text None."""
    return [*map(str, arguments[:2]), *(name or "" for name in arguments[2:])]
