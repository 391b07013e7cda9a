"""Rules as people write them: what is read, and all that is wrong with them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_route.core.reading import Scope, check_rules, read_rules
from diana_route.core.rules import (
    Anonymize,
    Delete,
    Event,
    FeedSource,
    FolderSource,
    Index,
    Notify,
    Put,
    QuerySource,
    Send,
    Webhook,
)
from tests.unit.route.rule_files import INTAKE, SCOPE, faults, header, rule, rules

FEED = "{store: inbox}"
FOLDER = '{folder: /incoming, layout: "{site}/{trial}"}'


def fault_of(source: str, do: str = "[{send: {peer: PACS}}]", when: str = "") -> str:
    """The one fault of a rule; without the line and "rules[0]."."""
    condition = f"\n    when: {when}" if when else ""
    [fault] = faults(f"rules:\n  - name: one\n    source: {source}{condition}\n    do: {do}\n")
    return fault.partition("rules[0].")[2]


FURTHER = """
  - name: deidentify
    source: {store: inbox, event: study_completed}
    do:
      - anonymize:
          to: trial
          profile: basic
          attributes: {trial: $trial, origin: route}
          copy: [site]
          seal: [PatientID, PatientName]
      - notify: {channel: $trial-$site, template: arrived}
  - name: nightly
    source: {query: 'ModalitiesInStudy = "MR" AND age > 18', every: 1h}
    do: [{send: {peer: PACS, commit: true}}, {webhook: "https://a.example/x?token=secret"}]
  - name: onward
    source: {store: trial, event: instance_stored}
    when: 00080060 = MR
    do:
      - send: {archive: research, store: trial}
      - send: {folder: /outgoing/trial}
      - delete: {unconfirmed: true}
  - name: registry
    source: {folder: /outgoing/old}
    do: [{index: "Old scans"}]
"""


def test_everything_that_rules_can_say() -> None:
    intake, trial, nightly, onward, registry = rules(INTAKE + FURTHER)
    assert intake.source == FolderSource(Path("/incoming"), "{site}/{trial}", 0.5, 2.0, 86_400.0)
    assert intake.when and intake.when(header(Modality="CT")) and not intake.when(header(Modality="MR"))
    assert intake.actions == [Put("inbox"), Delete()]
    assert (intake.place, intake.summary) == (
        "rules.yaml line 2",
        "/incoming/{site}/{trial} -> put inbox, delete",
    )
    assert trial.source == FeedSource("inbox", Event.STUDY_COMPLETED)
    attributes = {"trial": "$trial", "origin": "route"}
    anonymize = Anonymize("trial", "basic", attributes, ("site",), ("PatientID", "PatientName"))
    assert trial.actions == [anonymize, Notify("$trial-$site", "arrived")]
    assert nightly.source == QuerySource("default", 'ModalitiesInStudy = "MR" AND age > 18', 3600.0)
    assert nightly.actions == [Send(peer="PACS", commit=True), Webhook("https://a.example/x?token=secret")]
    assert nightly.summary == "studies of default that a query finds -> send to PACS, webhook a.example"
    assert onward.source == FeedSource("trial", Event.INSTANCE_STORED)
    assert onward.when_text == "Modality = MR"
    assert onward.actions == [Send(archive="research", store="trial"), Send(folder="/outgoing/trial"), Delete(True)]
    assert registry.actions == [Index("Old scans")]


def test_jobs_that_wait_go_on_when_actions_learn_to_say_more() -> None:
    """The digest of an action as it was before `send` knew endpoints."""
    (rule,) = rules("rules: [{name: one, source: {store: inbox}, do: [{send: {peer: PACS}}]}]")
    assert rule.digest == "2f3906b2466f1628"


def test_a_file_without_rules_means_none() -> None:
    assert rules("") == rules("rules:\n") == rules("rules: []\n") == ()


def test_all_faults_are_told_at_once_in_the_order_of_the_text() -> None:
    text = """rules:
  - name: One
    source: {folder: incoming, settle: 2 s, layuot: x}
    when: Modallity = CT
    do: [putt: inbox]
  - source: {store: inbox, event: study_complete}
    do:
      - delete
      - send: {peer: PACS, folder: /outgoing}
  - name: two
    name: three
    do: []
