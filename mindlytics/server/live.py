"""Live events: sends stored events at once to listeners, through WebSockets.

An expiring key opens the WebSocket (:meth:`Live.key`). The writer calls :meth:`Live.publish` with each commit, on its
own thread. Everything else here runs on the server's loop. The queue of each listener is bounded, and a listener that
reads too slowly is disconnected.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from typing import Any, TypedDict

import orjson
from aiohttp import WSCloseCode, WSMsgType, web
from attrs import define, field, frozen
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, case, not_, select

from ..events import SESSION_ENDED, SESSION_STARTED
from .analysis.background import BACKGROUND
from .apps import App, find_app
from .chaos import Chaos
from .collection import StoredEvent as EventRow
from .guard import Guard
from .http import STORE, Caller, Problem, bearer, errors_as_json, same
from .parameters import Date, Limit, Name
from .query import time_of
from .reads import Budget
from .refusals import Refusals
from .routes import Route
from .schema import LAST, events, sessions, unanalysed
from .stored import STORED_EVENTS, StoredEvent

LIVE_PATH = "/live"
"""The path of the WebSocket on the server's own port."""

KEY_SECONDS = 300.0
"""How long a key can open a WebSocket. An open one stays open."""

MAX_WAITING = 32 * 1024 * 1024
"""Most characters of JSON that wait for one listener, besides the kernel's buffers."""

HEARTBEAT_SECONDS = 30.0
"""Time between two pings. A listener has half of it to answer."""

CLOSE_SECONDS = 2.0
"""Time for a listener to answer the end of the connection."""

Heard = tuple[str, str]
"""The id of the session of an event, and the event as JSON."""


@frozen
class Grant:
    """The events that a key gives access to: those of an app, or of one of its sessions."""

    app: App
    session_id: str | None


@define(eq=False)
class Listener:
    """A listener: its queue, and why it ended."""

    session_id: str | None
    over: asyncio.Future[tuple[int, str]]
    arrived: asyncio.Event = field(factory=asyncio.Event)
    waiting: deque[str] = field(factory=deque)
    size: int = 0

    def put(self, events: Sequence[Heard]) -> None:
        """Queue events."""
        if self.over.done():
            return
        for session_id, text in events:
            if self.session_id is None or self.session_id == session_id:
                self.waiting.append(text)
                self.size += len(text)
        if self.size > MAX_WAITING:
            self.end(WSCloseCode.TRY_AGAIN_LATER, "too slow: events wait that were not read")
        elif self.waiting:
            self.arrived.set()

    def end(self, code: int, reason: str) -> None:
        """End the listener, and drop its queue."""
        self.waiting.clear()
        if not self.over.done():
            self.over.set_result((code, reason))

    async def send(self, socket: web.WebSocketResponse) -> None:
        """Send queued events, until this is cancelled or the connection is gone."""
        for number in count():
            if number % 64 == 0:
                await asyncio.sleep(0)  # for a listener that keeps up, sending alone would never yield to other tasks
            while not self.waiting:
                self.arrived.clear()
                await self.arrived.wait()
            text = self.waiting.popleft()
            await socket.send_str(text)
            self.size -= len(text)


