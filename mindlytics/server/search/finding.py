"""Runs a search: pages of results, each with a snippet, the latest or the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict

from attrs import evolve
from msgspec import Meta, Struct
from sqlalchemy import Connection, func, select

from .. import cursors
from ..apps import App
from ..collection import COLLECTIONS, Row
from ..find import rows_of
from ..paging import Page
from ..parameters import Date, Time
from ..query import InvalidQuery
from ..reads import Budget
from ..records import parts
from ..schema import events, users
from .filters import FILTERS, USER_FILTERS, Dollars
from .fulltext import FullText, Place, Wanted, full_text
from .texts import KINDS, SEARCHED, texts_of_user, words_of_event
from .words import Word, rank, searched, snippet

RANKED = 1_000
"""Only so many of the latest matches are put into the order of their rank."""

MAX_QUERY = 500
"""Characters of ``q``."""


class Search(Struct, forbid_unknown_fields=True):
    """Words, all of which have to be in a text, and filters, one of which is enough."""

    q: Annotated[
        str, Meta(max_length=MAX_QUERY, description="Words, all of which have to be in a text. Optional with a filter.")
    ] = ""
    user: str = ""
    since: Date = ""
    until: Date = ""
    assistant: str = ""
    intent: str = ""
    sentiment: str = ""
    feedback: Literal["thumbs_up", "thumbs_down"] | None = None
    function: str = ""
    min_cost: Dollars | None = None
    max_cost: Dollars | None = None
    order: Annotated[Literal["time", "rank"], Meta(description="The latest or the best first.")] = "time"
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(description="The next of the previous page.")] = ""

    @property
    def words(self) -> Sequence[Word]:
        return searched(self.q)

    @property
    def filters(self) -> Mapping[str, str | float]:
        return {name: value for name in FILTERS if (value := getattr(self, name)) not in (None, "")}

    @property
    def question(self) -> list[object]:
        """What a cursor belongs to."""
        return [[word.text for word in self.words], dict(self.filters), self.order]

    def __post_init__(self) -> None:
        """Check what no type says.

        :raises InvalidQuery: a parameter breaks a rule.
        """
        words, filters = self.words, self.filters
        if self.q.strip() and not words:
            raise InvalidQuery("q", "must hold a letter or a digit")
        if not words and not filters:
            raise InvalidQuery("q", "must hold a word, unless there is a filter")
        for name, value in filters.items():
            FILTERS[name](0, value)
        if self.order == "rank" and not words:
            raise InvalidQuery("order", "cannot be rank without q")


class Result(Struct):
    """What was found. Beside these fields, those of the event or of the user."""

    kind: Literal["turn", "call", "feedback", "user"]
    field: str | None
    snippet: str
    matches: list[tuple[int, int]]
    timestamp: Time
    user_id: str


class Results(TypedDict):
    results: list[Result]
    next: str | None


def run(connection: Connection, app: App, search: Search) -> Page:
    """One page of a search among what an app recorded.

    :raises InvalidQuery: the cursor is that of another search.
    """
    conditions = {name: FILTERS[name](app.scope, value) for name, value in search.filters.items()}
    times = [conditions.pop(name) for name in ("since", "until") if name in conditions]
    wanted = Wanted(app.scope, search.words, list(conditions.values()), times, narrow="user" in search.filters)
    words = full_text(connection)
    if search.order == "rank":
        places, place = _ranked(words, wanted, search)
    else:
        places, place = _in_time(words, wanted, search)
    results = _results(connection, app, search.words, places)
    return {"results": results, "next": None if place is None else cursors.encode(search.question, place)}


Found = tuple[Place, bool]
"""A place, and whether it is that of a user."""


def _in_time(words: FullText, wanted: Wanted, search: Search) -> tuple[list[Found], Place | None]:
    if search.cursor:
        wanted = evolve(wanted, before=_numbers(search))
    found = [(place, False) for place in words.newest(wanted, search.limit + 1)]
    if wanted.words and search.filters.keys() <= USER_FILTERS.keys():
        conditions = [USER_FILTERS[name](wanted.scope, value) for name, value in search.filters.items()]
        users_wanted = evolve(wanted, conditions=conditions)
        found += [(place, True) for place in words.users(users_wanted, search.limit + 1)]
        found.sort(reverse=True)
    page = found[: search.limit]
    return page, page[-1][0] if len(found) > search.limit else None


def _ranked(words: FullText, wanted: Wanted, search: Search) -> tuple[list[Found], Place | None]:
    """What was stored before the first page, from an offset on. So new events move no page."""
    if not search.cursor:
        newest, skip = words.connection.execute(select(func.coalesce(func.max(events.c.seq), 0))).scalar_one(), 0
    else:
        newest, skip = _numbers(search)
    latest = words.newest(evolve(wanted, newest=newest), RANKED)
    ranks = _ranks(words.connection, [seq for _, seq in latest], wanted.words)
    found = [(place, False) for place in sorted(latest, key=lambda place: -ranks[place[1]])]
    page = found[skip : skip + search.limit]
    return page, (newest, skip + search.limit) if len(found) > skip + search.limit else None


def _ranks(connection: Connection, numbers: Sequence[int], words: Sequence[Word]) -> dict[int, float]:
    """How well each of these events fits the words."""
    ranks: dict[int, float] = {}
    for some in parts(numbers):
        rows = select(events.c.seq, events.c.event, events.c.properties).where(events.c.seq.in_(some))
        for seq, event, properties in connection.execute(rows):
            ranks[seq] = rank((words_of_event(event, properties) or "").split(), words)
    return ranks


def _numbers(search: Search) -> Place:
    assert search.cursor
    place = cursors.decode(search.question, search.cursor)
    if len(place) != 2 or not isinstance(place[0], int) or not isinstance(place[1], int):
        raise InvalidQuery("cursor", "must be the next of an earlier answer")
    return place[0], place[1]


def _results(connection: Connection, app: App, words: Sequence[Word], found: Sequence[Found]) -> list[Row]:
    """The rows of these places, in their order."""
    budget = Budget(connection)
    rows: dict[tuple[int, bool], Row] = {}
    for name, table, is_user in (("events", events, False), ("users", users, True)):
        numbers = [seq for (_, seq), of_user in found if of_user == is_user]
        if numbers:
            here = rows_of(connection, app, COLLECTIONS[name], table.c.seq.in_(numbers), budget, number=table.c.seq)
            rows.update(((seq, is_user), row) for seq, row in here)
    return [(_user if is_user else _event)(rows[seq, is_user], words) for (_, seq), is_user in found]


def _event(row: Row, words: Sequence[Word]) -> Row:
    properties = row["properties"]
    texts = [(name, properties[name]) for name in SEARCHED[row["event"]] if isinstance(properties.get(name), str)]
    return {"kind": KINDS[row["event"]], **_shown(texts, words), **row}


def _user(row: Row, words: Sequence[Word]) -> Row:
    texts = [("traits", text) for text in texts_of_user(row["aliases"], row["traits"])]
    return {"kind": "user", **_shown(texts, words), "timestamp": row["created_at"], **row}


def _shown(texts: Sequence[tuple[str, str]], words: Sequence[Word]) -> Row:
    """The field that most of the words are in, and the part of it around the first."""
    best: Row = {"field": texts[0][0] if texts else None, "snippet": "", "matches": []}
    for field, text in texts:
        part = snippet(text, words)
        if not best["snippet"] or len(part.matches) > len(best["matches"]):
            best = {"field": field, "snippet": part.text, "matches": part.matches}
    return best