"""
    assert faults(text) == [
        "line 2: rules[0].name: must be 1 to 63 of a-z, 0-9, '-' and '_', a letter or digit first",
        "line 3: rules[0].source.layuot: is not a setting; did you mean 'layout'?",
        "line 3: rules[0].source.folder: must be an absolute path without '..'",
        "line 3: rules[0].source.settle: must be a duration, as 500ms, 2s, 5m, 1h or 1d",
        "line 4: rules[0].when: at character 1: 'Modallity' is no attribute; did you mean 'Modality'?",
        "line 5: rules[0].do[0]: is no action; did you mean 'put'?",
        "line 6: rules[1].name: is required",
        "line 6: rules[1].source.event: is no event; did you mean 'study_completed'?",
        "line 8: rules[1].do[0]: must be the last action",
        (
            "line 9: rules[1].do[1].send: must say one of: peer (of the DICOM door), archive (with a store), folder, "
            "endpoint"
        ),
        "line 10: rules[2].source: is required",
        "line 11: rules[2].name: is said twice, first on line 10",
        "line 12: rules[2].do: must say what is done: put, anonymize, index, send, notify, webhook, delete",
    ]


@pytest.mark.parametrize(
    ("source", "do", "fault"),
    [
        (FEED, "[put: other]", "do[0].put: takes the files of a folder; what a store holds already can be sent"),
        (FEED, "[index: other]", "do[0].index: takes the files of a folder"),
        (FOLDER, "[{send: {peer: A}}]", "do[0].send: takes what a store holds: put the files, and have a rule"),
        (FOLDER, "[{anonymize: {to: b}}]", "do[0].anonymize: takes what a store holds"),
        (FEED, "[{anonymize: {to: inbox}}]", "do[0].anonymize: must have another store than its source's"),
        ("{store: a, event: instance_stored}", "[{anonymize: {to: b}}]", "do[0].anonymize: takes whole studies"),
        (FEED, "[delete]", "do[0]: would delete what is kept nowhere else: put, send or anonymize it before"),
        (FOLDER, "[{notify: {channel: a, template: b}}, delete]", "do[1]: would delete what is kept nowhere else"),
        (FOLDER, "[{notify: {channel: $study, template: b}}]", "do[0].notify.channel: uses $study, but the item's"),
        (FEED, "[{notify: {channel: a$-, template: b}}]", "do[0].notify.channel: has a $ that no attribute's name"),
        (FEED, "[{notify: {channel: a}}]", "do[0].notify.template: is required"),
        (FEED, "[{send: {archive: reserch}}]", "do[0].send.archive: is none that the setting `archives` lists; did"),
        (FEED, "[{send: {peer: A, store: b}}]", "do[0].send.store: is the other archive's: it goes with archive"),
        (FEED, "[{send: {folder: /etc}}]", "do[0].send.folder: does not lie below one of the directories"),
        (FEED, "[{send: {folder: /outgoing/../etc}}]", "do[0].send.folder: must be an absolute path without '..'"),
        (
            FEED,
            "[{anonymize: {to: b, seal: [PatientNam]}}]",
            "do[0].anonymize.seal[0]: 'PatientNam' is no attribute; did you",
        ),
        (
            FEED,
            "[{anonymize: {to: b, seal: ['(0010,0010)']}}]",
            "do[0].anonymize.seal[0]: must be a keyword, as PatientN",
        ),
        ("{folder: /incoming" + "/a" * 40 + "}", "[put: a]", "source.folder: lies more than 32 directories deep"),
        (FEED, "[{anonymize: {to: b, copy: [Site]}}]", "do[0].anonymize.copy[0]: must be 1 to 63 of a-z, 0-9, '.'"),
        (FEED, "[{anonymize: {to: b, attributes: {A: b}}}]", "do[0].anonymize.attributes.A: must be 1 to 63 of"),
        (FEED, "[{anonymize: {to: b, attributes: [a]}}]", "do[0].anonymize.attributes: must be a mapping of"),
        (FEED, "[{webhook: ftp://a.example}]", "do[0].webhook: must be a URL of http or https"),
        (FEED, '[{webhook: "http://u:p@a.example"}]', "do[0].webhook: must be a URL of http or https"),
        (FEED, '[{webhook: "http://[a"}]', "do[0].webhook: must be a URL of http or https"),
        (FEED, "[{send: {peer: A}, delete: }]", "do[0]: must be one action, as: put: inbox"),
        (FEED, "[{send: {peer: A}}, {delete: now}]", "do[1].delete: must be a mapping of settings: unconfirmed"),
        (FEED, "[{send: {folder: /outgoing, commit: true}}]", "do[0].send.commit: is asked of a DICOM peer"),
        (FEED, "[{send: {peer: A, commit: 1}}]", "do[0].send.commit: must be true or false"),
        (FOLDER, "[put: a, {delete: {unconfirmed: true}}]", "do[1].delete: is for what was sent to a DICOM peer"),
        ("{store: a, every: 1h}", "[{send: {peer: A}}]", "source.every: is not a setting; did you mean 'event'?"),
        ("{query: Modality = MR}", "[{send: {peer: A}}]", "source.every: is required"),
        ("{query: Modality =, every: 1h}", "[{send: {peer: A}}]", "source.query: at character 11: expected a value"),
        ("{query: Modalty = MR, every: 1h}", "[{send: {peer: A}}]", "source.query: 'Modalty' is no attribute; did"),
        ("{query: Modality = MR, every: 40d}", "[{send: {peer: A}}]", "source.every: must be from 1s to 31d"),
        ("{event: study_completed}", "[{send: {peer: A}}]", "source: must say one of: folder, store (its feed), query"),
        ("{folder: /srv}", "[put: a]", "source.folder: does not lie below one of the directories"),
        (
            '{folder: /incoming, layout: "{site}-{trial}"}',
            "[put: a]",
            "source.layout: each level is a directory's name, or an attribute",
        ),
        ('{folder: /incoming, layout: "{site}/{site}"}', "[put: a]", "source.layout: an attribute stands twice"),
        (
            '{folder: /incoming, layout: "../{site}"}',
            "[put: a]",
            "source.layout: each level is a directory's name, or an attribute",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_would_be_right(source: str, do: str, fault: str) -> None:
    assert fault_of(source, do).startswith(fault)


def test_a_condition_that_does_not_fit_its_attribute_is_refused() -> None:
    assert fault_of(FEED, when='"Rows = many"') == "when: at character 8: expected a number"
    assert fault_of(FEED, when="thorax").startswith("when: at character 1: expected an attribute compared")


def test_names_are_unique() -> None:
    [fault] = faults(INTAKE + INTAKE.partition("\n")[2])
    assert fault == "line 8: rules[1].name: is another rule's name too, on line 2"


@pytest.mark.parametrize(
    ("watched", "sent", "meet"),
    [
        ("/incoming", "/incoming", True),
        ("/incoming", "/incoming/a", True),
        ("/outgoing/a/b", "/outgoing", True),
        ("/incoming/a", "/incoming/ab", False),
        ("/incoming", "/outgoing", False),
    ],
)
def test_no_rule_sends_into_a_folder_that_a_rule_watches(watched: str, sent: str, meet: bool) -> None:
    text = f"""rules:
  - {{name: in, source: {{folder: {watched}}}, do: [put: a]}}
  - {{name: out, source: {{store: a}}, do: [{{send: {{folder: {sent}}}}}]}}
