"""``GET /bc/v1/search``."""

from __future__ import annotations

import orjson
from aiohttp import web
from sqlalchemy import Connection

from ..apps import find_app
from ..http import STORE, caller_of
from ..paging import Page
from .finding import parse, run
from .indexing import INDEXING, Indexing

SEARCH_PATH = "/bc/v1/search"

WAIT_SECONDS = 1.0
"""How long a search waits for what is stored already to be in the index."""


def add_routes(app: web.Application) -> None:
    """Answer searches, and fill the index after each commit."""
    store = app[STORE]
    indexing = app[INDEXING] = Indexing(store, store.on_commit)
    store.on_commit = indexing.committed
    app.on_startup.append(indexing.start)
    app.on_cleanup.append(indexing.stop)
    app.router.add_get(SEARCH_PATH, _search)


async def _search(request: web.Request) -> web.Response:
    caller = await caller_of(request)
    search = parse(request.query)
    await request.app[INDEXING].complete(WAIT_SECONDS)

    def read(connection: Connection) -> bytes:
        app = find_app(connection, *caller)
        return orjson.dumps((Page([], None) if app is None else run(connection, app, search))._asdict())

    return web.Response(body=await request.app[STORE].read(read), content_type="application/json")
