"""Pages of a collection: rows in an order, and the cursor of the next page. ``find.py`` reads the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from attrs import evolve
from sqlalchemy import Connection

from . import cursors
from .apps import App
from .collection import Row
from .find import Query, find_with_places, parse
from .ordering import after
from .query import InvalidQuery

LIMIT = 50
"""The default limit of a page."""


class Page(NamedTuple):
    """Rows, and the cursor of the next page. None: this is the last one."""

    results: list[Row]
    next: str | None


def parse_page(name: str, parameters: Mapping[str, str]) -> tuple[Query, object]:
    """Read the query of a page from the text parameters of a request, and the question that its cursors belong to.

    :param parameters: those of :func:`~mindlytics.server.find.parse` but ``skip``, and ``cursor``: the ``next`` of the
        page before, or an empty text.
    :raises InvalidQuery: a parameter breaks a rule. The message names both.
    """
    query = parse(name, parameters)
    if query.skip:
        raise InvalidQuery("skip", "cannot be combined with cursor")
    if not all(term.plain for term in query.order):
        raise InvalidQuery("sort", "must name no key of a map if there is a cursor")
    question = [name, {key: value for key, value in parameters.items() if key not in ("limit", "cursor") and value}]
    cursor = parameters.get("cursor")
    if cursor:
        query = evolve(query, after=after(query.terms, cursors.decode(question, cursor)))
    return evolve(query, limit=query.limit or LIMIT), question


def page_of(connection: Connection, app: App, query: Query, question: object) -> Page:
    """One page of the app's rows that match the query.

    :raises InvalidQuery: there are more than one answer may hold.
    """
    found = find_with_places(connection, app, evolve(query, limit=query.limit + 1))
    shown = found[: query.limit]
    more = len(found) > query.limit
    return Page([row for row, _ in shown], cursors.encode(question, shown[-1][1]) if more else None)
