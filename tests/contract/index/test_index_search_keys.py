"""Search keys: any attribute, private and nested ones, on records that are there already and on those that arrive."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core.attributes import Level
from diana_index.core.filtering import bind_filter
from diana_index.core.question import Asked, Key
from diana_index.core.store import Change, Mark
from diana_index.core.vocabulary import MOST_SEARCH_KEYS, SearchKey, Vocabulary, make_search_key
from diana_index.core.written import KeptKey
from tests.contract.index.written_bench import WrittenBench
from tests.unit.index.fake_archive import header
from tests.unit.index.index_bench import NO_WAIT, feed_to_head

SIEMENS = '(0019,"SIEMENS MR HEADER",0C)'


def store(desk: WrittenBench, sop: str, elements: dict[str, Any], study: str = "1", series: str = "1.1") -> None:
    """Store an instance with elements by tag beside the usual ones."""
    named = header(SOPInstanceUID=sop, StudyInstanceUID=study, SeriesInstanceUID=series)
    desk.archive.store_raw(sop, json.dumps({**named, **elements}).encode(), study, series)


def private(block: str, value: object, creator: str = "SIEMENS MR HEADER") -> dict[str, Any]:
    """A private element in a block, with its creator."""
    return {
        f"001900{block}": {"vr": "LO", "Value": [creator]},
        f"0019{block}0C": {"vr": "IS", "Value": [value]},
    }


def item(**values: Any) -> dict[str, Any]:
    """An item of a sequence."""
    return header(**values)


def refusal(desk: WrittenBench, level: Level, keys: dict[str, str]) -> Reason:
    with pytest.raises(DianaError) as refused:
        desk.count(level, keys)
    return refused.value.reason


def test_a_private_attribute_is_found_by_its_creator_in_whatever_block(desk: WrittenBench) -> None:
    store(desk, "1.1.1", private("10", 1000))
    store(desk, "1.1.2", private("11", 1000))
    store(desk, "1.1.3", private("10", 1000, "ANOTHER CREATOR"))
    store(desk, "1.1.4", {**private("10", 7, "ANOTHER CREATOR"), **private("E2", 50)})
    desk.catch_up()
    desk.key("b_value", SIEMENS, vr="IS")
    assert desk.uids(Level.INSTANCE, {"b_value": "1000"}) == ["1.1.1", "1.1.2"]
    assert desk.saying("b_value < 100", Level.INSTANCE) == ["1.1.4"]
    assert desk.uids(Level.INSTANCE, {SIEMENS: "1000"}) == ["1.1.1", "1.1.2"]
    assert desk.uids(Level.INSTANCE, {"b_value": '""'}) == ["1.1.3"]
    assert desk.uids(Level.INSTANCE, order=["-b_value"])[:2] == ["1.1.1", "1.1.2"]


def test_a_nested_attribute_is_found_and_a_sequence_needs_one_item_with_all(desk: WrittenBench) -> None:
    def acquired(*pairs: tuple[str, str]) -> dict[str, Any]:
        return header(
            AnatomicRegionSequence=[item(CodeValue=value, CodingSchemeDesignator=scheme) for value, scheme in pairs]
        )

    store(desk, "1.1.1", acquired(("T-D3000", "SRT"), ("51185008", "SCT")))
    store(desk, "1.1.2", acquired(("T-D3000", "SCT")))
    desk.catch_up()
    sequence = "AnatomicRegionSequence"
    desk.key("region", f"{sequence}.CodeValue")
    desk.key("region_scheme", f"{sequence}.CodingSchemeDesignator")
    assert desk.uids(Level.INSTANCE, {"region": "T-D3000"}) == ["1.1.1", "1.1.2"]
    assert desk.uids(Level.INSTANCE, {"region": "T-D3000", "region_scheme": "SCT"}) == ["1.1.1", "1.1.2"]
    one = Key(sequence, item=(Key("CodeValue", ("T-D3000",)), Key("CodingSchemeDesignator", ("SCT",))))
    found = desk.index.find(Asked("default", Level.INSTANCE, [one]), (), (), 0, "", b"", NO_WAIT)
    assert [record.sop_uid for record in found.records] == ["1.1.2"]


def test_a_name_within_a_sequence_is_matched_as_names_are(desk: WrittenBench) -> None:
    for number, names in enumerate((["M\u00fcller^J\u00f6rg", "Weber^Eva"], ["Meier^Anna"]), 1):
        observers = [item(VerifyingObserverName=name) for name in names]
        store(desk, f"1.1.{number}", header(VerifyingObserverSequence=observers))
    desk.catch_up()
    desk.key("verified_by", "VerifyingObserverSequence.VerifyingObserverName")
    assert desk.uids(Level.INSTANCE, {"verified_by": "MULLER*"}) == ["1.1.1"]
    assert desk.uids(Level.INSTANCE, {"verified_by": "Mueller Jorg"}, fuzzy_names=True) == ["1.1.1"]
    assert desk.uids(Level.INSTANCE, {"verified_by": "anna meier"}, fuzzy_names=True) == ["1.1.2"]


def test_a_key_at_study_level_follows_the_newest_instance(desk: WrittenBench) -> None:
    desk.archive.store("1.1.1", KVP=80)
    desk.catch_up()
    desk.key("kvp", "KVP", Level.STUDY)
    assert desk.uids(Level.STUDY, {"kvp": "80"}) == ["1"]
    desk.archive.store("1.1.2", KVP=120)
    desk.catch_up()
    assert (desk.uids(Level.STUDY, {"kvp": "80"}), desk.uids(Level.STUDY, {"kvp": "120"})) == ([], ["1"])
    desk.archive.delete("1.1.2")
    desk.catch_up()
    assert desk.uids(Level.INSTANCE, {"kvp": "80"}) == ["1.1.1"]
    desk.archive.delete("1.1.1")
    desk.catch_up()
    assert desk.uids(Level.STUDY, {"kvp": "*"}) == []


def test_a_filter_says_where_it_names_a_key_that_is_being_filled() -> None:
    vocabulary = Vocabulary([make_search_key("kvp", "KVP", Level.SERIES, "")])
    with pytest.raises(DianaError, match=r"^filter: at character 5: the search key is still being filled$") as refused:
        bind_filter("low kvp = 80", "filter", vocabulary)
    assert refused.value.reason is Reason.SEARCH_KEY_NOT_READY


@pytest.mark.parametrize("level", [Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE])
def test_what_arrives_and_goes_while_a_key_is_filled_is_there_once(desk: WrittenBench, level: Level) -> None:
    for number in range(30):
        desk.archive.store(f"1.1.{number}", f"{number}", f"{number}.1", PatientID=f"P{number}", KVP=80 + number)
    desk.catch_up()
    key = desk.add_key("kvp", "KVP", level)
    assert refusal(desk, level, {"kvp": "80"}) is Reason.SEARCH_KEY_NOT_READY
    assert desk.written.fill(key, 10).records == 10
    desk.archive.store("1.1.3", "3", "3.1", PatientID="P3", KVP=200)
    desk.archive.store("1.1.25", "25", "25.1", PatientID="P25", KVP=250)
    desk.archive.store("1.1.99", "99", "99.1", PatientID="P99", KVP=99)
    desk.archive.delete("1.1.4", "1.1.24")
    desk.catch_up()
    assert refusal(desk, level, {"kvp": "80"}) is Reason.SEARCH_KEY_NOT_READY
    desk.fill(key, 7)
    expected = {n: 80 + n for n in range(30) if n not in (4, 24)} | {3: 200, 25: 250, 99: 99}
    for number, kvp in expected.items():
        assert desk.count(level, {"kvp": str(kvp), "StudyInstanceUID": str(number)}) == 1
    assert desk.count(level, {"kvp": "*"}) == 29
    assert len(desk.saying("kvp < 1000", level)) == 29


def test_filling_tells_how_many_were_looked_at_and_how_many_have_a_value(desk: WrittenBench) -> None:
    for number in range(25):
        desk.archive.store(f"1.1.{number}", KVP=100 if number % 2 else None)
    desk.catch_up()
    key = desk.add_key("kvp", "KVP")
    assert desk.fill(key, 10) == (25, 12)
    assert desk.fill(key, 10) == (25, 12)


def test_what_was_read_before_a_key_was_made_and_is_applied_after_it_was_filled_has_it(
    desk: WrittenBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk.generations.active() as generation:
        apply = generation.apply

        def late(changes: Sequence[Change], mark: Mark) -> None:
            desk.key("kvp", "KVP")
            apply(changes, mark)

        desk.archive.store("1.1.1", KVP=100)
        with monkeypatch.context() as slow:
            slow.setattr(generation, "apply", late)
            desk.catch_up()
    assert desk.uids(Level.INSTANCE, {"kvp": "100"}) == ["1.1.1"]


def test_a_key_on_an_empty_index_is_ready_at_once(desk: WrittenBench) -> None:
    key = desk.add_key("kvp", "KVP")
    assert desk.written.is_ready(key)
    desk.archive.store("1.1.1", KVP=100)
    desk.catch_up()
    assert desk.uids(Level.INSTANCE, {"kvp": "100"}) == ["1.1.1"]


def test_a_rebuild_keeps_keys_and_those_made_meanwhile_are_to_be_filled(desk: WrittenBench) -> None:
    desk.archive.store("1.1.1", KVP=100, Rows=512)
    desk.catch_up()
    desk.key("kvp", "KVP")
    desk.rebuild()
    assert desk.uids(Level.INSTANCE, {"kvp": "100"}) == ["1.1.1"]
    late = desk.generations.create()
    desk.written.prepare(late)
    feed_to_head(desk.archive, late, desk.listener)
    depth = desk.add_key("depth", "BitsAllocated", vr="US")
    with desk.written.settled(late):
        desk.generations.adopt(late)
    assert not desk.written.is_ready(depth)
    with desk.generations.active() as active:
        desk.written.keep(active)
    assert desk.asked == [depth]
    desk.fill(depth)
    assert desk.written.is_ready(depth)


def test_a_deleted_key_is_no_key_any_more_and_its_id_is_free(desk: WrittenBench) -> None:
    desk.archive.store("1.1.1", KVP=100, PatientWeight=70)
    desk.catch_up()
    desk.key("mine", "KVP")
    desk.written.delete_key("mine")
    assert refusal(desk, Level.INSTANCE, {"mine": "100"}) is Reason.KEY_UNSUPPORTED
    with pytest.raises(DianaError) as missing:
        desk.written.delete_key("mine")
    assert missing.value.reason is Reason.SEARCH_KEY_NOT_FOUND
    desk.key("mine", "PatientWeight")
    assert desk.uids(Level.INSTANCE, {"mine": "70"}) == ["1.1.1"]
    assert desk.uids(Level.INSTANCE, {"mine": "100"}) == []


def test_a_key_that_is_deleted_while_it_is_filled_ends_the_filling(desk: WrittenBench) -> None:
    for number in range(20):
        desk.archive.store(f"1.1.{number}", KVP=100)
    desk.catch_up()
    key = desk.add_key("kvp", "KVP")
    desk.written.fill(key, 5)
    desk.written.delete_key("kvp")
    with pytest.raises(DianaError) as gone:
        desk.written.fill(key, 5)
    assert gone.value.reason is Reason.SEARCH_KEY_NOT_FOUND


def test_an_id_stands_for_one_key(desk: WrittenBench) -> None:
    key = desk.add_key("kvp", "KVP")
    assert desk.written.create_key(make_search_key("kvp", "(0018,0060)", Level.INSTANCE, "DS")).key == key
    with pytest.raises(DianaError) as other:
        desk.add_key("kvp", "KVP", Level.STUDY)
    assert other.value.reason is Reason.SEARCH_KEY_EXISTS
    assert [one.key for one in desk.written.search_keys()] == [key]


def test_there_are_so_many_keys_and_no_more(desk: WrittenBench) -> None:
    for number in range(MOST_SEARCH_KEYS):
        assert desk.store.add_key(
            KeptKey(SearchKey(f"key_{number}", "00180060", Level.INSTANCE, "DS"), 0.0), MOST_SEARCH_KEYS
        )
    with pytest.raises(DianaError) as full:
        desk.add_key("one_more", "KVP")
    assert full.value.reason is Reason.INVALID_FIELD
    desk.written.delete_key("key_7")
    desk.add_key("one_more", "KVP")


@pytest.mark.parametrize(
    ("key_id", "path", "vr", "field"),
    [
        ("age", "KVP", "", "search_key.search_key_id"),
        ("report", "KVP", "", "search_key.search_key_id"),
        ("x", SIEMENS, "", "search_key.vr"),
        ("x", SIEMENS, "OB", "search_key.vr"),
        ("x", "PixelData", "", "search_key.vr"),
        ("x", "AnatomicRegionSequence", "", "search_key.vr"),
        ("x", "00191010", "LO", "search_key.path"),
        ("x", "Nonsense", "", "search_key.path"),
        ("x", "KVP..KVP", "", "search_key.path"),
        ("x", ".".join(["RequestAttributesSequence"] * 6), "", "search_key.path"),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_its_field(key_id: str, path: str, vr: str, field: str) -> None:
    with pytest.raises(DianaError) as refused:
        make_search_key(key_id, path, Level.INSTANCE, vr)
    assert (refused.value.reason, refused.value.fields[0].field) == (Reason.INVALID_FIELD, field)


def test_the_vocabulary_lists_keys_with_their_paths(desk: WrittenBench) -> None:
    key: SearchKey = desk.add_key("b_value", SIEMENS, Level.SERIES, "IS")
    listed = {one.keyword: one for one in desk.index.vocabulary().listed()}
    assert (listed["b_value"].level, listed["b_value"].vr) == (Level.SERIES, "IS")
    assert key.path == SIEMENS
