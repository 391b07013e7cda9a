"""The one interceptor: limits, validation, typed errors, metrics and logs for every call of every service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from diana_common.errors import Code, DianaError, Reason
from diana_common.traces import frames
from diana_server import metrics
from diana_server.errors import to_status, unknown_error
from diana_server.logs import logger
from diana_server.validation import check

# Health and reflection answer even when the server is full: they are how one finds out that it is.
_PROBES = ("/grpc.health.", "/grpc.reflection.")
PROBE_STREAMS = 64
"""Streams of health and reflection served at a time, beside the calls; each holds a thread as long as it lasts."""

_Places = threading.Semaphore | None


@dataclass(frozen=True, slots=True)
class _TooLarge:
    """Stands for a message over the limit until its call can be refused."""

    size: int


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps every handler, unary and streaming alike."""

    def __init__(self, service: str, max_calls: int, max_message_bytes: int) -> None:
        self._log = logger(service)
        self._places = threading.BoundedSemaphore(max_calls)
        self._probe_places = threading.BoundedSemaphore(PROBE_STREAMS)
        self._max_message_bytes = max_message_bytes

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler, wrapped; None (which answers UNIMPLEMENTED) where there is no such method."""
        handler: Any = continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        places = self._places_for(method, handler)
        kind = ("stream" if handler.request_streaming else "unary") + "_"
        kind += "stream" if handler.response_streaming else "unary"
        wrap = self._wrap_streaming if handler.response_streaming else self._wrap_single
        make: Any = getattr(grpc, f"{kind}_rpc_method_handler")
        behaviour = wrap(method, places, getattr(handler, kind), handler.request_streaming)
        wrapped: grpc.RpcMethodHandler[Any, Any] = make(
            behaviour,
            request_deserializer=self._sized(handler.request_deserializer),
            response_serializer=_unless_packed(handler.response_serializer),
        )
        return wrapped

    def _places_for(self, method: str, handler: Any) -> _Places:
        """What a call must find a place in; a single probe needs none."""
        if not method.startswith(_PROBES):
            return self._places
        return self._probe_places if handler.request_streaming or handler.response_streaming else None

    def _wrap_single(self, method: str, places: _Places, behaviour: Any, streaming: bool) -> Any:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            with self._call(method, places, context):
                return behaviour(self._checked(request, streaming), context)

        return call

    def _wrap_streaming(self, method: str, places: _Places, behaviour: Any, streaming: bool) -> Any:
        def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._call(method, places, context):
                yield from behaviour(self._checked(request, streaming), context)

        return call

    def _checked(self, request: Any, streaming: bool) -> Any:
        if streaming:
            return map(self._check, request)
        return self._check(request)

    def _sized(self, deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message | _TooLarge]:
        """`deserialize`, but for messages over the limit, which are not worth the work."""
        return lambda raw: deserialize(raw) if len(raw) <= self._max_message_bytes else _TooLarge(len(raw))

    def _check(self, message: Message | _TooLarge) -> Message:
        """The message, if it keeps its contract's rules."""
        if isinstance(message, _TooLarge):
            raise DianaError(
                Reason.MESSAGE_TOO_LARGE,
                f"The message has {message.size} bytes; the most that is taken is {self._max_message_bytes}.",
            )
        check(message)
        return message

    @contextmanager
    def _call(self, method: str, places: _Places, context: grpc.ServicerContext) -> Iterator[None]:
        """One call: it takes a place, is measured, and its errors are translated."""
        started = time.monotonic()
        code = Code.INTERNAL.name
        metrics.CALLS_IN_FLIGHT.labels(method).inc()
        placed = places is None or places.acquire(blocking=False)
        try:
            if not placed:
                raise DianaError(Reason.OVERLOADED, "The server serves as many calls as it may.")
            yield
            code = "OK"
        except GeneratorExit:
            code = "CANCELLED"
            raise
        except DianaError as error:
            code = error.code.name
            self._refuse(method, context, error)
        except Exception as error:  # what nobody foresaw becomes INTERNAL, its details hidden
            if not context.is_active():
                code = "CANCELLED"
            self._fail(method, context, error)
        finally:
            if places is not None and placed:
                places.release()
            metrics.CALLS_IN_FLIGHT.labels(method).dec()
            metrics.CALL_SECONDS.labels(method, code).observe(time.monotonic() - started)

    def _refuse(self, method: str, context: grpc.ServicerContext, error: DianaError) -> NoReturn:
        metrics.REFUSALS.labels(method, error.reason.name).inc()
        self._log.debug("refused", method=method, reason=error.reason.name)
        _abort(context, to_status(error))

    def _fail(self, method: str, context: grpc.ServicerContext, error: Exception) -> NoReturn:
        """Also for a call whose caller is gone: gRPC would log the text of what it raises."""
        public = unknown_error()
        active = context.is_active()
        log = self._log.error if active else self._log.debug
        log(
            "failed" if active else "failed after its end",
            method=method,
            error_id=public.metadata["error_id"],
            error_type=type(error).__qualname__,
            frames=frames(error),
        )
        if active:
            metrics.REFUSALS.labels(method, Reason.INTERNAL.name).inc()
        _abort(context, to_status(public))


def _abort(context: grpc.ServicerContext, status: status_pb2.Status) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort_with_status always raises")


def _unless_packed(serialize: Callable[[Message], bytes]) -> Callable[[Message | bytes], bytes]:
    """`serialize`, but for what is bytes already (diana_server.packing)."""
    return lambda message: message if isinstance(message, bytes) else serialize(message)
