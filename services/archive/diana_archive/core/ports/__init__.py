"""What the rules need of the stores beneath them: role by role.

The catalogue is the truth about what exists; objects and sidecars hold bytes that it refers to.
"""

from diana_archive.core.ports.beside import Backup, SealKeys, Sidecars
from diana_archive.core.ports.catalogue import Catalogue, Changes, Snapshot
from diana_archive.core.ports.objects import Contents, Draft, ObjectReader, Objects, OpenDraft
from diana_archive.core.ports.running import Clock, Meter

__all__ = [
    "Backup",
    "Catalogue",
    "Changes",
    "Clock",
    "Contents",
    "Draft",
    "Meter",
    "ObjectReader",
    "Objects",
    "OpenDraft",
    "SealKeys",
    "Sidecars",
    "Snapshot",
]
