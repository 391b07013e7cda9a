"""The older verbs by themselves: what they ask, sign, write and tell, without a mesh."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_cli.signatures import KEY_VARIABLE, Cipher
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item
from diana_endpoints.protocol.index import ReportText
from diana_endpoints.protocol.query import Query
from diana_endpoints.services import Services
from tests.support.dicom_files import ROOT, make_small
from tests.unit.cli.doubles import Source, Telling

KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass
class Keeping:
    """Stores what is put, under new UIDs where it is told to; keeps texts beside studies."""

    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    put_items: list[Item] = field(default_factory=list)
    asked: list[tuple[str, Query]] = field(default_factory=list)
    found: list[Item] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            fill_header(item)
            self.put_items.append(item)
            item.meta["outcome"] = "stored"
            yield item

    def get(self, wanted: Item) -> Iterator[Item]:
        yield from (one for one in self.put_items if one.meta["study_uid"] == wanted.meta["study_uid"])

    def find(self, query: Query) -> Iterator[Item]:
        self.asked.append(("", query))
        yield from self.found

    def find_through(self, peer: str, query: Query) -> Iterator[Item]:
        self.asked.append((peer, query))
        yield from self.found

    def retrieve_through(self, peer: str, wanted: Item) -> Item:
        wanted.meta |= {"outcome": "retrieved", "peer": peer}
        return wanted

    def update(self, wanted: Item, changes: Mapping[str, Any]) -> Item:
        self.kept.setdefault(wanted.meta["study_uid"], {}).update(changes)
        return Item(dict(wanted.meta), data=dict(changes))

    def metadata(self, wanted: Item, keys: Sequence[str] = ()) -> Mapping[str, str]:
        return {key: text for key, text in self.kept.get(wanted.meta["study_uid"], {}).items() if key in keys}


@dataclass
class Reporting:
    """One study with one report."""

    asked: list[Query] = field(default_factory=list)

    def close(self) -> None:
        """Nothing."""

    def find(self, query: Query) -> Iterator[Item]:
        self.asked.append(query)
        yield Item({"study_uid": "1.2"})

    def report(self, name: str) -> Item:
        findings = ["lung_rads=4A", "smoking=current", "pack_years=15", "radcat=5"]
        return Item({"report": name, "accession_number": "A1", "findings": findings, "text": "Nodule."})

    def study_reports(self, study_uid: str) -> Iterator[Item]:
        yield Item({"report": "A1"})

    def put_reports(self, reports: Iterable[ReportText]) -> Iterator[Item]:
        yield from ()

    def delete_report(self, name: str) -> None:
        """Nothing."""


@pytest.fixture
def scans(tmp_path: Path) -> Folder:
    for number in (1, 2, 3):
        uids = {"study_uid": f"{ROOT}.{number // 3}", "series_uid": f"{ROOT}.{number // 3}.1"}
        data = make_small(patient_id="P1", sop_uid=f"{ROOT}.5.{number}", **uids)
        (tmp_path / f"IM{number}.dcm").write_bytes(data)
    return Folder(FolderSettings(tmp_path))


@pytest.fixture
def pacs(scans: Folder, monkeypatch: pytest.MonkeyPatch) -> Keeping:
    double = Keeping()
    services = Services({"pacs": {"ctype": "folder", "path": "."}})
    services._made |= {"pacs": double, "scans": scans, "index": Reporting(), "notify:": Telling()}
    monkeypatch.setattr(Session, "services", services)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return double


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in args], env={"COLUMNS": "200", "TERM": "dumb"})


def test_each_study_is_signed_once_with_the_values_of_its_original(pacs: Keeping) -> None:
    line = ["dgetall", "scans", "setmeta", "site: here", "oput", "--sign", "signature:[PatientName,site]", "pacs"]
    assert _run(*line).output == "3 stored\n"
    assert sorted(pacs.kept) == [f"{ROOT}.0", f"{ROOT}.1"]
    sealed = pacs.kept[f"{ROOT}.0"]["signature"]
    assert "Phantom" not in sealed
    assert Cipher(KEY.encode()).open(sealed) == {"PatientName": "Phantom^Petra", "site": "here"}


def test_an_unknown_name_in_a_signature_fails_the_items_and_stores_none(pacs: Keeping) -> None:
    result = _run("dgetall", "scans", "oput", "--sign", "signature: [PatientNane]", "pacs")
    assert result.exit_code == 1
    assert "names 'PatientNane': no attribute, nor metadata" in result.stderr
    assert pacs.put_items == []


def test_a_signature_without_a_key_is_refused_before_anything_is_put(
    pacs: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    result = _run("dgetall", "scans", "oput", "--sign", "signature: [PatientName]", "pacs")
    assert (result.exit_code, pacs.put_items) == (2, [])
    assert "--fkey-file FILE or DIANA_FKEY" in result.stderr


def test_keys_in_either_alphabet_of_base64_open_the_same_and_others_nothing(pacs: Keeping) -> None:
    key = bytes([251, 255]) * 16
    sealed = Cipher(base64.b64encode(key)).encrypt({"a": "b"})
    assert Cipher(base64.urlsafe_b64encode(key)).open(sealed) == {"a": "b"}
    pacs.kept["1.2"] = {"signature": sealed, "site": "here"}
    assert "does not open with this key" in _run("ogetm", "pacs", "1.2", "signature").stderr
    assert _run("ogetm", "pacs", "1.2", "site").stdout == "site: here\n"
    assert _run("ogetm", "pacs", "1.2", "other").exit_code == 1


def test_a_key_file_without_a_key_is_refused(pacs: Keeping, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    result = _run("ogetm", "--fkey-file", tmp_path / "key", "pacs", "1.2", "site")
    assert result.exit_code == 2
    assert "holds no key: 32 bytes in base64" in result.stderr


def test_what_an_older_system_encrypted_is_opened(pacs: Keeping) -> None:
    """A token as cryptography's Fernet made it, of JSON."""
    from cryptography.fernet import Fernet

    pacs.kept["1.2"] = {"signature": Fernet(KEY.encode()).encrypt(b'{"PatientName": "Doe"}').decode()}
    assert _run("ogetm", "pacs", "1.2", "signature").stdout == "PatientName: Doe\n"


