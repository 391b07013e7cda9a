"""A catalogue with a long feed, made without uploading: rows as so many small CT instances leave them, without bytes.

`python -m bench.feed_rows DIRECTORY COUNT` makes an archive's state directory. Every instance has the same header.
"""

from __future__ import annotations

import sys
import zlib
from contextlib import closing
from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from diana_archive.core.headers import fit_header
from diana_archive.core.model import Newcomer, Origin
from diana_archive.stores.pack_format import join_id
from diana_archive.stores.state import StateDirectory
from diana_common.header import scan
from tests.support.dicom_files import ROOT, make_small

A_STUDY = 500
A_SERIES = 100
_A_TRANSACTION = 5000


def load_feed(state_dir: Path, count: int, a_study: int = A_STUDY) -> None:
    """Make a state directory whose feed tells of so many instances: `a_study` a study, 100 a series."""
    data = make_small()
    header = fit_header(scan(data).dicom_json)
    packed = zlib.compress(header, 1)
    state = StateDirectory(state_dir, ["default"])
    with closing(state), closing(state.catalogue):
        for start in range(0, count, _A_TRANSACTION):
            with state.catalogue.transaction() as changes:
                for number in range(start, min(start + _A_TRANSACTION, count)):
                    changes.add(
                        _newcomer(number, number // a_study, len(data), packed, len(header)), join_id(number + 1), ""
                    )


def _newcomer(number: int, study: int, size_bytes: int, header: bytes, header_bytes: int) -> Newcomer:
    series = number // A_SERIES
    return Newcomer(
        store="default",
        study_uid=f"{ROOT}.2.{study}",
        series_uid=f"{ROOT}.3.{series}",
        sop_instance_uid=f"{ROOT}.4.{number}",
        sop_class_uid=CTImageStorage,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        size_bytes=size_bytes,
        data_set_offset=400,
        data_set_sha256=number.to_bytes(32, "big"),
        prefix_sha256=bytes(32),
        header=header,
        header_bytes=header_bytes,
        origin=Origin(door="bench"),
    )


if __name__ == "__main__":
    load_feed(Path(sys.argv[1]), int(sys.argv[2]))
