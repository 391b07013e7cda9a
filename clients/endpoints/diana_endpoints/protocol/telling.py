"""What tells people at once, and keeps no ledger of it: a mail server, a messenger of another system."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint


@runtime_checkable
class Teller(Endpoint, Protocol):
    """It tells people. What tells them later, and keeps trying, is a `protocol.notify.Messenger`."""

    def tell(self, recipient: str, subject: str, body: str) -> Item:
        """Tell one recipient, or those of its settings where that is empty, in plain words (no template).

        It returns once the message was taken: `meta` has `outcome` ("sent") and `recipient`. Raises DianaError when
        it was not: INVALID_FIELD for a recipient that cannot be, PEER_UNAVAILABLE, ENDPOINT_REFUSED.
        """
