"""Pages of a collection: rows in an order, and the cursor of the next page. ``find.py`` reads the rows."""

from __future__ import annotations

from typing import TypedDict

from attrs import evolve
from sqlalchemy import Connection

from . import cursors
from .apps import App
from .collection import Row
from .find import FindPage, Query, checked, find_with_places
from .ordering import after
from .query import InvalidQuery

LIMIT = 50
"""The default limit of a page."""


class Page(TypedDict):
    """Rows, and the cursor of the next page. None: this is the last one."""

    results: list[Row]
    next: str | None


def checked_page(name: str, query: FindPage) -> tuple[Query, object]:
    """The query of a page, and the question that its cursors belong to.

    :raises InvalidQuery: a parameter breaks a rule.
    """
    found = checked(name, query)
    if found.skip:
        raise InvalidQuery("skip", "cannot be combined with cursor")
    if not all(term.plain for term in found.order):
        raise InvalidQuery("sort", "must name no key of a map if there is a cursor")
    question = [name, query.filter, query.sort, query.projection, query.include]
    if query.cursor:
        found = evolve(found, after=after(found.terms, cursors.decode(question, query.cursor)))
    return evolve(found, limit=found.limit or LIMIT), question


def page_of(connection: Connection, app: App, query: Query, question: object) -> Page:
    """One page of the app's rows that match the query.

    :raises InvalidQuery: there are more than one answer may hold.
    """
    found = find_with_places(connection, app, evolve(query, limit=query.limit + 1))
    shown = found[: query.limit]
    more = len(found) > query.limit
    following = cursors.encode(question, shown[-1][1]) if more else None
    return {"results": [row for row, _ in shown], "next": following}
