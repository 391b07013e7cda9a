"""Slack and Microsoft Teams, by incoming webhooks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from diana_common.attempts import Failed, Unreachable
from diana_common.settings import config_invalid
from diana_notify.adapters.posting import Answer, Poster, check_endpoint, failure_of
from diana_notify.adapters.secret import Secret
from diana_notify.adapters.texts import shortened, whole
from diana_notify.core.model import Parcel

_HEADER, _SECTION, _SECTIONS, _TEXT = 150, 3000, 10, 4000
"""Slack's limits: characters of a header, of a section, and of a text; we send fewer sections than the 49 it takes."""

_CARD_BYTES, _CARD_LINE = 24_000, 3000
"""Teams takes 28 KB altogether; of a line so many characters."""

_RETURNED = re.compile(rb"returned HTTP error (\d{3})")


class ChatCarrier:
    """Posts one message at a time to the webhooks of one kind of chat, which have names."""

    def __init__(
        self, where: str, urls: Mapping[str, Secret], poster: Poster, payload: Callable[[Parcel], Mapping[str, Any]]
    ) -> None:
        """`where` is the settings' name. Raises DianaError CONFIG_INVALID for what is no https URL."""
        self._urls = urls
        self._poster = poster
        self._payload = payload
        for name, url in urls.items():
            try:
                check_endpoint(url.read())
            except ValueError as error:
                raise config_invalid(f"{where}.urls.{name}", str(error)) from None

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        url = self._url(parcel.delivery.recipient.address)
        data = json.dumps(self._payload(parcel), ensure_ascii=False).encode()
        answer = self._poster.post(url, data, {"Content-Type": "application/json; charset=utf-8"})
        if failure := chat_failure(answer):
            raise failure

    def _url(self, name: str) -> str:
        if name not in self._urls:  # the configuration may have changed since it was queued
            raise Unreachable("no URL of this name is configured")
        url = self._urls[name].read()
        try:
            check_endpoint(url)
        except ValueError as error:
            raise Unreachable(f"the configured URL {error}") from None
        return url


def slack_payload(parcel: Parcel) -> dict[str, Any]:
    """A Slack message: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.

    All of it is plain text, in which nothing mentions anybody; `text` is what notifications show.
    """
    body = parcel.body.strip("\n")
    parts = [body[start : start + _SECTION] for start in range(0, len(body), _SECTION)]
    if len(parts) > _SECTIONS:
        parts = [*parts[: _SECTIONS - 1], shortened("".join(parts[_SECTIONS - 1 :]), _SECTION)]
    blocks = []
    if parcel.subject.strip():
        blocks.append({"type": "header", "text": _plain(shortened(parcel.subject, _HEADER))})
    blocks += [_section(part) for part in parts if part.strip()]
    return {"text": _escaped(shortened(whole(parcel), _TEXT)), "blocks": blocks or [_section("(no text)")]}


def teams_payload(parcel: Parcel) -> dict[str, Any]:
    """A message with an Adaptive Card, as Teams' incoming webhooks and workflows take it.

    Its text is in text runs, in which no Markdown is read; each line is a block, for line ends count for nothing.
    """
    blocks = [_line(line, "none") for line in _fitting(parcel.body.strip("\n").split("\n"))]
    if parcel.subject.strip():
        blocks.insert(0, _line(shortened(parcel.subject, _HEADER), "default", size="large", weight="bolder"))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": blocks,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def chat_failure(answer: Answer) -> Failed | None:
    """What an answer means. Teams says yes also when it did not work, and tells the status in the body."""
    if answer.status == 200 and (found := _RETURNED.search(answer.body)):
        answer = replace(answer, status=int(found[1]))
    return failure_of(answer, is_ours=True)


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _plain(text)}


def _escaped(text: str) -> str:
    """Text for mrkdwn, in which <!channel> would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fitting(lines: Iterable[str]) -> Iterator[str]:
    """The first lines, as far as a card has room for them."""
    size = 0
    for line in lines:
        short = shortened(line, _CARD_LINE)
        size += len(json.dumps(_line(short, "none"), ensure_ascii=False).encode())
        if size > _CARD_BYTES:
            yield "…"
            return
        yield short


def _line(text: str, spacing: str, **style: str) -> dict[str, Any]:
    run = {"type": "TextRun", "text": text or " ", **style}
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [run]}
