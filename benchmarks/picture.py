"""The comparison as a picture: two rows of bars, readable on light and on dark."""

from __future__ import annotations

from html import escape
from typing import Any

from .figures import short, whole
from .sdks import OURS, SPOOLED, YARDSTICKS

WIDTH = 760
LABEL = 190
BAR = 22
GAP = 8
TOP = 44

STYLE = """\
    text { fill: #333a45; font-size: 14px; }
    .card { fill: #ffffff; stroke: #d0d6e0; }
    .head { font-weight: 600; }
    .note { fill: #667080; font-size: 12px; }
    .ours { fill: #2f6fd0; }
    .peer { fill: #a8b2c1; }
    .limit { fill: none; stroke: #a8b2c1; stroke-dasharray: 4 3; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e3e8f0; }
      .card { fill: #171b22; stroke: #394150; }
      .note { fill: #9aa5b5; }
      .ours { fill: #6aa5ff; }
      .peer { fill: #5d6878; }
      .limit { stroke: #7d8899; }
    }"""


def picture(result: dict[str, Any]) -> str:
    """An SVG of events per second (with the loops of ready-made bodies) and of a call's median."""
    lines = [line for line in result["sdks"] if line["lost"] == 0 and not line["failure"]]
    kinds = dict.fromkeys((*OURS, SPOOLED), "ours") | dict.fromkeys(YARDSTICKS, "limit")
    rates = [(line["title"], line["rate"], kinds.get(line["name"], "peer")) for line in lines]
    rates += [
        (f"ready-made, {library}", result["limits"][library]["rate"], "limit") for library in ("requests", "aiohttp")
    ]
    calls = [(line["title"], line["call_median"], kinds.get(line["name"], "peer")) for line in lines]
    rates.sort(key=lambda bar: -bar[1])
    calls.sort(key=lambda bar: bar[1])
    upper, height = _bars("Events per second, until all have arrived", "longer is better", rates, 12, whole)
    lower, height = _bars("One call, median in microseconds", "shorter is better", calls, height, short)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 4}" role="img" '
            'aria-labelledby="title" font-family="ui-sans-serif, system-ui, sans-serif">',
            '  <title id="title">mindlytics beside other SDKs: events per second and the median of a call</title>',
            f"  <style>\n{STYLE}\n  </style>",
            f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height + 3}" rx="10"/>',
            *upper,
            *lower,
            "</svg>",
            "",
        ]
    )


def _bars(title: str, note: str, bars: list[tuple[str, float, str]], top: int, written: Any) -> tuple[list[str], int]:
    """A title and its bars below ``top``, and where they end."""
    most = max(value for _, value, _ in bars)
    room = WIDTH - LABEL - 110
    drawn = [
        f'  <text class="head" x="20" y="{top + 20}">{escape(title)}</text>',
        f'  <text class="note" x="{WIDTH - 20}" y="{top + 20}" text-anchor="end">{escape(note)}</text>',
    ]
    y = top + TOP - 10
    for label, value, kind in bars:
        length = max(2, round(room * value / most))
        drawn += [
            f'  <text x="{LABEL}" y="{y + 16}" text-anchor="end">{escape(label)}</text>',
            f'  <rect class="{kind}" x="{LABEL + 10}" y="{y}" width="{length}" height="{BAR}" rx="3"/>',
            f'  <text x="{LABEL + length + 18}" y="{y + 16}">{written(value)}</text>',
        ]
        y += BAR + GAP
    return drawn, y + 8
