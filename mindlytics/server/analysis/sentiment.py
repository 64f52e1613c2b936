"""How people felt: positive, negative or neutral, by the words they used. For English; all else is neutral.

The words and their weights are VADER's (Hutto & Gilbert, 2014), from ``nltk-vader-sentiment``. Without that package
nothing is said about sentiment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from .phrases import plain
from .words import COMMON

MAX_TEXT = 2_000
"""Characters of a text that are read; the score of a longer one would say no more."""

THRESHOLD = 0.05
"""From this compound score on, away from 0, a text is positive or negative (VADER's own advice)."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def scores(texts: Sequence[str], context: Iterable[str] = ()) -> list[float] | None:
    """For each text from -1 (all negative) to 1, 0 where nothing can be said; None where no lexicon is installed.

    :param context: what else was said in the conversation, by which its language is recognised.
    """
    analyzer = _analyzer()
    if analyzer is None:
        return None
    read = [text[:MAX_TEXT] for text in texts]
    if not english([*read, *(text[:MAX_TEXT] for text in context)]):
        return [0.0] * len(read)
    return [float(analyzer.polarity_scores(text)["compound"]) for text in read]


def verdict(scores: Iterable[float]) -> str:
    """The sentiment that scores come to: that of the mean of those that say anything."""
    telling = [score for score in scores if score]
    mean = sum(telling) / len(telling) if telling else 0.0
    return "neutral" if abs(mean) < THRESHOLD else "positive" if mean > 0 else "negative"


def english(texts: Iterable[str]) -> bool:
    """Whether the texts can be English: of four words or more, one in fifteen is a common English one."""
    words = [word for text in texts for word in _WORD.findall(plain(text.lower()))]
    return len(words) < 4 or 15 * sum(word in COMMON for word in words) >= len(words)


@lru_cache(maxsize=1)
def _analyzer() -> Any:
    """VADER, loaded when it is needed first; None where it is not installed."""
    try:
        from vader import SentimentIntensityAnalyzer  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    return SentimentIntensityAnalyzer()
