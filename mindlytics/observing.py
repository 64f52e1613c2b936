"""A decorator that records your own functions: tools as function calls, functions that answer as turns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal, TypeVar, cast, overload

from .context import AnySession, current_session
from .integrations.quiet import quiet
from .integrations.recording import NoTurn, Recorder, active_turn, adopt
from .integrations.texts import text_of

if TYPE_CHECKING:
    from .integrations.recording import Call, Turn

F = TypeVar("F", bound=Callable[..., object])
Arguments = tuple[object, ...]
Keywords = dict[str, object]
Kind = Literal["tool", "turn"]

MOST_PIECES = 10_000
"""Most values of a generator that are recorded."""


@overload
def observe(function: F, /) -> F: ...
@overload
def observe(*, kind: Kind = "tool", name: str | None = None, session: AnySession | None = None) -> Callable[[F], F]: ...
def observe(
    function: Callable[..., object] | None = None,
    /,
    *,
    kind: Kind = "tool",
    name: str | None = None,
    session: AnySession | None = None,
) -> object:
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
    if function is None:
        return lambda function: _observed(function, kind, name, session)
    return _observed(function, kind, name, session)


def _observed(function: Callable[..., object], kind: Kind, name: str | None, session: AnySession | None) -> object:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_recorded(function.__func__, kind, name, session))
    return _recorded(function, kind, name, session)


def _recorded(
    function: Callable[..., object], kind: Kind, name: str | None, session: AnySession | None
) -> Callable[..., object]:
    begin = functools.partial(_Tool if kind == "tool" else _Answer, function, name, session)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, begin)
    if inspect.isgeneratorfunction(function):
        return _generator(function, begin)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, begin)
    return _plain(function, begin)


def _async_generator(function: Callable[..., AsyncGenerator[object, object]], begin: Begin) -> Callable[..., object]:
    @functools.wraps(function)
    async def observed_async_generator(*args: object, **kwargs: object) -> AsyncIterator[object]:
        seen, inner = begin(args, kwargs), function(*args, **kwargs)
        step = inner.__anext__
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
                step = functools.partial(inner.asend, sent)
            except GeneratorExit as left:
                await inner.aclose()
                seen.fail(left)
                raise
            except BaseException as error:
                step = functools.partial(inner.athrow, error)

    return observed_async_generator


def _generator(function: Callable[..., Generator[object, object, object]], begin: Begin) -> Callable[..., object]:
    @functools.wraps(function)
    def observed_generator(*args: object, **kwargs: object) -> Generator[object, object, object]:
        seen, inner = begin(args, kwargs), function(*args, **kwargs)
        step = functools.partial(next, inner)
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
                step = functools.partial(inner.send, sent)
            except GeneratorExit as left:
                inner.close()
                seen.fail(left)
                raise
            except BaseException as error:
                step = functools.partial(inner.throw, error)

    return observed_generator


def _coroutine(function: Callable[..., Awaitable[object]], begin: Begin) -> Callable[..., object]:
    @functools.wraps(function)
    async def observed_coroutine(*args: object, **kwargs: object) -> object:
        seen = begin(args, kwargs)
        try:
            with seen.active():
                result = await function(*args, **kwargs)
        except BaseException as error:
            seen.fail(error)
            raise
        seen.end(result)
        return result

    return observed_coroutine


def _plain(function: Callable[..., object], begin: Begin) -> Callable[..., object]:
    @functools.wraps(function)
    def observed(*args: object, **kwargs: object) -> object:
        seen = begin(args, kwargs)
        try:
            with seen.active():
                result = function(*args, **kwargs)
        except BaseException as error:
            seen.fail(error)
            raise
        seen.end(result)
        return result

    return observed


class _Seen:
    """One call of an observed function."""

    def __init__(self) -> None:
        self._pieces: list[object] = []

    def active(self) -> AbstractContextManager[object]:
        return nullcontext()

    def piece(self, item: object) -> None:
        if len(self._pieces) < MOST_PIECES:
            self._pieces.append(item)

    def end_of_pieces(self) -> None:
        self.end(self._all())

    def end(self, result: object) -> None:
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        raise NotImplementedError

    @quiet
    def _all(self) -> object:
        texts = [each for each in self._pieces if isinstance(each, str)]
        return "".join(texts) if len(texts) == len(self._pieces) else self._pieces


class _Tool(_Seen):
    def __init__(
        self,
        function: Callable[..., object],
        name: str | None,
        session: AnySession | None,
        args: Arguments,
        kwargs: Keywords,
    ) -> None:
        super().__init__()
        self._call = self._begun(function, name, session, args, kwargs)

    @quiet
    def _begun(
        self,
        function: Callable[..., object],
        name: str | None,
        session: AnySession | None,
        args: Arguments,
        kwargs: Keywords,
    ) -> Call:
        called = str(name or getattr(function, "__name__", type(function).__name__))
        turn = active_turn()
        where = session if session is not None else current_session() if turn is None else turn.session
        arguments = arguments_of(function, args, kwargs)
        asked = adopt(where, called, arguments)
        if asked is not None:
            return asked
        if turn is None or where is not turn.session:
            turn = NoTurn(where)
        call = turn.call(called, arguments)
        call.is_adopted = True
        return call

    def end(self, result: object) -> None:
        if self._call is not None:
            self._call.end(result)

    def fail(self, error: BaseException) -> None:
        if self._call is not None:
            self._call.fail(error)


class _Answer(_Seen):
    def __init__(
        self,
        function: Callable[..., object],
        name: str | None,
        session: AnySession | None,
        args: Arguments,
        kwargs: Keywords,
    ) -> None:
        super().__init__()
        arguments = (arguments_of(function, args, kwargs) or {}).values()
        self._turn: Turn = Recorder(session).turn(
            next((each for each in arguments if isinstance(each, str)), ""), assistant_id=name
        )

    def active(self) -> AbstractContextManager[object]:
        return self._turn.active()

    def piece(self, item: object) -> None:
        self._turn.first_token()
        super().piece(item)

    def end(self, result: object) -> None:
        self._turn.end(quiet(text_of)(result) or "")

    def fail(self, error: BaseException) -> None:
        self._turn.fail(error, quiet(text_of)(self._pieces) or "")


Begin = Callable[[Arguments, Keywords], _Seen]
"""Begins to record a call with these arguments."""


@quiet
def arguments_of(function: Callable[..., object], args: Arguments, kwargs: Keywords) -> dict[str, object]:
    """The arguments of a call by name, without ``self`` and ``cls``."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    found: dict[str, object] = {}
    for name, value in bound.arguments.items():
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found.update(cast("Mapping[str, object]", value))
        elif name not in ("self", "cls"):
            found[name] = value
    return found
