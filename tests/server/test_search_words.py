"""Words of texts and of searches, and the snippets that show them."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindlytics.server.search.words import MAX_LENGTH, SNIPPET, folded, searched, snippet, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is my PARCEL?", "where is my parcel"),
        ('"NEAR(a, b)" AND c* -d_e {f}:g^2', "near a b and c d e f g 2"),
        ("Crème BRÛLÉE straße", "creme brulee strasse"),
        ("ada@mill.example 3.14", "ada mill example 3 14"),
        ("東京都に行く", "東京 京都 都に に行 行く く"),
        ("v2東京", "v2 東京 京"),
        ("서울에서", "서울 울에 에서 서"),
        ("привет Ёж", "привет еж"),
        ("“free” — it is 36\N{NO-BREAK SPACE}€ → 20°…", "free it is 36 20"),
        ("Für „Grün“ 🙂 ½", "fur grun 1 2"),
        ("x" * 100, "x" * MAX_LENGTH),
        ("Windows™ \N{MATHEMATICAL SCRIPT CAPITAL A}\N{DOUBLE-STRUCK CAPITAL C} № 5㎏", "windows ac no 5kg"),
        ("🙂 !", ""),
    ],
)
def test_the_words_of_a_text(text: str, expected: str) -> None:
    assert expected.split() == words_of(text)


def test_no_mark_is_left_of_any_script() -> None:
    letters = map(chr, range(sys.maxunicode + 1))
    marks = [letter for letter in letters if unicodedata.category(letter)[0] == "M"]
    assert [] == [hex(ord(mark)) for mark in marks if set(folded(f"x{mark}")) & set(marks)]


def test_no_letter_keeps_its_case() -> None:
    letters = [folded(chr(code)) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    assert [] == [letter for letter in letters if letter != letter.casefold()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parcel PARCEL", ["parcel"]),
        ("東京都", ["東京", "京都"]),
        ("京", ["京*"]),
        ("--", []),
    ],
)
def test_the_words_of_a_search(text: str, expected: list[str]) -> None:
    assert expected == [word.text + "*" * word.begins for word in searched(text)]


def test_the_same_characters_separate_the_words_of_a_text_and_of_a_search() -> None:
    texts = [f"x{chr(code)}y" for code in (*range(0x0E00), *range(0x2000, 0x2E80), *range(0x1F300, 0x1F700))]
    differing = [text for text in texts if list(dict.fromkeys(words_of(text))) != [w.text for w in searched(text)]]
    assert [] == differing


@given(st.text(max_size=50), st.text(max_size=20), st.text(max_size=50))
def test_a_text_has_the_words_of_its_parts(before: str, part: str, after: str) -> None:
    words = words_of(f"{before} {part} {after}")
    for word in searched(part):
        assert any(each.startswith(word.text) if word.begins else each == word.text for each in words)


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("Where is my Parcel, and the parcels?", "parcel", ["Parcel"]),
        ("Crème brûlée", "creme BRULEE", ["Crème", "brûlée"]),
        ("東京都に行きます", "京都", ["京都"]),
        ("हिन्दी भाषा", "भाषा", ["भाषा"]),
        ("nothing of it", "parcel", []),
    ],
)
def test_a_snippet_marks_the_words(text: str, query: str, marked: list[str]) -> None:
    found = snippet(text, searched(query))
    assert (text, marked) == (found.text, [found.text[begin:end] for begin, end in found.matches])


def test_a_snippet_of_a_long_text_is_the_part_around_the_first_word() -> None:
    found = snippet("word " * 100 + "parcel" + " more" * 100, searched("parcel"))
    assert ["parcel"] == [found.text[begin:end] for begin, end in found.matches]
    assert len(found.text) <= SNIPPET + 2
    assert ("…word", "more…") == (found.text[:5], found.text[-5:])


@given(st.text(), st.text(max_size=20))
def test_any_text_has_a_snippet(text: str, query: str) -> None:
    found = snippet(text, searched(query))
    assert len(found.text) <= SNIPPET + 2
    assert all(0 <= begin < end <= len(found.text) for begin, end in found.matches)