def test_accession_numbers_are_asked_for_one_by_one_at_a_peer(pacs: Keeping) -> None:
    _run("ofind", "-a", "A1,A2", "-q", "{'StudyDescription': ''}", "-d", "radarch", "pacs")
    assert [(peer, query.matches["AccessionNumber"]) for peer, query in pacs.asked] == [
        ("radarch", ["A1"]),
        ("radarch", ["A2"]),
    ]
    assert "StudyDescription" in pacs.asked[0][1].return_keys
    _run("ofind", "-a", "A1,A2", "-l", "series", "pacs")
    assert (pacs.asked[2][1].level, pacs.asked[2][1].matches) == ("series", {"AccessionNumber": ["A1", "A2"]})


def test_a_question_means_what_it_means_everywhere(pacs: Keeping) -> None:
    """Null is any value, a mapping is of a sequence's items, and accession numbers add up."""
    _run("ofind", "-q", "{PatientID: null, RequestAttributesSequence: {StudyID: 7}}", "-a", "A1", "-a", "A2", "pacs")
    wanted = {"PatientID": [""], "RequestAttributesSequence": {"StudyID": ["7"]}, "AccessionNumber": ["A1", "A2"]}
    assert pacs.asked[0][1].matches == wanted
    assert "RequestAttributesSequence" not in pacs.asked[0][1].return_keys  # an index would refuse to return it
    assert "has no values" in _run("ofind", "-a", "[]", "pacs").output


@pytest.mark.parametrize("sign", ["signature: null", "signature: []", "signature: [[PatientID]]"])
def test_a_signature_without_attributes_is_refused(pacs: Keeping, sign: str) -> None:
    assert "must be NAME: [ATTRIBUTE, ...]" in _run("dgetall", "scans", "oput", "--sign", sign, "pacs").output


def test_what_is_found_at_a_peer_is_retrieved(pacs: Keeping) -> None:
    pacs.found = [Item({"study_uid": "1.2"})]
    assert _run("ofind", "--today", "-d", "radarch", "-r", "pacs").output == "1 retrieved\n"
    assert len("".join(pacs.asked[0][1].matches["StudyDate"])) == 8
    assert "needs --peer" in _run("ofind", "-r", "pacs").output


