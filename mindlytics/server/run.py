"""Starting and stopping the local server: :func:`serve` for a program of its own, :class:`LocalServer` inside another.

``app.py`` answers the requests.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from aiohttp import web

from ..annotations import Unpack
from ..errors import MindlyticsError
from .analysis.reading import hurry, unanalysed
from .antonnia.webhooks import is_address
from .app import Options, create_app
from .chaos import CHAOS
from .connections import Connections, Runner, accepting
from .guard import GUARD, is_loopback
from .live import LIVE, LIVE_PATH, create_live_app
from .page.access import page_address
from .reads import READ_SECONDS
from .search.indexing import index_all
from .store import Store

SHUTDOWN_SECONDS = 5.0

LIVE_PORTS = {port: port + 1000 for port in range(3000, 3010)}
"""The ports for live events that clients derive from the base URL."""

logger = logging.getLogger("mindlytics.server")


class ServerError(MindlyticsError):
    """The server cannot start. The message says why."""


class Addresses(NamedTuple):
    """The addresses of a server: the base URL, the WebSocket of its live events, and the page, which signs one in."""

    url: str
    live_url: str
    page_url: str


@asynccontextmanager
async def listening(
    store: Store,
    host: str,
    port: int,
    api_key: str | None = None,
    *,
    live_port: int | None = None,
    **options: Unpack[Options],
) -> AsyncIterator[Addresses]:
    """Answer requests while the block runs. Yields the addresses.

    :param port: the port. 0: any free one.
    :param live_port: another port for live events. 0: any free one. None: 4000 for port 3000, up to 4009 for 3009, none
        for others. If it is taken, a warning is logged. The first port has live events in any case.
    :param options: see :func:`~mindlytics.server.app.create_app`.
    :raises ServerError: the port is taken, other machines can reach the address without a key, or the webhook's
        address is invalid.
    :raises InvalidChaos: ``chaos`` breaks a rule.
    :raises InvalidAlerts: ``alerts`` breaks a rule.
    :raises InvalidKey: a key is empty, or a header cannot hold it.
    :raises InvalidHost: an allowed host is invalid.
    """
    for webhook in (options.get("webhook"), options.get("alert_webhook")):
        if webhook is not None and not is_address(webhook):
            raise ServerError("the webhook's address must be of the form http://host[:port][/path]")
    if not (api_key or options.get("super_key") or is_loopback(host)):
        raise ServerError(
            f"{host} can be reached from other machines: give an API key or a super key, or listen on 127.0.0.1"
            " (without a key, anybody may read and write)"
        )
    app = create_app(store, api_key=api_key, **options)
    app[GUARD].listens_at(host)
    connections = Connections()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_answering(app, host, port, connections))
        addresses = Addresses(url, _ws(url) + LIVE_PATH, page_address(app, url))
        if live_port is None:
            live_port = LIVE_PORTS.get(port)
        if live_port is not None:
            try:
                live_url = await stack.enter_async_context(
                    _answering(create_live_app(app[LIVE], app[CHAOS], app[GUARD]), host, live_port, connections)
                )
                addresses = addresses._replace(live_url=_ws(live_url))
            except ServerError as error:
                logger.warning("live events are on %s only: %s", addresses.live_url, error)
        yield addresses


def _ws(url: str) -> str:
    return url.replace("http", "ws", 1)


@asynccontextmanager
async def _answering(app: web.Application, host: str, port: int, connections: Connections) -> AsyncIterator[str]:
    """Answer requests to one application on one port. Yields its URL."""
    app.middlewares.insert(0, connections.attend)
    runner = Runner(app, connections, shutdown_timeout=SHUTDOWN_SECONDS)
    async with AsyncExitStack() as stack:
        try:
            taken = await stack.enter_async_context(accepting(runner, host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServerError(f"port {port} on {host} is in use by another program") from error
            raise ServerError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{taken}"


async def serve(
    host: str = "127.0.0.1",
    port: int = 3000,
    db: str | Path = "mindlytics.db",
    api_key: str | None = None,
    *,
    live_port: int | None = None,
    read_timeout: float = READ_SECONDS,
    on_ready: Callable[[str], None] | None = None,
    on_page: Callable[[str], None] | None = None,
    **options: Unpack[Options],
) -> None:
    """Run the server until the task is cancelled.

    :param db: the database file, which is made if it is missing, or ``postgresql://…``.
    :param api_key: an accepted key, besides issued ones. Without it and a super key, any key is accepted, on loopback
        addresses only.
    :param live_port: see :func:`listening`.
    :param read_timeout: seconds after which a read is cancelled and answered with 503. 0: never.
    :param on_ready: called with the base URL as soon as requests are answered.
    :param on_page: called after it with the address of the page for people. With ``api_key``, it has a token that signs
        in one browser.
    :param options: see :func:`~mindlytics.server.app.create_app`.
    :raises ServerError: the address is unusable.
    :raises StoreError: the file is unusable.
    """
    store = Store(db, read_timeout=read_timeout)
    thresholds = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)  # by default, the garbage collector takes a sixth of the time
    try:
        async with listening(store, host, port, api_key, live_port=live_port, **options) as addresses:
            if on_ready is not None:
                on_ready(addresses.url)
            if on_page is not None:
                on_page(addresses.page_url)
            await asyncio.Event().wait()
    finally:
        gc.set_threshold(*thresholds)
        store.close()


class LocalServer:
    """A server on a thread of its own, for tests and demonstrations::

        with LocalServer() as server:
            client = Client(api_key="any", project_id="test", server_endpoint=server.url)

    :param db: the database file. None: a temporary one, which is removed at the end.
    :param port: the port. 0: any free one.
    :param api_key: an accepted key, besides issued ones. Without it and a super key, any key is accepted.
    :param live_port: another port for live events, see :func:`listening`.
    :param read_timeout: seconds after which a read is cancelled and answered with 503. 0: never.
    :param options: see :func:`~mindlytics.server.app.create_app`: ``super_key``, ``analysis``, ``reply``, ``webhook``,
        ``alert_webhook``, ``alerts``,
        ``chaos``, ``allowed_hosts``, ``idle``, ``keep``.

    ``url`` is the base URL, ``live_url`` the WebSocket of live events, ``page_url`` the page for people. With
    ``api_key``, its address has a token that signs in one browser.
    """

    url: str
    live_url: str
    page_url: str
    store: Store

    def __init__(
        self,
        db: str | Path | None = None,
        port: int = 0,
        api_key: str | None = None,
        *,
        live_port: int | None = None,
        read_timeout: float = READ_SECONDS,
        **options: Unpack[Options],
    ) -> None:
        self._db = db
        self._read_timeout = read_timeout
        self._port = port
        self._api_key = api_key
        self._live_port = live_port
        self._options = options
        self._temporary: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._problem: BaseException | None = None

    def start(self) -> LocalServer:
        """Start the server. It answers requests when this returns.

        :raises ServerError: the port is unusable.
        :raises StoreError: the file is unusable.
        """
        if self._thread is not None:
            raise ServerError("the server runs already")
        if self._db is None:
            self._temporary = tempfile.mkdtemp(prefix="mindlytics-")
        try:
            db = self._db if self._db is not None else Path(self._temporary or "") / "mindlytics.db"
            self.store = Store(db, read_timeout=self._read_timeout)
        except BaseException:
            self._remove_temporary()
            raise
        ready = threading.Event()
        self._problem = None
        self._thread = threading.Thread(target=self._run, args=(ready,), name="mindlytics-server", daemon=True)
        self._thread.start()
        ready.wait()
        if self._problem is not None:
            self.stop()
            raise self._problem
        return self

    def stop(self) -> None:
        """Stop the server, finish accepted requests, and close the file. Stopping twice is harmless."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        self._loop = self._stop = None
        self.store.close()
        self._remove_temporary()

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until all ended conversations are analysed, and all is found by searches. Returns whether they are.

        It does not wait for events of other processes that are still to come.

        :param timeout: seconds to wait at most.
        """
        until = time.monotonic() + timeout
        if self._loop is not None:
            self.store.submit(lambda records: hurry(records.connection)).result()
        while self._loop is not None:
            left = asyncio.run_coroutine_threadsafe(self.store.read(unanalysed), self._loop).result()
            if not left or time.monotonic() > until:
                index_all(self.store)
                return not left
            time.sleep(0.005)
        return False

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, ready: threading.Event) -> None:
        async def main() -> None:
            async with listening(
                self.store, "127.0.0.1", self._port, self._api_key, live_port=self._live_port, **self._options
            ) as addresses:
                self.url, self.live_url, self.page_url = addresses
                self._stop = asyncio.Event()
                self._loop = asyncio.get_running_loop()
                ready.set()
                await self._stop.wait()

        try:
            asyncio.run(main(), debug=False)  # debug mode warns of slow steps, which delay only us
        except BaseException as problem:
            self._problem = problem
        finally:
            ready.set()

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None
