"""The older system's (diana2's) UIDs, for projects that continue with them.

They are short decimal hashes of names, one below the other, without a key: who knows a name finds its UID. Series and
instances keep four digits, so that in a series of a hundred two are the same with two chances in five.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType

from diana_common.errors import DianaError, Reason
from diana_common.uid import stripped

DEFAULT_APP_ID = "dicom"
"""The application's name that the older system put into UIDs unless told."""

_UID_ROOT = "1.2.826.0.1.3680043.10.43"
_APP_DIGITS = 2
_PATH_DIGITS = (12, 12, 4, 4)


def diana2_uid(path: Sequence[str], app_id: str = DEFAULT_APP_ID) -> str:
    """The older system's UID: its root, then short decimal hashes of the application and of the path's names.

    path: names of patient, study, series and instance, from the top. The series counts only when not
    empty, the instance only below a series. (Where the older system was given none for a patient or
    study, it took the text `None`.)

    With four digits each, instances of a large series collide; that too is kept. At most 64 characters.
    """
    named = [*path[:2], *takewhile(bool, path[2:])]
    return ".".join([_UID_ROOT, _digits(app_id, _APP_DIGITS), *map(_digits, named, _PATH_DIGITS)])


class HierarchicalUids:
    """Maps the UIDs of one patient's objects as the older system did, and refuses when two become one.

    A UID of four digits an instance depends on where the instance stands, so that its place must be known before it,
    or a reference to it, is mapped: `place` every instance of the work first, and tell `uid` the places of others as
    far as they are known. What has no place (frames of reference, and instances of which nobody knows it) gets the UID
    of a study of that name: always the same one, but for an instance not the one that it gets itself, so that such a
    reference leads nowhere.

    Holds some 300 bytes for each UID it was told or asked. Not for several threads.
    """

    def __init__(self, patient: str, app_id: str = DEFAULT_APP_ID) -> None:
        """`patient`: the new Patient ID."""
        self._patient = patient
        self._app_id = app_id
        self._paths: dict[str, tuple[str, ...]] = {}
        self._old_by_new: dict[str, str] = {}

    def place(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> None:
        """Tell where an instance stands. Raises UID_COLLISION as `uid` does."""
        path = (stripped(study_uid), stripped(series_uid), stripped(sop_instance_uid))
        for depth, old in enumerate(path, start=1):
            if self._paths.setdefault(old, path[:depth]) != path[:depth]:
                raise _collision()
            self.uid(old)

    def is_placed(self, old: str) -> bool:
        """Whether it was told where a UID stands."""
        return stripped(old) in self._paths

    def uid(self, old: str, elsewhere: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> str:
        """The new UID; `elsewhere` has the places of what stands outside the work, from the study down.

        Raises UID_COLLISION when another UID has the same.
        """
        old = stripped(old)
        path = self._paths.get(old) or elsewhere.get(old) or (old,)
        new = diana2_uid([self._patient, *path], self._app_id)
        if self._old_by_new.setdefault(new, old) != old:
            raise _collision()
        return new


def _collision() -> DianaError:
    return DianaError(Reason.UID_COLLISION, "Two UIDs would become one: diana2 keeps four digits of an instance's.")


def _digits(value: str, count: int) -> str:
    digest = hashlib.sha1(value.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return str(int.from_bytes(digest, "big") % 10**count)
