"""Reads streamed answers along with the program, which gets its stream unchanged."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from .dialogue import Answer, Exchange
from .quiet import quiet


class Collected(Protocol):
    """Collects the pieces of a streamed answer."""

    def add(self, piece: object) -> bool:
        """Take a piece. Returns whether it holds a part of the answer."""

    def answer(self) -> Answer:
        """The answer so far."""


class Heard:
    """Collects a streamed answer while the program reads it."""

    def __init__(self, exchange: Exchange, collected: Collected) -> None:
        self.exchange = exchange
        self.collected = collected
        self.is_reading = False

    @quiet
    def piece(self, piece: object) -> None:
        if self.collected.add(piece):
            self.exchange.piece()

    @quiet
    def end(self) -> None:
        self.exchange.answered(self.collected.answer())

    @quiet
    def fail(self, error: BaseException) -> None:
        self.exchange.failed(error, self.collected.answer())

    def closing(self, close: Callable[..., object]) -> Callable[..., object]:
        """The method that closes the connection. If nothing is being read then, the program has left the stream."""
        heard = self

        @functools.wraps(close)
        def closed(*args: object, **kwargs: object) -> object:
            if not heard.is_reading:
                heard.fail(GeneratorExit())
            return close(*args, **kwargs)

        return closed


class _Reading:
    """Wraps a stream's iterator and reads along. Its other methods still work."""

    def __init__(self, inner: Any, heard: Heard) -> None:
        self._inner = inner
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:
        self._heard.fail(GeneratorExit())


class Pieces(_Reading):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> object:
        heard = self._heard
        heard.is_reading = True
        try:
            piece = next(self._inner)
        except StopIteration:
            heard.end()
            raise
        except BaseException as error:
            heard.fail(error)
            raise
        finally:
            heard.is_reading = False
        heard.piece(piece)
        return piece


class AsyncPieces(_Reading):
    def __aiter__(self) -> object:
        return self

    async def __anext__(self) -> object:
        heard = self._heard
        heard.is_reading = True
        try:
            piece = await anext(self._inner)
        except StopAsyncIteration:
            heard.end()
            raise
        except BaseException as error:
            heard.fail(error)
            raise
        finally:
            heard.is_reading = False
        heard.piece(piece)
        return piece
