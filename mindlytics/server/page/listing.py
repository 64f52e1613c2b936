"""Reads lists for the page: projects, sessions with their numbers, and users. ``conversation.py`` reads one session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson
from attrs import define, field, frozen
from sqlalchemy import ColumnElement, Connection, Text, and_, case, func, literal, select, tuple_

from ...events import CONVERSATION_SUMMARY, FEEDBACK, ML_ERROR, ConversationTurn
from ..apps import App, organization_of
from ..query import InvalidQuery
from ..schema import aliases, apps, conversations, events, sessions, users

PER_PAGE = 50
"""Sessions on one page."""

MOST_PROJECTS = 200

READABLE = 64 * 1024
"""Most characters of an event's properties that a list reads. Of longer ones it shows nothing."""

PREVIEW = 160
"""Most characters of the first words of a session in a list."""

POSITIVE, NEGATIVE = "positive", "negative"


class Place(NamedTuple):
    """Where a list goes on: a time, and a number among rows of the same time."""

    at: int
    seq: int

    def __str__(self) -> str:
        return f"{self.at}.{self.seq}"


def place_of(name: str, text: str | None) -> Place | None:
    """The place that a parameter names, if there is one.

    :raises InvalidQuery: it names none.
    """
    if not text:
        return None
    at, _, seq = text.partition(".")
    try:
        place = Place(int(at), int(seq))
    except ValueError:
        place = None
    if place is None or max(abs(place.at), abs(place.seq)) >= 2**63:
        raise InvalidQuery(name, "must be copied from a link of the page")
    return place


@frozen
class Choice:
    """Which sessions a list shows. None, or an empty text: all.

    :param user: one of the user's ids.
    :param since: the earliest start.
    :param until: the first start that is too late.
    """

    user: str = ""
    since: int | None = None
    until: int | None = None
    before: Place | None = None


@define
class Listed:
    """A session in a list."""

    seq: int
    session_id: str
    user_id: str
    user: str
    started_at: int
    ended_at: int | None
    turns: int = 0
    calls: int = 0
    tokens: int = 0
    cost: float | None = None
    first_words: str = ""
    summaries: list[Mapping[str, object]] = field(factory=list)
    ratings: list[Mapping[str, object]] = field(factory=list)
    errors: int = 0

    @property
    def seconds(self) -> float | None:
        """How long it lasted, once it has ended."""
        return None if self.ended_at is None else max(self.ended_at - self.started_at, 0) / 1e6

    @property
    def sentiment(self) -> str:
        """The sentiment of its last conversation, if an analysis found one."""
        found = [said for each in self.summaries if isinstance(said := each.get("sentiment"), str)]
        return found[-1] if found else ""

    @property
    def fulfilled(self) -> int:
        """Intents that were fulfilled."""
        return total(self.summaries, "successful_intents")

    @property
    def unfulfilled(self) -> int:
        """Intents that were not."""
        return total(self.summaries, "unsuccessful_intents")


class User(NamedTuple):
    """A user: the number of the row, the ids, since when it is known, and the traits."""

    seq: int
    user_id: str
    id: str
    aliases: Sequence[str]
    created_at: int
    traits: Mapping[str, object]


def total(maps: Sequence[Mapping[str, object]], name: str) -> int:
    """The sum of a whole number in some maps."""
    return sum(value for each in maps if isinstance(value := each.get(name), int))


_NEWEST = select(func.max(sessions.c.started_at)).where(sessions.c.scope == apps.c.scope).correlate(apps)


def projects(connection: Connection, key_hash: str) -> list[App]:
    """The projects that a key may see, the one with the newest session first."""
    organization_id = organization_of(connection, key_hash)
    newest = _NEWEST.scalar_subquery()
    query = select(apps.c.scope, apps.c.organization_id, apps.c.app_id)
    rows = connection.execute(
        query.where(apps.c.organization_id == organization_id)
        .order_by(newest.desc().nulls_last(), apps.c.scope)
        .limit(MOST_PROJECTS)
    )
    return [App(*row) for row in rows]


def user_of(connection: Connection, app: App, name: str) -> User | None:
    """The user who has this id."""
    query = (
        select(users.c.seq, users.c.user_id, users.c.id, users.c.aliases, users.c.created_at, users.c.traits)
        .join(aliases, aliases.c.owner == users.c.seq)
        .where(aliases.c.scope == app.scope, aliases.c.alias == name)
    )
    row = connection.execute(query).first()
    return None if row is None else User(row[0], row[1], row[2], orjson.loads(row[3]), row[4], orjson.loads(row[5]))


