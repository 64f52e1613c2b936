"""The tables of the store, and the form of times in them: whole microseconds since 1970 in UTC.

Rows are named by numbers from one sequence (``records.py``). A client's own id is stored once, in the row of its
session, conversation or user. ``sessions.py`` and ``users.py`` change rows, and ``find.py`` reads them. ``database.py``
opens a database, and ``migrations/`` upgrades one of an earlier version.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ..errors import InvalidEvent, MindlyticsError
from ..values import EPOCH, UTC, parse_timestamp

REVISION = "0012"
"""The version of the tables below, the last one in ``migrations/``."""

MICROSECOND = timedelta(microseconds=1)

FIRST, LAST = ((at.replace(tzinfo=UTC) - EPOCH) // MICROSECOND for at in (datetime.min, datetime.max))

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""The number of a row, or a time. SQLite numbers rows only in a column of this exact type."""

INTEGERS = range(-(2**63), 2**63)
"""The integers that such a column can hold."""

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Texts are in the order of their characters."""

metadata = MetaData()


def _number(name: str, **options: Any) -> Column[int]:
    return Column(name, NUMBER, **{"nullable": False, **options})


def _seq() -> Column[int]:
    return Column("seq", NUMBER, primary_key=True, autoincrement=False)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, TEXT, **{"nullable": False, **options})


def _links(table: str, name: str) -> Table:
    """A table that leads from names to users."""
    return Table(
        table,
        metadata,
        _number("scope", primary_key=True, autoincrement=False),
        _text(name, primary_key=True),
        _number("owner"),
        sqlite_with_rowid=False,
    )


store = Table(
    "store",
    metadata,
    Column("salt", LargeBinary, nullable=False),
    _text("ids"),
    _number("version"),
    _number("last"),
    _number("indexed", server_default="0"),
    comment="One row: the salt of the keys, how ids of events begin, the number of commits, the last number taken, and"
    " the last number whose event is in the index of words.",
)
alembic_version = Table(
    "alembic_version", metadata, Column("version_num", String(32), primary_key=True, nullable=False)
)

organizations = Table(
    "organizations",
    metadata,
    Column("seq", NUMBER, primary_key=True),
    _text("organization_id", unique=True),
    _number("created_at"),
)
orgkeys = Table(
    "orgkeys",
    metadata,
    Column("seq", NUMBER, primary_key=True),
    _text("hash", unique=True),
    _text("apikey"),
    _text("organization_id"),
    _number("created_at"),
    Column("issued", SmallInteger, nullable=False),
)
apps = Table(
    "apps",
    metadata,
    Column("scope", NUMBER, primary_key=True),
    _text("organization_id"),
    _text("app_id"),
    _number("created_at"),
    UniqueConstraint("organization_id", "app_id"),
    sqlite_autoincrement=True,
)
users = Table(
    "users",
    metadata,
    _seq(),
    _number("scope"),
    _text("user_id"),
    _text("id"),
    Column("anonymous", SmallInteger, nullable=False),
    _text("aliases"),
    _number("created_at"),
    _text("traits"),
    UniqueConstraint("scope", "user_id"),
)
aliases = _links("aliases", "alias")
devices = _links("devices", "device_id")
sessions = Table(
    "sessions",
    metadata,
    _seq(),
    _number("scope"),
    _text("session_id"),
    _number("owner"),
    _text("device_id", nullable=True),
    _number("started_at"),
    _number("ended_at", nullable=True),
    _text("attributes"),
    _number("event_count"),
    UniqueConstraint("scope", "session_id"),
)
Index("sessions_of_user", sessions.c.owner)
Index("sessions_in_time", sessions.c.scope, sessions.c.started_at)
_open = sessions.c.ended_at.is_(None)
Index("open_sessions", sessions.c.seq, sqlite_where=_open, postgresql_where=_open)
named = Table(
    "named",
    metadata,
    _number("scope", primary_key=True, autoincrement=False),
    _text("name", primary_key=True),
    _number("session", primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    comment="Ids of users other than the owner that events of a session named, and of its former owners.",
)
Index("named_in_session", named.c.session)
conversations = Table(
    "conversations",
    metadata,
    _seq(),
    _number("scope"),
    _number("session"),
    _text("conversation_id"),
    _number("started_at"),
    _number("ended_at", nullable=True),
    _text("properties"),
    _text("attributes"),
    _number("event_count"),
    _number("message_count"),
    _number("turn_count"),
    _number("function_count"),
    _number("prompt_tokens"),
    _number("completion_tokens"),
    Column("cost", Float(53)),
)
Index(
    "conversations_by_id",
    conversations.c.scope,
    conversations.c.conversation_id,
    conversations.c.session,
    unique=True,
)
Index("conversations_of_session", conversations.c.session)
events = Table(
    "events",
    metadata,
    _seq(),
    _number("scope"),
    _number("session"),
    _number("conversation", nullable=True),
    _number("origin", nullable=True),
    _number("timestamp"),
    _text("event"),
    _text("properties"),
    _text("user_traits", nullable=True),
    _number("message_index", nullable=True),
    _text("former_id", nullable=True),
)
"""``former_id`` is the id of an event from an earlier version. Other ids are made from their numbers."""
Index("events_of_session", events.c.session)
Index("events_in_time", events.c.scope, events.c.timestamp)
_former = events.c.former_id.is_not(None)
Index("events_by_former_id", events.c.former_id, sqlite_where=_former, postgresql_where=_former)
antonnia = Table(
    "antonnia",
    metadata,
    Column("seq", NUMBER, primary_key=True),
    _number("scope"),
    _text("kind"),
    _text("id"),
    _text("session_id", nullable=True),
    _text("contact_id", nullable=True),
    _text("provider_message_id", nullable=True),
    _text("document"),
    UniqueConstraint("scope", "kind", "id"),
)
Index("antonnia_in_order", antonnia.c.scope, antonnia.c.kind, antonnia.c.seq)
Index("antonnia_by_session", antonnia.c.scope, antonnia.c.kind, antonnia.c.session_id, antonnia.c.seq)
Index("antonnia_by_contact", antonnia.c.scope, antonnia.c.kind, antonnia.c.contact_id, antonnia.c.seq)
Index("antonnia_by_provider", antonnia.c.scope, antonnia.c.kind, antonnia.c.provider_message_id, antonnia.c.seq)
intents = Table(
    "intents",
    metadata,
    Column("seq", NUMBER, primary_key=True),
    _number("scope"),
    _number("session"),
    _number("conversation"),
    _text("intent"),
    _text("intent_fulfilled"),
    _text("summary", nullable=True),
    _text("sentiment", nullable=True),
    _number("informed_at"),
    _number("informed_by"),
    _number("closed_at"),
    _number("closed_by"),
    _text("analysis"),
)
Index("intents_of_session", intents.c.session)
unanalysed = Table(
    "unanalysed",
    metadata,
    Column("seq", NUMBER, primary_key=True),
    _number("scope"),
    _number("session"),
    _number("conversation"),
    _number("event"),
    _number("timestamp"),
    _number("noted_at"),
)
unindexed = Table("unindexed", metadata, _seq(), comment="Users whose words are to be put into the index.")
forgotten = Table(
    "forgotten",
    metadata,
    _number("scope", primary_key=True, autoincrement=False),
    _text("name", primary_key=True),
    _number("until"),
    sqlite_with_rowid=False,
    comment="Hashes of the names of those whose events are not stored.",
)
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _number("scope", primary_key=True, autoincrement=False),
    _text("key", primary_key=True),
    _number("seen_at"),
    _text("answer", nullable=True),
    Column("body", LargeBinary),
    sqlite_with_rowid=False,
)


class StoreError(MindlyticsError):
    """The database is unusable. The message names it and says why."""


def microseconds(timestamp: str | datetime, field: str = "timestamp") -> int:
    """The stored form of a timestamp.

    :raises InvalidEvent: in UTC it is outside of the years 1 to 9999.
    :raises ValueError: the text is not an ISO 8601 date and time.
    """
    if isinstance(timestamp, str):
        timestamp = parse_timestamp(timestamp)
    stored = (timestamp - EPOCH) // MICROSECOND
    if not FIRST <= stored <= LAST:
        raise InvalidEvent(field, "a moment within the years 1 to 9999 in UTC", timestamp)
    return stored


def now() -> int:
    """The current time in its stored form."""
    return time.time_ns() // 1000


def as_datetime(stored: int) -> datetime:
    """A stored time in UTC."""
    return EPOCH + timedelta(microseconds=stored)


def iso(stored: int) -> str:
    """A stored time as ISO 8601 in UTC, in milliseconds, or in microseconds if it has any."""
    precision = "microseconds" if stored % 1000 else "milliseconds"
    return as_datetime(stored).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
