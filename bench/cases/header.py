"""Reading headers, beside pydicom: one thread, files on disk and in the page cache, pixels left alone."""

import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import pydicom

from bench.corpora import files
from bench.harness import Case, Side
from bench.room import Place
from diana_common.header import read_header


def reading(read: Callable[[Path], object]) -> Side:
    """Files of the CT corpus a second that `read` takes."""

    def run(place: Place) -> float:
        paths = files("ct", place.corpora)
        started = time.perf_counter()
        for path in paths:
            read(path)
        return len(paths) / (time.perf_counter() - started)

    return run


def pydicom_header(path: Path) -> pydicom.Dataset:
    """The header with its four UIDs; pydicom leaves the other values undecoded, we do not."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        header[keyword]
    return header


def pydicom_json(path: Path) -> str:
    """What `read_header` gives besides: the header as DICOM JSON (PS3.18 Annex F)."""
    return pydicom_header(path).to_json()


def versions() -> Mapping[str, str]:
    return {"diana-mesh": metadata.version("diana-mesh"), "pydicom": metadata.version("pydicom")}


CASES = [
    Case("header_scan", "index", "files/s", reading(read_header), reading(pydicom_header), 2.0, versions=versions),
    Case("header_json", "index", "files/s", reading(read_header), reading(pydicom_json), 10.0, versions=versions),
]
