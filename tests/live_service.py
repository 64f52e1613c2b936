"""A service of live events that misbehaves on demand: keys, WebSockets and events read back, on real sockets."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from mindlytics import MLEvent
from mindlytics.server.connections import accepting

TokenFault = Callable[[web.Request], Awaitable[web.StreamResponse]]
SocketFault = Callable[[web.WebSocketResponse], Awaitable[None]]


def status(code: int, message: str = "no", **headers: str) -> TokenFault:
    async def fault(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": message}, status=code, headers=headers)

    return fault


def body(text: str) -> TokenFault:
    async def fault(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text)

    return fault


def sends(*messages: str | bytes, code: int = 1000) -> SocketFault:
    """Send these and close with that code. Code 0 cuts the connection."""

    async def fault(socket: web.WebSocketResponse) -> None:
        for message in messages:
            await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        if code:
            await socket.close(code=code)
        else:
            assert socket._req is not None
            if (transport := socket._req.transport) is not None:
                transport.abort()

    return fault


async def is_dead(socket: web.WebSocketResponse) -> None:
    """Keep the connection and neither send nor answer anything."""
    assert socket._req is not None
    assert isinstance(socket._req.transport, asyncio.Transport)
    socket._req.transport.pause_reading()
    await asyncio.sleep(60)


async def slow(_: web.Request) -> web.StreamResponse:
    """Answers too late."""
    await asyncio.sleep(60)
    raise AssertionError


def as_datetime(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class LiveService:
    """Takes events like the service. Publishes them, and the starts and ends of their sessions.

    ``token_plan``, ``socket_plan`` and ``events_plan`` answer the next requests, one each; then all is well.
    """

    def __init__(self) -> None:
        self.token_plan: deque[TokenFault] = deque()
        self.socket_plan: deque[SocketFault] = deque()
        self.events_plan: deque[TokenFault] = deque()
        self.token_always: TokenFault | None = None
        self.publishes_ends = True
        self.reads_back = True
        self.published: list[dict[str, Any]] = []
        self.asked: list[str] = []
        """The queries of requests for a key."""
        self.keys: list[str] = []
        """With which WebSockets were opened."""
        self.stored: list[dict[str, Any]] = []
        self._taken: set[str] = set()
        self._sockets: dict[web.WebSocketResponse, str | None] = {}
        self._numbers = itertools.count(1)
        self._granted: dict[str, str | None] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    @property
    def open(self) -> int:
        """How many are connected."""
        return len(self._sockets)

    def publish(self, event: str, session_id: str = "s", **more: Any) -> dict[str, Any]:
        """Store an event and send it to all listeners. Any thread may call it."""
        asyncio.run_coroutine_threadsafe(self._publish(event, session_id, **more), self._loop).result(30)
        return self.published[-1]

    def make(self, event: str, session_id: str = "s", **more: Any) -> dict[str, Any]:
        """An event, as the service sends it."""
        now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
        number = next(self._numbers)
        made = {"event": event, "session_id": session_id, "event_id": f"e{number}", "timestamp": now, **more}
        return {name: value for name, value in made.items() if value is not None}

    def cut(self) -> None:
        """Break all connections."""

        async def cut() -> None:
            for socket in list(self._sockets):
                await sends(code=0)(socket)

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/bc/v1/events/queue", self._take)
        app.router.add_get("/bc/v1/live-events/realtime", self._token)
        app.router.add_get("/bc/v1/live-events/events", self._events)
        app.router.add_get("/live", self._listen)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        async with accepting(runner, "127.0.0.1", 0) as port:
            self.url = f"http://127.0.0.1:{port}"
            self.live_url = self.url.replace("http", "ws") + "/live"
            self._ready.set()
            await self._stop.wait()
            for socket in list(self._sockets):
                await sends(code=0)(socket)

    async def _take(self, request: web.Request) -> web.Response:
        events = orjson.loads(await request.read())
        key = request.headers["Idempotency-Key"]
        if key in self._taken:  # the reply came too late for a loop that ended
            return web.json_response({"status": "ok"})
        self._taken.add(key)
        for event in events if isinstance(events, list) else [events]:
            known = {stored["session_id"] for stored in self.stored}
            self.stored.append(event)
            if event["session_id"] not in known:
                await self._publish("Session Started", event["session_id"], timestamp=event["timestamp"])
            if event["type"] == "end_session" and self.publishes_ends:
                await self._publish("Session Ended", event["session_id"])
            elif event["type"] == "track":
                await self._publish(event["event"], event["session_id"], properties=event["properties"])
        return web.json_response({"status": "ok"})

    async def _publish(self, event: str, session_id: str, **more: Any) -> None:
        made = self.make(event, session_id, **more)
        self.published.append(made)
        for socket, only in list(self._sockets.items()):
            if only in (None, session_id) or not session_id:
                await socket.send_str(orjson.dumps(made).decode())

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.query_string)
        assert "Bearer key-1" == request.headers["Authorization"]
        assert "proj-1" == request.headers["X-App-ID"]
        fault = self.token_plan.popleft() if self.token_plan else self.token_always
        if fault is not None:
            return await fault(request)
        key = f"live-{len(self.asked)}"
        self._granted[key] = request.query.get("session_id")
        return web.json_response({"authorization_key": key, "url": self.live_url})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.events_plan:
            return await self.events_plan.popleft()(request)
        if not self.reads_back:
            return web.json_response({"message": "no"}, status=404)
        start, end = (as_datetime(request.query[name]) for name in ("start", "end"))
        found = [event for event in self.published if start <= as_datetime(event["timestamp"]) <= end]
        return web.json_response(found[::-1][: int(request.query["limit"])])

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        key = request.headers["Authorization"].removeprefix("Bearer ")
        if key not in self._granted:
            return web.Response(status=401)
        only = self._granted.pop(key)  # a key opens one connection: each wants a fresh one
        self.keys.append(key)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.socket_plan:
            await self.socket_plan.popleft()(socket)
            return socket
        self._sockets[socket] = only
        try:
            while (await socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR):
                pass
        finally:
            del self._sockets[socket]
        return socket


class Heard:
    """Handlers, as functions or as coroutine functions, and what they were given."""

    def __init__(self, *, coroutines: bool = False) -> None:
        self.events: list[MLEvent] = []
        self.errors: list[Exception] = []
        self.on_event: Callable[[MLEvent], Any] = self._on_event if coroutines else self.events.append
        self.on_error: Callable[[Exception], Any] = self._on_error if coroutines else self.errors.append

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]

    async def _on_event(self, event: MLEvent) -> None:
        await asyncio.sleep(0)
        self.events.append(event)

    async def _on_error(self, error: Exception) -> None:
        await asyncio.sleep(0)
        self.errors.append(error)
