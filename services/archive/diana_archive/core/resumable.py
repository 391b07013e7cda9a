"""An instance whose upload may be cut and gone on with: gathered in a part, and an object only at its end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from diana_archive.core.checksums import check_digest
from diana_archive.core.incoming import Desk, Digests, Incoming, disk_errors, guess_data_set_offset
from diana_archive.core.model import Newcomer, Origin, Stored, StorePolicy
from diana_archive.core.parts import Part, Resuming
from diana_archive.core.storing import Answer
from diana_common.errors import Code, DianaError, invalid_field

_FINAL = frozenset({Code.INVALID_ARGUMENT, Code.ALREADY_EXISTS})
"""Sending the rest again would change nothing."""


class ResumableIncoming(Incoming):
    """As Incoming, but what arrived is kept when its stream gives it up, and after errors that pass."""

    def __init__(self, desk: Desk, policy: StorePolicy, origin: Origin, resuming: Resuming, upload_id: str) -> None:
        """Goes on where the upload is. Raises what `Resuming.take_over` does, and QUOTA_EXCEEDED."""
        super().__init__(desk, policy, origin)
        # Asked again at the end: what is known to be too much now need not come first.
        desk.quotas.check(desk.catalogue, policy, 0)
        self._hold = resuming.take_over(policy.name, upload_id)
        self.size_bytes = self._hold.size_bytes
        # What came on other streams is digested at the end, in one go.
        self._resumed = self.size_bytes > 0
        self._whole = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """See Incoming."""
        with self._judged(), self._hold.turn() as part:
            self._append(part, data)

    def finish(self, data: bytes, answer: Answer) -> None:
        """See Incoming. Raises INVALID_FIELD without a digest to check it all by; what arrived is kept then."""
        if not self.sha256:
            self.give_up()
            raise invalid_field("chunks.sha256", "is required at the end of a resumable upload")
        with self._judged(), self._hold.turn() as part:
            self._append(part, data)
            newcomer = self._check(part)
            if isinstance(newcomer, Newcomer):
                self._adopt(part)
        if isinstance(newcomer, Newcomer):
            self._submit(newcomer, b"", answer)
        else:
            self.discard()
            answer(newcomer)

    def discard(self) -> None:
        """See Incoming. What another stream took over is that one's."""
        super().discard()
        self._hold.drop()

    def give_up(self) -> None:
        """The rest does not come on this stream; what arrived is kept."""
        self._hold.leave()

    def _append(self, part: Part, data: bytes) -> None:
        self._count(data)
        self._desk.quotas.check(self._desk.catalogue, self._policy, self.size_bytes)
        with disk_errors():
            part.write(data)
        if not self._resumed:
            self._digest(data)

    def _digest(self, data: bytes) -> None:
        if self._digests is None:
            self._digests = Digests(guess_data_set_offset(data))
        self._digests.update(data)
        self._whole.update(data)

    def _check(self, part: Part) -> Newcomer | Stored:
        with disk_errors():
            if self._resumed:
                for piece in part.pieces():
                    self._digest(piece)
            check_digest(self._whole.digest(), self.sha256)
            self.sha256 = b""
            with part.contents() as contents:
                return self._read(contents)

    def _adopt(self, part: Part) -> None:
        """Have the part become the object. It is durable before: the committer, and whoever waits for it, need not
        wait for a large file, and it is no object, which a crash would set aside, for long."""
        with disk_errors():
            part.sync()
        draft = self._draft = self._make(lambda: self._desk.objects.adopt(self._policy.name, part.path))
        with self._dropped_on_error(), disk_errors():
            draft.finish()
        self._hold.leave()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """What fails for good is dropped, the rest is kept."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, DianaError) and error.code in _FINAL:
                self.discard()
            else:
                self.give_up()
            raise
