"""Reading headers, beside pydicom and gdcm: one thread, files on disk and in the page cache, pixels left alone."""

import time
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path

import gdcm
import pydicom

from bench.corpora import files
from bench.harness import Case, Side
from bench.room import BenchError, Place
from diana_common.header import TagScan, read_header

TAGS = (
    0x00020010,  # Transfer Syntax UID
    *(0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080030, 0x00080031, 0x00080050, 0x00080060, 0x00080070),
    *(0x00080090, 0x00081030, 0x0008103E, 0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00101010, 0x00180015),
    *(0x00180050, 0x00180060, 0x00181030, 0x0020000D, 0x0020000E, 0x00200011, 0x00200013),
)
"""The 26 that a folder's registry keeps: UIDs, dates and times, patient, accession number, descriptions, numbers."""


def reading(read: Callable[[Path], object]) -> Side:
    """Files of the CT corpus a second that `read` takes."""
    return reading_all(lambda paths: [read(path) for path in paths])


def reading_all(read: Callable[[list[Path]], object]) -> Side:
    """The same of a peer that takes all files at once."""

    def run(place: Place) -> float:
        paths = files("ct", place.corpora)
        started = time.perf_counter()
        read(paths)
        return len(paths) / (time.perf_counter() - started)

    return run


def tag_scan(paths: Iterable[Path]) -> None:
    """Our 26 values of each file."""
    read = TagScan(TAGS).read
    for path in paths:
        read(path)


def pydicom_tags(path: Path) -> list[str]:
    """The same values from pydicom."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    return [str((header.file_meta if tag < 0x00030000 else header)[tag].value) for tag in TAGS]


def gdcm_scan(paths: Iterable[Path]) -> None:
    """The same values from gdcm, left in its own map: fetching them into Python would cost it more."""
    scanner = gdcm.Scanner()
    for tag in TAGS:
        scanner.AddTag(gdcm.Tag(tag >> 16, tag & 0xFFFF))
    names = [str(path) for path in paths]
    if not scanner.Scan(names) or not scanner.GetValue(names[-1], gdcm.Tag(0x0020, 0x000D)):
        raise BenchError("gdcm did not read the files")


def pydicom_json(path: Path) -> object:
    """What `read_header` gives: the header as DICOM JSON (PS3.18 Annex F), left as objects, not yet text."""
    return pydicom.dcmread(path, stop_before_pixels=True).to_json_dict()


def versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in ("diana-mesh", "pydicom", "python-gdcm")}


CASES = [
    Case("header_scan", "header", "files/s", reading_all(tag_scan), reading(pydicom_tags), 10.0, versions=versions),
    Case(
        "header_scan_gdcm", "header", "files/s", reading_all(tag_scan), reading_all(gdcm_scan), 1.0, versions=versions
    ),
    Case("header_json", "header", "files/s", reading(read_header), reading(pydicom_json), 8.0, versions=versions),
]
