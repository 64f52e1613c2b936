"""Clients of OpenAI's and Anthropic's libraries, which share a design: one method sends all requests.

``wrap`` replaces that method on one client, and ``undo`` restores it. The method's result is passed on unchanged,
except that a stream's inner iterator is replaced by one that reads along.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import ParamSpec, Protocol, TypeVar, cast
from weakref import finalize

from .dialogue import Answer, Asked, Dialogue, Exchange
from .fields import get, str_of
from .quiet import quiet
from .recording import Recorder
from .streams import AsyncPieces, Collected, Pieces, ReadAlong


class StainlessClient(Protocol):
    """A client of either library, of either face."""

    @property
    def request(self) -> Callable[..., object]: ...
    @property
    def copy(self) -> Callable[..., StainlessClient]: ...
    @property
    def with_options(self) -> Callable[..., StainlessClient]: ...


class Stream(Protocol):
    """A streamed reply of either face."""

    response: object
    _iterator: Iterator[object] | AsyncIterator[object]


class RawResponse(Protocol):
    """A response that the program parses later."""

    http_response: object
    parse: Callable[..., object]


class Reader(Protocol):
    """Reads one kind of requests and replies."""

    def asked(self, body: object) -> Asked: ...
    def answer(self, reply: object) -> Answer: ...
    def collected(self) -> Collected: ...


P = ParamSpec("P")
R = TypeVar("R")
ReaderFor = Callable[[str], "Reader | None"]
"""The reader for requests to an address."""


def wrap_client(client: StainlessClient, recorder: Recorder, reader_for: ReaderFor) -> None:
    """Record a client from now on, instead of an earlier wrapping."""
    unwrap_client(client)
    _wrap(client, Dialogue(recorder), reader_for)


def _wrap(client: StainlessClient, dialogue: Dialogue, reader_for: ReaderFor) -> None:
    """Record a client and its copies, through any of which a question may continue."""
    vars(client).update(
        request=_recording(client.request, dialogue, reader_for),
        copy=_copying(client.copy, dialogue, reader_for),
        with_options=_copying(client.with_options, dialogue, reader_for),
    )


def unwrap_client(client: object) -> None:
    """Restore the client."""
    for name in ("request", "copy", "with_options"):
        if hasattr(vars(client).get(name), "_mindlytics"):
            del vars(client)[name]


def _copying(
    copy: Callable[..., StainlessClient], dialogue: Dialogue, reader_for: ReaderFor
) -> Callable[..., StainlessClient]:
    @functools.wraps(copy)
    def copied(*args: object, **kwargs: object) -> StainlessClient:
        made = copy(*args, **kwargs)
        quiet(_wrap)(made, dialogue, reader_for)
        return made

    return _marked(copied)


def _recording(request: Callable[..., object], dialogue: Dialogue, reader_for: ReaderFor) -> Callable[..., object]:
    @quiet
    def begun(args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[Exchange, Reader] | None:
        options = kwargs["options"] if "options" in kwargs else args[1]
        path = str_of(get(options, "url")).partition("?")[0]
        reader = reader_for(path) if str_of(get(options, "method")).lower() == "post" else None
        exchange = None if reader is None else dialogue.begin(reader.asked(get(options, "json_data")))
        return None if reader is None or exchange is None else (exchange, reader)

    if inspect.iscoroutinefunction(request):
        send: Callable[..., Awaitable[object]] = request

        @functools.wraps(request)
        async def async_request(*args: object, **kwargs: object) -> object:
            seen = begun(args, kwargs)
            if seen is None:
                return await send(*args, **kwargs)
            try:
                reply = await send(*args, **kwargs)
            except BaseException as error:
                seen[0].failed(error)
                raise
            observe(reply, *seen)
            return reply

        return _marked(async_request)

    @functools.wraps(request)
    def blocking_request(*args: object, **kwargs: object) -> object:
        seen = begun(args, kwargs)
        if seen is None:
            return request(*args, **kwargs)
        try:
            reply = request(*args, **kwargs)
        except BaseException as error:
            seen[0].failed(error)
            raise
        observe(reply, *seen)
        return reply

    return _marked(blocking_request)


def _marked(method: Callable[P, R]) -> Callable[P, R]:
    method._mindlytics = True  # type: ignore[attr-defined]
    return method


@quiet
def observe(reply: object, exchange: Exchange, reader: Reader) -> None:
    """Read a reply: a model, a stream, or a raw response that is parsed later."""
    held = getattr(reply, "__dict__", ())  # a model looks long for an attribute that it lacks
    if "http_response" in held and hasattr(reply, "parse"):
        _observe_raw(cast(RawResponse, reply), exchange, reader)
    elif "response" in held and hasattr(reply, "_iterator"):
        _observe_stream(cast(Stream, reply), exchange, reader)
    else:
        exchange.answered(reader.answer(reply))


def _observe_raw(raw: RawResponse, exchange: Exchange, reader: Reader) -> None:
    """Read the body of ``with_raw_response``. If it is still to come, read along when the program parses it.

    A body that the program reads otherwise leaves the answer empty.
    """
    body = _body_of(raw)
    if body is not None:
        exchange.answered(reader.answer(body))
        return
    unparsed = finalize(raw, exchange.answered, Answer())
    parse = raw.parse
    if inspect.iscoroutinefunction(parse):

        @functools.wraps(parse)
        async def async_parsed(*args: object, **kwargs: object) -> object:
            reply = await cast("Awaitable[object]", parse(*args, **kwargs))
            unparsed.detach()
            observe(reply, exchange, reader)
            return reply

        raw.parse = async_parsed
        return

    @functools.wraps(parse)
    def parsed(*args: object, **kwargs: object) -> object:
        reply = parse(*args, **kwargs)
        unparsed.detach()
        observe(reply, exchange, reader)
        return reply

    raw.parse = parsed


def _body_of(raw: RawResponse) -> object:
    """The body, if the library has read it. A stream's is None, also if it is there, as in a test of your own."""
    try:
        return json.loads(cast("bytes", get(raw.http_response, "content")))
    except Exception:  # an error of the library's HTTP client says that it has not
        return None


def _observe_stream(stream: Stream, exchange: Exchange, reader: Reader) -> None:
    along = ReadAlong(exchange, reader.collected())
    inner, response = stream._iterator, stream.response
    close = "close" if isinstance(inner, Iterator) else "aclose"
    stream._iterator = Pieces(inner, along) if isinstance(inner, Iterator) else AsyncPieces(inner, along)
    setattr(response, close, along.closing(getattr(response, close)))
