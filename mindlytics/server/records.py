"""What is known of users, sessions and conversations while events are applied: loaded once, written back per request.

``users.py`` and ``sessions.py`` have the rules of what an event does, ``stored.py`` the events, and ``rows.py`` writes
rows. The writer thread alone uses the records. They are a cache of the database, equal to it at the end of each
request (:meth:`Records.end_request`), and dropped whenever that is not certain (:meth:`Records.forget`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

import orjson
from attrs import Factory, define
from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, insert, select, update

from ..values import Scalar
from .apps import App, app_of
from .forgotten import Forgotten
from .rows import Rows
from .schema import (
    aliases,
    conversations,
    devices,
    iso,
    now,
    sessions,
    store,
    unanalysed,
    users,
)
from .stored import Ending, Late, StoredEvent
from .timeline import End, Key, end_of, last_turn, make_room, move_start

T = TypeVar("T")

MAX_CACHED = 20_000
"""So many records stay in memory between requests."""

AT_ONCE = 500
"""So many records are looked up in one statement."""


@define(eq=False)
class User:
    """A user; ``user_id`` is the id that was known first and never changes, ``id`` the primary one of ``aliases``."""

    seq: int
    scope: int
    user_id: str
    id: str
    anonymous: int
    aliases: list[str]
    created_at: int
    traits: dict[str, Scalar]
    traits_json: str = ""

    def to_json(self, app: App) -> dict[str, object]:
        """The user as the service returns it."""
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
class Session:
    """A session with its conversations, as far as they are known. What is counted is counted by conversation.

    :param complete: whether all of its conversations are known, and not only those that are open.
    :param named: users other than the owner whom events named lately.
    """

    seq: int
    scope: int
    session_id: str
    user: User
    device_id: str | None
    started_at: int
    ended_at: int | None = None
    attributes: dict[str, Scalar] = Factory(dict)
    event_count: int = 0
    conversations: dict[str, Conversation] = Factory(dict)
    complete: bool = False
    named: set[str] = Factory(set)

    @property
    def open(self) -> list[Conversation]:
        """Its conversations that are open."""
        return [conversation for conversation in self.conversations.values() if conversation.ended_at is None]


@define(eq=False)
class Conversation:
    """A conversation and what was counted in it."""

    seq: int
    scope: int
    session: int
    conversation_id: str
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
        return Key(self.session, self.seq)


Record = User | Session | Conversation
Name = tuple[int, str]
"""A scope and an id in it."""

_LAST = select(store.c.version, store.c.last, store.c.ids).with_for_update()
_END = update(store)
_USERS = select(users).where(users.c.seq.in_(bindparam("numbers", expanding=True)))
_SESSIONS = select(sessions).where(
    sessions.c.scope == bindparam("scope"), sessions.c.session_id.in_(bindparam("names", expanding=True))
)
_OPEN = select(conversations).where(
    conversations.c.session.in_(bindparam("numbers", expanding=True)), conversations.c.ended_at.is_(None)
)
_CONVERSATION = select(conversations).where(
    conversations.c.scope == bindparam("scope"),
    conversations.c.conversation_id == bindparam("name"),
    conversations.c.session == bindparam("session"),
)


def _links(table: Table, name: ColumnElement[str]) -> Select[Any]:
    names: Any = bindparam("names", expanding=True)
    return select(name, table.c.owner).where(table.c.scope == bindparam("scope"), name.in_(names))


_ALIASES = _links(aliases, aliases.c.alias)
_DEVICES = _links(devices, devices.c.device_id)


class Records:
    """All records, by their ids, over the connection of the writer."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._apps: dict[tuple[str, str], App] = {}
        self._users: dict[int, User] = {}
        self._sessions: dict[Name, Session | None] = {}
        self._aliases: dict[Name, int | None] = {}
        self._devices: dict[Name, int | None] = {}
        """Of the last three, None is what is known not to be there."""
        self._new: dict[int, Record] = {}
        self._changed: dict[int, Record] = {}
        self._earlier: dict[int, Session | Conversation] = {}
        self._rows = Rows(connection)
        self.written: list[StoredEvent] = []
        """The events of the open transaction, in order; the writer empties it."""
        self._flushed = 0
        """So many of them are in the database."""
        self._version = -1
        self._last = 0
        self._forgotten: Forgotten | None = None
        self.ids = ""
        """How the ids of events begin."""

    # -- transactions

    def begin(self) -> None:
        """Begin a transaction, in which no other server writes. Drop the cache if another one has written since."""
        version, last, self.ids = self.connection.execute(_LAST).one()
        if version != self._version:
            self.forget()
            self._version, self._last = version, last
        self._flushed = 0

    def end(self) -> None:
        """The transaction is about to be committed."""
        self._version += 1
        self.connection.execute(_END, {"version": self._version, "last": self._last})

    def number(self, count: int = 1) -> int:
        """The first of so many numbers that no row has."""
        first = self._last + 1
        self._last += count
        return first

    # -- apps and users

    @property
    def forgotten(self) -> Forgotten:
        """Who is forgotten."""
        if self._forgotten is None:
            self._forgotten = Forgotten(self.connection)
        return self._forgotten

    def app(self, key_hash: str, app_id: str) -> App:
        """The app of this key and app id, made if it is new."""
        app = self._apps.get((key_hash, app_id))
        if app is None:
            app = self._apps[key_hash, app_id] = app_of(self.connection, key_hash, app_id)
        return app

    def user(self, number: int) -> User:
        """The user of this number, who exists."""
        if number not in self._users:
            self._load_users([number])
        return self._users[number]

    def user_called(self, scope: int, alias: str) -> User | None:
        """The user who has this id among the aliases."""
        if (scope, alias) not in self._aliases:
            self._load_links(self._aliases, _ALIASES, scope, [alias])
        number = self._aliases[scope, alias]
        return None if number is None else self.user(number)

    def user_of_device(self, scope: int, device_id: str) -> User | None:
        """The user whose device this is."""
        if (scope, device_id) not in self._devices:
            self._load_links(self._devices, _DEVICES, scope, [device_id])
        number = self._devices[scope, device_id]
        return None if number is None else self.user(number)

    def new_user(self, scope: int, name: str, *, anonymous: bool) -> User:
        """Add a user with this first id."""
        user = User(self.number(), scope, name, name, int(anonymous), [], now(), {})
        self._users[user.seq] = user
        self._new[user.seq] = user
        self.link_alias(user, name)
        return user

    def link_alias(self, user: User, alias: str) -> None:
        """Give the user one more id."""
        self._rows.aliases.append((user.scope, alias, user.seq))
        self._aliases[user.scope, alias] = user.seq
        user.aliases.append(alias)
        self.changed(user)

    def link_device(self, user: User, device_id: str) -> None:
        """From now on the device is this user's."""
        if self._devices.get((user.scope, device_id)) != user.seq:
            self._rows.devices[user.scope, device_id] = user.seq
            self._devices[user.scope, device_id] = user.seq

    # -- sessions, conversations, events

    def load(
        self, scope: int, session_ids: Iterable[str], names: Iterable[str] = (), device_ids: Iterable[str] = ()
    ) -> None:
        """Load sessions, users and devices, as far as they exist and are not known, all at once."""
        sessions = [name for name in set(session_ids) if (scope, name) not in self._sessions]
        for some in parts(sessions):
            self._load_sessions(scope, some)
        for links, query, wanted in ((self._aliases, _ALIASES, names), (self._devices, _DEVICES, device_ids)):
            for some in parts([name for name in set(wanted) if (scope, name) not in links]):
                self._load_links(links, query, scope, some)

    def session(self, scope: int, session_id: str) -> Session | None:
        """The session of this id, if there is one."""
        if (scope, session_id) not in self._sessions:
            self._load_sessions(scope, [session_id])
        return self._sessions[scope, session_id]

    def new_session(self, scope: int, session_id: str, user: User, device_id: str | None, at: int) -> Session:
        """Add a session."""
        session = Session(self.number(), scope, session_id, user, device_id, at, complete=True)
        self._sessions[scope, session_id] = session
        self._new[session.seq] = session
        return session

    def note_named(self, session: Session, name: str) -> None:
        """Note that the session names a user who does not own it, or no longer does."""
        if name not in session.named:
            session.named.add(name)
            self._rows.named.append((session.scope, name, session.seq))

    def conversation(self, session: Session, conversation_id: str) -> Conversation | None:
        """The conversation of this id in this session, if there is one."""
        conversation = session.conversations.get(conversation_id)
        if conversation is None and not session.complete:
            names = {"scope": session.scope, "name": conversation_id, "session": session.seq}
            row = self.connection.execute(_CONVERSATION, names).one_or_none()
            if row is not None:
                conversation = session.conversations[conversation_id] = _conversation(row)
        return conversation

    def new_conversation(self, session: Session, conversation_id: str, at: int) -> Conversation:
        """Add a conversation."""
        conversation = Conversation(self.number(), session.scope, session.seq, conversation_id, at)
        session.conversations[conversation_id] = conversation
        self._new[conversation.seq] = conversation
        return conversation

    def began_earlier(self, record: Session | Conversation, at: int) -> None:
        """An event shows that it began at this time. The start that the server added for it moves there."""
        record.started_at = at
        self._earlier[record.seq] = record

    def event_id(self, number: int) -> str:
        """The id of an event of this number; later ids sort after earlier ones."""
        return f"{self.ids}{number:016x}"

    def add_intents(self, columns: Sequence[str], intents: Sequence[tuple[object, ...]]) -> None:
        """Write rows of the table ``intents``, whose values are in the order of these columns."""
        if intents:
            self._rows.insert_intents(columns, intents)

    # -- the cache

    def changed(self, record: Record) -> None:
        """The record differs from its row."""
        if record.seq not in self._new:
            self._changed[record.seq] = record

    def flush(self) -> None:
        """Write all that changed to the database, within the transaction that is open."""
        for records, put in ((self._new, self._rows.insert), (self._changed, self._rows.update)):
            for kind in (User, Session, Conversation):
                of_kind = [record for record in records.values() if type(record) is kind]
                if of_kind:
                    put(kind.__name__, of_kind)
                    if kind is User:
                        self._rows.note_users(of_kind)
            records.clear()
        self._rows.flush_links()
        events = self.written[self._flushed :]
        if events:
            self._rows.insert_events(events)
            self._flushed = len(self.written)
            self._note_due([event for event in events if type(event) is Ending])
            late = [event for event in events if type(event) is Late]
            for record in self._earlier.values():
                session, conversation = (record.seq, None) if isinstance(record, Session) else record.key
                move_start(self.connection, session, conversation, record.started_at)
            self._earlier.clear()
            if late:
                self._note_late(late)

    def _note_due(self, endings: list[Ending]) -> None:
        if endings:
            rows = [_due(event.scope, event.key, End(event.seq, event.timestamp), now()) for event in endings]
            self.connection.execute(insert(unanalysed), rows)

    def _note_late(self, events: Iterable[StoredEvent]) -> None:
        """Note that conversations are to be analysed again, unless that is noted already.

        A time before zero is that of a note because of something late: no end of a session is held back for it.
        """
        ends = {}
        for event in events:
            end = end_of(self.connection, event.key, event.timestamp)
            if end is not None:
                ends[end.event] = _due(event.scope, event.key, end, -now())
        if ends:
            noted = select(unanalysed.c.event).where(unanalysed.c.event.in_(ends))
            for number in self.connection.execute(noted).scalars():
                ends.pop(number, None)
        if ends:
            self.connection.execute(insert(unanalysed), list(ends.values()))

    def index_of_turn(self, conversation: Conversation, at: int, messages: int) -> int:
        """The index of the first message of a new turn, by its time among the others."""
        latest = conversation.last_turn_at
        if latest is None:
            if conversation.turn_count:
                self.flush()
                latest = last_turn(self.connection, conversation.key)
            else:
                latest = at
        if at >= latest or not messages:
            conversation.last_turn_at = max(at, latest)
            return conversation.message_count
        conversation.last_turn_at = latest
        self.flush()
        return make_room(self.connection, conversation.key, at, messages)

    def end_request(self) -> None:
        """Flush; and where memory holds a great many records, begin anew."""
        self.flush()
        known = len(self._apps) + len(self._users) + len(self._aliases) + len(self._devices)
        if known + 2 * len(self._sessions) > MAX_CACHED:
            self.forget()

    def undo(self, first: int) -> None:
        """The database undoes the changes after so many events. Drop all that is held in memory."""
        self.forget()
        del self.written[first:]
        self._flushed = first

    def forget(self) -> None:
        """Drop all that is known, and what was not flushed of it."""
        caches: Iterable[Any] = (self._apps, self._users, self._sessions, self._aliases, self._devices)
        for cache in chain(caches, (self._new, self._changed, self._earlier)):
            cache.clear()
        self._forgotten = None
        self._rows.forget()

    # -- loading

    def _load_users(self, numbers: Iterable[int]) -> None:
        missing = [number for number in set(numbers) if number not in self._users]
        if missing:
            for row in self.connection.execute(_USERS, {"numbers": missing}).mappings():
                values = {**row, "aliases": orjson.loads(row["aliases"]), "traits": orjson.loads(row["traits"])}
                self._users[row["seq"]] = User(**values)

    def _load_links(
        self, links: dict[Name, int | None], query: Select[Any], scope: int, names: Collection[str]
    ) -> None:
        rows: dict[str, int] = dict(self.connection.execute(query, {"scope": scope, "names": names}).all())
        self._load_users(rows.values())
        for name in names:
            links[scope, name] = rows.get(name)

    def _load_sessions(self, scope: int, session_ids: Collection[str]) -> None:
        rows = self.connection.execute(_SESSIONS, {"scope": scope, "names": session_ids}).mappings().all()
        for session_id in session_ids:
            self._sessions[scope, session_id] = None
        if not rows:
            return
        self._load_users(row["owner"] for row in rows)
        by_number = {}
        for row in rows:
            values = {name: value for name, value in row.items() if name != "owner"}
            values["attributes"] = orjson.loads(values["attributes"])
            session = Session(**values, user=self._users[row["owner"]])
            self._sessions[scope, session.session_id] = by_number[session.seq] = session
        for found in self.connection.execute(_OPEN.order_by(conversations.c.seq), {"numbers": list(by_number)}):
            conversation = _conversation(found)
            by_number[conversation.session].conversations[conversation.conversation_id] = conversation


def parts(names: Sequence[T]) -> Iterable[Sequence[T]]:
    """So many of them as one statement takes, one after the other."""
    return (names[first : first + AT_ONCE] for first in range(0, len(names), AT_ONCE))


def _conversation(row: Any) -> Conversation:
    values = dict(row._mapping)
    for name in ("properties", "attributes"):
        values[name] = orjson.loads(values[name])
    return Conversation(**values)


def _due(scope: int, key: Key, end: End, noted_at: int) -> dict[str, int]:
    return {"scope": scope, **key._asdict(), "event": end.event, "timestamp": end.timestamp, "noted_at": noted_at}
