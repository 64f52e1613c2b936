"""Cursors: where a page of an answer ended, as an opaque text. The next page begins there, whatever was added since.

A cursor counts only for the question that it answered: the same filter and order, with any ``limit``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from hashlib import blake2b

import orjson

from .query import InvalidQuery
from .schema import INTEGERS

Value = str | int | float | None
"""What a place in an order consists of."""

DIGEST = 6
"""Bytes of the hash of the question."""


def encode(question: object, place: Sequence[Value]) -> str:
    """The cursor of a place in the answer to a question, which must be plain JSON."""
    return base64.urlsafe_b64encode(_digest(question) + orjson.dumps(place)).rstrip(b"=").decode()


def decode(question: object, text: str) -> list[Value]:
    """The place of a cursor.

    :raises InvalidQuery: it is none, or that of another question.
    """
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        place = orjson.loads(found[DIGEST:])
    except (binascii.Error, ValueError):
        raise InvalidQuery("cursor", "must be the next of an earlier answer") from None
    if found[:DIGEST] != _digest(question):
        raise InvalidQuery("cursor", "belongs to another question: repeat all parameters but limit")
    if not isinstance(place, list) or not all(map(_is_value, place)):
        raise InvalidQuery("cursor", "must be the next of an earlier answer")
    return place


def _is_value(value: object) -> bool:
    return value is None or isinstance(value, (str, float)) or (type(value) is int and value in INTEGERS)


def _digest(question: object) -> bytes:
    return blake2b(orjson.dumps(question, option=orjson.OPT_SORT_KEYS), digest_size=DIGEST).digest()
