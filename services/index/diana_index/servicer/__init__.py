"""The services that the index answers for, over the core: one module a service."""

from diana_index.servicer.index import REBUILD, IndexServicer, rebuild_handler

__all__ = ["REBUILD", "IndexServicer", "rebuild_handler"]
