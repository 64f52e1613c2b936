"""The export: what is stored, as lines that ``mindlytics import`` reads. Sessions come in order of time, page by page.

A page is one read of bounded size, and a cursor leads to the next one. So an export of any length takes little memory,
and holds up neither the writer nor the log of writes. ``recorded/`` fetches the pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypedDict

import orjson
from attrs import frozen
from msgspec import Struct
from sqlalchemy import BindParameter, Connection, Select, Table, and_, bindparam, func, or_, select

from ..errors import MindlyticsError
from ..events import (
    CONVERSATION_SUMMARY,
    SESSION_ENDED,
    SESSION_STARTED,
    USER_ALIASED,
    USER_IDENTIFIED,
    ConversationFunction,
    ConversationTurn,
    EndConversation,
    StartConversation,
)
from ..recorded.lines import (
    MAX_COUNT,
    Details,
    Found,
    Function,
    Intent,
    Line,
    Message,
    Properties,
    Span,
    ToolCall,
    Usage,
)
from ..validators import MAX_NAME
from .apps import App
from .http import Problem
from .parameters import Date, Object
from .query import InvalidQuery, time_of
from .reads import reading_of
from .routes import Read
from .schema import INTEGERS, aliases, conversations, events, intents, iso, sessions, users

EXPORT_PATH = "/bc/v1/export"

SESSIONS_AT_ONCE = 200
EVENTS_AT_ONCE = 500
"""Sessions are read together up to so many events."""
PAGE_BYTES = 1024 * 1024
"""A page ends after the sessions that fill it up to here."""

_ANONYMOUS = re.compile("ml_[0-9a-f]{24}")
_CURSOR = re.compile(r"(-?\d{1,19}) (\d{1,19}) (\d{1,19})")
_STATE = frozenset({SESSION_STARTED, SESSION_ENDED, USER_IDENTIFIED, USER_ALIASED})
"""Events that show in the session and the user."""
_BOUNDS = frozenset({StartConversation.event, EndConversation.event})


class _Session(NamedTuple):
    seq: int
    session_id: str
    device_id: str | None
    started_at: int
    ended_at: int | None
    attributes: str
    event_count: int
    id: str
    anonymous: int
    aliases: str
    traits: str


class _Talk(NamedTuple):
    session: int
    seq: int
    conversation_id: str
    started_at: int
    ended_at: int | None
    properties: str
    attributes: str


class _Event(NamedTuple):
    session: int
    conversation: int | None
    event: str
    timestamp: int
    properties: str
    origin: int | None


def _selected(kind: type[tuple[object, ...]], *tables: Table) -> Select[tuple[object, ...]]:
    """A query of the columns that are the fields of such a tuple."""
    names = kind.__annotations__
    return select(*[next(table.c[name] for table in tables if name in table.c) for name in names])


_NUMBERS: BindParameter[int] = bindparam("numbers", expanding=True)
_SESSIONS = _selected(_Session, sessions, users).join(users, users.c.seq == sessions.c.owner)
_CONVERSATIONS = (
    _selected(_Talk, conversations)
    .where(conversations.c.session.in_(_NUMBERS))
    .order_by(conversations.c.session, conversations.c.started_at, conversations.c.conversation_id)
)
_EVENTS = (
    _selected(_Event, events)
    .where(events.c.session.in_(_NUMBERS))
    .order_by(events.c.session, events.c.timestamp, events.c.seq)
)
_INTENTS = (
    select(intents.c.conversation, intents.c.intent, intents.c.intent_fulfilled, intents.c.summary, intents.c.sentiment)
    .where(intents.c.session.in_(_NUMBERS))
    .order_by(intents.c.informed_at, intents.c.seq)
)


class Cursor(NamedTuple):
    """The place behind a session: its start and its number. ``last`` is the newest session when the export began."""

    started_at: int
    session: int
    last: int

    def __str__(self) -> str:
        return " ".join(map(str, self))


@frozen
class Wanted:
    """The sessions to export.

    :param since: the earliest start, in the stored form.
    :param until: the end of the span, which is not in it.
    :param user: any id of the user.
    """

    since: int | None = None
    until: int | None = None
    user: str | None = None


class Page(NamedTuple):
    """Some lines, each as JSON, and the cursor of the next page, if there is one."""

    lines: list[bytes]
    next: Cursor | None


class ExportQuery(Struct):
    """A page of an export."""

    since: Date = ""
    until: Date = ""
    user: str = ""
    cursor: str = ""


def _cursor(text: str) -> Cursor | None:
    if not text:
        return None
    found = _CURSOR.fullmatch(text)
    numbers = [int(number) for number in found.groups()] if found else []
    if not numbers or any(number not in INTEGERS for number in numbers):
        raise InvalidQuery("cursor", "must be the next of an earlier answer")
    return Cursor(*numbers)


def page(connection: Connection, scope: int, wanted: Wanted, cursor: Cursor | None) -> Page:
    """The lines of the next sessions. Call it within a transaction, so that they fit together.

    :raises NoSuchUser: no user has the id.
    """
    if cursor is None:
        newest = connection.execute(select(func.coalesce(func.max(sessions.c.seq), 0))).scalar_one()
        rows = _sessions(connection, scope, wanted, None, newest)
    else:
        newest = cursor.last
        rows = _sessions(connection, scope, wanted, cursor, newest)
    lines: list[bytes] = []
    size = 0
    reading = reading_of(connection)
    for group in _groups(rows):
        if reading is not None:
            reading.check()
        for line in _lines(connection, group):
            lines.append(orjson.dumps(line))
            size += len(lines[-1])
        if size >= PAGE_BYTES and group[-1] is not rows[-1]:
            return Page(lines, Cursor(group[-1].started_at, group[-1].seq, newest))
    if len(rows) < SESSIONS_AT_ONCE:
        return Page(lines, None)
    return Page(lines, Cursor(rows[-1].started_at, rows[-1].seq, newest))


class NoSuchUser(MindlyticsError):
    """No user has this id."""


def user_number(connection: Connection, scope: int, name: str) -> int:
    """The number of the user who has this id.

    :raises NoSuchUser: nobody has.
    """
    query = select(aliases.c.owner).where(aliases.c.scope == scope, aliases.c.alias == name)
    number: int | None = connection.execute(query).scalar()
    if number is None:
        raise NoSuchUser("no user has this id")
    return number


def _sessions(
    connection: Connection, scope: int, wanted: Wanted, cursor: Cursor | None, newest: int
) -> Sequence[_Session]:
    started = sessions.c.started_at
    query = (
        _SESSIONS.where(sessions.c.scope == scope, sessions.c.seq <= newest)
        .order_by(started, sessions.c.seq)
        .limit(SESSIONS_AT_ONCE)
    )
    if wanted.since is not None:
        query = query.where(started >= wanted.since)
    if wanted.until is not None:
        query = query.where(started < wanted.until)
    if wanted.user is not None:
        query = query.where(sessions.c.owner == user_number(connection, scope, wanted.user))
    if cursor is not None:
        behind = or_(started > cursor.started_at, sessions.c.seq > cursor.session)
        query = query.where(and_(started >= cursor.started_at, behind))
    return [_Session._make(row) for row in connection.execute(query)]


def _groups(rows: Sequence[_Session]) -> Iterator[list[_Session]]:
    """Sessions that are read together."""
    group: list[_Session] = []
    count = 0
    for row in rows:
        if group and count + row.event_count > EVENTS_AT_ONCE:
            yield group
            group, count = [], 0
        group.append(row)
        count += row.event_count
    if group:
        yield group


def _lines(connection: Connection, group: list[_Session]) -> Iterator[Line]:
    numbers = {"numbers": [session.seq for session in group]}
    talks: dict[int, list[_Talk]] = {session.seq: [] for session in group}
    for talk in map(_Talk._make, connection.execute(_CONVERSATIONS, numbers)):
        talks[talk.session].append(talk)
    found: dict[int, list[Intent]] = {}
    for conversation, name, fulfilled, summary, sentiment in connection.execute(_INTENTS, numbers):
        intent = Intent(intent=name, fulfilled=fulfilled == "yes", summary=summary, sentiment=sentiment)
        found.setdefault(conversation, []).append(intent)
    recorded: dict[int, list[_Event]] = {session.seq: [] for session in group}
    for event in map(_Event._make, connection.execute(_EVENTS, numbers)):
        recorded[event.session].append(event)
    for session in group:
        yield from _lines_of(session, talks[session.seq], recorded[session.seq], found)


def _lines_of(
    session: _Session, talks: list[_Talk], recorded: list[_Event], found: Mapping[int, list[Intent]]
) -> Iterator[Line]:
    """The lines of a session: what is outside of conversations, then each conversation."""
    by_talk: dict[int | None, list[_Event]] = {}
    for event in recorded:
        by_talk.setdefault(event.conversation, []).append(event)
    outside = _messages(by_talk.get(None, []))
    lines: list[Line] = []
    if outside or not talks:
        lines.append({**_ids(session), "session": {}, "messages": outside})
    for talk in talks:
        mine = by_talk.get(talk.seq, [])
        line: Line = {**_ids(session), "conversation_id": talk.conversation_id, "timestamp": iso(talk.started_at)}
        if talk.ended_at is not None:
            line["ended_at"] = iso(talk.ended_at)
        line["session"] = {}
        details: Details = {}
        if properties := _map(talk.properties):
            details["properties"] = properties
        if attributes := _map(talk.attributes):
            details["attributes"] = attributes
        if details:
            line["conversation"] = details
        if analysis := _analysis(mine, found.get(talk.seq, [])):
            line["analysis"] = analysis
        line["messages"] = _messages(mine)
        lines.append(line)
    _frame(session, talks, lines)
    yield from lines


def _ids(session: _Session) -> Line:
    line: Line = {"session_id": session.session_id}
    if not (session.anonymous and session.device_id is not None):
        line["user_id"] = session.id
    if session.device_id is not None:
        line["device_id"] = session.device_id
    return line


def _frame(session: _Session, talks: list[_Talk], lines: list[Line]) -> None:
    """Let the first line begin the session and introduce its user, and the last one end it."""
    first = lines[0]
    began = min([session.started_at, *(talk.started_at for talk in talks)])  # a mere end does not begin the session
    first["session"] = Span(timestamp=iso(began))
    if metadata := _map(session.attributes):
        first["metadata"] = metadata
    names = [name for name in orjson.loads(session.aliases) if name != session.id and not _ANONYMOUS.fullmatch(name)]
    if names:
        first["aliases"] = sorted(names)
    if traits := _map(session.traits):
        first["traits"] = traits
    if session.ended_at is not None:
        lines[-1]["session"]["ended_at"] = iso(session.ended_at)


def _analysis(recorded: Sequence[_Event], intents: list[Intent]) -> Found:
    """What the last analysis of a conversation found."""
    made = [event for event in recorded if event.event == CONVERSATION_SUMMARY and event.origin is not None]
    if not made:
        return {}
    properties = orjson.loads(made[-1].properties)
    analysis: Found = {"intents": intents}
    if "summary" in properties:
        analysis["summary"] = properties["summary"]
    if "sentiment" in properties:
        analysis["sentiment"] = properties["sentiment"]
    return analysis


def _messages(recorded: Sequence[_Event]) -> list[Message]:
    """The messages of a conversation, or of what is outside of conversations."""
    messages: list[Message] = []
    turns = calls = 0
    for event in _said(recorded):
        properties, at = _map(event.properties), iso(event.timestamp)
        if event.event == ConversationTurn.event:
            turns += 1
            messages += _turn(properties, turns, at)
        elif event.event == ConversationFunction.event:
            calls += 1
            messages += _call(properties, str(calls), at)
        else:
            message: Message = {"role": "event", "name": event.event, "timestamp": at}
            if properties and event.event not in _BOUNDS:  # those of starts and ends are the conversation's
                message["properties"] = properties
            messages.append(message)
    return messages


def _said(recorded: Sequence[_Event]) -> list[_Event]:
    """What an import has to repeat. Of starts and ends, those stay that reopen the conversation."""
    reopening: set[int] = set()
    begun, ended = False, None
    for place, event in enumerate(recorded):
        if event.event == EndConversation.event:
            ended = place if begun else None
        elif event.event == StartConversation.event:
            if ended is not None:
                reopening |= {ended, place}
            begun, ended = True, None
    return [
        event
        for place, event in enumerate(recorded)
        if place in reopening or (event.origin is None and event.event not in _STATE | _BOUNDS)
    ]


def _turn(properties: Properties, number: int, at: str) -> Iterator[Message]:
    user = str(properties.pop("user", ""))
    if user:
        yield {"role": "user", "content": user, "turn": number}
    message: Message = {
        "role": "assistant",
        "content": str(properties.pop("assistant", "")),
        "turn": number,
        "timestamp": at,
    }
    if "assistant_id" in properties:
        message["assistant_id"] = str(properties.pop("assistant_id"))
    model = properties.get("model")
    if isinstance(model, str) and 0 < len(model) <= MAX_NAME:
        message["model"] = model
        del properties["model"]
        usage: Usage = {}
        for name in ("prompt_tokens", "completion_tokens", "cached_tokens"):
            count = properties.get(name)
            if type(count) is int and 0 <= count <= MAX_COUNT:
                usage[name] = count
                del properties[name]
        if usage:
            message["usage"] = usage
    cost = properties.get("cost")
    if isinstance(cost, (int, float)) and not isinstance(cost, bool) and cost >= 0:
        message["cost"] = cost
        del properties["cost"]
    if properties:
        message["properties"] = properties
    yield message


def _call(properties: Properties, number: str, at: str) -> Iterator[Message]:
    function: Function = {"name": str(properties.pop("name"))}
    if "args" in properties:
        function["arguments"] = str(properties.pop("args"))
    call: ToolCall = {"id": number, "type": "function", "function": function}
    runtime = properties.pop("runtime", None)
    if isinstance(runtime, (int, float)):
        call["runtime"] = runtime
    result = properties.pop("result", None)
    if properties:
        call["properties"] = properties
    yield {"role": "assistant", "content": None, "tool_calls": [call], "timestamp": at}
    if result is not None:
        yield {"role": "tool", "tool_call_id": number, "content": str(result)}


def _map(text: str) -> Properties:
    """A stored map, in the order of its names."""
    return dict(sorted(orjson.loads(text).items()))


class ExportPage(TypedDict):
    results: list[Object]
    next: str | None


def export(connection: Connection, app: App, query: ExportQuery) -> bytes:
    """Sessions by time of their start, a line of an export for each conversation."""
    since = time_of("since", query.since) if query.since else None
    until = time_of("until", query.until) if query.until else None
    try:
        found = page(connection, app.scope, Wanted(since, until, query.user or None), _cursor(query.cursor))
    except NoSuchUser as error:
        raise Problem(404, "not found", str(error), field="user") from None
    following = orjson.dumps(None if found.next is None else str(found.next))
    return b'{"results":[' + b",".join(found.lines) + b'],"next":' + following + b"}"


ROUTES = (Read("GET", EXPORT_PATH, export, answer=ExportPage, others=[404]),)
