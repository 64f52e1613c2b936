"""Spans of time as options take them."""

from __future__ import annotations

import click
import pytest

from mindlytics.cli.times import span


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2d", 172800), ("none", None)]
)
def test_a_span_is_read_in_seconds(text: str, expected: float | None) -> None:
    assert expected == span(text)


@pytest.mark.parametrize("text", ["", "30", "m", "-1m", "0s", "1 m", "1w", "m30", "None", "1e3s"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="30m"):
        span(text)
