"""Connections of the local server: how they are accepted, how many, and when a silent one is closed.

``http.py`` reads requests and writes answers.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast

import orjson
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from .http import MAX_LINE, Handler, reply

IDLE_SECONDS = 60.0
"""Seconds for a client to send a whole request, or its next one, and to read its answer."""

LINGER_SECONDS = 2.0
"""Seconds for which the rest of a refused request is read and dropped, so that its client can read the answer."""

MAX_CONNECTIONS = 1000

RESERVED = 64
"""Descriptors that the process needs for other things: the database, the log, webhooks."""

BACKLOG = 128
RETRY_SECONDS = 1.0
"""Seconds before connections are accepted again, after descriptors ran out."""

QUIET_SECONDS = 60.0
"""Seconds between two log lines about too many connections."""

logger = logging.getLogger("mindlytics.server")

UNREADABLE = {"error": "bad request", "message": "this is not a valid HTTP request"}


class Connection(web.RequestHandler):
    """A connection that answers in JSON even to invalid HTTP, and that ends when the server stops.

    aiohttp's log lines about invalid requests would quote them, and they may hold a key. So this class logs nothing.

    :param connections: all connections of the server.
    """

    __slots__ = ("_connections", "_link", "unsent")

    def __init__(self, server: web.Server, *, connections: Connections, **options: Any) -> None:
        super().__init__(server, lingering_time=LINGER_SECONDS, auto_decompress=False, **options)
        self._connections = connections
        self._link: asyncio.Transport | None = None
        self.unsent = 0
        """Bytes of answers that the client had not read at the last check."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link = cast(asyncio.Transport, transport)  # uvloop has its own class
        self._connections.waits(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.lost(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Cut the connection, and drop what is still to be sent."""
        if self._link is not None:
            self._link.abort()

    def is_taking(self) -> bool:
        """Whether the client read a part of its answer since the last check."""
        before, self.unsent = self.unsent, 0 if self._link is None else self._link.get_write_buffer_size()
        return self.unsent > 0 and (self.unsent < before or not before)

    def data_received(self, data: bytes) -> None:
        """Read what came. An invalid address passes the parser of older versions of aiohttp and fails later."""
        try:
            super().data_received(data)
        except ValueError:
            answer = orjson.dumps(UNREADABLE)
            head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
            if self.transport is not None:
                self.transport.write(f"{head}{len(answer)}\r\n\r\n".encode() + answer)
                self.transport.close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Close the connection, also if its client never reads the answer."""
        transport = self.transport
        await super().shutdown(timeout)
        if transport is not None:
            transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        too_long = {**UNREADABLE, "message": f"a line or a header is longer than {MAX_LINE} bytes"}
        response = reply(too_long if isinstance(exc, LineTooLong) else UNREADABLE, status)
        response.force_close()
        return response


class Connections:
    """All connections of one server.

    :param limit: the most connections. Default: what the process's limit of descriptors allows.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = _limit() if limit is None else limit
        self._count = 0
        self._waiting: dict[Connection, float] = {}
        """The idle ones, and since when, the longest first."""
        self._sweep: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self.on_room: list[Callable[[], None]] = []
        """Called when there is room again, or an idle connection could make room."""

    @web.middleware
    async def attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note that a connection's request is being handled, so it is not idle."""
        connection = request.protocol
        if not isinstance(connection, Connection):
            return await handler(request)
        self._waiting.pop(connection, None)
        connection.unsent = 0
        try:
            return await handler(request)
        finally:
            if request.transport is not None:
                self.waits(connection)

    def waits(self, connection: Connection) -> None:
        """Note that a connection is idle from now on."""
        loop = asyncio.get_running_loop()
        self._waiting[connection] = loop.time()
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._close_idle)
        if self._count >= self.limit:
            self._announce_room()  # this one can be cut to make room

    def lost(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._waiting.pop(connection, None)
        self.left()

    def came(self) -> None:
        """Count an accepted connection."""
        self._count += 1

    def left(self) -> None:
        """Count an accepted connection as ended."""
        self._count -= 1
        self._announce_room()

    def _announce_room(self) -> None:
        for resume in self.on_room:
            resume()

    def have_room(self) -> bool:
        """Whether one more may be accepted. If not, cut the one that is idle longest, to make room."""
        if self._count < self.limit:
            return True
        self.evict(f"there are {self._count}, which is the limit")
        return False

    def evict(self, reason: str) -> None:
        """Cut the connection that is idle longest, and log why, at most once a minute."""
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            logger.warning("too many connections: %s; those that wait longest are closed", reason)
        for connection in self._waiting:
            del self._waiting[connection]
            connection.abort()
            return

    def _close_idle(self) -> None:
        """Cut connections that have been idle for too long."""
        loop = asyncio.get_running_loop()
        self._sweep, now = None, loop.time()
        for connection, since in list(self._waiting.items()):
            if since + IDLE_SECONDS > now:
                self._sweep = loop.call_at(since + IDLE_SECONDS, self._close_idle)
                return
            del self._waiting[connection]
            if connection.is_taking():
                self.waits(connection)
            else:
                connection.abort()


def _limit() -> int:
    try:
        import resource  # noqa: PLC0415  missing on Windows
    except ImportError:
        return MAX_CONNECTIONS
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    unlimited = descriptors == resource.RLIM_INFINITY
    return MAX_CONNECTIONS if unlimited else max(16, min(MAX_CONNECTIONS, descriptors - RESERVED))


class Runner(web.AppRunner):
    """Makes connections of our own class."""

    def __init__(self, app: web.Application, connections: Connections, **options: Any) -> None:
        super().__init__(app, access_log=None, handle_signals=False, **options)
        self.connections = connections

    @property
    def server(self) -> Any:
        server = super().server
        if server is None:
            return None
        options: dict[str, Any] = {"access_log": None, "max_line_size": MAX_LINE, "max_field_size": MAX_LINE}
        return partial(Connection, server, connections=self.connections, loop=asyncio.get_running_loop(), **options)


class Acceptor:
    """Accepts connections at one address.

    asyncio's own server accepts a hundred at once, and logs a traceback for each one beyond the descriptors.

    :param protocols: makes the protocol of a connection.
    """

    def __init__(self, listener: socket.socket, protocols: Any, connections: Connections) -> None:
        self._listener = listener
        self._protocols = protocols
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._making: set[asyncio.Task[Any]] = set()
        self._paused = True
        self._over = False
        connections.on_room.append(self._resume)
        self._resume()

    def _resume(self) -> None:
        if self._paused and not self._over:
            self._loop.add_reader(self._listener, self._accept)
            self._paused = False

    def _pause(self) -> None:
        if not self._paused:
            self._loop.remove_reader(self._listener)
            self._paused = True

    def _accept(self) -> None:
        if not self._connections.have_room():
            self._pause()
            return
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:
            self._connections.evict(error.strerror or str(error))
            self._pause()
            self._loop.call_later(RETRY_SECONDS, self._resume)
            return
        accepted.setblocking(False)
        self._connections.came()
        task = self._loop.create_task(self._make(accepted))
        self._making.add(task)
        task.add_done_callback(self._making.discard)

    async def _make(self, accepted: socket.socket) -> None:
        try:
            _, made = await self._loop.connect_accepted_socket(self._protocols, accepted)
        except OSError:  # it is over already
            accepted.close()
            self._connections.left()
            return
        if not isinstance(made, Connection):
            self._connections.left()  # its end would go unnoticed

    async def close(self) -> None:
        """Stop accepting, after all accepted connections are registered."""
        self._over = True
        self._connections.on_room.remove(self._resume)
        self._pause()
        self._listener.close()
        await asyncio.gather(*self._making, return_exceptions=True)


@asynccontextmanager
async def accepting(runner: web.AppRunner, host: str, port: int) -> AsyncIterator[int]:
    """Accept connections for a runner while the block runs, then close them all. Yields the port.

    :raises OSError: the address is unusable.
    """
    await runner.setup()
    loop = asyncio.get_running_loop()
    protocols: Any = runner.server
    connections = runner.connections if isinstance(runner, Runner) else Connections()
    try:
        async with AsyncExitStack() as stack:
            for listener in await _listeners(host, port):
                port = listener.getsockname()[1]
                if isinstance(loop, getattr(asyncio, "ProactorEventLoop", ())):  # Windows: its own way of accepting
                    stack.callback((await loop.create_server(protocols, sock=listener)).close)
                else:
                    stack.push_async_callback(Acceptor(listener, protocols, connections).close)
            yield port
    finally:
        await runner.cleanup()


async def _listeners(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at each address of a host, all on one port."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    listeners: list[socket.socket] = []
    problem: OSError | None = None
    for family, *_, (name, _, *scope) in dict.fromkeys(found):
        try:
            listener = socket.create_server((name, port, *scope), family=family, backlog=BACKLOG)
        except OSError as error:
            problem = error
            if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                continue  # localhost has an address of a family that this machine lacks
            break
        listener.setblocking(False)
        listeners.append(listener)
        port = listener.getsockname()[1]
    else:
        problem = None if listeners else problem
    if problem is not None:
        for listener in listeners:
            listener.close()
        raise problem
    return listeners