def newest_sessions(connection: Connection, app: App, choice: Choice) -> tuple[list[Listed], Place | None]:
    """A page of sessions, the newest first, and where the next page begins, if there is one."""
    conditions: list[ColumnElement[bool]] = [sessions.c.scope == app.scope]
    if choice.user:
        user = user_of(connection, app, choice.user)
        if user is None:
            return [], None
        conditions = [sessions.c.owner == user.seq]  # with the scope, SQLite would walk through all sessions by time
    if choice.since is not None:
        conditions.append(sessions.c.started_at >= choice.since)
    if choice.until is not None:
        conditions.append(sessions.c.started_at < choice.until)
    if choice.before is not None:
        conditions.append(tuple_(sessions.c.started_at, sessions.c.seq) < tuple_(*choice.before))
    return _page(connection, and_(*conditions))


def session_of(connection: Connection, app: App, session_id: str) -> Listed | None:
    """One session, as in a list."""
    mine = and_(sessions.c.scope == app.scope, sessions.c.session_id == session_id)
    found, _ = _page(connection, mine)
    return found[0] if found else None


_SESSIONS = (
    select(
        sessions.c.seq,
        sessions.c.session_id,
        users.c.user_id,
        users.c.id,
        sessions.c.started_at,
        sessions.c.ended_at,
    )
    .join(users, users.c.seq == sessions.c.owner)
    .order_by(sessions.c.started_at.desc(), sessions.c.seq.desc())
    .limit(PER_PAGE + 1)
)


def _page(connection: Connection, condition: ColumnElement[bool]) -> tuple[list[Listed], Place | None]:
    found = [
        Listed(row[0], row[1], row[2], row[3], row[4], row[5]) for row in connection.execute(_SESSIONS.where(condition))
    ]
    page = found[:PER_PAGE]
    if page:
        by_seq = {session.seq: session for session in page}
        _count(connection, by_seq)
        _read_events(connection, by_seq)
    return page, Place(page[-1].started_at, page[-1].seq) if len(found) > PER_PAGE else None


def _count(connection: Connection, page: Mapping[int, Listed]) -> None:
    """Read the numbers of the conversations."""
    c = conversations.c
    tokens = func.sum(c.prompt_tokens) + func.sum(c.completion_tokens)
    query = select(c.session, func.sum(c.turn_count), func.sum(c.function_count), tokens, func.sum(c.cost))
    for row in connection.execute(query.where(c.session.in_(page)).group_by(c.session)):
        session = page[row[0]]
        session.turns, session.calls, session.tokens = int(row[1]), int(row[2]), int(row[3])
        session.cost = row[4]


_first = events.alias("first")
_FIRST_TURN = (
    select(_first.c.seq)
    .where(_first.c.session == sessions.c.seq, _first.c.event == ConversationTurn.event)
    .order_by(_first.c.timestamp, _first.c.seq)
    .limit(1)
    .correlate(sessions)
    .scalar_subquery()
)
READ = case((func.length(events.c.properties) <= READABLE, events.c.properties), else_=literal("{}", Text()))
"""The properties of an event, unless they are long."""


def _read_events(connection: Connection, page: Mapping[int, Listed]) -> None:
    """Read the first words, and what was found, rated and failed."""
    firsts = (
        select(events.c.session, READ)
        .select_from(sessions.join(events, events.c.seq == _FIRST_TURN))
        .where(sessions.c.seq.in_(page))
    )
    for number, properties in connection.execute(firsts):
        said = orjson.loads(properties).get("user")
        page[number].first_words = " ".join(said[: 4 * PREVIEW].split())[:PREVIEW] if isinstance(said, str) else ""
    found = (
        select(events.c.session, events.c.event, READ, events.c.origin)
        .where(events.c.session.in_(page), events.c.event.in_((CONVERSATION_SUMMARY, FEEDBACK, ML_ERROR)))
        .order_by(events.c.seq)
    )
    for number, name, properties, origin in connection.execute(found):
        session = page[number]
        if name == ML_ERROR:
            session.errors += 1
        elif name == FEEDBACK:
            session.ratings.append(orjson.loads(properties))
        elif origin is not None:  # else it is an event of that name from a program
            session.summaries.append(orjson.loads(properties))