class Live:
    """All listeners of one server."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self._listeners: dict[int, tuple[App, list[Listener]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- keys

    def key(self, app: App, session_id: str | None = None) -> str:
        """Make a key for the events of an app, or of one of its sessions."""
        until = time.monotonic() + KEY_SECONDS
        claims = base64.urlsafe_b64encode(orjson.dumps([*app, session_id, until])).decode()
        return f"{claims}.{self._sign(claims)}"

    def grant(self, key: str) -> Grant:
        """What a key gives access to.

        :raises Problem: 401 if the key is unknown or too old.
        """
        claims, _, signature = key.partition(".")
        if not same(self._sign(claims), signature):
            raise Problem(401, "unauthorized", "Authorization must hold an authorization_key of this server")
        *app, session_id, until = orjson.loads(base64.urlsafe_b64decode(claims))
        if time.monotonic() > until:
            raise Problem(401, "unauthorized", "the authorization_key has expired: ask for another")
        return Grant(App(*app), session_id)

    def _sign(self, claims: str) -> str:
        return hmac.new(self._secret, claims.encode("utf-8", "surrogateescape"), sha256).hexdigest()

    # -- events

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Pass committed events to the listeners. Runs on the writer's thread and never waits."""
        if not self._listeners:
            return
        heard: dict[int, list[Heard]] = {}
        for event in events:
            listened = self._listeners.get(event.scope)
            if listened is not None:
                text = orjson.dumps(event.to_json(listened[0])).decode()
                heard.setdefault(event.scope, []).append((event.session_id, text))
        if heard and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and its listeners are gone
                self._loop.call_soon_threadsafe(self._deliver, heard)

    def _deliver(self, heard: dict[int, list[Heard]]) -> None:
        for scope, batch in heard.items():
            if scope in self._listeners:
                for listener in self._listeners[scope][1]:
                    listener.put(batch)

    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    # -- listeners

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a WebSocket, and send events through it until either side ends it.

        :raises Problem: 401 without a valid key, 426 if it does not ask for a WebSocket.
        """
        grant = self.grant(await opening_key(request))
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, timeout=CLOSE_SECONDS, compress=False)
        if not socket.can_prepare(request):
            raise Problem(426, "upgrade required", "this address is a WebSocket's")
        listener = Listener(grant.session_id, asyncio.get_running_loop().create_future())
        with self.hearing(grant.app, listener):  # before the answer, so that a connected listener misses nothing
            await socket.prepare(request)
            await _run(listener, socket, request.transport)
        return socket

    @contextmanager
    def hearing(self, app: App, listener: Listener) -> Iterator[None]:
        """Pass the events of an app to a listener while the block runs."""
        self._loop = asyncio.get_running_loop()
        _, listeners = self._listeners.setdefault(app.scope, (app, []))
        listeners.append(listener)
        try:
            yield
        finally:
            listeners.remove(listener)
            if not listeners:
                self._listeners.pop(app.scope, None)

    def end(self, code: int, reason: str) -> None:
        """Disconnect all listeners."""
        for _, listeners in self._listeners.values():
            for listener in listeners:
                listener.end(code, reason)

    def forget(self, code: int, reason: str) -> None:
        """Disconnect all listeners, and reject all keys made before."""
        self._secret = os.urandom(32)
        self.end(code, reason)

    async def stop(self, _: web.Application) -> None:
        """Disconnect all listeners, since the server stops."""
        self.end(WSCloseCode.GOING_AWAY, "the server stops")


LIVE: web.AppKey[Live] = web.AppKey("live", Live)


def create_live_app(live: Live, chaos: Chaos, guard: Guard) -> web.Application:
    """The application for a port that serves only live events, under any path."""
    app = web.Application(middlewares=[chaos.misbehave, Refusals().log, guard.check, errors_as_json])
    app.on_shutdown.append(live.stop)
    app.router.add_get("/{path:.*}", live.listen)
    return app


# -- requests


class LiveKeyQuery(Struct):
    """Whose events to hear: those of one session, or of all."""

    session_id: Name | None = None


class LiveKey(TypedDict):
    """A key for the WebSocket, and its address."""

    authorization_key: str
    url: str


async def realtime(request: web.Request, caller: Caller, query: LiveKeyQuery) -> LiveKey:
    """Get a key for live events."""
    app = await request.app[STORE].write(lambda records: records.app(*caller))
    url = f"{'wss' if request.secure else 'ws'}://{request.host}{LIVE_PATH}"
    return {"authorization_key": request.app[LIVE].key(app, query.session_id), "url": url}


async def opening_key(request: web.Request) -> str:
    """The ``authorization_key`` of a request.

    :raises Problem: 401 without one.
    """
    key = bearer(request)
    if not key:
        raise Problem(401, "unauthorized", "the header Authorization must hold an authorization_key")
    return key


async def listen(request: web.Request) -> web.StreamResponse:
    """Open the WebSocket of live events, with an ``authorization_key``."""
    return await request.app[LIVE].listen(request)


class RecentQuery(Struct):
    """A span of time, of one session or of all."""

    start: Date
    end: Date
    limit: Limit = 150
    session_id: str | None = None


async def recent(request: web.Request, caller: Caller, query: RecentQuery) -> web.Response:
    """The stored events of a span of time, newest first."""
    held_since = request.app[BACKGROUND].holds_since if BACKGROUND in request.app else LAST
    start, end = time_of("start", query.start), time_of("end", query.end)

    def read(connection: Connection) -> bytes:
        app = find_app(connection, *caller)
        if app is None:
            return b"[]"
        span = select(events.c.seq).where(
            events.c.scope == app.scope, events.c.timestamp.between(start, end), not_(_is_held(held_since))
        )
        if query.session_id is not None:
            span = span.where(events.c.session == _session(app.scope, query.session_id))
        numbers = span.order_by(*_NEWEST_FIRST).limit(query.limit or None).scalar_subquery()
        selected = STORED_EVENTS.where(events.c.seq.in_(numbers)).order_by(*_NEWEST_FIRST)
        rows = Budget(connection).spend(connection.execute(selected))
        return orjson.dumps([StoredEvent(*row).to_json(app) for row in rows])

    return web.Response(body=await request.app[STORE].read(read), content_type="application/json")


ROUTES = (
    Route("GET", LIVE_PATH, listen, credentials=opening_key, status=101, others=[426]),
    Route("GET", "/bc/v1/live-events/realtime", realtime),
    Route("GET", "/bc/v1/live-events/events", recent, answer=list[EventRow]),
)

_NEWEST_FIRST = (
    events.c.timestamp.desc(),
    case((events.c.event == SESSION_ENDED, 1), else_=0).desc(),
    events.c.seq.desc(),
)
"""The events are sorted before their texts are read, which are much longer than the sort keys."""


def _session(scope: int, session_id: str) -> ScalarSelect[int]:
    """The number of a session."""
    return (
        select(sessions.c.seq).where(sessions.c.scope == scope, sessions.c.session_id == session_id).scalar_subquery()
    )


def _is_held(since: int) -> ColumnElement[bool]:
    """Whether an event ends a session whose analysis is pending, as for listeners.

    Such an end is sent after the events of the analysis, unless the session has started again.
    """
    later = events.alias("later")
    begun = select(later.c.seq).where(
        later.c.session == events.c.session, later.c.event == SESSION_STARTED, later.c.seq > events.c.seq
    )
    waiting = select(unanalysed.c.session).where(unanalysed.c.noted_at > since)
    return and_(events.c.event == SESSION_ENDED, events.c.session.in_(waiting), not_(begun.exists()))


async def _run(listener: Listener, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
    """Send and receive until the listener leaves or is ended."""
    tasks = [asyncio.create_task(listener.send(socket)), asyncio.create_task(_hear(listener, socket))]
    waited: list[asyncio.Future[Any]] = [*tasks, listener.over]
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if listener.over.done():
        code, reason = listener.over.result()
        with suppress(asyncio.TimeoutError, ConnectionError):
            await asyncio.wait_for(socket.close(code=code, message=reason.encode(), drain=False), 2 * CLOSE_SECONDS)
    if transport is not None and socket.close_code in (None, WSCloseCode.ABNORMAL_CLOSURE):
        transport.abort()  # a listener that never reads would hold its buffers for long


async def _hear(listener: Listener, socket: web.WebSocketResponse) -> None:
    """Ignore messages from a listener until it leaves. A message other than JSON gets an error."""
    async for said in socket:
        if said.type is WSMsgType.BINARY:
            listener.end(WSCloseCode.UNSUPPORTED_DATA, "a frame must be text")
        elif said.type is WSMsgType.TEXT:
            try:
                orjson.loads(said.data)
            except orjson.JSONDecodeError:
                listener.end(WSCloseCode.INVALID_TEXT, "a frame must be JSON")
