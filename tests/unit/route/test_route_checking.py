"""Rules are checked before they are in force: names at who knows them, variables without telling what is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_route.core.checking import Checker
from diana_route.core.reading import Scope, read_rules
from diana_route.core.references import Reference, ReferenceKind

RULES = b"""\
rules:
  - name: intake                     # ${NOT_SET} is a comment
    source: {folder: /incoming, layout: "{site}"}
    do:
      - put: inbx
      - notify: {channel: $site, template: arrived}
      - notify: {channel: opps, template: arived}
  - name: deid
    source: {store: inbox}
    do: [{anonymize: {to: trial, profile: strct}}, {send: {peer: PACSS}}]
  - name: nightly
    source:
      query: PatientAge > old
      every: 1d
    do: [{send: {archive: research, store: pool}}]
"""
KNOWN = {
    ReferenceKind.STORE: ["inbox", "trial", "default", "research/pool"],
    ReferenceKind.PROFILE: ["strict"],
    ReferenceKind.TEMPLATE: ["arrived"],
    ReferenceKind.CHANNEL: ["ops"],
    ReferenceKind.PEER: ["PACS"],
    ReferenceKind.QUERY: [],
}


class Known:
    """The services of a mesh, but for those that are away."""

    def __init__(self, *away: ReferenceKind) -> None:
        self.away = away
        self.asked: list[Reference] = []

    def fault(self, reference: Reference) -> str:
        self.asked.append(reference)
        if reference.kind in self.away:
            raise DianaError(Reason.PEER_UNAVAILABLE, "Nobody answers.")
        name = (
            f"{reference.of}/{reference.name}"
            if reference.of and reference.kind is ReferenceKind.STORE
            else reference.name
        )
        return "" if name in KNOWN[reference.kind] else "is unknown"


def scope(**variables: str) -> Scope:
    return Scope((Path("/incoming"),), ("research",), variables, withheld=frozenset({"SECRET"}))


def found(text: bytes, open_directory: Callable[[], Known] | None = Known, **variables: str) -> list[str]:
    checked = Checker(scope(**variables), open_directory).check(text)
    told = [(one.fault, "warning: " if one.is_warning else "") for one in checked.findings]
    return [f"{fault.line} {kind}{fault.field}: {fault.description}" for fault, kind in told]


def test_what_nobody_knows_is_told_with_its_line_and_setting() -> None:
    assert found(RULES) == [
        "5 rules[0].do[0].put: is unknown",
        "7 rules[0].do[2].notify.channel: is unknown",
        "7 rules[0].do[2].notify.template: is unknown",
        "10 rules[1].do[0].anonymize.profile: is unknown",
        "10 rules[1].do[1].send.peer: is unknown",
        "13 rules[2].source.query: is unknown",
    ]


def test_what_could_not_be_asked_is_a_warning_and_hides_nothing_else() -> None:
    told = found(RULES, lambda: Known(ReferenceKind.PROFILE, ReferenceKind.QUERY))
    assert told[3] == "10 warning: rules[1].do[0].anonymize.profile: profile 'strct' was not looked up: Nobody answers."
    assert told[5] == "13 warning: rules[2].source.query: the query was not looked up: Nobody answers."
    assert len(told) == 6 and "warning" not in "".join(told[:3])


def test_rules_of_which_nothing_is_known_to_be_wrong_are_named() -> None:
    text = b"rules: [{name: a, source: {store: inbox}, do: [{webhook: 'http://a.example'}]}]"
    assert Checker(scope(), Known).check(text).rules == ["a"]
    assert Checker(scope(), lambda: Known(ReferenceKind.STORE)).check(text).rules == ["a"]
    assert Checker(scope(), None).check(text).rules == ["a"]
    assert Checker(scope(), Known).check(text.replace(b"inbox", b"inbx")).rules == []


def test_a_look_without_a_mesh_says_what_it_did_not_look_at() -> None:
    [told] = found(b"rules: [{name: a, source: {store: s}, do: [{send: {peer: P}}]}]", None)
    assert told.startswith("0 warning: : stores, profiles")


def test_a_variable_is_one_value_whatever_it_holds() -> None:
    text = b"rules: [{name: a, source: {store: '${STORE}'}, do: [{send: {peer: P}}]}]"
    assert found(text, None, STORE="inbox")[1:] == []
    [_, fault] = found(text, None, STORE="x}, do: [delete], when: {a: b")
    assert fault.startswith("1 rules[0].source.store: must be 1 to 63")


def test_a_variable_that_is_not_set_is_named_with_its_line_and_those_in_comments_are_none() -> None:
    text = b"rules:\n  - name: a # ${NOT_SET}\n    source: {store: s}\n    do: [{webhook: 'http://${NOT_SET}/x'}]\n"
    assert found(text, None)[1] == "4 : the environment variable NOT_SET is not set"
    assert [one.name for one in read_rules(text.replace(b"http://${NOT_SET}", b"http://a"), scope())] == ["a"]


def test_a_variable_that_may_not_be_told_is_not_looked_at() -> None:
    text = b"rules:\n  - name: a\n    source: {folder: '${SECRET}/in'}\n    do: [putt: x]\n"
    withheld, fault = found(text)
    assert withheld.startswith("3 warning: : names an environment variable")
    assert fault == "4 rules[0].do[0]: is no action; did you mean 'put'?"
    [fault] = [fault for fault in found(text.replace(b"'${SECRET}/in'", b"/elsewhere")) if "folder" in fault]
    assert "does not lie below" in fault
