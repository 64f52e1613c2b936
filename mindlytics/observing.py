"""A decorator that records your own functions: tools as function calls, functions that answer as turns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from .context import AnySession, current_session
from .integrations.calls import adopt
from .integrations.quiet import quiet
from .integrations.recording import NoTurn, Recorder, active_turn
from .integrations.texts import text_of

if TYPE_CHECKING:
    from .integrations.calls import Call

F = TypeVar("F", bound="Callable[..., object]")
Kind = Literal["tool", "turn"]
Function = Callable[..., object]
Begin = Callable[[Function, Sequence[object], Mapping[str, object]], "_Seen"]
"""Begins to record a call of a function with these arguments."""

MOST_PIECES = 10_000
"""Most values of a generator that are recorded."""


@overload
def observe(function: F, /) -> F: ...
@overload
def observe(*, kind: Kind = "tool", name: str | None = None, session: AnySession | None = None) -> Callable[[F], F]: ...
def observe(
    function: Function | None = None,
    /,
    *,
    kind: Kind = "tool",
    name: str | None = None,
    session: AnySession | None = None,
) -> Function:
    """Record each call of a function, of a coroutine function, or of a generator function of either kind.

    Otherwise the function works as before: recording neither raises nor waits.

    :param kind: ``"tool"`` records a function call with its arguments, result, runtime and error. ``"turn"`` records a
        turn: the question is the first argument that is a text, and the answer is what the function returns or yields.
        Tools and models that it calls belong to that turn.
    :param name: the name of the tool, or the ``assistant_id`` of the turn. Default for a tool: the function's name.
    :param session: default: the current one, at each call. Without one, a turn is recorded with a client from the
        environment's settings. A tool is then recorded only as a part of the turn around it.
    :raises ValueError: ``kind`` has another value.
    """
    if kind not in ("tool", "turn"):
        raise ValueError('kind must be "tool" or "turn"')
    begin = partial(_Tool if kind == "tool" else _Answer, name, session)
    return partial(_observed, begin) if function is None else _observed(begin, function)


def _observed(begin: Begin, function: Function) -> Function:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_observed(begin, function.__func__))
    if inspect.iscoroutinefunction(function):
        return _coroutine_function(begin, function)
    if inspect.isgeneratorfunction(function):
        return _generator_function(begin, function)
    if inspect.isasyncgenfunction(function):
        return _async_generator_function(begin, function)
    return _plain_function(begin, function)


def _plain_function(begin: Begin, function: Function) -> Function:
    @functools.wraps(function)
    def observed(*args: object, **kwargs: object) -> object:
        seen = begin(function, args, kwargs)
        try:
            with seen.active():
                result = function(*args, **kwargs)
        except BaseException as error:
            seen.fail(error)
            raise
        return _followed(seen, result)

    return observed


def _followed(seen: _Seen, result: object) -> object:
    """The result of a function. A coroutine or generator is recorded while the program runs it."""
    if isinstance(result, CoroutineType):
        return _coroutine_function(lambda *_: seen, lambda: result)()
    if isinstance(result, GeneratorType):
        return _generator_function(lambda *_: seen, lambda: result)()
    if isinstance(result, AsyncGeneratorType):
        return _async_generator_function(lambda *_: seen, lambda: result)()
    seen.end(result)
    return result


def _coroutine_function(begin: Begin, function: Callable[..., Coroutine[object, object, object]]) -> Function:
    @functools.wraps(function)
    async def observed_coroutine(*args: object, **kwargs: object) -> object:
        inner = function(*args, **kwargs)
        seen = begin(function, args, kwargs)
        try:
            with seen.active():
                result = await inner
        except BaseException as error:
            seen.fail(error)
            raise
        return _followed(seen, result)

    return observed_coroutine


def _generator_function(begin: Begin, function: Callable[..., Generator[object, object, object]]) -> Function:
    @functools.wraps(function)
    def observed_generator(*args: object, **kwargs: object) -> Generator[object, object, object]:
        inner = function(*args, **kwargs)
        seen = begin(function, args, kwargs)
        step: Callable[[], object] = partial(next, inner)
        while True:
            try:
                with seen.active():
                    item = step()
            except StopIteration as stop:
                seen.end_of_pieces()
                return stop.value
            except BaseException as error:
                seen.fail(error)
                raise
            seen.piece(item)
            try:
                sent = yield item
                step = partial(inner.send, sent)
            except GeneratorExit as left:
                inner.close()
                seen.fail(left)
                raise
            except BaseException as error:
                step = partial(inner.throw, error)

    return observed_generator


def _async_generator_function(begin: Begin, function: Callable[..., AsyncGenerator[object, object]]) -> Function:
    @functools.wraps(function)
    async def observed_async_generator(*args: object, **kwargs: object) -> AsyncGenerator[object, object]:
        inner = function(*args, **kwargs)
        seen = begin(function, args, kwargs)
        step: Callable[[], Awaitable[object]] = inner.__anext__
        while True:
            try:
                with seen.active():
                    item = await step()
            except StopAsyncIteration:
                seen.end_of_pieces()
                return
            except BaseException as error:
                seen.fail(error)
                raise
            seen.piece(item)
            try:
                sent = yield item
                step = partial(inner.asend, sent)
            except GeneratorExit as left:
                await inner.aclose()
                seen.fail(left)
                raise
            except BaseException as error:
                step = partial(inner.athrow, error)

    return observed_async_generator


class _Seen:
    """One call of an observed function."""

    def __init__(
        self,
        name: str | None,
        session: AnySession | None,
        function: Function,
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> None:
        self._pieces: list[object] = []
        self._begin(name, session, function, arguments_of(function, args, kwargs))

    def _begin(
        self, name: str | None, session: AnySession | None, function: Function, arguments: Mapping[str, object] | None
    ) -> None:
        """Begin to record.

        :param arguments: those of the call by name, or None if they cannot be read.
        """
        raise NotImplementedError

    def active(self) -> AbstractContextManager[object]:
        return nullcontext()

    def piece(self, item: object) -> None:
        if len(self._pieces) < MOST_PIECES:
            self._pieces.append(item)

    def end_of_pieces(self) -> None:
        texts = [each for each in self._pieces if isinstance(each, str)]
        self.end("".join(texts) if len(texts) == len(self._pieces) else self._pieces)

    def end(self, result: object) -> None:
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        raise NotImplementedError


class _Tool(_Seen):
    _call: Call | None = None

    @quiet
    def _begin(
        self, name: str | None, session: AnySession | None, function: Function, arguments: Mapping[str, object] | None
    ) -> None:
        called = str(name or getattr(function, "__name__", type(function).__name__))
        turn = active_turn()
        where = session if session is not None else current_session() if turn is None else turn.session
        self._call = adopt(where, called, arguments)
        if self._call is not None:
            return
        if turn is None or where is not turn.session:
            turn = NoTurn(where)
        self._call = turn.call(called, arguments)
        self._call.is_adopted = True

    def end(self, result: object) -> None:
        if self._call is not None:
            self._call.end(result)

    def fail(self, error: BaseException) -> None:
        if self._call is not None:
            self._call.fail(error)


class _Answer(_Seen):
    def _begin(
        self, name: str | None, session: AnySession | None, function: Function, arguments: Mapping[str, object] | None
    ) -> None:
        question = next((each for each in (arguments or {}).values() if isinstance(each, str)), "")
        self._turn = Recorder(session).turn(question, assistant_id=name)

    def active(self) -> AbstractContextManager[object]:
        return self._turn.active()

    def piece(self, item: object) -> None:
        self._turn.first_token()
        super().piece(item)

    def end(self, result: object) -> None:
        self._turn.end(quiet(text_of)(result) or "")

    def fail(self, error: BaseException) -> None:
        self._turn.fail(error, quiet(text_of)(self._pieces) or "")


@quiet
def arguments_of(function: Function, args: Sequence[object], kwargs: Mapping[str, object]) -> Mapping[str, object]:
    """The arguments of a call by name, without ``self`` and ``cls``."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    found: dict[str, object] = {}
    for name, value in bound.arguments.items():
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        elif name not in ("self", "cls"):
            found[name] = value
    return found
