"""How many tokens a model read and wrote, read from the usage objects of many libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from attrs import frozen

from .cleaning.numbers import whole_number

Get = Callable[[str], object]
"""Reads an entry or attribute, or None."""

_PROMPT = ("prompt_tokens", "input_tokens", "prompt_token_count", "promptTokenCount", "inputTokens")
_COMPLETION = ("completion_tokens", "output_tokens", "candidates_token_count", "candidatesTokenCount", "outputTokens")
_PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_COMPLETION_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_CACHED = (
    "cached_tokens", "cache_read_tokens", "cached_content_token_count", "cachedContentTokenCount",
    "prompt_cache_hit_tokens",
)  # fmt: skip
_THOUGHTS = ("thoughts_token_count", "thoughtsTokenCount")


@frozen
class Tokens:
    """The token counts of one or more model calls.

    :param prompt: tokens read, including cached ones.
    :param completion: tokens written, including reasoning.
    :param cached: tokens of the prompt that came from a cache.
    :param cache_written: tokens of the prompt that were written to a cache.
    :param reasoning: tokens of the completion that were reasoning.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.cache_written + other.cache_written,
            self.reasoning + other.reasoning,
        )

    @property
    def details(self) -> dict[str, int]:
        """The separate counts that are above 0, by the names of an event's properties."""
        counted = {
            "cached_tokens": self.cached,
            "cache_write_tokens": self.cache_written,
            "reasoning_tokens": self.reasoning,
        }
        return {name: count for name, count in counted.items() if count}


def tokens_of(usage: object) -> Tokens | None:
    """Read a library's usage, an object or a mapping: OpenAI's, Anthropic's, Gemini's, LangChain's, Pydantic AI's.

    :returns: the counts, or None if it has no known ones.
    """
    get = _reader(usage)
    prompt, completion = _first(get, _PROMPT), _first(get, _COMPLETION)
    if prompt is None and completion is None:
        return None
    read, written = prompt or 0, completion or 0
    if get("prompt_tokens") is None:  # Anthropic counts them separately, LiteLLM within the prompt
        read += sum(_first(get, (name,)) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
    written += _first(get, _THOUGHTS) or 0  # Gemini counts them in addition to the candidates
    return Tokens(read, written, *_parts(get))


def parts_of(usage: object) -> tuple[int, int, int]:
    """Of the tokens that a library's usage counts: those read from a cache, put into one, and of reasoning."""
    return _parts(_reader(usage))


def _parts(get: Get) -> tuple[int, int, int]:
    cached = _first(get, _CACHED) or 0
    cache_written = _first(get, ("cache_write_tokens",)) or 0
    reasoning = _first(get, ("reasoning_tokens",)) or 0
    for details in filter(None, map(get, _PROMPT_DETAILS)):
        inner = _reader(details)
        cached = cached or _first(inner, ("cached_tokens", "cache_read")) or 0
        cache_written = cache_written or _first(inner, ("cache_creation", "cache_write_tokens")) or 0
    for details in filter(None, map(get, _COMPLETION_DETAILS)):
        reasoning = reasoning or _first(_reader(details), ("reasoning_tokens", "reasoning")) or 0
    return (
        cached or _first(get, ("cache_read_input_tokens",)) or 0,
        cache_written or _first(get, ("cache_creation_input_tokens",)) or 0,
        reasoning or _first(get, _THOUGHTS) or 0,
    )


def _first(get: Get, names: Sequence[str]) -> int | None:
    """The count under the first of the names that has one."""
    for name in names:
        value = get(name)
        if value is None:
            continue
        count = value if type(value) is int else whole_number(value)
        if type(count) is int and count >= 0:
            return count
    return None


def _reader(usage: object) -> Get:
    """Reads a usage by name. A name that it lacks costs a pydantic model much, so its fields are read as a dict."""
    if type(usage) is dict:
        return usage.get
    if hasattr(type(usage), "__pydantic_fields__"):
        fields = {**vars(usage), **(getattr(usage, "__pydantic_extra__", None) or {})}
        if not fields.keys().isdisjoint(_FIELDS):
            return fields.get
    return partial(_get, usage)


def _get(usage: object, name: str) -> object:
    try:
        return usage.get(name) if isinstance(usage, Mapping) else getattr(usage, name, None)
    except Exception:  # its own methods may raise anything
        return None


_FIELDS = frozenset((*_PROMPT, *_COMPLETION, *_CACHED, "cache_write_tokens", "reasoning_tokens"))
