"""Data sets that list instances, read off messages within one bound for all associations together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_dimse.core.intake.receiving import Budget
from diana_dimse.network.association import Message
from diana_dimse.wire.datasets import decode

_MOST_BYTES = 4 * 1024 * 1024
_MOST_BYTES_TOGETHER = 8 * 1024 * 1024
# What is no larger does not count: however many are read at a time, there is always room for them.
_SMALL_BYTES = 32 * 1024


class DataSetReader:
    """Reads. Safe to share between threads.

    Decoded, a data set takes about ten times its bytes of memory; large ones wait for nobody, but are refused while
    too many others are being read.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES, together: int = _MOST_BYTES_TOGETHER) -> None:
        self._most_bytes = most_bytes
        self._budget = Budget(together)

    @contextmanager
    def read(self, message: Message) -> Iterator[DataSetJson]:
        """A message's data set, for as long as the block lasts.

        Raises DianaError OVERLOADED, DATA_SET_LIMIT where it is too large, and as `decode`; AssociationEnded.
        """
        data = bytearray()
        taken = 0
        try:
            for piece in message:
                if len(data) + len(piece) > _SMALL_BYTES:
                    self._take(len(piece))
                    taken += len(piece)
                data += piece
                if len(data) > self._most_bytes:
                    raise DianaError(Reason.DATA_SET_LIMIT, f"The data set is longer than {self._most_bytes} bytes.")
            yield decode(bytes(data), message.context.transfer_syntax)
        finally:
            self._budget.give_back(taken)

    def _take(self, count: int) -> None:
        if not self._budget.take(count):
            raise DianaError(Reason.OVERLOADED, "Too many large data sets are being read.")
