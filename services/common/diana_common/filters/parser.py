"""From a filter's text to its tree, by recursive descent along the grammar of AIP-160.

    expression = sequence {AND sequence}         comparable = value {"." field}
    sequence   = factor {white space factor}     arg        = value | "(" expression ")"
    factor     = term {OR term}                  value      = text | quoted text
    term       = ["NOT" | "-"] simple
    simple     = comparable [comparator arg] | "(" expression ")"

A sequence means AND, so OR binds more tightly than AND. An argument in brackets holds values:
`Modality = (CT OR MR)` is `Modality = CT OR Modality = MR`. Functions are refused, and so are `and`, `or` and
`not` as words: who writes them means the operators.
"""

from __future__ import annotations

from dataclasses import dataclass

from diana_common.errors import DianaError
from diana_common.filters.tokens import Kind, Token, tokens
from diana_common.filters.tree import And, Comparator, Filter, Member, Not, Or, Restriction, Value, Words, filter_error

MAX_DEPTH = 20
"""How deep brackets may nest: as deep as SQLite parses what they come to."""

MAX_RESTRICTIONS = 256
"""How many comparisons and words a filter may have."""

_OPERATORS = frozenset({"AND", "OR", "NOT"})
_MISTAKEN = {"AND": "AND", "OR": "OR", "NOT": "NOT", "&&": "AND", "||": "OR"}
_FOUND = {Kind.TEXT: "a word", Kind.STRING: "a quoted text", Kind.END: "the end"}
_OPERAND = frozenset({Kind.TEXT, Kind.STRING, Kind.DOT})


