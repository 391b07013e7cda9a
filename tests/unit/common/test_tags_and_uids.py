"""Tags by every name a person gives them, UIDs, and reading DICOM JSON."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from pydicom import datadict
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._uid_dict import UID_dictionary

from diana_common import dicomjson, tags, uid
from diana_common.dicom.additions import ADDITIONS
from diana_common.dicom.dictionary import entry_of, registered_uids
from diana_common.errors import DianaError, Reason
from diana_common.header import scan
from tests.support.corpus import CORPUS, needs_corpus
from tests.support.dicom_files import make_small


@pytest.mark.parametrize(
    "text", ["StudyInstanceUID", "0020000D", "0020000d", "(0020,000D)", "0020,000d", " (0020,000d) "]
)
def test_a_tag_by_any_name(text: str) -> None:
    assert tags.parse_tag(text) == 0x0020000D


@pytest.mark.parametrize("text", ["", "StudyUID", "0020", "0020000G", "(0020,000D", "Study Instance UID;"])
def test_what_names_no_tag_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(DianaError) as caught:
        tags.parse_tag(text, "filters[0].tag")
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.fields[0].field == "filters[0].tag"


def test_keywords_vrs_and_hexadecimal_forms() -> None:
    assert tags.tag_hex(0x0020000D) == "0020000D"
    assert tags.keyword_of(0x0020000D) == "StudyInstanceUID"
    assert tags.keyword_of(0x60020010) == "OverlayRows"
    assert tags.keyword_of(0x00091001) == ""
    assert tags.vr_of(0x00280106) == "US"
    assert tags.vr_of(0x00091001) == "UN"
    assert tags.is_private(0x00091001)
    assert not tags.is_private(0x00080005)


def test_what_pydicom_lacks_of_the_edition_is_known() -> None:
    assert tags.tag_of("GenderIdentitySequence") == 0x00100041
    assert tags.keyword_of(0x00102162) == "EthnicGroups"
    assert tags.vr_of(0x00100041) == "SQ"


@needs_corpus
def test_the_added_elements_are_those_of_the_standards_table_that_pydicom_lacks() -> None:
    with (CORPUS / "tables/ps3_6_dictionary_2026c.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["keyword"] and "x" not in row["tag"].lower()]
    standard = {int(row["tag"].replace(",", ""), 16): (row["vr"], row["keyword"]) for row in rows}
    assert {tag: entry for tag, entry in standard.items() if not datadict.dictionary_has_tag(tag)} == ADDITIONS


@pytest.mark.parametrize("text", ["1.2.3", "1.02.3", "1", "1" * 64])
def test_uids_that_pass(text: str) -> None:
    assert uid.require_uid("study_uid", text + "\0") == text


@pytest.mark.parametrize("text", ["", "1.2.a", "1" * 65, "1.2\n", "../1", "١.٢"])
def test_uids_that_do_not(text: str) -> None:
    with pytest.raises(DianaError) as caught:
        uid.require_uid("study_uid", text)
    assert caught.value.fields[0].field == "study_uid"
    assert text == "" or text not in str(caught.value)


def test_values_out_of_dicom_json() -> None:
    found = json.loads(scan(make_small(PatientName="Doe^Jane", PositionReferenceIndicator=None)).dicom_json)
    assert dicomjson.first_value(found, "00100010") == "Doe^Jane"
    assert dicomjson.first_value(found, "00200013") == "1"
    assert dicomjson.first_value(found, "00201040") is None
    assert dicomjson.first_value(found, "00081140") is None
    assert dicomjson.texts(found, "00080008") == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert dicomjson.values(found, "00280030") == [0.68359375, 0.68359375]
    assert len(dicomjson.items(found, "00081140")) == 2


def test_a_walk_names_the_path_of_every_element() -> None:
    found = json.loads(scan(make_small()).dicom_json)
    paths = [path for path, _ in dicomjson.walk(found)]
    assert ("00400275", "00400008", "00080100") in paths
    assert paths.count(("00081140", "00081155")) == 2
    assert len(paths) > len(found)


def test_the_dictionary_says_of_every_tag_what_pydicom_says() -> None:
    repeating = [int(pattern.replace("x", "2"), 16) for pattern in RepeatersDictionary]
    for tag in [*DicomDictionary, *repeating, 0x60010010, 0x99990010]:
        known = datadict.dictionary_has_tag(tag) or tag in repeating
        assert entry_of(tag) == (datadict.get_entry(tag) if known else None), tags.tag_hex(tag)
    ours = {uid: tuple(row) for uid, row in registered_uids().items()}
    assert {uid: ours.get(uid) for uid in UID_dictionary} == UID_dictionary
    assert all(ours[uid][1] == "Transfer Syntax" for uid in ours.keys() - UID_dictionary.keys())


def test_vocabulary_and_header_scan_do_without_all_of_pydicom() -> None:
    program = "import diana_common.header, diana_common.tags, sys; print('pydicom' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
