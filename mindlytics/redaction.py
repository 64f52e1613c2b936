"""Replaces personal data in texts by its kind: ``[email]``. ``settings.py`` lists the kinds.

Every pattern here takes linear time. It starts at a word, its parts share no characters, or it is bounded. Digits that
look like a card or an IBAN have to pass its checksum.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")

Redact = Callable[[str], str]

INSTEAD = "[redacted]"
"""The replacement for matches of the program's own patterns."""
LEAST_DIGITS = 10**12
"""Numbers from here on are checked as texts, since cards have at least 13 digits."""

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@(?:[\w-]+\.)+[^\W\d_]{2,}")
_KEY = re.compile(
    r"""(?<![\w-])(?:
        sk-[\w-]{16,}                                                 # OpenAI, Anthropic and others
      | [rs]k_(?:live|test)_\w{10,}                                   # Stripe
      | (?:AKIA|ASIA)[A-Z0-9]{16}                                     # AWS
      | AIza[\w-]{30,}                                                # Google
      | gh[opsur]_\w{30,} | github_pat_\w{30,} | glpat-[\w-]{20,}     # GitHub, GitLab
      | xox[a-z]-[\w-]{10,}                                           # Slack
      | hf_\w{30,} | npm_\w{30,} | pypi-[\w-]{30,}
      | eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*                            # JSON Web Tokens
      | [Bb]earer\s{1,4}[\w.~+/=-]{16,}
      | -----BEGIN[A-Z ]{0,30}\ PRIVATE\ KEY-----[\s\S]*?(?:-----END[A-Z ]{0,30}\ PRIVATE\ KEY-----|\Z)
    )""",
    re.VERBOSE,
)
_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}[0-9]{2}(?:[ ]?[A-Za-z0-9]{4}){2,7}(?:[ ]?[A-Za-z0-9]{1,3})?(?!\w)")
_CARD = re.compile(r"(?<!\w)[2-6][0-9]{2,18}(?:[ -][0-9]{3,19}){0,5}(?!\w)")
_PHONE = re.compile(
    r"""(?<![\w.+-])(?:
        (?:\+|00)[1-9](?:[ ().\-/]{0,3}\d){6,14}                      # with the code of a country
      | \(\d{3}\)[ ]?\d{3}[ .\-]\d{4} | \d{3}[ .\-]\d{3}[ .\-]\d{4}   # North America
      | \(?0[1-9]\d{1,3}\)?[ /\-]{0,2}\d(?:[ \-]?\d){4,9} | 0[1-9](?:[ ]\d\d){4}
    )(?!\w)""",
    re.VERBOSE,
)


@lru_cache(maxsize=100)
def redactor(chosen: tuple[str | re.Pattern[str], ...]) -> Redact:
    """Make a function that redacts a text: first by the program's own patterns, then by these kinds."""
    own = [_replacing(each, INSTEAD) for each in chosen if isinstance(each, re.Pattern)]
    steps = [*own, *(step for kind, step in _STEPS.items() if kind in chosen)]

    def redact(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return redact


def redacted_map(scalars: Mapping[str, T], redact: Redact) -> dict[str, T | str]:
    """A map of scalars with redacted texts. A number that needs redaction becomes a text."""
    return {name: _scalar(value, redact) for name, value in scalars.items()}


def _scalar(value: T, redact: Redact) -> T | str:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, (int, float)) and abs(value) >= LEAST_DIGITS and value == int(value):
        digits = str(int(value))
        found = redact(digits)
        return value if found == digits else found
    return value


def _replacing(pattern: re.Pattern[str], instead: str) -> Redact:
    return lambda text: pattern.sub(lambda _: instead, text)


def _checking(pattern: re.Pattern[str], has_checksum: Callable[[str], bool], instead: str) -> Redact:
    """Replace matches with a valid checksum: the longest part from the start of a match to the end of a word.

    If no part is valid, the search continues at the next word.
    """

    def spans(text: str) -> Iterator[tuple[int, int]]:
        at = 0
        while (found := pattern.search(text, at)) is not None:
            start, words = found.start(), found.group()
            length = len(words)
            while length > 0 and not has_checksum(words[:length]):
                length = max(words.rfind(" ", 0, length), words.rfind("-", 0, length))
            if length > 0:
                yield start, start + length
            at = start + max(length, 1)

    def redact(text: str) -> str:
        parts, done = [], 0
        for start, end in spans(text):
            parts += [text[done:start], instead]
            done = end
        return "".join([*parts, text[done:]]) if parts else text

    return redact


_DOUBLED = str.maketrans("0123456789", "0246813579")
_LENGTHS: Mapping[str, int] = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""The length of an IBAN by country (registry of IBANs, ISO 13616)."""


def _is_card(words: str) -> bool:
    """Whether these are the digits of a card, by Luhn's checksum."""
    digits = words.replace(" ", "").replace("-", "")
    if not 13 <= len(digits) <= 19:
        return False
    return (sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0


def _is_iban(words: str) -> bool:
    """Whether these characters are an IBAN, by the checksum of ISO 13616."""
    text = words.replace(" ", "").upper()
    if len(text) != _LENGTHS.get(text[:2]):
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


_STEPS: Mapping[str, Redact] = {
    "key": _replacing(_KEY, "[key]"),
    "email": lambda text: _EMAIL.sub("[email]", text) if "@" in text else text,
    "iban": _checking(_IBAN, _is_iban, "[iban]"),
    "card": _checking(_CARD, _is_card, "[card]"),
    "phone": _replacing(_PHONE, "[phone]"),
}
"""By kind, in the order of the search. IBANs and cards come before phones, since their digits may look like one."""
