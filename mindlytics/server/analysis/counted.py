"""A conversation in numbers: turns, calls, tokens, time and cost.

Sums are capped to numbers that JSON can hold.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from attrs import Factory, define

from ...values import Scalar
from ...wire import PARTS
from ..tracked import MAX_COUNT, tokens_of
from .prices import price

_USAGE = ("model", "prompt_tokens", "completion_tokens")
_CACHED, _CACHE_WRITTEN, *_ = PARTS

MAX_SUM = sys.float_info.max
"""The largest sum of milliseconds or money."""


@define
class Count:
    """Counts one conversation, event by event."""

    turns: int = 0
    calls: int = 0
    runtime: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    parts: dict[str, int] = Factory(dict)
    unpriced_tokens: int = 0
    cost: float | None = None
    priced: float = 0.0
    """How much of the cost is the price of tokens."""

    def turn(self) -> None:
        """Count a turn."""
        self.turns += 1

    def call(self, runtime: float) -> None:
        """Count a function call that took so many milliseconds."""
        self.calls += 1
        self.runtime = min(self.runtime + runtime, MAX_SUM)

    def usage(self, properties: dict[str, Any], at: datetime) -> None:
        """Count the money or tokens in an event's properties. A cost from the caller wins over a computed one."""
        cost = properties.get("cost")
        if isinstance(cost, (int, float)):
            self._count(*tokens_of(properties))
            self._spend(cost)
            return
        model, prompt, completion = map(properties.get, _USAGE)
        if not (isinstance(model, str) and isinstance(prompt, int) and isinstance(completion, int)):
            return
        self._count(prompt, completion)
        parts = {name: count for name in PARTS if type(count := properties.get(name)) is int and count > 0}
        for name, count in parts.items():
            self.parts[name] = min(self.parts.get(name, 0) + count, MAX_COUNT)
        cached, cache_written = parts.get(_CACHED, 0), parts.get(_CACHE_WRITTEN, 0)
        if cached + cache_written > prompt:  # the program's own properties, with another meaning
            cached = cache_written = 0
        known = price(model, prompt, completion, at.date(), cached, cache_written)
        if known is None:
            self.unpriced_tokens = min(self.unpriced_tokens + prompt + completion, MAX_COUNT)
        else:
            self.priced = min(self.priced + known, MAX_SUM)
            self._spend(known)

    def properties(self, started_at: datetime, ended_at: datetime) -> dict[str, Scalar]:
        """The numbers for a ``Conversation Summary``. An unknown cost is left out."""
        numbers: dict[str, Scalar] = {
            "turn_count": self.turns,
            "function_count": self.calls,
            "duration": max((ended_at - started_at).total_seconds(), 0.0),
            "function_runtime": self.runtime,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            **self.parts,
        }
        if self.cost is not None:
            numbers["cost"] = round(self.cost, 9)
        if self.priced:
            numbers["priced"] = round(self.priced, 9)
        if self.unpriced_tokens:
            numbers["unpriced_tokens"] = self.unpriced_tokens
        return numbers

    def _count(self, prompt: int, completion: int) -> None:
        self.prompt_tokens = min(self.prompt_tokens + prompt, MAX_COUNT)
        self.completion_tokens = min(self.completion_tokens + completion, MAX_COUNT)

    def _spend(self, cost: float) -> None:
        self.cost = min((self.cost or 0.0) + cost, MAX_SUM)
