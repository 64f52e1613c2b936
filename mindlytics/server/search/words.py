"""Words: what a text and a search have in common, whatever the script, the case and the accents.

A word is a run of letters and digits. Scripts that put no spaces between words are split into pairs of neighbouring
letters, so any part of a text is found by its pairs. The index holds words as they are made here, for each database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

MAX_LENGTH = 64
"""Characters of a word that count."""

MAX_WORDS = 20_000
"""Words of one text that are indexed."""

SNIPPET = 160
"""Characters of a snippet, about."""

TYPICAL = 35
"""Words of a text for which :func:`rank` neither adds nor takes something."""

LEAD = 40
"""Characters of a snippet in front of the first word that was searched for, about."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese. Korean has spaces, and words that grow endings."""

_ASCII = bytes(code if code < 128 and chr(code).isalnum() else ord(" ") for code in range(256))
"""A table that puts a space for whatever is no letter or digit."""

_TYPED = re.compile("[\x00-\x7f\xa0\xb0\u2013\u2014\u2018-\u201e\u2022\u2026\u20ac\u2192]*")
"""ASCII, and the other punctuation that English texts have."""

_OTHER_LETTER = re.compile(r"[^\W\x00-\x7f]")
_SIGNS = re.compile("[\u2120\u2122]")
"""The signs of services and trademarks, which NFKD would make letters of the word in front of them."""

_ACCENTS = re.compile("[\u0300-\u036f]+")
_HAS_OTHER_MARKS = re.compile(
    "[^\x00-\u0482\u048a-\u0590\u2000-\u20cf\u2100-\u2bff\u3000-\u3029\u3030-\u3098\u309b-\u9fff\uac00-\ud7ff]"
)
"""Whatever is outside of Latin, Greek, Cyrillic, punctuation, Chinese, Japanese and Korean may be a mark."""

_GAP = re.compile(r"[\W_]+")
_RUN = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
"""Accents, vowel signs and the scripts of India, whose signs are no letters to ``re``."""

_SHOWN = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_]|[{_MARKS}])+")


class Snippet(NamedTuple):
    """A part of a text, and the places in it of the words that were searched for, as pairs of begin and end."""

    text: str
    matches: list[tuple[int, int]]


class Word(NamedTuple):
    """A word of a search. ``begins``: a longer word that begins with it counts as well."""

    text: str
    begins: bool = False


def folded(text: str) -> str:
    """The text in small letters, without accents."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize(
        "NFKD", _SIGNS.sub(" ", text.casefold())
    ).casefold()  # NFKD makes capitals of some letters
    if _HAS_OTHER_MARKS.search(letters):
        letters = "".join(letter for letter in letters if unicodedata.category(letter)[0] != "M")
    else:
        letters = _ACCENTS.sub("", letters)
    return unicodedata.normalize("NFC", letters)


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    typed = text.isascii() or _TYPED.fullmatch(text)
    letters = text.lower() if typed else folded(text)
    if typed or not _OTHER_LETTER.search(letters):  # then "replace" puts a ? for what separates words
        found = letters.encode("ascii", "replace").translate(_ASCII).decode().split()
    else:
        found = _GAP.sub(" ", letters).split()
        if _IS_UNSPACED.search(text):
            found = [part for word in found for part in _parts(word)]
    if len(found) > MAX_WORDS or len(max(found, key=len, default="")) > MAX_LENGTH:
        found = [word[:MAX_LENGTH] for word in found[:MAX_WORDS]]
    return found


def _parts(word: str) -> Iterator[str]:
    for run in _RUN.findall(word):
        if _IS_UNSPACED.match(run):
            yield from (run[place : place + 2] for place in range(len(run)))
        else:
            yield run


def searched(text: str) -> list[Word]:
    """The words of a search, each once. Whatever is no letter or digit separates them."""
    found = []
    for word in _GAP.sub(" ", folded(text)).split():
        for run in _RUN.findall(word):
            if not _IS_UNSPACED.match(run):
                found.append(Word(run[:MAX_LENGTH]))
            elif len(run) == 1:
                found.append(Word(run, begins=True))
            else:
                found += [Word(run[place : place + 2]) for place in range(len(run) - 1)]
    return list(dict.fromkeys(found))


def rank(words: Sequence[str], wanted: Collection[Word]) -> float:
    """How well a text of these words fits a search: as BM25 has it, but that no other text counts.

    So the order of texts stays as it is while others come and go.
    """
    length = 0.25 + 0.75 * len(words) / TYPICAL
    total = 0.0
    for word in wanted:
        count = sum(other.startswith(word.text) for other in words) if word.begins else words.count(word.text)
        total += count / (count + 1.2 * length)
    return total


def snippet(text: str, words: Collection[Word]) -> Snippet:
    """The part of a text around the first of these words."""
    whole = {letter for word in words for letter in (word.text if _IS_UNSPACED.match(word.text) else (word.text,))}
    places = [found.span() for found in _SHOWN.finditer(text) if folded(found[0])[:MAX_LENGTH] in whole]
    first = max(0, (places[0][0] if places else 0) - LEAD)
    if first:
        first = min(text.find(" ", first, first + LEAD) + 1 or first, places[0][0])
    last = min(len(text), first + SNIPPET)
    if last < len(text):
        last = max(text.rfind(" ", last - LEAD, last), 0) or last
    before, after = "…" if first else "", "…" if last < len(text) else ""
    moved = len(before) - first
    shown = [(begin + moved, end + moved) for begin, end in places if first <= begin and end <= last]
    return Snippet(f"{before}{text[first:last]}{after}", _joined(shown))


def _joined(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The places, with those that touch made one."""
    found: list[tuple[int, int]] = []
    for begin, end in places:
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found
