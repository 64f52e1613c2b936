"""Google's library for Gemini: ``wrap`` makes a client record generated content, and returns the same object.

    from mindlytics.integrations.gemini import wrap

    client = wrap(genai.Client())

Functions that the library calls by itself ("automatic function calling") run between two requests, like any tool.
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from .dialogue import Answer, Asked, Dialogue, Exchange, Result, Wanted
from .fields import first_of, get, items_of, str_of
from .quiet import quiet
from .recording import Recorder
from .streams import AsyncPieces, Pieces, ReadAlong
from .texts import text_of
from .watch import Watch

if TYPE_CHECKING:
    from .. import AsyncClient, Client
    from ..context import AnySession

C = TypeVar("C")
Generate = Callable[..., object]
AsyncGenerate = Callable[..., Awaitable[object]]

_ONE, _STREAM = "_generate_content", "_generate_content_stream"
"""Methods that send one request each. The public methods call them, once or more often."""


def wrap(genai_client: C, *, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> C:
    """Record the content that a client of ``google.genai`` generates: blocking, asyncio (``client.aio``) and in chats.

    Wrapping again replaces session and client.

    :param session: where to record turns. Default: the current session at each question.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    :returns: the same client.
    """
    undo(genai_client)
    dialogue = Dialogue(Recorder(session, client))
    models, async_models = _models(genai_client)
    setattr(models, _ONE, _one(getattr(models, _ONE), dialogue))
    setattr(models, _STREAM, _stream(getattr(models, _STREAM), dialogue))
    setattr(async_models, _ONE, _async_one(getattr(async_models, _ONE), dialogue))
    setattr(async_models, _STREAM, _async_stream(getattr(async_models, _STREAM), dialogue))
    return genai_client


def undo(genai_client: C) -> C:
    """Stop recording a client, and restore it as it was before ``wrap``."""
    for models in _models(genai_client):
        for name in (_ONE, _STREAM):
            vars(models).pop(name, None)
    return genai_client


def _models(client: object) -> tuple[object, object]:
    return get(client, "models"), get(client, "aio", "models")


def _one(generate: Generate, dialogue: Dialogue) -> Generate:
    @functools.wraps(generate)
    def generated(*args: object, **kwargs: object) -> object:
        begun = _begun(dialogue, kwargs)
        with _failing(begun):
            reply = generate(*args, **kwargs)
        _answered(begun, reply)
        return reply

    return generated


def _async_one(generate: AsyncGenerate, dialogue: Dialogue) -> AsyncGenerate:
    @functools.wraps(generate)
    async def generated(*args: object, **kwargs: object) -> object:
        begun = _begun(dialogue, kwargs)
        with _failing(begun):
            reply = await generate(*args, **kwargs)
        _answered(begun, reply)
        return reply

    return generated


def _stream(generate: Callable[..., Iterator[object]], dialogue: Dialogue) -> Generate:
    @functools.wraps(generate)
    def generated(*args: object, **kwargs: object) -> object:
        begun = _begun(dialogue, kwargs)
        stream = generate(*args, **kwargs)
        return stream if begun is None else Pieces(stream, ReadAlong(begun[0], ContentPieces(begun[1])))

    return generated


def _async_stream(generate: Callable[..., Awaitable[AsyncIterator[object]]], dialogue: Dialogue) -> AsyncGenerate:
    @functools.wraps(generate)
    async def generated(*args: object, **kwargs: object) -> object:
        begun = _begun(dialogue, kwargs)
        with _failing(begun):
            stream = await generate(*args, **kwargs)
        return stream if begun is None else AsyncPieces(stream, ReadAlong(begun[0], ContentPieces(begun[1])))

    return generated


@contextmanager
def _failing(begun: tuple[Exchange, Request] | None) -> Iterator[None]:
    """Note errors that the library raises."""
    try:
        yield
    except BaseException as error:
        if begun is not None:
            begun[0].failed(error)
        raise


@quiet
def _begun(dialogue: Dialogue, kwargs: dict[str, object]) -> tuple[Exchange, Request] | None:
    request = Request(kwargs.get("contents"), kwargs.get("model"), kwargs.get("config"))
    exchange = dialogue.begin(request.asked())
    return None if exchange is None else (exchange, request)


@quiet
def _answered(begun: tuple[Exchange, Request] | None, reply: object) -> None:
    if begun is not None:
        begun[0].answered(begun[1].answer(reply))


class Request:
    """One request. Its function calls often lack ids, so they are identified by everything before them."""

    def __init__(self, contents: object, model: object, config: object) -> None:
        self._contents = [(get(each, "role") or "user", items_of(get(each, "parts"))) for each in _contents(contents)]
        self._model = str(model or "").removeprefix("models/")
        self._config = config

    def asked(self) -> Asked:
        last, results, earlier = -1, list[Result](), list[Hashable]()
        called: list[tuple[object, object, object]] = []
        for at, (role, parts) in enumerate(self._contents):
            calls = [_part(part, "function_call") for part in parts if _part(part, "function_call") is not None]
            if calls:
                called = [(self._key(at, number, call), call, get(call, "name")) for number, call in enumerate(calls)]
            for response in filter(None, (_part(part, "function_response") for part in parts)):
                found = next((each for each in called if each[2] == get(response, "name")), None)
                if found is not None:
                    called.remove(found)
                    results.append(_result(found[0], get(response, "response")))
            if role == "user" and any(_part(part, "function_response") is None for part in parts):
                last, earlier = at, [result.id for result in results] + [each[0] for each in called]
        choice = get(self._config, "tool_config", "function_calling_config", "mode")
        return Asked(
            user=text_of(self._contents[last][1]) if last >= 0 else "",
            results=results,
            earlier=earlier,
            model=self._model,
            is_forced=str(getattr(choice, "value", choice)) == "ANY" and not results,
        )

    def answer(self, reply: object) -> Answer:
        parts = _parts_of(reply)
        calls = [call for call in (_part(part, "function_call") for part in parts) if call is not None]
        at = len(self._contents)
        blocked = get(reply, "prompt_feedback", "block_reason")
        return Answer(
            text=text_of(parts),
            wanted=[
                Wanted(self._key(at, number, call), str_of(get(call, "name")), get(call, "args"))
                for number, call in enumerate(calls)
            ],
            usage=get(reply, "usage_metadata"),
            model=get(reply, "model_version") or self._model,
            error=None if blocked is None else str(blocked),
        )

    def _key(self, at: int, number: int, call: object) -> Hashable:
        """The key of a call: its id, or the number and texts of the contents before it."""
        id = get(call, "id")
        if id:
            return id
        said = tuple((role, text_of(parts)) for role, parts in self._contents[:at])
        return hash(said), at, number, get(call, "name"), json.dumps(get(call, "args"), sort_keys=True, default=str)


class ContentPieces:
    """Collects the chunks of a streamed answer."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._parts: list[object] = []
        self._called: list[Watch] = []
        self._last: dict[str, object] = {}

    def add(self, piece: object) -> bool:
        for name in ("usage_metadata", "model_version", "prompt_feedback"):
            self._last[name] = get(piece, name) or self._last.get(name)
        parts = _parts_of(piece)
        self._parts += parts
        calls = [part for part in parts if _part(part, "function_call") is not None]
        self._called += [Watch() for _ in calls]  # the library calls them before it reads further
        return bool(text_of(parts) or calls)

    def answer(self) -> Answer:
        answer = self._request.answer({**self._last, "candidates": [{"content": {"parts": self._parts}}]})
        for wanted, since in zip(answer.wanted, self._called, strict=False):
            wanted.since = since
        return answer


def _contents(contents: object) -> Iterator[object]:
    """Contents with roles, from any accepted form: texts, parts, contents, and lists of them."""
    loose: list[object] = []
    for each in contents if isinstance(contents, (list, tuple)) else [contents]:
        if get(each, "parts") is None:
            loose.append({"text": each} if isinstance(each, str) else each)
            continue
        if loose:
            yield {"role": "user", "parts": loose}
            loose = []
        yield each
    if loose:
        yield {"role": "user", "parts": loose}


def _parts_of(reply: object) -> Sequence[object]:
    """The parts of the first candidate."""
    return items_of(get(first_of(get(reply, "candidates")), "content", "parts"))


def _part(part: object, name: str) -> object:
    """A field of a part. Mappings use the names of the library or those of the service."""
    head, _, tail = name.partition("_")
    found = get(part, name)
    return get(part, head + tail.capitalize()) if found is None and isinstance(part, Mapping) else found


def _result(key: object, response: object) -> Result:
    error = get(response, "error")
    if error is not None:
        return Result(key, error, is_error=True)
    for name in ("result", "output"):
        if isinstance(response, dict) and list(response) == [name]:
            return Result(key, response[name])
    return Result(key, response)
