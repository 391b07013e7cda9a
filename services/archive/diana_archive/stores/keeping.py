"""What a catalogue keeps about itself, the same in every engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from diana_archive.stores import schema
from diana_archive.stores.sql import IDS, Connection, listed
from diana_archive.stores.waterline import Line


class Keeping:
    """Settings of a catalogue; each change is durable when it returns."""

    epoch: str
    outlives_power_cuts: bool
    """Whether what was committed outlives a power cut, and not only the process."""

    def __init__(self) -> None:
        self._closers: list[Callable[[], None]] = []

    @abstractmethod
    def _settings(self) -> AbstractContextManager[Connection]:
        """The writing connection, each statement a transaction of its own."""

    def reserve_object_ids(self, at_least: int) -> int:
        """The first id for this run: above all that rows or files bear."""
        with self._settings() as connection:
            newest = connection.execute("SELECT coalesce(max(id), 0) FROM instance").fetchone()[0]
            next_id = int(schema.read_meta(connection, "next_object_id"))
            first = max(int(newest) + 1, at_least, next_id)
            schema.write_meta(connection, "next_object_id", str(first))
        return first

    def reserve_numbers(self, count: int) -> int:
        """The first of so many numbers in a row that nobody else gets, from whatever process of this catalogue."""
        with self._settings() as connection:
            (end,) = connection.execute(
                """UPDATE meta SET value = CAST(CAST(value AS BIGINT) + ? AS TEXT) WHERE key = 'next_number'
                   RETURNING value""",
                (count,),
            ).fetchone()
        return int(end) - count

    def renew_epoch(self) -> None:
        """Positions given before are refused from now on."""
        with self._settings() as connection:
            self.epoch = schema.renew_epoch(connection)

    def token(self) -> str:
        """The token that stores.mark compares; never empty."""
        with self._settings() as connection:
            return schema.read_meta(connection, "token")

    def write_token(self, token: str) -> None:
        """Change it."""
        with self._settings() as connection:
            schema.write_meta(connection, "token", token)

    def line(self) -> Line:
        """Above it lies whatever the run before this one left uncommitted."""
        with self._settings() as connection:
            told = schema.read_meta(connection, "line")
            return Line.decode(told) if told else Line(int(schema.read_meta(connection, "next_object_id")))

    def write_line(self, line: Line) -> None:
        """Above it lies whatever this run leaves uncommitted."""
        with self._settings() as connection:
            schema.write_meta(connection, "line", line.encode())

    def committed(self, object_ids: Sequence[int]) -> set[int]:
        """Which objects have a row."""
        with self._settings() as connection:
            rows = connection.execute(f"SELECT id FROM instance WHERE id IN {IDS}", (listed(object_ids),))
            return {row[0] for row in rows}

    def stores(self) -> list[str]:
        """See core.ports.Catalogue."""
        with self._settings() as connection:
            return [row[0] for row in connection.execute("SELECT name FROM store ORDER BY name")]

    def set_whole(self, whole: bool) -> None:
        """Whether all is in it that it is of: not while it is rebuilt."""
        with self._settings() as connection:
            schema.write_meta(connection, "whole", str(int(whole)))

    def is_whole(self) -> bool:
        """Not when a rebuild was cut short."""
        with self._settings() as connection:
            return schema.read_meta(connection, "whole") == "1"

    def on_close(self, action: Callable[[], None]) -> None:
        """Do this when it closes, while it is still open."""
        self._closers.append(action)

    def _run_closers(self) -> None:
        while self._closers:
            self._closers.pop()()
