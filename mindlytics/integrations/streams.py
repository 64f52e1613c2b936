"""Reads streamed answers along with the program, which gets its stream unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, ParamSpec, Protocol, TypeVar

from .dialogue import Answer, Exchange
from .quiet import quiet

P = ParamSpec("P")
R = TypeVar("R")
Inner = TypeVar("Inner")


class Collected(Protocol):
    """Collects the pieces of a streamed answer."""

    def add(self, piece: object) -> bool:
        """Take a piece. Returns whether it holds a part of the answer."""

    def answer(self) -> Answer:
        """The answer so far."""


class ReadAlong:
    """Collects a streamed answer while the program reads it."""

    def __init__(self, exchange: Exchange, collected: Collected) -> None:
        self.exchange = exchange
        self.collected = collected
        self.is_reading = False
        self._has_begun = False

    @quiet
    def piece(self, piece: object) -> None:
        if self.collected.add(piece) and not self._has_begun:
            self._has_begun = True
            self.exchange.piece()

    @quiet
    def end(self) -> None:
        self.exchange.answered(self.collected.answer())

    @quiet
    def fail(self, error: BaseException) -> None:
        self.exchange.failed(error, self.collected.answer())

    def closing(self, close: Callable[P, R]) -> Callable[P, R]:
        """The method that closes the connection. If nothing is being read then, the program has left the stream."""

        def closed(*args: P.args, **kwargs: P.kwargs) -> R:
            if not self.is_reading:
                self.fail(GeneratorExit())
            return close(*args, **kwargs)

        return closed


class _Reading(Generic[Inner]):
    """Wraps a stream's iterator and reads along. Its other methods still work."""

    def __init__(self, inner: Inner, along: ReadAlong) -> None:
        self._inner = inner
        self.along = along

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def __del__(self) -> None:
        self.along.fail(GeneratorExit())


class Pieces(_Reading[Iterator[object]]):
    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        along = self.along
        along.is_reading = True
        try:
            piece = next(self._inner)
        except StopIteration:
            along.end()
            raise
        except BaseException as error:
            along.fail(error)
            raise
        finally:
            along.is_reading = False
        along.piece(piece)
        return piece


class AsyncPieces(_Reading[AsyncIterator[object]]):
    def __aiter__(self) -> AsyncIterator[object]:
        return self

    async def __anext__(self) -> object:
        along = self.along
        along.is_reading = True
        try:
            piece = await anext(self._inner)
        except StopAsyncIteration:
            along.end()
            raise
        except BaseException as error:
            along.fail(error)
            raise
        finally:
            along.is_reading = False
        along.piece(piece)
        return piece
