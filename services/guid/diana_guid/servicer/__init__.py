"""The contracts of the mint and of its keys, served."""

from diana_guid.servicer.identities import GuidServicer
from diana_guid.servicer.keys import KeyServicer

__all__ = ["GuidServicer", "KeyServicer"]
