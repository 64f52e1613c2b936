"""Small arithmetic on what was measured, and how figures are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(reports: Iterable[dict[str, Any]], name: str) -> float:
    """The median of one figure over several runs."""
    return float(median(report[name] for report in reports))


def middles(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of every number over several runs; of anything else, what the last run says."""
    return {
        name: middle(reports, name) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        for name, value in reports[-1].items()
    }


def short(value: float | None) -> str:
    """A number with about three digits that count: 0.042, 8.54, 54.1, 1 028."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}".replace(",", " ")
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 or size == 0 else f"{value:.3f}"


def whole(value: float) -> str:
    """A count: 10 000."""
    return f"{value:,.0f}".replace(",", " ")
