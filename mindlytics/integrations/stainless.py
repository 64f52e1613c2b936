"""Clients of OpenAI's and Anthropic's libraries, which share a design: one method sends all requests.

``wrap`` replaces that method on one client, and ``undo`` restores it. The method's result is passed on unchanged,
except that a stream's inner iterator is replaced by one that reads along.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol

from .dialogue import Answer, Asked, Dialogue, Exchange
from .quiet import quiet
from .recording import Recorder
from .streams import AsyncPieces, Collected, Heard, Pieces


class Reader(Protocol):
    """Reads one kind of requests and replies."""

    def asked(self, body: object) -> Asked: ...
    def answer(self, reply: object) -> Answer: ...
    def collected(self) -> Collected: ...


ReaderFor = Callable[[str], "Reader | None"]
"""The reader for requests to an address."""


def wrap_client(client: Any, recorder: Recorder, reader_for: ReaderFor) -> None:
    """Record a client from now on, instead of an earlier wrapping."""
    unwrap_client(client)
    dialogue = Dialogue(recorder)
    replaced = {"request": _recording(client.request, dialogue, reader_for)}
    for name in ("copy", "with_options"):
        replaced[name] = _copying(getattr(client, name), recorder, reader_for)
    vars(client).update(replaced)


def unwrap_client(client: object) -> None:
    """Restore the client."""
    for name in ("request", "copy", "with_options"):
        if hasattr(vars(client).get(name), "_mindlytics"):
            del vars(client)[name]


def _copying(copy: Callable[..., object], recorder: Recorder, reader_for: ReaderFor) -> Callable[..., object]:
    @functools.wraps(copy)
    def copied(*args: object, **kwargs: object) -> object:
        made = copy(*args, **kwargs)
        quiet(wrap_client)(made, recorder, reader_for)
        return made

    copied._mindlytics = True  # type: ignore[attr-defined]
    return copied


def _recording(request: Callable[..., Any], dialogue: Dialogue, reader_for: ReaderFor) -> Callable[..., Any]:
    @quiet
    def begun(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Exchange, Reader] | None:
        options = kwargs["options"] if "options" in kwargs else args[1]
        reader = reader_for(options.url.partition("?")[0]) if options.method.lower() == "post" else None
        exchange = None if reader is None else dialogue.begin(reader.asked(options.json_data))
        return None if reader is None or exchange is None else (exchange, reader)

    if inspect.iscoroutinefunction(request):

        @functools.wraps(request)
        async def async_request(*args: object, **kwargs: object) -> object:
            seen = begun(args, kwargs)
            if seen is None:
                return await request(*args, **kwargs)
            try:
                reply = await request(*args, **kwargs)
            except BaseException as error:
                seen[0].failed(error)
                raise
            observe(reply, *seen)
            return reply

        recording: Any = async_request
    else:

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

        recording = blocking_request
    recording._mindlytics = True
    return recording  # type: ignore[no-any-return]


@quiet
def observe(reply: object, exchange: Exchange, reader: Reader) -> None:
    """Read a reply: a model, a stream, or a raw response that is parsed later."""
    if hasattr(reply, "parse") and hasattr(reply, "http_response"):
        _observe_raw(reply, exchange, reader)
    elif hasattr(reply, "_iterator"):
        _observe_stream(reply, exchange, reader)
    else:
        exchange.answered(reader.answer(reply))


def _observe_raw(raw: Any, exchange: Exchange, reader: Reader) -> None:
    """Read along when the program parses a response of ``with_raw_response`` or ``with_streaming_response``."""
    parse = raw.parse
    if inspect.iscoroutinefunction(parse):

        @functools.wraps(parse)
        async def async_parsed(*args: object, **kwargs: object) -> object:
            reply = await parse(*args, **kwargs)
            observe(reply, exchange, reader)
            return reply

        raw.parse = async_parsed
        return

    @functools.wraps(parse)
    def parsed(*args: object, **kwargs: object) -> object:
        reply = parse(*args, **kwargs)
        observe(reply, exchange, reader)
        return reply

    raw.parse = parsed


def _observe_stream(stream: Any, exchange: Exchange, reader: Reader) -> None:
    kind = AsyncPieces if hasattr(stream, "__anext__") else Pieces
    pieces = kind(stream._iterator, Heard(exchange, reader.collected()))
    stream._iterator = pieces
    response, heard = stream.response, pieces._heard
    close = "aclose" if isinstance(pieces, AsyncPieces) else "close"
    setattr(response, close, heard.closing(getattr(response, close)))
