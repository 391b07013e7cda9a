"""One real file before and after: what of its header is left, and what was done to each attribute, by the table."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any

from pydicom import DataElement, Dataset, dcmread
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_VM, dictionary_VR

from tests.deid.standard import MODIFIED_DATES, STRUCTURED_CONTENT, UIDS, Options, concepts, rows, safe_private

_DEFLATED = "1.2.840.10008.1.2.1.99"
_TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "UL", "US"})
_IDS = frozenset({0x00100020, 0x00080050, 0x00101000, 0x00200010, 0x00380010, 0x00101001, 0x00102154, 0x00101040})
"""Attributes whose whole value is an identifier: of patient, order, study, admission; phones and addresses."""
_OURS = frozenset(
    {0x00420015, 0x00100010, 0x00100020, 0x00100030, 0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00280301}
)
"""What the service writes itself, or what says how long a document is that it replaced."""
_NOT_VALUES = frozenset({"", "removed", "none", "unknown", "anonymous", "anonymized", "anonymised", "anon"})
_WORD = re.compile(r"[^\W_]{4,}")
_NUMBER = re.compile(r"\s*[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?\s*")
_UID = re.compile(rb"[0-9][0-9.]{12,}")


def read(data: bytes) -> Dataset:
    """The file, every element decoded."""
    data_set = dcmread(io.BytesIO(data))
    for _ in data_set.iterall():
        pass
    return data_set


def faults(source: Dataset, new: Dataset, made: bytes, options: Options) -> list[str]:
    """What is wrong: attributes by tag with what they should have become, and identifiers that are left."""
    return [*_left(source, new, made, options), *_wrong(source, new, options, ()), *_pixels(source, new)]


def inflated(made: bytes, new: Dataset) -> bytes:
    """The bytes of a file, its data set inflated too if it is deflated."""
    if new.file_meta.TransferSyntaxUID != _DEFLATED:
        return made
    start = 132 + 12 + new.file_meta[0x00020000].value
    return made[:start] + zlib.decompress(made[start:], -15)


def _left(source: Dataset, new: Dataset, made: bytes, options: Options) -> Iterator[str]:
    """Identifiers of the source that still stand in the file."""
    elements = list(source.iterall())
    if UIDS not in options:
        uids = set(_UID.findall(inflated(made, new))) - {uid.encode() for uid in _retained(source, options)}
        for element in elements:
            named = filter(_names_one, _values(element)) if element.VR == "UI" and element.tag not in _KINDS else ()
            if any(uid.encode() in uids for uid in named):
                yield f"UID of {element.tag} left"
    words = {word.casefold(): element.tag for element in elements for word in _identifying(element)}
    there = " ".join(text for element in new.iterall() if element.VR in _TEXT for text in _values(element)).casefold()
    found = set(re.findall(r"[^\W_]+", there)) | set(there.split())
    for word in sorted(words.keys() & found - _NOT_VALUES):
        yield f"word of {words[word]} left"


def _retained(data_set: Dataset, options: Options) -> Iterator[str]:
    """The UIDs in content items that an option keeps, such as a device's."""
    for item in data_set.get("ContentSequence") or ():
        names = item.get("ConceptNameCodeSequence") or [Dataset()]
        key = (names[0].get("CodeValue"), names[0].get("CodingSchemeDesignator"), item.get("ValueType"))
        kept = (one for one in concepts() if (one.code, one.scheme, one.value_type) == key)
        if STRUCTURED_CONTENT in options and any(one.action(options) == "K" for one in kept):
            yield str(item.get("UID", ""))
        yield from _retained(item, options)


_KINDS = frozenset({0x00080016, 0x00081150, 0x0008010C, 0x00080117, 0x00080118})
"""UIDs of kinds of objects, a vendor's own too, and of public resources: coding schemes, context groups."""


def _identifying(element: DataElement) -> Iterator[str]:
    if element.VR == "PN":
        for name in _values(element):
            yield from _WORD.findall(name)
    elif element.tag in _IDS:
        yield from (value for value in _values(element) if _WORD.search(value) and not value.isalpha())


def _wrong(source: Dataset, new: Dataset, options: Options, path: tuple[int, ...]) -> Iterator[str]:
    """Attributes that were not treated as their rows say."""
    for element in source:
        tag = int(element.tag)
        if tag in _OURS or element.tag.group <= 2 or tag == 0x0040A730 or element.tag.group >= 0x5000:
            continue
        after = new.get(tag)
        if element.tag.is_private:
            if after is not None and not _is_safe(source, element, options):
                yield f"{path} {element.tag} private, kept"
            continue
        if after is not None and path and (path[-1], tag) == _REQUIRED and not after.value:
            continue
        if (fault := _fault(element, after, options)) is not None:
            yield f"{path} {element.tag} {element.keyword}: {fault}"
        if _is_walked(element, after, options):
            for old_item, new_item in zip(element.value, after.value, strict=True):
                yield from _wrong(old_item, new_item, options, (*path, tag))


