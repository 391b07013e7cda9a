"""What templates may say, what they may not, and that hostile ones cost little."""

from __future__ import annotations

import pytest

from diana_common.errors import DianaError, Reason
from diana_notify.core.rendering import MAX_BYTES, Rendering, TemplateText

VALUES = {"trial": "mammo", "site": "hospital_a", "text": "A" * 4096, "lines": "a\r\nBcc: x@evil.example", "items": "x"}
GIVEN = {"values": VALUES, "recipient": {"name": "Ada", "email": "ada@x.example", "affiliation": ""}}


def rendered(subject: str, body: str = "") -> tuple[str, str]:
    return Rendering(TemplateText(subject, body), "content").render(GIVEN)


def refusal(subject: str, body: str = "") -> DianaError:
    with pytest.raises(DianaError) as caught:
        rendered(subject, body)
    assert caught.value.reason is Reason.TEMPLATE_INVALID
    return caught.value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ values.trial }} at {{ values['site'] }} for {{ recipient.name }}", "mammo at hospital_a for Ada"),
        ("{{ values.trial|upper }} {{ values.site|replace('_', ' ')|title }}", "MAMMO Hospital A"),
        ("{{ values.nope|default('none') }}", "none"),
        ("{% if values.trial == 'mammo' and values.nope is not defined %}yes{% else %}no{% endif %}", "yes"),
        ("{{ 'one' if 'trial' in values else 'other' }}", "one"),
        (
            "{% for key in values|dictsort %}{{ key[0] }}{{ ' ' if not loop.last }}{% endfor %}",
            "items lines site text trial",
        ),
        ("{% for key, value in values.items() if value == 'mammo' %}{{ key }}{% endfor %}", "trial"),
        ("{% for one in [] %}x{% else %}nothing{% endfor %}", "nothing"),
        ("{{ values.trial[:3] }}{# not shown #}{% raw %}{{ x }}{% endraw %}", "mam{{ x }}"),
        ("{{ values.items }}", "x"),
        ("{{ 1.25|round(1, 'floor') }} {{ 2.5|round }} {{ ' a '|trim }} {{ '-a-'|trim('-') }}", "1.2 2.0 a a"),
        ("Grüße & <b>", "Grüße & <b>"),
    ],
)
def test_messages_name_test_filter_and_loop(source: str, text: str) -> None:
    assert rendered("subject", source)[1] == text


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("a\n{{ values.nope }}", "content.body: line 2: nope is not given"),
        ("{{ nobody.name }}", "content.body: line 1: nobody is not given"),
        ("{% for one in nobody %}{% endfor %}", "content.body: line 1: nobody is not given"),
        (
            "a\n\n{{ values.trial",
            "content.body: line 3: unexpected end of template, expected 'end of print statement'.",
        ),
        ("{{ values.trial > 3 }}", "content.body: line 1: cannot be filled in with these values (TypeError)"),
    ],
)
def test_a_template_that_fails_is_told_its_place(source: str, place: str) -> None:
    assert refusal("subject", source).message == place


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**10 }}",
        "{{ range(10**9) }}",
        "{{ values.text ~ values.text }}",
        "{{ values.text|center(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ values.text|replace('A', values.text) }}",
        "{{ 1.5|round(100000000, 'ceil') }}",
        "{{ 7|round(precision=-100000000) }}",
        "{{ values.text|trim(values.text) }}",
        "{% for a in values.text %}{% for b in values.text %}x{% endfor %}{% endfor %}",
        "{% for a in values.text %}x{% endfor %}",
        "{% set x = [1, 1] %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include 'other' %}",
        "{% for a in values.items() recursive %}{{ loop(values.items()) }}{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ values.__class__ }}",
        "{{ values.trial['upper'] }}",
        "{{ values|sort(attribute='__class__') }}",
        "{{ values.trial.format(values) }}",
        "{{ values[values.trial] }}",
        "{{ lipsum() }}",
        "{{ " + "not " * 2000 + "1 }}",
        "{{" + "(" * 100_000,
        "{{ values.trial }}" * 14_000,
        "{% if 1 %}" * 1000 + "{% endif %}" * 1000,
        "x" * (256 * 1024 + 1),
        "\ud800",
    ],
)
def test_what_reaches_for_python_or_grows_without_bounds_is_refused(source: str) -> None:
    refusal("subject", source)


def test_a_text_beyond_its_bound_is_refused_before_it_is_built() -> None:
    body = "{% for a in values.items() %}" + "x" * (MAX_BYTES // 4 - 1000) + "{% endfor %}"
    assert "more than 1048576 bytes" in refusal("subject", body).message


def test_a_value_with_a_line_end_never_reaches_a_header() -> None:
    error = refusal("About {{ values.lines }}")
    assert error.fields[0].field == "content.subject"
    assert "evil" not in error.message
    assert rendered("About", "{{ values.lines }}")[1] == VALUES["lines"]


def test_no_error_repeats_a_value() -> None:
    secret = {"values": {"patient": "ZZSECRETZZ"}}
    for source in (
        "{{ values.patient.x }}",
        "{{ values.patient > 1 }}",
        "{{ values.patient|round }}",
        "{{ values.x }}",
    ):
        with pytest.raises(DianaError) as caught:
            Rendering(TemplateText("s", source), "content").render(secret)
        assert "ZZSECRETZZ" not in f"{caught.value} {caught.value.fields}"
