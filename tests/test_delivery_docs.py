"""The pages on delivery and durability against the tests that they name: all exist, and no promise goes without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "delivery.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
NAMES = NAMED.findall(PAGE + (TESTS.parent / "docs" / "durability.md").read_text(encoding="utf-8"))
NO_PROMISES = ("What happens by default when …", "What is not promised", "A soak run")
PROMISES = {
    title: text
    for title, text in (section.split("\n", 1) for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:])
    if title not in NO_PROMISES
}


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMES}))
def test_every_test_that_is_named_exists(file: str) -> None:
    defined = re.findall(r"^(?:async )?(?:def|class) (\w+)|^(Test\w+) =", (TESTS / file).read_text("utf-8"), re.M)
    names = {name for names in defined for name in names}
    assert [] == [name for named_in, name in NAMES if named_in == file and name not in names]


def test_there_is_a_section_for_every_promise() -> None:
    assert 17 == len(PROMISES)


@pytest.mark.parametrize("title", PROMISES)
def test_every_promise_names_tests_and_limits(title: str) -> None:
    assert NAMED.findall(PROMISES[title])
    assert "\nLimits: " in PROMISES[title]
    assert "\nHeld by " in PROMISES[title]


def test_what_looks_like_a_test_is_named_in_full() -> None:
    alone = re.findall(r"(?<!::)\b(test_\w+)\b(?!\.py)", PAGE)
    assert [] == alone
