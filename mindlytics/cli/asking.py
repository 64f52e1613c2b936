"""How commands read: the rows of a server or a database, and what they write, as JSON lines or for people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import cast

import orjson
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ..errors import MindlyticsError
from ..recorded.source import Source
from ..values import parse_timestamp
from .terminal import console, fail, leave_stdout, say

Row = Mapping[str, object]

AT_ONCE = 200
"""Rows of one request."""

NEWEST = {"started_at": -1}
"""The newest sessions first."""

NONE = "-"


class NotFound(MindlyticsError):
    """There is nothing of this id."""


def rows(source: Source, path: str, most: int | None = None, **parameters: object) -> Iterator[Row]:
    """The rows of a read, page by page.

    :param most: so many rows at most. None: all.
    :param parameters: those that are no text are sent as JSON. None is left out.
    :raises MindlyticsError: the place cannot be read.
    """
    sent = {name: value for name, value in parameters.items() if value is not None}
    cursor = ""
    left = most
    while left is None or left > 0:
        limit = AT_ONCE if left is None else min(left, AT_ONCE)
        answer = source.ask(path, {**sent, "limit": limit, "cursor": cursor})
        found = cast("list[Row]", answer["results"])
        yield from found
        if answer["next"] is None:
            return
        cursor = str(answer["next"])
        left = None if left is None else left - len(found)


def find(source: Source, collection: str, most: int | None = None, **parameters: object) -> Iterator[Row]:
    """The rows of a collection."""
    return rows(source, f"/bc/v1/db/{collection}/find", most, **parameters)


def user_ids(source: Source, name: str) -> list[str]:
    """The ``user_id`` of each user who has this id."""
    found = find(source, "users", filter={"aliases": name}, projection={"user_id": 1})
    return [str(row["user_id"]) for row in found]


def write_json(found: Iterable[Row]) -> None:
    """Write one JSON object per line, in UTF-8."""
    for row in found:
        sys.stdout.buffer.write(orjson.dumps(row) + b"\n")
    sys.stdout.buffer.flush()


def write_rows(source: Source, found: Iterator[Row], line: Callable[[Row], Text], *, as_json: bool) -> None:
    """Write each row as JSON or as a line for people, or one sentence on stderr if there is none."""
    first = next(found, None)
    if first is None:
        say(f"mindlytics: nothing found at {source.name}, project {source.project}")
        return
    found = chain([first], found)
    if as_json:
        write_json(found)
        return
    shown = console()
    for row in found:
        shown.print(line(row), no_wrap=True, crop=False, overflow="ignore")


@contextmanager
def reporting() -> Iterator[None]:
    """End with a sentence and status 2 if a place cannot be read, and quietly if nobody reads on."""
    if sys.stdout is None:
        fail("stdout is closed", 1)
    try:
        yield
    except BrokenPipeError:
        leave_stdout()
    except MindlyticsError as error:
        fail(error, 2)
    except OSError as error:
        leave_stdout()
        fail(f"cannot write: {error.strerror}", 1)


# -- for people


def one_line(value: object) -> str:
    """A text with a space for each control character and line break."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))


def plain(value: object) -> str:
    """The same, without spaces around it."""
    return one_line(value).strip()


def cell(value: object, width: int) -> str:
    """A text, cut or filled to so many cells of a terminal."""
    text = NONE if value is None else plain(value)
    return set_cell_size(text, width - 1) + "…" if cell_len(text) > width else set_cell_size(text, width)


def local(timestamp: object, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time as the local one."""
    try:
        return parse_timestamp(str(timestamp)).astimezone().strftime(form)
    except (ValueError, OverflowError):
        return NONE


def dollars(cost: object) -> str:
    """A cost, with the digits that count."""
    if not isinstance(cost, (int, float)):
        return NONE
    if 0 < cost < 0.0001:
        return "<$0.0001"
    return f"${cost:.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"


def tokens(row: Row) -> str:
    """Tokens read and written."""
    read, written = row.get("prompt_tokens"), row.get("completion_tokens")
    return f"{read or 0} + {written or 0} tokens" if read or written else ""


def joined(*parts: str) -> str:
    """The parts that say something, with dots between them."""
    return " · ".join(part for part in parts if part)