def parse_filter(text: str, field: str = "filter") -> Filter | None:
    """The tree of a filter; None if it is empty, which every record meets.

    Raises FILTER_INVALID, naming the request's `field` and the character: for what the grammar does not
    allow, more than 16 KiB, brackets deeper than 20, or more than 256 comparisons and words.
    """
    return _Parser(list(tokens(text, field)), text, field).parse()


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the values in brackets behind a comparator are compared with."""

    member: Member
    comparator: Comparator


class _Parser:
    def __init__(self, found: list[Token], text: str, field: str) -> None:
        self._tokens = found
        self._text = text
        self._field = field
        self._at = 0
        self._restrictions = 0

    def parse(self) -> Filter | None:
        if self._peek().kind is Kind.END:
            return None
        tree = self._expression(0, None)
        if self._peek().kind is not Kind.END:
            raise self._unexpected("an operator, a word or the end")
        return tree

    def _peek(self) -> Token:
        token = self._tokens[self._at]
        if token.kind is Kind.STRAY:
            raise self._error(token, token.text)
        return token

    def _take(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _expression(self, depth: int, subject: _Subject | None) -> Filter:
        operands = self._sequence(depth, subject)
        while self._took("AND"):
            operands += self._sequence(depth, subject)
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _sequence(self, depth: int, subject: _Subject | None) -> list[Filter]:
        operands = [self._factor(depth, subject)]
        while self._peek().kind not in (Kind.END, Kind.CLOSE) and not self._is_operator("AND"):
            if self._peek().kind is Kind.COMPARATOR:
                raise self._unexpected(
                    "an operator or a word; put a value that contains a comparator in quotation marks"
                )
            if not self._peek().spaced:
                raise self._unexpected("white space")
            operands.append(self._factor(depth, subject))
        return operands

    def _factor(self, depth: int, subject: _Subject | None) -> Filter:
        operands = [self._term(depth, subject)]
        while self._took("OR"):
            operands.append(self._term(depth, subject))
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def _term(self, depth: int, subject: _Subject | None) -> Filter:
        if self._took("NOT"):
            if self._is_operator("NOT") or self._is_minus():
                raise self._unexpected("what is negated; put it in brackets to negate it twice")
            return Not(self._simple(depth, subject))
        if self._is_minus():
            self._drop_minus()
            return Not(self._simple(depth, subject))
        return self._simple(depth, subject)

    def _is_minus(self) -> bool:
        return self._peek().kind is Kind.TEXT and self._peek().text.startswith("-")

    def _drop_minus(self) -> None:
        """Take the "-" that begins the next token; what it negates must follow at once."""
        token = self._peek()
        if len(token.text) > 1:
            self._tokens[self._at] = Token(Kind.TEXT, token.text[1:], token.position + 1, spaced=False)
        else:
            self._at += 1
        if self._peek().spaced or self._is_minus():
            raise self._error(token, 'expected what is negated right behind one "-"')

    def _simple(self, depth: int, subject: _Subject | None) -> Filter:
        if self._peek().kind is Kind.OPEN:
            return self._composite(depth, subject)
        self._count()
        operand = self._operand("a comparison, a word or an opening bracket")
        if self._peek().kind is not Kind.COMPARATOR:
            value = self._value(operand)
            if subject:
                return Restriction(subject.member, subject.comparator, value)
            return self._words(value, quoted=operand[0].kind is Kind.STRING)
        if subject:
            raise self._unexpected("a value; within the brackets behind a comparator there is no further one")
        return self._restriction(self._member(operand), depth)

    def _composite(self, depth: int, subject: _Subject | None) -> Filter:
        if depth == MAX_DEPTH:
            raise self._error(self._peek(), f"brackets may nest {MAX_DEPTH} deep at most")
        opened = self._take()
        tree = self._expression(depth + 1, subject)
        if self._peek().kind is not Kind.CLOSE:
            raise self._unexpected(f'an operator, a word or ")" for the bracket at character {opened.position}')
        self._take()
        return tree

    def _restriction(self, member: Member, depth: int) -> Filter:
        taken = self._take()
        comparator = Comparator(taken.text)
        if self._peek().kind is not Kind.OPEN:
            return Restriction(member, comparator, self._value(self._operand(f'a value behind "{taken.text}"')))
        if comparator is Comparator.NOT_EQUALS:
            raise self._unexpected('a value behind "!="; for several write NOT, the name, "=" and the brackets')
        self._restrictions -= 1  # its values are counted
        return self._composite(depth, _Subject(member, comparator))

    def _operand(self, expected: str) -> list[Token]:
        """The tokens that stand together without white space."""
        if self._peek().kind not in _OPERAND or self._operator_ahead():
            raise self._unexpected(expected)
        found = [self._take()]
        while self._peek().kind in _OPERAND and not self._peek().spaced:
            found.append(self._take())
        if self._peek().kind is Kind.OPEN and not self._peek().spaced and found[-1].kind is Kind.TEXT:
            raise self._error(found[0], "functions are not supported; expected white space before a bracket")
        return found

    def _value(self, operand: list[Token]) -> Value:
        """One quoted text, or text with dots in it as it stands in the filter."""
        first, last = operand[0], operand[-1]
        if len(operand) == 1:
            return Value(first.text, first.position)
        for token in operand:
            if token.kind is Kind.STRING:
                raise self._error(token, "expected white space beside a quoted text, unless it is part of a name")
        return Value(self._text[first.position - 1 : last.position - 1 + len(last.text)], first.position)

    def _member(self, operand: list[Token]) -> Member:
        names, dots = operand[::2], operand[1::2]
        for token in names:
            if token.kind is Kind.DOT or not token.text:
                raise self._error(token, "expected a name")
        for token in dots:
            if token.kind is not Kind.DOT:
                raise self._error(token, 'expected "." or a comparator')
        if len(names) == len(dots):
            raise self._unexpected('a name behind "."')
        return Member(tuple(token.text for token in names), operand[0].position)

    def _words(self, value: Value, quoted: bool) -> Words:
        meant = None if quoted else _MISTAKEN.get(value.text.upper())
        if meant:
            description = f"expected {meant} in capitals; put the word in quotation marks to search for it"
            raise filter_error(value.position, description, self._field)
        if not value.text:
            raise filter_error(value.position, "expected a word; found an empty quoted text", self._field)
        return Words(value.text, value.position)

    def _operator_ahead(self) -> bool:
        """Whether the next token is an operator, and not the beginning of a text with dots."""
        if self._peek().kind is not Kind.TEXT or self._peek().text not in _OPERATORS:
            return False
        following = self._tokens[self._at + 1]
        return following.kind is not Kind.DOT or following.spaced

    def _is_operator(self, name: str) -> bool:
        return self._peek().text == name and self._operator_ahead()

    def _took(self, name: str) -> bool:
        """Take an operator if it is the next token."""
        if not self._is_operator(name):
            return False
        if name != "NOT" and not self._peek().spaced:
            raise self._unexpected(f"white space before {name}")
        self._take()
        if not self._peek().spaced:
            raise self._unexpected(f"white space behind {name}")
        return True

    def _count(self) -> None:
        self._restrictions += 1
        if self._restrictions > MAX_RESTRICTIONS:
            raise self._error(self._peek(), f"a filter may have {MAX_RESTRICTIONS} comparisons and words at most")

    def _unexpected(self, expected: str) -> DianaError:
        token = self._peek()
        found = token.text if token.text in _OPERATORS else _FOUND.get(token.kind, f'"{token.text}"')
        return self._error(token, f"expected {expected}; found {found}")

    def _error(self, token: Token, description: str) -> DianaError:
        return filter_error(token.position, description, self._field)
