"""What messengers share: a message an item, made of the settings' templates, and `send` by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import Template
from typing import Any, ClassVar

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.failures import each
from diana_endpoints.headers import as_text, said_by
from diana_endpoints.items import Item
from diana_endpoints.methods import no_method

MOST_CHARACTERS = 1024 * 1024
"""Of a message."""


class Telling(ABC):
    """A messenger that tells at once. Its templates are of `string.Template`: $PatientID, ${trial}, $$."""

    methods: ClassVar[Mapping[str, str]] = {"send": 'Tell RECIPIENT (or "": as the settings say) SUBJECT and BODY.'}

    def __init__(self, subject: str, body: str) -> None:
        """`subject` and `body` are the templates of what is put."""
        self._templates = subject, body

    @abstractmethod
    def tell(self, recipient: str, subject: str, body: str) -> Item:
        """See `diana_endpoints.protocol.telling.Teller`."""

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Tell of each, by the templates: they may name what it says (`data`), and its metadata.

        Raises DianaError PEER_UNAVAILABLE when nobody can be told.
        """
        return each(items, self._tell_of)

    def handle(self, method: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Item]:
        """`send` recipient, subject and body, as arguments or options."""
        if method not in self.methods:
            raise no_method(method, self.methods)
        names = ("recipient", "subject", "body")
        given = {**dict(zip(names, arguments)), **options}
        if len(arguments) > len(names) or not given.keys() <= set(names) or "body" not in given:
            raise invalid_field("arguments", "must be recipient, subject and body")
        yield self.tell(*(str(given.get(name, "")) for name in names))

    def _tell_of(self, item: Item) -> str:
        said = {**item.meta, **said_by(item)}
        values = {name: as_text(value, ", ") for name, value in said.items()}
        subject, body = (_filled(template, values) for template in self._templates)
        return str(self.tell("", subject, body).meta["outcome"])


def one_line(text: str) -> str:
    """A subject: without ends of lines, which would end its header."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _filled(template: str, values: Mapping[str, str]) -> str:
    try:
        text = Template(template).substitute(values)
    except KeyError as error:
        said = f"the template names {error.args[0]!r}, which the item does not say"
        raise DianaError(Reason.TEMPLATE_INVALID, said) from None
    except ValueError:
        said = "the template has a $ that begins no name: write $$ for the sign"
        raise DianaError(Reason.TEMPLATE_INVALID, said) from None
    if len(text) > MOST_CHARACTERS:
        raise DianaError(Reason.TEMPLATE_INVALID, "the message would be longer than a mebibyte")
    return text
