"""``GET /bc/v1/search``."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy import Connection

from ..apps import App
from ..http import STORE
from ..paging import Page
from ..routes import Read
from .finding import Results, Search, run
from .indexing import INDEXING, Indexing

SEARCH_PATH = "/bc/v1/search"

WAIT_SECONDS = 1.0
"""How long a search waits for what is stored already to be in the index."""


def start(app: web.Application) -> None:
    """Fill the index after each commit."""
    store = app[STORE]
    indexing = app[INDEXING] = Indexing(store, store.on_commit)
    store.on_commit = indexing.committed
    app.on_startup.append(indexing.start)
    app.on_cleanup.append(indexing.stop)


async def _complete(request: web.Request) -> None:
    await request.app[INDEXING].complete(WAIT_SECONDS)


def search(connection: Connection, app: App, query: Search) -> Page:
    """Search turns, calls, feedback and users, the latest first."""
    return run(connection, app, query)


ROUTES = (Read("GET", SEARCH_PATH, search, before=_complete, answer=Results),)