"""
    expected = ["line 3: rules[1].do: sends into a folder that rule in watches"]
    assert faults(text) == (expected if meet else [])


def test_the_digest_is_of_the_actions_and_of_nothing_else() -> None:
    said = rule(FEED, "[{anonymize: {to: b, attributes: {x: y, a: b}}}]")
    assert said.digest == rule("{store: c}", "[{anonymize: {attributes: {a: b, x: y}, to: b}}]", "Rows = 1").digest
    assert said.digest != rule(FEED, "[{anonymize: {to: c, attributes: {x: y, a: b}}}]").digest


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"rules: [*a]",
        b"[]",
        b"rules: 3",
        b"rules: [3, [], {}, {name: {a: b}}]",
        b"rules: [{name: a, source: [], do: {}}]",
        b"rules: [{name: a, source: {folder: []}, do: [[], 3, {put: []}, {send: []}, {notify: 1}, {delete: []}]}]",
        (
            b"rules: [{name: a, source: {store: b}, do: [anonymize, send, notify, webhook, index, {anonymize: "
            b"{to: [], attributes: {a: []}, copy: {}, seal: 3}}]}]"
        ),
        b"rules: [" + b"{}, " * 1_100 + b"]",
        b"rules: [{name: a, source: {store: b}, do: [" + b"delete, " * 30 + b"]}]",
        b"a" * 1_100_000,
        b"rules:\n" + b"  - {name: A}\n" * 900,
    ],
)
def test_no_text_breaks_the_reading(text: bytes) -> None:
    assert faults(text)


def test_the_refusal_names_lines_and_the_file() -> None:
    with pytest.raises(DianaError) as refused:
        read_rules(b"rules:\n  - {name: a}\n", SCOPE, "site.yaml")
    assert refused.value.reason is Reason.RULES_INVALID
    assert refused.value.message == "site.yaml: line 2: rules[0].source: is required (and 1 more fault)"
    assert [one.field for one in refused.value.fields] == ["line 2: rules[0].source", "line 2: rules[0].do"]


def test_without_folders_and_archives_none_may_be_named() -> None:
    text = b"rules: [{name: a, source: {folder: /incoming}, do: [put: b]}]"
    [fault] = check_rules(text, Scope())
    assert "`folders`" in str(fault)


@pytest.mark.parametrize("other", ["/incoming", "/incoming/a/b", "/incoming/a"])
@pytest.mark.parametrize("when", ["", "when: Rows = 1, "])
def test_no_rule_deletes_what_another_may_not_have_seen(other: str, when: str) -> None:
    first = f"{{name: one, source: {{folder: /incoming/a}}, {when}do: [{{put: inbox}}, delete]}}"
    second = f"{{name: two, source: {{folder: {other}}}, do: [{{put: inbox}}]}}"
    (fault,) = faults(f"rules:\n  - {first}\n  - {second}\n")
    assert fault.startswith("line 2: rules[0].do: would delete files before rule two has seen them")
    both = f"rules:\n  - {first}\n  - {second}\n".replace("}, do:", "}, when: Rows = 2, do:")
    assert when == "" or faults(both) == []
    apart = second.replace(f"folder: {other}}}", "folder: /incoming/b}")
    assert faults(f"rules:\n  - {first}\n  - {apart}\n") == []


def test_no_two_rules_move_studies_to_and_fro() -> None:
    there = "{name: there, source: {store: a}, do: [{anonymize: {to: b}}, delete]}"
    back = "{name: back, source: {store: b}, do: [{anonymize: {to: a}}, delete]}"
    told = faults(f"rules:\n  - {there}\n  - {back}\n")
    assert [one.partition(" moves to")[0] for one in told] == ["line 2: rules[0].do:", "line 3: rules[1].do:"]
    assert faults(f"rules:\n  - {there}\n  - {back.replace(', delete', '')}\n") == []
