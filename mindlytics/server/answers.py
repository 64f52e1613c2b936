"""Reads by their path, for those who have the database and no server. A server answers the same."""

from __future__ import annotations

from collections.abc import Mapping

from . import find_routes, stats
from .routes import Read
from .search import routes as search

READS: Mapping[str, Read] = {route.path: route for route in (*search.ROUTES, *stats.ROUTES, *find_routes.ROUTES)}
"""What answers each path."""
