"""Rows as HTML for notebooks. All that was recorded is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape

from attrs import fields

from .rows import Row

LONGEST = 200
"""Characters of a cell."""


def record(row: Row) -> str:
    """One row, a line for each field."""
    cells = ((attribute.name, getattr(row, attribute.name)) for attribute in fields(type(row)))
    lines = (f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td></tr>" for name, value in cells)
    return f"<table><caption>{escape(type(row).__name__.removesuffix('Row'))}</caption>{''.join(lines)}</table>"


def table(caption: str, kind: type[Row], rows: Iterable[Row]) -> str:
    """Several rows, a column for each field."""
    names = [attribute.name for attribute in fields(kind)]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(getattr(row, name))}</td>' for name in names)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        text = value.isoformat(" ", "seconds")
    elif isinstance(value, Mapping):
        text = ", ".join(f"{name}: {each}" for name, each in value.items())
    else:
        text = str(value)
    return escape(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
