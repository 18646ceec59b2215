"""What is done around each call, whatever it is: the caller's name, metrics, a line in the log, a proper end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import typing as t

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo

from . import logs
from .identity import caller
from .status import Refusal

if t.TYPE_CHECKING:
    from .identity import Context, Gate
    from .metrics import Metrics

    Handler = grpc.RpcMethodHandler[t.Any, t.Any]
    Read = t.Callable[[], t.Any]
    Around = t.Callable[[Read, Context], contextlib.AbstractAsyncContextManager[t.Any]]
    """Yields the request that it has read; may abort the call instead."""
    # The stubs know but the methods of synchronous servers.
    _Answer = t.Callable[[t.Any, Context], t.Awaitable[t.Any]]
    _Answers = t.Callable[[t.Any, Context], t.AsyncIterator[t.Any]]

log = logging.getLogger(__name__)

Code = grpc.StatusCode
HEALTH = "/grpc.health.v1.Health/"
_AT_DEADLINE = 0.1  # seconds before it, at which the client's own clock may have cancelled the call


class Calls(grpc.aio.ServerInterceptor):
    """Stands before every method of a server.

    All but health is for callers with a name. Health may be asked by a certificate alone: gRPC's own client-side health
    checks cannot send a token, and all that they learn is whether to ask another worker. Reflection is not exempt:
    what can be called is for those to know who may call it.

    :param measured: the service whose calls have metrics and lines in the log.
    :param namespace: what its requests mean that name none.
    """

    def __init__(self, gate: Gate, metrics: Metrics, measured: str, namespace: str) -> None:
        self._gate = gate
        self._metrics = metrics
        self._measured = f"/{measured}/"
        self._namespace = namespace
        self._handlers: dict[str, Handler] = {}  # by method, made at its first call
        self._running: dict[asyncio.Task[t.Any], bool] = {}  # True: one that goes on until it is told to end
        self._leaving = False

    async def intercept_service(
        self,
        continuation: t.Callable[[grpc.HandlerCallDetails], t.Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the handler of a method, with what is done around it."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            handler = await continuation(handler_call_details)
            if handler is None or method.startswith(HEALTH):  # of unknown methods there is no end: keep none
                return handler
            around = self._measuring(method, handler) if method.startswith(self._measured) else self._admitted
            handler = self._handlers[method] = _wrapped(handler, around)
        return handler

    def hang_up(self, *, only_streams: bool) -> None:
        """End calls under way by UNAVAILABLE, upon which a client asks another worker."""
        self._leaving = True
        for task, stream in self._running.items():
            if stream or not only_streams:
                task.cancel()

    @contextlib.asynccontextmanager
    async def _admitted(self, read: Read, context: Context) -> t.AsyncIterator[t.Any]:
        async with self._ended_properly(context):
            self._gate.admit(context)
            yield read()

    def _measuring(self, method: str, handler: Handler) -> Around:
        """Return what is done around a method of the measured service."""
        name, stream = method.removeprefix(self._measured), bool(handler.response_streaming)

        @contextlib.asynccontextmanager
        async def around(read: Read, context: Context) -> t.AsyncIterator[t.Any]:
            began, request, code = time.monotonic(), None, Code.UNKNOWN
            peer = context.peer()  # now: of a call that is over gRPC has freed it, and the process would crash
            try:
                with self._metrics.in_flight(name), self._registered(stream=stream):
                    async with self._ended_properly(context):
                        self._gate.admit(context)
                        request = _request(read)
                        yield request
                code = _code(context) or Code.OK
            except grpc.aio.AbortError:
                code = _code(context) or Code.UNKNOWN
                raise
            except (asyncio.CancelledError, GeneratorExit):
                code = _cancelled(context)
                raise
            finally:
                self._record(name, request, context, peer, code, time.monotonic() - began)

        return around

    @contextlib.contextmanager
    def _registered(self, *, stream: bool) -> t.Iterator[None]:
        task = asyncio.current_task()
        assert task
        self._running[task] = stream
        try:
            yield
        finally:
            del self._running[task]

    @contextlib.asynccontextmanager
    async def _ended_properly(self, context: Context) -> t.AsyncIterator[None]:
        """Answer by a status what gRPC would make CANCELLED, or UNKNOWN with the innards of an exception."""
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            if not self._leaving or context.done():
                raise
            await context.abort_with_status(_leaving().status())
        except Refusal as refusal:
            await context.abort_with_status(refusal.status())
        except Exception:
            log.exception("A call failed by a mistake of the worker")
            mistake = Refusal("internal", "The worker made a mistake; its log tells which.")
            await context.abort_with_status(mistake.status())

    def _record(self, method: str, request: object, context: Context, peer: str, code: Code, seconds: float) -> None:
        self._metrics.observe_request(method, code.name, seconds)
        logs.call(
            method=method,
            request=request,
            namespace=self._namespace,
            caller=caller(),
            peer=peer,
            code=code.name,
            seconds=seconds,
            detail="" if code is Code.OK else _text(context.details()),
        )


def _code(context: Context) -> Code | None:
    return t.cast("Code | None", context.code())  # the stubs leave out that there may be none yet


def _text(details: str | bytes | None) -> str:
    return details.decode(errors="replace") if isinstance(details, bytes) else details or ""


def _cancelled(context: Context) -> Code:
    """Return what the client was told, or told itself: gRPC tells its handler only that nobody waits any more."""
    left = context.time_remaining()
    return Code.CANCELLED if left is None or left > _AT_DEADLINE else Code.DEADLINE_EXCEEDED


def _leaving() -> Refusal:
    text = "This worker is being replaced: ask again, with the same request_id, and another one answers."
    again = RetryInfo(retry_delay=Duration(nanos=100_000_000))
    return Refusal("worker_leaving", text, again, code=Code.UNAVAILABLE)


def _request(read: Read) -> t.Any:
    try:
        return read()
    except DecodeError as error:
        text = f"The message cannot be read ({error}): is it of this method, and of this protocol?"
        raise Refusal("message_unreadable", text, code=Code.INVALID_ARGUMENT) from error


def _wrapped(handler: Handler, around: Around) -> Handler:
    """Return a handler that calls another one with something around it."""
    if handler.request_streaming:
        return _stream_of_streams(handler, around)
    parse = handler.request_deserializer or bytes
    if handler.response_streaming:
        answers = t.cast("_Answers", handler.unary_stream)

        async def stream(data: bytes, context: Context) -> t.AsyncIterator[t.Any]:
            async with around(lambda: parse(data), context) as request:
                async for answer in answers(request, context):
                    yield answer

        return grpc.unary_stream_rpc_method_handler(stream, None, handler.response_serializer)
    answer = t.cast("_Answer", handler.unary_unary)

    async def unary(data: bytes, context: Context) -> t.Any:
        async with around(lambda: parse(data), context) as request:
            return await answer(request, context)

    return grpc.unary_unary_rpc_method_handler(unary, None, handler.response_serializer)


def _stream_of_streams(handler: Handler, around: Around) -> Handler:
    answers = t.cast("_Answers", handler.stream_stream)  # no service here has calls of many requests and one answer

    async def stream(requests: t.AsyncIterator[t.Any], context: Context) -> t.AsyncIterator[t.Any]:
        async with around(lambda: requests, context) as given:
            async for answer in answers(given, context):
                yield answer

    return grpc.stream_stream_rpc_method_handler(stream, handler.request_deserializer, handler.response_serializer)
