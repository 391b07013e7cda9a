"""A message's text for those who take no mail."""

from __future__ import annotations

from diana_notify.core.model import Parcel

_CUT = " …"


def whole(parcel: Parcel) -> str:
    """Subject and text, whichever there are."""
    return "\n".join(filter(None, (parcel.subject, parcel.body.strip("\n"))))


def shortened(text: str, longest: int) -> str:
    """The text; its beginning and an ellipsis if it has more characters than that."""
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT
