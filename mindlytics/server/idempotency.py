"""Idempotency-Keys: which requests the store has carried out before, and what answered them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from ..errors import MindlyticsError
from .dialects import upsert
from .schema import idempotency_keys, now

KEY_SECONDS = 7 * 24 * 3600
"""So long an Idempotency-Key is remembered: as long as a client may hold a batch back and send it again."""


class RequestKey(NamedTuple):
    """An Idempotency-Key with its request.

    :param name: the hash of method, path and key, which may name a person. To another address, the same key is another
        one.
    :param body: a digest of the body.
    """

    name: str
    body: bytes


class ReusedKey(MindlyticsError):
    """An Idempotency-Key came before, with another body."""

    def __init__(self) -> None:
        super().__init__("the Idempotency-Key was used before, with another body")


_ANSWER = select(idempotency_keys.c.answer, idempotency_keys.c.body).where(
    idempotency_keys.c.scope == bindparam("scope"), idempotency_keys.c.key == bindparam("name")
)


def remember(connection: Connection, scope: int, key: RequestKey, answer: str | None = None) -> bool:
    """Remember a request. Returns whether its key is new.

    :param answer: the JSON that answers it, or None if a status does.
    :raises ReusedKey: the key came with another body.
    """
    values = {"scope": scope, "key": key.name, "seen_at": now(), "body": key.body, "answer": answer}
    inserted = connection.execute(_insert_new(connection.dialect.name), values).rowcount
    if not inserted:
        answer_to(connection, scope, key)
    return bool(inserted)


def answer_to(connection: Connection, scope: int, key: RequestKey) -> str | None:
    """The JSON that answered the request of this key. None if there was no such request, or a status answered it.

    :raises ReusedKey: the key came with another body.
    """
    row = connection.execute(_ANSWER, {"scope": scope, "name": key.name}).one_or_none()
    if row is None:
        return None
    answer, body = row
    if body not in (None, key.body):  # None: it was stored by an earlier version
        raise ReusedKey
    return None if answer is None else str(answer)


@lru_cache
def _insert_new(dialect: str) -> Any:
    """Adds a key if it is new. The statement is made once, since every request needs it."""
    return upsert(dialect, idempotency_keys).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def forget_old_keys(connection: Connection) -> None:
    """Drop the Idempotency-Keys that no client repeats any more."""
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.seen_at < now() - KEY_SECONDS * 1_000_000))