_REQUIRED = (0x0040A370, 0x00401001)
"""Requested Procedure ID is X in Table E.1-1, and of type 2 in Referenced Request Sequence (PS3.3 C.17.2): it is there,
and empty."""


def _is_walked(before: DataElement, after: DataElement | None, options: Options) -> bool:
    """Whether a sequence is still there item by item: a dummy has an item of its own making."""
    if before.VR != "SQ" or after is None or after.VR != "SQ" or len(after.value) != len(before.value):
        return False
    row = rows().get(int(before.tag))
    return row is None or row.action(options) in ("K", "C", "X/Z/U*")


def _fault(before: DataElement, after: DataElement | None, options: Options) -> str | None:
    row = rows().get(int(before.tag))
    if row is None:
        return _unlisted_fault(before, after)
    action = row.action(options)
    if action == "X":
        return None if after is None else "should be gone"
    if action == "K":
        kept = after is not None and (before.VR == "SQ" or after.value == before.value)
        return None if kept or not _is_plausible(before) else "should be kept"
    if action == "C" or before.VR == "SQ" or not _values(before):
        return _cleaned_fault(before, after, options) if action == "C" else None
    if action in ("U", "X/Z/U*") and after is not None and not any(map(_names_one, _values(before))):
        return None
    same = after is not None and after.value == before.value
    return f"is as it was, against {action}" if same and not _is_dummy(before) else None


def _cleaned_fault(before: DataElement, after: DataElement | None, options: Options) -> str | None:
    """A date must have moved; a text must be there in some form, unless nothing of it was left."""
    if before.VR in ("DA", "DT") and MODIFIED_DATES in options and after is not None:
        return "date is as it was" if after.value == before.value and _values(before) else None
    return None


def _unlisted_fault(before: DataElement, after: DataElement | None) -> str | None:
    """Numbers that no row names stay, unless they cannot be numbers of that attribute."""
    if before.VR not in _NUMBERS or not before.keyword or before.tag.element == 0 or not _is_sound(before):
        return None
    return None if after is not None and after.value == before.value else "should be kept"


def _is_plausible(element: DataElement) -> bool:
    """Whether an age is one, and none of a category of its own; other values may be anything."""
    ages = [re.fullmatch(r"0[0-8][0-9]Y|[0-9]{3}[DWM]", text) for text in _values(element)]
    return element.VR != "AS" or all(ages)


def _is_sound(element: DataElement) -> bool:
    """Whether numbers they are, in the VR of their attribute, and no more than that may have."""
    if not all(map(_NUMBER.fullmatch, _values(element))):
        return False
    most = dictionary_VM(element.tag).rpartition("-")[2]
    return element.VR in dictionary_VR(element.tag) and (not most.isdigit() or int(most) >= element.VM)


def _pixels(source: Dataset, new: Dataset) -> Iterator[str]:
    for tag in (0x7FE00008, 0x7FE00009, 0x7FE00010):
        before, after = source.get(tag), new.get(tag)
        if before is not None and (after is None or bytes(before.value or b"") != bytes(after.value or b"")):
            yield f"{before.tag}: pixels changed"


def _is_safe(source: Dataset, element: DataElement, options: Options) -> bool:
    if "rtn_safe_priv" not in options:
        return False
    if element.tag.is_private_creator:
        return True
    creator = element.private_creator or ""
    key = (element.tag.group, element.tag.element & 0xFF, creator)
    return any((one.group, one.element, one.creator) == key for one in safe_private())


def _is_dummy(element: DataElement) -> bool:
    dummies = ("REMOVED", "19000101", "19000101000000", "000000", "0", "000Y", "2.25.0")
    return all(value in dummies or value.strip("0. ") == "" for value in _values(element))


def _names_one(uid: str) -> bool:
    """Whether a UID names an entity: long enough to be no accident, and none of PS3.6's own."""
    return len(uid) > 12 and uid not in UID_dictionary and not uid.startswith("1.2.840.10008.")


def _values(element: DataElement) -> list[str]:
    value: Any = element.value
    if value is None or isinstance(value, bytes) or element.VR == "SQ":
        return [value.decode("latin_1")] if isinstance(value, bytes) and value else []
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return [str(value)] if str(value) else []
    return [str(one) for one in value if str(one)]
