"""Filters of AIP-160: what they mean, and where they are wrong. The examples are those of the AIP and its grammar."""

from __future__ import annotations

import pytest

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.filters import (
    And,
    Comparator,
    Filter,
    Member,
    Not,
    Or,
    Restriction,
    Value,
    Words,
    filter_error,
    parse_filter,
    to_text,
)


def is_(member: str, comparator: str, value: str) -> Restriction:
    """A restriction on a member whose names have no dots."""
    return Restriction(Member(tuple(member.split("."))), Comparator(comparator), Value(value))


A, B, C, D = (Words(letter) for letter in "abcd")

MEANINGS: list[tuple[str, Filter | None]] = [
    ("", None),
    (" \t\n", None),
    # Literals.
    ("42", Words("42")),
    ("Hugo", Words("Hugo")),
    ("Victor Hugo", And((Words("Victor"), Words("Hugo")))),
    ('"Victor Hugo"', Words("Victor Hugo")),
    ("prod", Words("prod")),
    ("expr.type_map.1.type", Words("expr.type_map.1.type")),
    # Logical operators: OR before AND.
    ("a AND b", And((A, B))),
    ("a OR b OR c", Or((A, B, C))),
    ("a AND b OR c", And((A, Or((B, C))))),
    ("a OR b AND c", And((Or((A, B)), C))),
    ("(a AND b) OR c", Or((And((A, B)), C))),
    ("a b AND c AND d", And((A, B, C, D))),
    ("(a b) AND c AND d", And((And((A, B)), C, D))),
    ("New York Giants OR Yankees", And((Words("New"), Words("York"), Or((Words("Giants"), Words("Yankees")))))),
    ("New York (Giants OR Yankees)", And((Words("New"), Words("York"), Or((Words("Giants"), Words("Yankees")))))),
    ("a < 10 OR a >= 100", Or((is_("a", "<", "10"), is_("a", ">=", "100")))),
    ("((a))", A),
    # Negation.
    ("NOT a", Not(A)),
    ("-a", Not(A)),
    ("NOT (a OR b)", Not(Or((A, B)))),
    ("-(a OR b)", Not(Or((A, B)))),
    ('-file:".java"', Not(is_("file", ":", ".java"))),
    ("-30", Not(Words("30"))),
    ('-"a b"', Not(Words("a b"))),
    ("NOT (NOT a)", Not(Not(A))),
    ("a OR NOT b", Or((A, Not(B)))),
    ("a -b", And((A, Not(B)))),
    ("a-b", Words("a-b")),
    # Comparison.
    ("a = true", is_("a", "=", "true")),
    ("a != 42", is_("a", "!=", "42")),
    ("a < 42", is_("a", "<", "42")),
    ('a > "foo"', is_("a", ">", "foo")),
    ('a <= "foo"', is_("a", "<=", "foo")),
    ("a >= 42", is_("a", ">=", "42")),
    ("a=-42", is_("a", "=", "-42")),
    ("a = 2.997e9", is_("a", "=", "2.997e9")),
    ("a = -.5e+3", is_("a", "=", "-.5e+3")),
    ("a < 1.2s", is_("a", "<", "1.2s")),
    ('a > "2012-04-21T11:30:00-04:00"', is_("a", ">", "2012-04-21T11:30:00-04:00")),
    ('a = "*.foo"', is_("a", "=", "*.foo")),
    ("package=com.google", is_("package", "=", "com.google")),
    ("msg != 'hello'", is_("msg", "!=", "hello")),
    ("1 > 0", is_("1", ">", "0")),
    ("2.5 >= 2.4", is_("2.5", ">=", "2.4")),
    ("yesterday < request.time", is_("yesterday", "<", "request.time")),
    ("a\n=\n1", is_("a", "=", "1")),
    # Traversal and "has".
    ("a.b = true", is_("a.b", "=", "true")),
    ("a.b > 42", is_("a.b", ">", "42")),
    ('a.b.c = "foo"', is_("a.b.c", "=", "foo")),
    ("a.AND = 1", is_("a.AND", "=", "1")),
    ("NOT.a = 1", is_("NOT.a", "=", "1")),
    ("r:42", is_("r", ":", "42")),
    ("r.foo:42", is_("r.foo", ":", "42")),
    ("m:foo", is_("m", ":", "foo")),
    ("m.foo:*", is_("m.foo", ":", "*")),
    ("map:key", is_("map", ":", "key")),
    # Values in brackets share what stands before them.
    ("m = (a OR b)", Or((is_("m", "=", "a"), is_("m", "=", "b")))),
    ("m:(a -b) c", And((And((is_("m", ":", "a"), Not(is_("m", ":", "b")))), C))),
    ("m = (a)", is_("m", "=", "a")),
    # Quoted texts.
    (r'a = "say \"no\" \\ \'yes\'"', is_("a", "=", "say \"no\" \\ 'yes'")),
    ('a = ""', is_("a", "=", "")),
    ('a = "it\'s"', is_("a", "=", "it's")),
    ("PatientName = O'Brien^*", is_("PatientName", "=", "O'Brien^*")),
    ('"AND"', Words("AND")),
    ('a = "OR"', is_("a", "=", "OR")),
    ("a = and", is_("a", "=", "and")),
    ("\u5c71\u7530\u3000\u592a\u90ce", And((Words("\u5c71\u7530"), Words("\u592a\u90ce")))),
    # Quoted names.
    (
        "'(0019,\"SIEMENS MR HEADER\",0C)' = 5",
        Restriction(Member(('(0019,"SIEMENS MR HEADER",0C)',)), Comparator.EQUALS, Value("5")),
    ),
    (
        r'"(0019,\"SIEMENS MR HEADER\",0C)" = 5',
        Restriction(Member(('(0019,"SIEMENS MR HEADER",0C)',)), Comparator.EQUALS, Value("5")),
    ),
    ('a."b.c".d:1', Restriction(Member(("a", "b.c", "d")), Comparator.HAS, Value("1"))),
    ('"AND" = 1', is_("AND", "=", "1")),
    # The contract's examples.
    ("Modality = CT AND StudyDate >= 20260101", And((is_("Modality", "=", "CT"), is_("StudyDate", ">=", "20260101")))),
    (
        "(BodyPartExamined = CHEST OR StudyDescription:thorax) AND NOT PatientSex = O",
        And(
            (
                Or((is_("BodyPartExamined", "=", "CHEST"), is_("StudyDescription", ":", "thorax"))),
                Not(is_("PatientSex", "=", "O")),
            )
        ),
    ),
]


