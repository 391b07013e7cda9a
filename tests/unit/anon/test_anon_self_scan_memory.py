"""What the last look remembers of one new object never hides what stands in another."""

from __future__ import annotations

from diana_anon.core.proof.self_scan import leaks
from diana_anon.core.proof.written import Value, values_in
from diana_anon.core.text.identifiers import named
from tests.unit.common.builder import element, item, part10

DESCRIPTION, CHARACTER_SET, REQUEST = 0x00081030, 0x00080005, 0x00400275


def found(*elements: bytes) -> dict[str, Value]:
    return {value.path: value for value in values_in([part10(*elements)])}


def test_the_same_bytes_are_other_words_in_another_character_set() -> None:
    description = element(DESCRIPTION, "LO", b"\xc4\xd6\xdc\xc1")
    latin, greek = (element(CHARACTER_SET, "CS", name) for name in (b"ISO_IR 100", b"ISO_IR 126"))
    for character_set, text in [(latin, "ÄÖÜÁ"), (greek, "ΔΦάΑ"), (latin, "ÄÖÜÁ")]:
        value = found(character_set, description)["(0008,1030)"]
        assert value.text.decode(value.raw) == text


def test_a_sequence_that_was_met_before_is_told_place_by_place_again() -> None:
    sequence = element(REQUEST, "SQ", 2 * item(element(0x00400009, "SH", b"SOMETHING ")))
    for _ in range(2):
        assert {"(0040,0275)[0].(0040,0009)", "(0040,0275)[1].(0040,0009)"} <= found(sequence).keys()


def test_what_tells_nobody_of_one_patient_tells_of_another() -> None:
    pieces = [part10(element(DESCRIPTION, "LO", b"SEEN BY FEATHERSTONE"))]
    assert leaks(named(["Marigold^Ann"]), pieces) == ()
    assert leaks(named(["Featherstone^Ann"]), pieces) == ("(0008,1030)",)
    assert leaks(named(["Marigold^Ann"]), pieces) == ()
