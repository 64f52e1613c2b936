"""Token counts and costs, and how the ``usage=`` and ``cost=`` arguments are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Protocol, SupportsFloat, Union

from attrs import field, frozen, validate

from . import validators
from .cleaning import Report
from .cleaning.containers import is_mapping
from .cleaning.numbers import plain_number
from .errors import InvalidEvent
from .pydantic_names import PydanticNames
from .tokens import parts_of, tokens_of
from .validators import MAX_INT, MAX_NAME

UNKNOWN_MODEL = "unknown"
"""The model's name if the usage lacks it."""

_MAPPING = "a mapping with cost, or with model, prompt_tokens and completion_tokens"
_USAGE = "a TokenBasedCost, a Cost, a mapping or an object of either shape, or a number"


@frozen(init=False, slots=False)
class TokenBasedCost(PydanticNames):
    """Token counts, from which the service computes the price.

    :param model: the model's name, 1 to 100 characters.
    :param prompt_tokens: tokens read, a whole number of at least 0, of 64 bits at most.
    :param completion_tokens: tokens written, in the same range.
    :param cached_tokens: tokens of the prompt that came from a cache.
    :param cache_write_tokens: tokens of the prompt that were written to a cache.
    :param reasoning_tokens: tokens of the completion that were reasoning.
    :param others: other counts of a library, so that you can pass ``**usage.model_dump()``. The last three counts are
        read from it too. The rest is ignored.
    """

    model: str = field(validator=validators.name)
    prompt_tokens: int = field(validator=validators.count)
    completion_tokens: int = field(validator=validators.count)
    cached_tokens: int = field(default=0, validator=validators.count)
    cache_write_tokens: int = field(default=0, validator=validators.count)
    reasoning_tokens: int = field(default=0, validator=validators.count)

    def __init__(
        self,
        model: str,
        prompt_tokens: int,
        completion_tokens: int,
        *,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        **others: object,
    ) -> None:
        if others:
            found = parts_of(others)
            cached_tokens = cached_tokens or found[0]
            cache_write_tokens = cache_write_tokens or found[1]
            reasoning_tokens = reasoning_tokens or found[2]
        values = {
            "model": model,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "cached_tokens": cached_tokens or 0,
            "cache_write_tokens": cache_write_tokens or 0,
            "reasoning_tokens": reasoning_tokens or 0,
        }
        _set(self, "__dict__", values)
        if not (
            type(model) is str
            and 0 < len(model) <= MAX_NAME
            and model.isascii()
            and (type(prompt_tokens) is int and 0 <= prompt_tokens <= MAX_INT)
            and (type(completion_tokens) is int and 0 <= completion_tokens <= MAX_INT)
            and not (cached_tokens or cache_write_tokens or reasoning_tokens)
        ):
            validate(self)

    def _left_out(self) -> Collection[str]:
        """The details that are 0, which are not sent either."""
        return [name for name in _DETAILS if not getattr(self, name)]


@frozen
class Cost(PydanticNames):
    """The cost of a model's work, in the workspace's currency."""

    cost: float = field(validator=validators.finite)


Usage = Union[TokenBasedCost, Cost]


class PromptTokens(Protocol):
    """An object with token counts under these names, as in OpenAI's library."""

    @property
    def prompt_tokens(self) -> object: ...
    @property
    def completion_tokens(self) -> object: ...


class InputTokens(Protocol):
    """An object with token counts under these names, as in Anthropic's library."""

    @property
    def input_tokens(self) -> object: ...
    @property
    def output_tokens(self) -> object: ...


UsageArgument = Union[TokenBasedCost, Cost, Mapping[str, object], SupportsFloat, PromptTokens, InputTokens]


def as_usage(usage: object, report: Report, field_name: str = "usage") -> Usage | None:
    """Read the ``usage=`` or ``cost=`` argument: either class, a mapping or an object of either shape, or a number.

    :raises InvalidEvent: it has another shape.
    """
    if usage is None or isinstance(usage, (TokenBasedCost, Cost)):
        return usage
    plain = plain_number(usage)
    if isinstance(plain, (int, float)):
        return Cost(plain)
    is_map = is_mapping(usage)
    rule = _MAPPING if is_map else _USAGE
    try:
        get: Callable[[str, None], Any] = usage.get if is_map else partial(getattr, usage)  # type: ignore[attr-defined]
        cost, model = get("cost", None), get("model", None)
        read = get("prompt_tokens", None)
        if read is None:
            read = get("input_tokens", None)
        written = get("completion_tokens", None)
        if written is None:
            written = get("output_tokens", None)
    except Exception:  # its own methods may do anything at all
        raise InvalidEvent(field_name, rule, usage) from None
    if cost is not None:
        return Cost(cost)
    counted = None if type(usage) is dict and usage.keys() <= _PLAIN else tokens_of(usage)
    if counted is not None and read is None and written is None:
        read, written = counted.prompt, counted.completion
    if read is None or written is None:
        raise InvalidEvent(field_name, rule, usage)
    if model is None:
        model = UNKNOWN_MODEL
        report(f"{field_name}.model", usage, f"set to {UNKNOWN_MODEL!r}: the usage does not name it")
    plain_usage = TokenBasedCost(model, read, written)
    return (
        plain_usage if counted is None else TokenBasedCost(model, counted.prompt, counted.completion, **counted.details)
    )


_PLAIN = frozenset(("model", "prompt_tokens", "completion_tokens"))
"""The keys of a usage that has nothing more to be found."""
_DETAILS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")
_set = object.__setattr__