def test_a_study_is_one_item_and_what_is_kept_comes_before_its_header(pacs: Keeping) -> None:
    pacs.kept[f"{ROOT}.0"] = {"signature": Cipher(KEY.encode()).encrypt({"PatientID": "Original"})}
    _run("dgetall", "scans", "oput", "pacs")
    result = _run("--json", "oget", "-m", "signature", "pacs", f"{ROOT}.0")
    assert result.stdout.count("\n") == 1
    assert '"PatientID": "Original"' in result.stdout
    assert "sop_instance_uid" not in result.stdout
    assert _run("oget", "-b", "pacs", f"{ROOT}.0").output == "2 stored\n"
    assert _run("oget", "pacs", "1.9").exit_code == 1


def test_reports_say_what_is_extracted_under_the_older_names(pacs: Keeping) -> None:
    result = _run("--json", "mfind", "-a", "A1", "-e", "lungrads", "-e", "radcat", "index")
    assert '"radcat": "5", "lungrads": "4A", "current_smoker": true, "pack_years": 15' in result.stdout
    assert "lungrads" not in _run("--json", "mfind", "-e", "radcat", "index").stdout


def test_reports_are_asked_for_by_days_words_and_attributes(pacs: Keeping) -> None:
    index = Session.services._made["index"]  # type: ignore[attr-defined]
    _run("mfind", "--start_date", "2026-01-01", "--end_date", "20260131", "-q", "nodul*", "index")
    _run("mfind", "--start_date", "20260101", "-q", "{Modality: [CT, PT]}", "index")
    assert [(query.matches, query.where) for query in index.asked] == [
        ({"StudyDate": ["20260101-20260131"]}, "nodul*"),
        ({"Modality": ["CT", "PT"], "StudyDate": ["20260101-"]}, ""),
    ]
    assert _run("mfind", "--start_date", "January", "index").exit_code == 2
    assert _run("mfind", "--today", "--end_date", "20260101", "index").exit_code == 2


def test_images_bear_the_stem_of_their_file_or_the_uid_and_are_never_replaced(pacs: Keeping, tmp_path: Path) -> None:
    out = tmp_path / "images"
    assert _run("dgetall", "scans", "fdump", "png", out).output == "3 written\n"
    assert sorted(path.name for path in out.iterdir()) == ["IM1.png", "IM2.png", "IM3.png"]
    _run("dgetall", "scans", "oput", "pacs")
    for item in pacs.put_items:
        del item.meta["path"]
    assert _run("oget", "-b", "pacs", f"{ROOT}.1", "fdump", tmp_path / "named").output == "1 written\n"
    assert [path.name for path in (tmp_path / "named").iterdir()] == [f"{ROOT}.5.3.png"]
    result = _run("dgetall", "scans", "fdump", out, "--window", "bone")
    assert (result.exit_code, result.stderr.count("ITEM_EXISTS")) == (1, 3)
    assert result.stderr.count("--replace writes over it") == 3
    before = (out / "IM1.png").read_bytes()
    assert _run("dgetall", "scans", "fdump", out, "--window", "bone", "--replace").stdout == "3 written\n"
    assert (out / "IM1.png").read_bytes() != before
    assert "no other format" in _run("dgetall", "scans", "fdump", "jpg", out).output


def test_two_files_of_one_name_become_two_images(pacs: Keeping, tmp_path: Path) -> None:
    scans, out = tmp_path / "series", tmp_path / "images"
    for number in (1, 2):
        (scans / str(number)).mkdir(parents=True)
        (tmp_path / f"IM{number}.dcm").rename(scans / str(number) / "IM.dcm")
    assert _run("dgetall", f"path:{scans}", "fdump", out).output == "2 written\n"
    assert _run("dcm2im", scans, out).output == "2 written\n"
    names = {path.name for path in out.iterdir()}
    assert len(names) == 2 and "IM.png" in names


def test_a_file_without_an_image_fails_by_itself(pacs: Keeping, tmp_path: Path) -> None:
    (tmp_path / "note.dcm").write_bytes(bytes(128) + b"DICM")
    result = _run("dcm2im", tmp_path, tmp_path / "out")
    assert (result.exit_code, len(list((tmp_path / "out").iterdir()))) == (1, 3)
    assert _run("dcm2im", tmp_path / "IM1.dcm", tmp_path / "one", "--frame", "2").exit_code == 1


def test_an_item_without_study_makes_no_image(pacs: Keeping) -> None:
    Session.services._made["nothing"] = Source([Item({"id": "1"})])  # type: ignore[attr-defined]
    assert _run("dgetall", "nothing", "fdump").exit_code == 1