@pytest.mark.parametrize(("text", "meaning"), MEANINGS)
def test_a_filter_means_this_and_its_canonical_text_means_the_same(text: str, meaning: Filter | None) -> None:
    assert parse_filter(text) == meaning
    if meaning:
        assert parse_filter(to_text(meaning)) == meaning


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a b OR c -d", "a AND (b OR c) AND (NOT d)"),
        ("\"(0010,0020)\"='x y'", '"(0010,0020)" = "x y"'),
        ("StudyDate>=20260101", "StudyDate >= 20260101"),
        ("a.b:* 'and'", 'a.b : * AND "and"'),
        ("1.2.840.10008 = -5", '1.2.840.10008 = "-5"'),
        ("NOT (a OR b)", "NOT (a OR b)"),
    ],
)
def test_the_canonical_text_is_readable(text: str, canonical: str) -> None:
    tree = parse_filter(text)
    assert tree is not None
    assert to_text(tree) == canonical


REFUSALS: list[tuple[str, int, str]] = [
    ("a AND", 6, "expected a comparison, a word or an opening bracket; found the end"),
    ("AND a", 1, "found AND"),
    ("a OR OR b", 6, "found OR"),
    ("a AND AND b", 7, "found AND"),
    ("NOT", 4, "found the end"),
    ("NOT(a)", 4, 'expected white space behind NOT; found "("'),
    ("NOT NOT a", 5, "put it in brackets to negate it twice"),
    ("NOT -a", 5, "put it in brackets to negate it twice"),
    ("--a", 1, 'right behind one "-"'),
    ("a - b", 3, 'right behind one "-"'),
    ("a =", 4, 'expected a value behind "="; found the end'),
    ("a = AND b", 5, 'expected a value behind "="; found AND'),
    ("a == b", 4, 'expected a value behind "="; found "="'),
    ("a <> b", 4, 'expected a value behind "<"; found ">"'),
    ("= b", 1, 'found "="'),
    ("a = 10:15", 7, "put a value that contains a comparator in quotation marks"),
    ("a = b = c", 7, "put a value that contains a comparator in quotation marks"),
    ("(a", 3, 'or ")" for the bracket at character 1; found the end'),
    ("x AND (a OR (b)", 16, "for the bracket at character 7"),
    ("a)", 2, 'expected an operator, a word or the end; found ")"'),
    ("()", 2, 'found ")"'),
    ("(a)(b)", 4, "expected white space"),
    ("(a)AND b", 4, "expected white space before AND"),
    ('"a"(b)', 4, "expected white space"),
    ("experiment.rollout <= cohort(request.user)", 23, "functions are not supported"),
    ("regex(m.key, '^.*prod.*$')", 1, "functions are not supported"),
    ("(msg.endsWith('world') AND retries < 10)", 2, "functions are not supported"),
    ("(0010,0020) = x", 6, "put what contains it in quotation marks"),
    ("a..b = 1", 3, "expected a name"),
    (".a = 1", 1, "expected a name"),
    ("a. = 1", 4, 'expected a name behind "."'),
    ('"" = 1', 1, "expected a name"),
    ('"a"b = 1', 4, 'expected "." or a comparator'),
    ('a = "x"y', 5, "expected white space beside a quoted text"),
    ('a."b c"', 3, "expected white space beside a quoted text"),
    ('""', 1, "found an empty quoted text"),
    ('a = "open', 5, "must end with the quotation mark it began with"),
    ("a = 'open\"", 5, "must end with the quotation mark it began with"),
    (r'a = "x\n"', 7, "a backslash may stand only before"),
    (r"a = x\y", 6, "a backslash may stand only in quotation marks"),
    ('a = x"y"', 6, "expected white space beside a quoted text"),
    ("!a", 1, '"!" has a meaning only in "!="'),
    ("a = 1 and b = 2", 7, "expected AND in capitals"),
    ("a || b", 3, "expected OR in capitals"),
    ("not a", 1, "expected NOT in capitals"),
    ("a = \x00", 5, "control character"),
    ("a = \ud800", 5, "half of a surrogate pair"),
    ("a != (b OR c)", 6, "for several write NOT"),
    ("a = (b OR c = d)", 13, "there is no further one"),
]


