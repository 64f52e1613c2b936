"""How people felt: positive, negative or neutral, by the words they used. Texts in other languages than
English are neutral.

The words and their weights are VADER's (Hutto & Gilbert, 2014), from ``nltk-vader-sentiment``. Without that package,
sentiment is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from .phrases import plain
from .words import COMMON

MAX_TEXT = 2_000
"""Most characters of a text that are read. More would barely change the score."""

THRESHOLD = 0.05
"""The compound score, above or below 0, from which a text is positive or negative (VADER's own advice)."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def scores(texts: Sequence[str], context: Iterable[str] = ()) -> list[float] | None:
    """A score for each text, from -1 (negative) to 1, with 0 for neutral or unknown. None if no lexicon is installed.

    :param context: other texts of the conversation, to recognise its language.
    """
    analyzer = _analyzer()
    if analyzer is None:
        return None
    read = [text[:MAX_TEXT] for text in texts]
    if not english([*read, *(text[:MAX_TEXT] for text in context)]):
        return [0.0] * len(read)
    return [float(analyzer.polarity_scores(text)["compound"]) for text in read]


def verdict(scores: Iterable[float]) -> str:
    """The sentiment for several scores: that of the mean of those other than 0."""
    telling = [score for score in scores if score]
    mean = sum(telling) / len(telling) if telling else 0.0
    return "neutral" if abs(mean) < THRESHOLD else "positive" if mean > 0 else "negative"


def english(texts: Iterable[str]) -> bool:
    """Whether the texts may be English: at least four words, and one in fifteen is a common English one."""
    words = [word for text in texts for word in _WORD.findall(plain(text.lower()))]
    return len(words) < 4 or 15 * sum(word in COMMON for word in words) >= len(words)


@lru_cache(maxsize=1)
def _analyzer() -> Any:
    """VADER, loaded on first use, or None if it is not installed."""
    try:
        from vader import SentimentIntensityAnalyzer  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    return SentimentIntensityAnalyzer()
