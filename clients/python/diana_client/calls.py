"""What the clients of all services share: asking with a deadline, streaming, paging, translated errors."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Protocol, Self, TypeVar

import grpc
import grpc.aio

from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import BadAnswer, translated

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Item = TypeVar("Item")

LARGEST_PAGE = 1000
"""The most items that any list of the mesh returns at once."""


class _AsksForPage(Protocol):
    page_token: str


class _IsPage(Protocol):
    next_page_token: str


PagedRequest = TypeVar("PagedRequest", bound=_AsksForPage)
PagedAnswer = TypeVar("PagedAnswer", bound=_IsPage)


class _Deadline:
    """Holds the seconds that a call which answers once may take."""

    _timeout: float | None

    def within(self, seconds: float | None) -> Self:
        """The same client with another deadline for calls that answer once; None waits for ever."""
        other = copy.copy(self)
        other._timeout = seconds
        return other


class Caller(_Deadline):
    """The base of the synchronous clients."""

    def __init__(self, channel: Channel) -> None:
        self._timeout = channel.timeout

    def _ask(self, method: grpc.UnaryUnaryMultiCallable[Request, Answer], request: Request) -> Answer:
        with translated():
            return method(request, timeout=self._timeout)

    def _stream(
        self, method: grpc.UnaryStreamMultiCallable[Request, Answer], request: Request, timeout: float | None = None
    ) -> Generator[Answer, None, None]:
        """The answers; leaving the loop early, or closing the iterator, gives the call up."""
        call = method(request, timeout=timeout)
        try:
            with translated():
                yield from call
        finally:
            call.cancel()

    def _pages(
        self,
        method: grpc.UnaryUnaryMultiCallable[PagedRequest, PagedAnswer],
        request: PagedRequest,
        items: Callable[[PagedAnswer], Iterable[Item]],
    ) -> Iterator[Item]:
        following: PagedRequest | None = request
        while following is not None:
            answer = self._ask(method, following)
            yield from items(answer)
            following = _next_page(following, answer)


class AsyncCaller(_Deadline):
    """The base of the asyncio clients."""

    def __init__(self, channel: AsyncChannel) -> None:
        self._timeout = channel.timeout

    async def _ask(self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer], request: Request) -> Answer:
        with translated():
            return await method(request, timeout=self._timeout)

    async def _stream(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Answer], request: Request, timeout: float | None = None
    ) -> AsyncGenerator[Answer, None]:
        """The answers; closing the iterator gives the call up."""
        call = method(request, timeout=timeout)
        try:
            with translated():
                async for answer in call:
                    yield answer
        finally:
            call.cancel()

    async def _pages(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[PagedRequest, PagedAnswer],
        request: PagedRequest,
        items: Callable[[PagedAnswer], Iterable[Item]],
    ) -> AsyncIterator[Item]:
        following: PagedRequest | None = request
        while following is not None:
            answer = await self._ask(method, following)
            for item in items(answer):
                yield item
            following = _next_page(following, answer)


def _next_page(request: PagedRequest, answer: PagedAnswer) -> PagedRequest | None:
    """The request for the page after `answer`, or None after the last one."""
    if not answer.next_page_token:
        return None
    if answer.next_page_token == request.page_token:
        raise BadAnswer("The service answered a page token with the same one again; listing would never end.")
    following = copy.copy(request)
    following.page_token = answer.next_page_token
    return following
