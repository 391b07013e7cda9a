"""What a header may cost, and the errors the scan raises when it is bad or costs more."""

from __future__ import annotations

from dataclasses import dataclass

from diana_common.errors import DianaError, Reason

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on hostile input; each one passed is DATA_SET_LIMIT."""

    max_depth: int = 64
    """Sequences inside sequences."""
    max_elements: int = 1_000_000
    """Elements and items of the header, nested ones included."""
    max_header_bytes: int = 64 * MIB
    """Bytes of header values that are rendered (bulk data excluded); for a deflated data set, bytes inflated for it."""
    max_value_bytes: int = 2 * MIB
    """A value longer than this is referred to by BulkDataURI, whatever its VR."""
    max_odd_bytes: int = 16 * MIB
    """Header bytes of a data set that only the second, slower reader understands."""
    max_window_bytes: int = 256 * MIB
    """What `read_header` holds of a file at once."""
    max_inflated_bytes: int = 4096 * MIB
    """What `check_complete` inflates, and discards, of a deflated data set: some seconds of work."""
    inline_bytes: int = 1024
    """Binary values up to this length are written as InlineBinary."""


DEFAULT_LIMITS = Limits()


class Short(Exception):
    """The window ends inside an element; `need` is how many bytes of it the element asks for, from its start."""

    def __init__(self, need: int = 0) -> None:
        super().__init__()
        self.need = need


class Odd(Exception):
    """Something this scan does not know but a more patient reader might."""


def truncated(what: str) -> DianaError:
    """DATA_SET_TRUNCATED: `what` ends past the end of the data."""
    return DianaError(Reason.DATA_SET_TRUNCATED, f"{what} ends past the end of the data")


def invalid(what: str) -> DianaError:
    """DATA_SET_INVALID."""
    return DianaError(Reason.DATA_SET_INVALID, what)


def over_limit(what: str) -> DianaError:
    """DATA_SET_LIMIT: the data set has more `what` than the limits allow."""
    return DianaError(Reason.DATA_SET_LIMIT, f"the data set passes the limit on {what}")
