"""The disk that large instances are spooled to, the metrics, and the engines that decode pixels and read text."""

from diana_anon.adapters.metrics import PrometheusMeter
from diana_anon.adapters.spool import DiskSpool

__all__ = ["DiskSpool", "PrometheusMeter"]
