"""Reads by their path, for those who have the database and no server. A server answers the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy import Connection

from .apps import App
from .collection import COLLECTIONS
from .paging import page_of, parse_page
from .search.finding import parse, run
from .search.routes import SEARCH_PATH
from .stats import STATS_PATH, counted, parse_stats

Parameters = Mapping[str, str]
Answer = Callable[[Connection, App, Parameters], dict[str, object]]


def _search(connection: Connection, app: App, parameters: Parameters) -> dict[str, object]:
    return run(connection, app, parse(parameters))._asdict()


def _page(name: str, connection: Connection, app: App, parameters: Parameters) -> dict[str, object]:
    return page_of(connection, app, *parse_page(name, parameters))._asdict()


def _stats(connection: Connection, app: App, parameters: Parameters) -> dict[str, object]:
    return {"results": counted(connection, app, parse_stats(parameters))}


ANSWERS: Mapping[str, Answer] = {
    SEARCH_PATH: _search,
    STATS_PATH: _stats,
    **{f"/bc/v1/db/{name}/find": partial(_page, name) for name in COLLECTIONS},
}
"""What answers each path."""
