"""The service that the archive answers for, over the core."""

from diana_archive.servicer.archive import ArchiveServicer

__all__ = ["ArchiveServicer"]
