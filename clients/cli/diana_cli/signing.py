"""De-identifying and signing instances on their way to where they are put."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from diana_cli.chain import Flow, of_each
from diana_cli.signatures import Cipher, seal, signed_values
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item
from diana_endpoints.protocol.anon import Anonymizer
from diana_endpoints.protocol.items import Putter


class Signing:
    """What is kept of each original until its study is there."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        """The attributes of each signature, by its name."""
        self._names = names
        self._values: dict[str, Mapping[str, Mapping[str, str]]] = {}

    def prepared(self, items: Flow, anon: Anonymizer | None) -> Iterator[Item]:
        """The items as they are to be put; the values of the first of each study are kept."""
        return of_each(items, partial(self._prepared, anon)) if anon or self._names else items

    def sealed(self, target: Putter, item: Item, cipher: Cipher | None) -> Iterator[Item]:
        """The item, once the signature of its study is with it."""
        uid = str(item.meta.get("study_uid", ""))
        values = self._values.get(uid)
        if values and item.failure is None:
            seal(target, uid, values, cipher)
            self._values[uid] = {}  # done, and remembered as that
        yield item

    def _prepared(self, anon: Anonymizer | None, item: Item) -> Iterator[Item]:
        fill_header(item)
        made = next(iter(anon.anonymize([item]))) if anon else item
        self._keep(item, made)
        yield made

    def _keep(self, original: Item, made: Item) -> None:
        uid = str(made.meta.get("study_uid", ""))
        if made.failure is None and uid not in self._values:
            self._values[uid] = {name: signed_values(original, names) for name, names in self._names.items()}
