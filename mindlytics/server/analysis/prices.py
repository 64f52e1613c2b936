"""The cost of a model's work in US dollars, by the price table of ``genai-prices``, if that is installed.

The table comes with the package, so no request is made.
"""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import lru_cache
from types import ModuleType


@lru_cache(maxsize=10_000)
def price(  # noqa: PLR0917
    model: str, prompt_tokens: int, completion_tokens: int, day: date, cached: int = 0, cache_written: int = 0
) -> float | None:
    """The cost of these tokens on that day, or None if the model or the whole table is unknown.

    :param cached: tokens of the prompt that came from a cache.
    :param cache_written: tokens of the prompt that were written to a cache.
    """
    table = _table()
    if table is None:
        return None
    usage = table.Usage(
        input_tokens=prompt_tokens,
        output_tokens=completion_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=cache_written,
    )
    at = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    try:
        return float(table.calc_price(usage, model_ref=model, genai_request_timestamp=at).total_price)
    except (LookupError, ValueError):
        return None


@lru_cache(maxsize=1)
def _table() -> ModuleType | None:
    """The price table, loaded on first use, which takes some 200 ms."""
    try:
        import genai_prices  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    return genai_prices
