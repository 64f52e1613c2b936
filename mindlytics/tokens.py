"""How many tokens a model read and wrote, read from the usage objects of many libraries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from .cleaning.numbers import whole_number

Counts = Mapping[str, object]
"""Counts, or parts with counts of their own, by the names of a library. None is left out."""

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
        if not (self.cached or self.cache_written or self.reasoning):
            return {}
        counted = {
            "cached_tokens": self.cached,
            "cache_write_tokens": self.cache_written,
            "reasoning_tokens": self.reasoning,
        }
        return {name: count for name, count in counted.items() if count}


NO_TOKENS = Tokens()


def tokens_of(usage: object) -> Tokens | None:
    """Read a library's usage, an object or a mapping: OpenAI's, Anthropic's, Gemini's, LangChain's, Pydantic AI's.

    :returns: the counts, or None if it has no known ones.
    """
    if usage is None:
        return None
    counts = _counts(usage)
    prompt, completion = _first(counts, _PROMPT), _first(counts, _COMPLETION)
    if prompt is None and completion is None:
        return None
    read, written = prompt or 0, completion or 0
    if counts.keys().isdisjoint(_SEPARATE):
        return Tokens(read, written)
    if "prompt_tokens" not in counts:  # Anthropic counts them separately, LiteLLM within the prompt
        read += sum(_first(counts, (name,)) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
    written += _first(counts, _THOUGHTS) or 0  # Gemini counts them in addition to the candidates
    return Tokens(read, written, *_parts(counts))


def parts_of(usage: object) -> tuple[int, int, int]:
    """Of the tokens that a library's usage counts: those read from a cache, put into one, and of reasoning."""
    return _parts(_counts(usage))


def _parts(counts: Counts) -> tuple[int, int, int]:
    cached = _first(counts, _CACHED) or 0
    cache_written = _first(counts, ("cache_write_tokens",)) or 0
    reasoning = _first(counts, ("reasoning_tokens",)) or 0
    for inner in (_counts(counts[name]) for name in _PROMPT_DETAILS if name in counts):
        cached = cached or _first(inner, ("cached_tokens", "cache_read")) or 0
        cache_written = cache_written or _first(inner, ("cache_creation", "cache_write_tokens")) or 0
    for inner in (_counts(counts[name]) for name in _COMPLETION_DETAILS if name in counts):
        reasoning = reasoning or _first(inner, ("reasoning_tokens", "reasoning")) or 0
    return (
        cached or _first(counts, ("cache_read_input_tokens",)) or 0,
        cache_written or _first(counts, ("cache_creation_input_tokens",)) or 0,
        reasoning or _first(counts, _THOUGHTS) or 0,
    )


def _first(counts: Counts, names: Sequence[str]) -> int | None:
    """The count under the first of the names that has one."""
    for name in names:
        if name in counts:
            value = counts[name]
            count = value if type(value) is int else whole_number(value)
            if type(count) is int and count >= 0:
                return count
    return None


def _counts(usage: object) -> Counts:
    """What a usage, or a part of it, has under the known names."""
    try:
        return {name: value for name, value in _items(usage) if name in _NAMES and value is not None}
    except Exception:  # its own methods may raise anything
        return {}


def _items(usage: object) -> Iterable[tuple[object, object]]:
    if isinstance(usage, Mapping):
        return usage.items()
    if hasattr(type(usage), "__pydantic_fields__"):  # a model looks long for a name that it lacks
        fields = {**vars(usage), **(getattr(usage, "__pydantic_extra__", None) or {})}
        if not fields.keys().isdisjoint(_NAMES):
            return fields.items()
    return [(name, _get(usage, name)) for name in _NAMES]


def _get(usage: object, name: str) -> object:
    try:
        return getattr(usage, name, None)
    except Exception:  # its own methods may raise anything
        return None


_SEPARATE = frozenset((
    *_CACHED, *_THOUGHTS, *_PROMPT_DETAILS, *_COMPLETION_DETAILS,
    "cache_write_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_tokens",
))  # fmt: skip
"""The names of counts that are parts of others, or come on top of them."""
_NAMES = _SEPARATE | {*_PROMPT, *_COMPLETION, "cache_read", "cache_creation", "reasoning"}
