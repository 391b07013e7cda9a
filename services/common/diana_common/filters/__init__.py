"""The filter language of AIP-160 (https://google.aip.dev/160): text to a tree, and back."""

from diana_common.filters.parser import parse_filter
from diana_common.filters.text import to_text
from diana_common.filters.tree import And, Comparator, Filter, Member, Not, Or, Restriction, Value, Words, filter_error

__all__ = [
    "And",
    "Comparator",
    "Filter",
    "Member",
    "Not",
    "Or",
    "Restriction",
    "Value",
    "Words",
    "filter_error",
    "parse_filter",
    "to_text",
]
