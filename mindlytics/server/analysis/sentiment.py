"""How people felt: positive, negative or neutral, by the words they used. Texts in other languages than
English are neutral.

The words and their weights are VADER's (Hutto & Gilbert, 2014), from ``nltk-vader-sentiment``. Without that package,
sentiment is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from string import punctuation

from .phrases import plain
from .words import COMMON

MAX_TEXT = 2_000
"""Most characters of a text that are read. More would barely change the score."""

THRESHOLD = 0.05
"""The compound score, above or below 0, from which a text is positive or negative (VADER's own advice)."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_WITHOUT_EMOJI = re.compile("[\x00-\x7f\xa3\xc0-\u024f\u2013\u2014\u201c\u201d\u2026\u20ac]*")
"""ASCII, Latin letters, and the punctuation that is typed with them."""


def scores(texts: Sequence[str], context: Iterable[str] = ()) -> list[float] | None:
    """A score for each text, from -1 (negative) to 1, with 0 for neutral or unknown. None if no lexicon is installed.

    :param context: other texts of the conversation, to recognise its language.
    """
    score = _score()
    if score is None:
        return None
    read = [text[:MAX_TEXT] for text in texts]
    if not english([*read, *(text[:MAX_TEXT] for text in context)]):
        return [0.0] * len(read)
    return [score(text) for text in read]


def verdict(scores: Iterable[float]) -> str:
    """The sentiment for several scores: that of the mean of those other than 0."""
    telling = [score for score in scores if score]
    mean = sum(telling) / len(telling) if telling else 0.0
    return "neutral" if abs(mean) < THRESHOLD else "positive" if mean > 0 else "negative"


def english(texts: Iterable[str]) -> bool:
    """Whether the texts may be English: at least four words, and one in fifteen is a common English one."""
    lowered = [text.lower() for text in texts]
    most_words = sum(len(text) + 1 for text in lowered) // 2
    common = 0
    for text in lowered:  # the first ones are mostly enough, whatever the others are
        common += sum(map(COMMON.__contains__, text.split()))
        if 15 * common >= most_words:
            return True
    words = [word for text in lowered for word in _WORD.findall(plain(text))]
    return len(words) < 4 or 15 * sum(word in COMMON for word in words) >= len(words)


@lru_cache(maxsize=1)
def _score() -> Callable[[str], float] | None:
    """VADER's compound score of a text, loaded on first use, or None if it is not installed.

    VADER looks for emoji at each character, and for phrases at each word. A text without them gets an analyzer that
    knows none, and a text without a word of the lexicon scores 0.
    """
    try:
        from vader import SentimentIntensityAnalyzer  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    whole = SentimentIntensityAnalyzer()
    words_only = SentimentIntensityAnalyzer(emoji={}, multiword={}, idioms={})
    lexicon = frozenset(whole.lexicon)
    of_phrases = frozenset(max(reversed(phrase.split()), key=len) for phrase in (*whole.multiword, *whole.idioms))

    def score(text: str) -> float:
        text = plain(text)
        words = text.lower().split()
        bare = {word.strip(punctuation) for word in words}
        if not _WITHOUT_EMOJI.fullmatch(text) or "" in bare or not of_phrases.isdisjoint(bare):
            return float(whole.polarity_scores(text)["compound"])
        if lexicon.isdisjoint(words) and lexicon.isdisjoint(bare):
            return 0.0
        return float(words_only.polarity_scores(text)["compound"])

    return score
