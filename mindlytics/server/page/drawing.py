"""Charts of days as SVG: where the bars are, and what a reader sees beside them. The template writes the elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from .days import Day

WIDTH, HEIGHT = 600, 120
"""Of a chart, in units of its own. It is scaled to the page."""

GAP = 0.2
"""The share of a day's width that is empty."""


class Series(NamedTuple):
    """One kind of number in a chart: its name, and the class that gives the bars their colour."""

    name: str
    style: str
    read: Callable[[Day], float | None]


class Bar(NamedTuple):
    """A bar, in units of the chart."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


class Chart(NamedTuple):
    """A chart: its title, the way its numbers are written, the series, the bars and the highest value."""

    title: str
    format: str
    series: Sequence[Series]
    bars: Sequence[Bar]
    top: float
    rows: Sequence[tuple[date, Sequence[float | None]]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.bars


CHARTS: Sequence[tuple[str, str, Sequence[Series]]] = (
    ("Conversations", "count", (Series("conversations", "a", lambda day: day.conversations),)),
    ("Turns", "count", (Series("turns", "a", lambda day: day.turns),)),
    ("Cost", "money", (Series("cost", "a", lambda day: day.cost),)),
    (
        "Sentiment",
        "count",
        (
            Series("positive", "good", lambda day: day.positive),
            Series("neutral", "plain", lambda day: day.neutral),
            Series("negative", "bad", lambda day: day.negative),
        ),
    ),
    (
        "Intents",
        "count",
        (
            Series("fulfilled", "good", lambda day: day.fulfilled),
            Series("not fulfilled", "bad", lambda day: day.unfulfilled),
        ),
    ),
    ("Errors", "count", (Series("errors", "bad", lambda day: day.errors),)),
    ("Latency", "milliseconds", (Series("median", "a", lambda day: day.latency),)),
)


def charts(days: Sequence[Day], write: Callable[[str, float], str]) -> list[Chart]:
    """The charts of some days, the oldest first.

    :param write: writes a number in one of the formats of :data:`CHARTS`.
    """
    return [_chart(title, format, series, days, write) for title, format, series in CHARTS]


def _chart(
    title: str, format: str, series: Sequence[Series], days: Sequence[Day], write: Callable[[str, float], str]
) -> Chart:
    rows = [(day.day, [each.read(day) for each in series]) for day in days]
    top = max((sum(value or 0.0 for value in values) for _, values in rows), default=0.0)
    step = WIDTH / max(len(days), 1)
    bars = []
    for number, (day, values) in enumerate(rows):
        base = float(HEIGHT)
        for each, value in zip(series, values, strict=True):
            if not value or not top:
                continue
            height = HEIGHT * value / top
            base -= height
            at = (round((number + GAP / 2) * step, 2), round(base, 2), round((1 - GAP) * step, 2), round(height, 2))
            bars.append(Bar(*at, each.style, f"{day}: {write(format, value)} {each.name}"))
    return Chart(title, format, series, bars, top, rows)
