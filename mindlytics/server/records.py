"""What is known of users, sessions and conversations while events are applied: loaded once, written back per request.

Here is no rule about what an event does; those are in ``users.py`` and ``sessions.py``. The records are used by the
writer thread alone. They are a cache of the file, equal to it at the end of each request
(:meth:`Records.end_request`), and thrown away whenever that is not certain (:meth:`Records.forget`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from attrs import Factory, define, fields_dict

from ..errors import MindlyticsError
from ..values import Scalar
from .keyhash import HIDDEN
from .schema import iso, now
from .timeline import Key, end_of, last_turn, make_room

MAX_CACHED = 20_000
"""So many records stay in memory between requests."""

KEY_SECONDS = 7 * 24 * 3600
"""So long an Idempotency-Key is remembered: as long as a client may hold a batch back and send it again."""


class RequestKey(NamedTuple):
    """An Idempotency-Key with what it is of.

    :param name: method, path and key: to another address, the same key is another one.
    :param body: a digest of the body.
    """

    name: str
    body: bytes


class ReusedKey(MindlyticsError):
    """An Idempotency-Key came before, with another body."""

    def __init__(self) -> None:
        super().__init__("the Idempotency-Key was used before, with another body")


class StoredEvent(NamedTuple):
    """An event as it is stored, a row of the table ``events``."""

    scope: int
    event_id: str
    origin_event_id: str | None
    session_id: str
    conversation_id: str | None
    user_id: str
    timestamp: int
    event: str
    properties: str
    user_traits: str | None
    message_index: int | None

    def to_json(self, app: App) -> dict[str, Any]:
        """The event as the service tells it."""
        told: dict[str, Any] = {
            "organization_id": app.organization_id,
            "app_id": app.app_id,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "conversation_id": self.conversation_id,
            "event_id": self.event_id,
            "origin_event_id": self.origin_event_id,
            "timestamp": iso(self.timestamp),
            "event": self.event,
            "properties": orjson.loads(self.properties),
            "user_traits": orjson.loads(self.user_traits) if self.user_traits else None,
        }
        return {name: value for name, value in told.items() if value is not None}


class Ending(StoredEvent):
    """The event that ended a conversation: an analysis of it is due."""

    __slots__ = ()


class Late(StoredEvent):
    """An event of a conversation that has ended: what was found in it is to be found anew."""

    __slots__ = ()


class App(NamedTuple):
    """Whose data: ``scope`` is the number that every row of this app carries."""

    scope: int
    organization_id: str
    app_id: str


@define(eq=False)
class User:
    """A user; ``user_id`` is the id that was known first and never changes, ``id`` the primary one of ``aliases``."""

    scope: int
    user_id: str
    id: str
    anonymous: int
    aliases: list[str]
    created_at: int
    traits: dict[str, Scalar]
    traits_json: str | None = None

    def to_json(self, app: App) -> dict[str, Any]:
        """The user as the service tells it."""
        return {
            "organization_id": app.organization_id,
            "app_id": app.app_id,
            "user_id": self.user_id,
            "id": self.id,
            "aliases": list(self.aliases),
            "created_at": iso(self.created_at),
            "traits": dict(self.traits),
        }


@define(eq=False)
class Conversation:
    """A conversation and what was counted in it."""

    scope: int
    session_id: str
    conversation_id: str
    user_id: str
    started_at: int
    ended_at: int | None = None
    properties: dict[str, Scalar] = Factory(dict)
    attributes: dict[str, Scalar] = Factory(dict)
    event_count: int = 0
    message_count: int = 0
    turn_count: int = 0
    function_count: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    last_turn_at: int | None = None

    @property
    def key(self) -> Key:
        """Which it is."""
        return Key(self.conversation_id, self.session_id, self.scope)


@define(eq=False)
class Session:
    """A session, and the ids of its conversations that are open. What is counted is counted by conversation."""

    scope: int
    session_id: str
    user_id: str
    device_id: str | None
    started_at: int
    ended_at: int | None = None
    attributes: dict[str, Scalar] = Factory(dict)
    event_count: int = 0
    open: dict[str, None] = Factory(dict)


Record = User | Session | Conversation


class _Table(NamedTuple):
    """How records of one class are read and written; ``json`` are the places of those columns that hold JSON text."""

    columns: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    json: tuple[int, ...]
    select: str
    upsert: str


def _table(kind: type[Any], name: str, keys: tuple[str, ...], own: tuple[str, ...] = ()) -> _Table:
    columns = tuple(column for column in fields_dict(kind) if column not in own)
    others = [column for column in columns if column not in keys]
    return _Table(
        columns,
        attrgetter(*columns),
        tuple(
            columns.index(column) for column in ("aliases", "traits", "attributes", "properties") if column in columns
        ),
        f"SELECT {', '.join(columns)} FROM {name} WHERE {' AND '.join(f'{key} = ?' for key in keys)}",
        f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in others)}",
    )


_TABLES: Mapping[type[Any], _Table] = {
    User: _table(User, "users", ("scope", "user_id"), ("traits_json",)),
    Session: _table(Session, "sessions", ("scope", "session_id"), ("open",)),
    Conversation: _table(Conversation, "conversations", ("scope", "session_id", "conversation_id"), ("last_turn_at",)),
}
_ABSENT = {"origin_event_id": "''", "conversation_id": "''", "user_traits": "''", "message_index": "-1"}
"""What stands for NULL on the way to the table: sqlite3 takes most of a microsecond for each None."""

_INSERT_EVENT = (
    f"INSERT INTO events ({', '.join(StoredEvent._fields)})"
    f" VALUES ({', '.join(f'nullif(?, {_ABSENT[name]})' if name in _ABSENT else '?' for name in StoredEvent._fields)})"
)
_INSERT_DUE = (
    "INSERT INTO unanalysed (scope, session_id, conversation_id, event_id, timestamp, noted_at)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_INSERT_LATE = (
    "INSERT INTO unanalysed (conversation_id, session_id, scope, event_id, timestamp, noted_at)"
    " SELECT ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT * FROM unanalysed WHERE event_id = ?)"
)
"""A time before zero is that of a note because of something late: no end of a session is held back for it."""

_OPEN = "SELECT conversation_id FROM conversations WHERE scope = ? AND session_id = ? AND ended_at IS NULL ORDER BY seq"


class Records:
    """All records, by their keys, over the connection of the writer."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._apps: dict[tuple[str, str], App] = {}
        self._records: dict[tuple[Any, ...], Record] = {}
        self._dirty: dict[int, Record] = {}
        self._aliases: dict[tuple[int, str], str] = {}
        self._devices: dict[tuple[int, str], str] = {}
        self._events: list[StoredEvent] = []
        self.written: list[StoredEvent] = []
        """The events of the open transaction that are in the file; the writer empties it."""
        self._event_ids = _event_ids()

    # -- apps and idempotency keys

    def organization(self, key_hash: str) -> str:
        """The organization of the key of this hash; a key that is new founds one of its own."""
        organization_id = organization_of(self.connection, key_hash)
        if organization_id is None:
            organization_id = f"org_{key_hash[:16]}"
            self.connection.execute(
                "INSERT OR IGNORE INTO organizations (organization_id, created_at) VALUES (?, ?)",
                (organization_id, now()),
            )
            self.connection.execute(
                "INSERT INTO orgkeys (hash, apikey, organization_id, created_at) VALUES (?, ?, ?, ?)",
                (key_hash, HIDDEN, organization_id, now()),
            )
        return organization_id

    def app(self, key_hash: str, app_id: str) -> App:
        """The app of this key and app id, made where it is new."""
        app = self._apps.get((key_hash, app_id)) or find_app(self.connection, key_hash, app_id)
        if app is None:
            organization_id = self.organization(key_hash)
            scope = self.connection.execute(
                "INSERT INTO apps (organization_id, app_id, created_at) VALUES (?, ?, ?)",
                (organization_id, app_id, now()),
            ).lastrowid
            assert scope is not None
            app = App(scope, organization_id, app_id)
        self._apps[key_hash, app_id] = app
        return app

    def seen(self, app: App, key: RequestKey) -> bool:
        """Whether this Idempotency-Key came before; from now on it did.

        :raises ReusedKey: it did, with another body.
        """
        inserted = self.connection.execute(
            "INSERT OR IGNORE INTO idempotency_keys (scope, key, seen_at, body) VALUES (?, ?, ?, ?)",
            (app.scope, key.name, now(), key.body),
        ).rowcount
        if not inserted:
            answer_to(self.connection, app.scope, key)
        return not inserted

    # -- users

    def user(self, scope: int, user_id: str) -> User:
        """The user of this ``user_id``, who exists."""
        user = self._load((User, scope, user_id))
        assert isinstance(user, User)
        return user

    def user_called(self, scope: int, alias: str) -> User | None:
        """The user who has this id among the aliases."""
        return self._linked(self._aliases, "SELECT user_id FROM aliases WHERE scope = ? AND alias = ?", scope, alias)

    def user_of_device(self, scope: int, device_id: str) -> User | None:
        """The user whose device this is."""
        query = "SELECT user_id FROM devices WHERE scope = ? AND device_id = ?"
        return self._linked(self._devices, query, scope, device_id)

    def new_user(self, scope: int, name: str, *, anonymous: bool) -> User:
        """Add a user with this first id."""
        user = User(scope, name, name, int(anonymous), [], now(), {})
        self._add((User, scope, name), user)
        self.link_alias(user, name)
        return user

    def link_alias(self, user: User, alias: str) -> None:
        """Give the user one more id."""
        self.connection.execute("INSERT INTO aliases VALUES (?, ?, ?)", (user.scope, alias, user.user_id))
        self._aliases[user.scope, alias] = user.user_id
        user.aliases.append(alias)
        self.changed(user)

    def link_device(self, user: User, device_id: str) -> None:
        """From now on the device is this user's."""
        self.connection.execute("REPLACE INTO devices VALUES (?, ?, ?)", (user.scope, device_id, user.user_id))
        self._devices[user.scope, device_id] = user.user_id

    def _linked(self, links: dict[tuple[int, str], str], query: str, scope: int, name: str) -> User | None:
        user_id = links.get((scope, name))
        if user_id is None:
            row = self.connection.execute(query, (scope, name)).fetchone()
            if row is None:
                return None
            user_id = links[scope, name] = str(row[0])
        return self.user(scope, user_id)

    # -- sessions, conversations, events

    def session(self, scope: int, session_id: str) -> Session | None:
        """The session of this id, if there is one."""
        key = (Session, scope, session_id)
        session = self._records.get(key)
        if session is None:
            session = self._load(key)
            if isinstance(session, Session):
                session.open = {row[0]: None for row in self.connection.execute(_OPEN, (scope, session_id))}
        return session if isinstance(session, Session) else None

    def add_session(self, session: Session) -> None:
        """Keep a new session."""
        self._add((Session, session.scope, session.session_id), session)

    def conversation(self, scope: int, session_id: str, conversation_id: str) -> Conversation | None:
        """The conversation of this id in this session, if there is one."""
        conversation = self._load((Conversation, scope, session_id, conversation_id))
        return conversation if isinstance(conversation, Conversation) else None

    def add_conversation(self, conversation: Conversation) -> None:
        """Keep a new conversation."""
        key = (Conversation, conversation.scope, conversation.session_id, conversation.conversation_id)
        self._add(key, conversation)

    def move_session(self, session: Session, user: User) -> None:
        """The session, its conversations and all of its events become this user's."""
        self.flush()
        for table in ("sessions", "conversations", "events"):
            self.connection.execute(
                f"UPDATE {table} SET user_id = ? WHERE scope = ? AND session_id = ?",
                (user.user_id, session.scope, session.session_id),
            )
        session.user_id = user.user_id
        for record in self._records.values():
            if isinstance(record, Conversation) and (record.scope, record.session_id) == (
                session.scope,
                session.session_id,
            ):
                record.user_id = user.user_id

    def new_event_id(self) -> str:
        """An id for an event; later ids sort after earlier ones."""
        return next(self._event_ids)

    def add_event(self, event: StoredEvent) -> None:
        """Keep an event after those that came before it."""
        self._events.append(event)

    # -- the cache

    def changed(self, record: Record) -> None:
        """The record differs from its row."""
        self._dirty[id(record)] = record

    def flush(self) -> None:
        """Write all that changed to the file, within the transaction that is open."""
        for kind, table in _TABLES.items():
            rows = [_row(record, table) for record in self._dirty.values() if type(record) is kind]
            if rows:
                self.connection.executemany(table.upsert, rows)
        self._dirty.clear()
        if self._events:
            self.connection.executemany(_INSERT_EVENT, map(_event_row, self._events))
            self.written += self._events
            due = [
                (event.scope, event.session_id, event.conversation_id, event.event_id, event.timestamp, now())
                for event in self._events
                if type(event) is Ending
            ]
            if due:
                self.connection.executemany(_INSERT_DUE, due)
            late = [event for event in self._events if type(event) is Late]
            self._events.clear()
            if late:
                self._note_late(late)

    def _note_late(self, events: Iterable[StoredEvent]) -> None:
        """Note that conversations are to be analysed again, unless that is noted already."""
        ends = {}
        for event in events:
            assert event.conversation_id is not None
            key = Key(event.conversation_id, event.session_id, event.scope)
            end = end_of(self.connection, key, event.timestamp)
            if end is not None:
                ends[end] = (*key, end.event_id, end.timestamp)
        self.connection.executemany(_INSERT_LATE, [(*row, -now(), row[3]) for row in ends.values()])

    def index_of_turn(self, conversation: Conversation, at: int, messages: int) -> int:
        """The index of the first message of a new turn, by its time among the others."""
        if conversation.last_turn_at is None:
            turns = conversation.turn_count
            conversation.last_turn_at = last_turn(self.connection, conversation.key) if turns else at
        if at >= conversation.last_turn_at or not messages:
            conversation.last_turn_at = max(at, conversation.last_turn_at)
            return conversation.message_count
        self.flush()
        return make_room(self.connection, conversation.key, at, messages)

    def end_request(self) -> None:
        """Flush; and where memory holds a great many records, begin anew."""
        self.flush()
        if len(self._apps) + len(self._records) + len(self._aliases) + len(self._devices) > MAX_CACHED:
            self.forget()

    def forget(self) -> None:
        """Drop all that is held in memory, what was not flushed included."""
        for cache in (self._apps, self._records, self._dirty, self._aliases, self._devices, self._events):
            cache.clear()

    def _add(self, key: tuple[Any, ...], record: Record) -> None:
        self._records[key] = record
        self.changed(record)

    def _load(self, key: tuple[Any, ...]) -> Record | None:
        """The record of this class and key."""
        record = self._records.get(key)
        if record is None:
            kind, *names = key
            table = _TABLES[kind]
            row = self.connection.execute(table.select, names).fetchone()
            if row is None:
                return None
            values = list(row)
            for at in table.json:
                values[at] = orjson.loads(values[at])
            record = self._records[key] = kind(**dict(zip(table.columns, values, strict=True)))
        return record


