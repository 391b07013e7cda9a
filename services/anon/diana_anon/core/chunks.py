"""The same bytes in pieces of another size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from diana_anon.core.ports import Piece


def gathered(pieces: Iterable[Piece], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`, but for the last."""
    held: list[Piece] = []
    room = size
    for piece in pieces:
        view = memoryview(piece)
        while len(view) >= room:
            yield b"".join([*held, view[:room]])
            view, held, room = view[room:], [], size
        if view:
            held.append(view)
            room -= len(view)
    if held:
        yield b"".join(held)
