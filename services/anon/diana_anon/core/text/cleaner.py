"""Free text with its identifiers struck out, the rest kept as it was.

What is struck: the words of known identifiers, dates, and whatever has the form of an identifier. Spaces and
separators go only where they would be left over: doubled, at an end, or around nothing.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache

from diana_anon.core.text import ages, patterns
from diana_anon.core.text.bare import Bare, bare
from diana_anon.core.text.days import Found, dates_in
from diana_anon.core.text.edits import Edit, applied
from diana_anon.core.text.identifiers import NOBODY, Identifiers
from diana_anon.core.text.matching import Matcher
from diana_anon.core.text.plain import plain
from diana_anon.core.text.words import words

_REMEMBERED = 512
_REMEMBERED_LENGTH = 256
"""Characters: descriptions are short, and one series repeats them in every instance."""


class TextCleaner:
    """Strikes one study's identifiers, and whatever has the form of one. Pure; safe to use from several threads.

    `offset`: dates that can be read are moved by it and keep their spelling; zero keeps them; None strikes them.
    Dates that no option moves, such as the birth date, are struck in any case.
    """

    def __init__(self, identifiers: Identifiers = NOBODY, offset: timedelta | None = None) -> None:
        self._matcher = Matcher(identifiers)
        self._days = tuple(sorted(identifiers.dates))
        self._births = identifiers.births
        self._offset = offset
        self._short = lru_cache(_REMEMBERED)(self._cleaned)

    def clean(self, text: str) -> str:
        """The text without identifiers."""
        return self.cleaned(text)[0]

    def cleaned(self, text: str) -> tuple[str, int]:
        """The text without identifiers, and in how many places it was changed."""
        return self._short(text) if len(text) <= _REMEMBERED_LENGTH else self._cleaned(text)

    def _cleaned(self, text: str) -> tuple[str, int]:
        ranks = self._edits(text)
        other = bare(text)
        if other is not None:
            hidden = ([_placed(other, edit) for edit in rank] for rank in self._edits(other.text))
            ranks = [more + rank for more, rank in zip(hidden, ranks, strict=True)]
        return applied(text, *ranks)

    def _edits(self, text: str) -> list[list[Edit]]:
        """What is done to a text in one of its readings; what comes first wins."""
        seen = plain(text)
        found = words(text)
        certain = [Edit(*span) for span in (*self._matcher.spans(text, found), *patterns.certain(seen))]
        dates = [self._dated(text, one) for one in dates_in(seen, self._days)] if patterns.has_digits(seen) else []
        for word, day, order in self._matcher.dates(found):
            dates.append(self._in_digits(word.start, word.end, day, order))
        likely = [Edit(*span) for span in patterns.likely(seen)]
        return [certain, dates, likely + ages.over_89(seen)]

    def _dated(self, text: str, found: Found) -> Edit:
        moment = found.moment
        if self._offset is None or moment is None or found.birth or moment.date() in self._births:
            return Edit(found.start, found.end)
        return Edit(found.start, found.end, found.moved(text, self._offset) or "")

    def _in_digits(self, start: int, end: int, day: date, order: str) -> Edit:
        """A known date written as six or eight digits."""
        if self._offset is None or day in self._births:
            return Edit(start, end)
        try:
            moved = datetime.combine(day, time()) + self._offset
        except OverflowError:
            return Edit(start, end)
        return Edit(start, end, moved.strftime(order))


def _placed(reading: Bare, edit: Edit) -> Edit:
    """An edit of the bare text as one of the text itself."""
    return Edit(*reading.place(edit.start, edit.end), edit.new)