def organization_of(connection: sqlite3.Connection, key_hash: str) -> str | None:
    """The organization that a key belongs to, if the key is known."""
    row = connection.execute("SELECT organization_id FROM orgkeys WHERE hash = ?", (key_hash,)).fetchone()
    return str(row[0]) if row is not None else None


def find_app(connection: sqlite3.Connection, key_hash: str, app_id: str) -> App | None:
    """The app of this key and app id, if any of its data was ever stored."""
    row = connection.execute(
        "SELECT scope, organization_id, app_id FROM apps JOIN orgkeys USING (organization_id)"
        " WHERE hash = ? AND app_id = ?",
        (key_hash, app_id),
    ).fetchone()
    return App(*row) if row else None


def answer_to(connection: sqlite3.Connection, scope: int, key: RequestKey) -> str | None:
    """The JSON that answered the request of this key; None: there was no such request, or it is answered by a status.

    :raises ReusedKey: the key came with another body.
    """
    row = connection.execute(
        "SELECT answer, body FROM idempotency_keys WHERE scope = ? AND key = ?", (scope, key.name)
    ).fetchone()
    if row is None:
        return None
    answer, body = row
    if body not in (None, key.body):  # None: it was stored by an earlier version
        raise ReusedKey
    return None if answer is None else str(answer)


def forget_old_keys(connection: sqlite3.Connection) -> None:
    """Drop the Idempotency-Keys that no client repeats any more."""
    connection.execute("DELETE FROM idempotency_keys WHERE seen_at < ?", (now() - KEY_SECONDS * 1_000_000,))


def _event_row(event: StoredEvent) -> tuple[Any, ...]:
    scope, event_id, origin, session, conversation, user, timestamp, name, properties, traits, index = event
    return (
        scope,
        event_id,
        origin or "",
        session,
        conversation or "",
        user,
        timestamp,
        name,
        properties,
        traits or "",
        -1 if index is None else index,
    )


def _row(record: Record, table: _Table) -> list[Any]:
    row = list(table.values(record))
    for place in table.json:
        row[place] = orjson.dumps(row[place]).decode()
    return row


def _event_ids() -> Iterator[str]:
    """Time of the first, a random part for this writer, a count: sorted, so that the index grows at its end only.

    The last digits of the count are made once: an id costs 0.1 instead of 0.4 microseconds.
    """
    start = f"{time.time_ns() // 1_000_000:012x}{os.urandom(5).hex()}"
    last = [f"{number:03x}" for number in range(16**3)]
    for number in count():
        yield from map(f"{start}{number:07x}".__add__, last)