@pytest.mark.parametrize(("text", "position", "why"), REFUSALS)
def test_a_refusal_says_where_and_why(text: str, position: int, why: str) -> None:
    with pytest.raises(DianaError) as refused:
        parse_filter(text)
    assert refused.value.reason is Reason.FILTER_INVALID
    description = refused.value.fields[0].description
    assert description.startswith(f"at character {position}: ")
    assert why in description
    assert refused.value.message == f"filter: {description}"


@pytest.mark.parametrize("text", ['PatientID = "S3CRET"x', "S3CRET S3CRET = (", "a = S3CRET,b", "'S3CRET", "S3CRET(x)"])
def test_a_refusal_never_quotes_a_value(text: str) -> None:
    with pytest.raises(DianaError) as refused:
        parse_filter(text)
    assert "S3CRET" not in refused.value.message + refused.value.fields[0].description


def test_names_values_and_words_know_where_they_stand() -> None:
    tree = parse_filter('-Modality = CT AND ("low dose" OR a.b:(x OR 2.5))')
    assert isinstance(tree, And)
    negated, either = tree.operands
    assert isinstance(negated, Not)
    assert isinstance(negated.operand, Restriction)
    assert (negated.operand.member.position, negated.operand.value.position) == (2, 13)
    assert isinstance(either, Or)
    words, values = either.operands
    assert isinstance(words, Words)
    assert words.position == 21
    assert isinstance(values, Or)
    found = [(one.member.position, one.value.position) for one in values.operands if isinstance(one, Restriction)]
    assert found == [(35, 40), (35, 45)]


def test_a_request_names_its_own_field() -> None:
    with pytest.raises(DianaError) as refused:
        parse_filter("(", "question.filter")
    assert refused.value.fields[0].field == "question.filter"
    error = filter_error(3, "is no date", "question.filter")
    assert error.fields == (FieldViolation("question.filter", "at character 3: is no date"),)
    assert error.message == "question.filter: at character 3: is no date"
