"""The routes of ``find`` and ``findOne``, two for each collection."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web
from msgspec import defstruct
from sqlalchemy import Connection

from .apps import App
from .collection import COLLECTIONS, row_name, row_type
from .find import Find, FindPage, checked, find
from .paging import checked_page, page_of
from .query import InvalidQuery
from .routes import Read

OPERATIONS = ("find", "findOne")


def find_rows(connection: Connection, app: App, query: FindPage, *, name: str) -> Any:
    """Rows of a collection, or with ``cursor`` a page of them."""
    if query.cursor is not None:
        return page_of(connection, app, *checked_page(name, query))
    return find(connection, app, checked(name, query))


def find_one(connection: Connection, app: App, query: Find, *, name: str) -> Any:
    """One row of a collection, or null."""
    query.limit = 1
    rows = find(connection, app, checked(name, query))
    return rows[0] if rows else None


async def unknown(request: web.Request) -> web.Response:
    """Say which collections and operations there are."""
    name, operation = request.match_info["collection"], request.match_info["operation"]
    if name not in COLLECTIONS:
        raise InvalidQuery("collection", f"must be one of {', '.join(COLLECTIONS)}, not {name}")
    raise InvalidQuery("operation", f"must be {' or '.join(OPERATIONS)}, not {operation}")


def _routes(name: str) -> tuple[Read, Read]:
    row = row_type(name)
    page = defstruct(f"{row_name(name)}Page", [("results", list[row]), ("next", str | None)])  # type: ignore[valid-type]
    rows, one = partial(find_rows, name=name), partial(find_one, name=name)
    return (
        Read("GET", f"/bc/v1/db/{name}/find", rows, answer=list[row] | page, title=f"Rows of {name}"),  # type: ignore[valid-type]
        Read("GET", f"/bc/v1/db/{name}/findOne", one, answer=row | None, title=f"One row of {name}"),
    )


ROUTES = tuple(route for name in COLLECTIONS for route in _routes(name))
UNKNOWN = "/bc/v1/db/{collection}/{operation}"
