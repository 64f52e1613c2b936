"""Reads: filters, order, projections, related rows, and what is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindlytics.server.collection import COLLECTIONS
from mindlytics.server.ordering import order_by
from mindlytics.server.query import Filter, InvalidQuery

from .calls import Caller, event, track, turn

EVENTS = [
    {"i": 0, "color": "red", "ok": True},
    {"i": 1, "color": "blue", "ok": False, "odd\"na.me'": 1},
    {"i": 2, "color": "red", "ok": 1},
    {"i": 3},
]


@pytest.fixture
def rows(caller: Caller) -> Caller:
    for i, properties in enumerate(EVENTS):
        caller.take(track(f"E{i}", properties=properties, timestamp=f"2025-04-03T07:35:1{i}Z"))
    return caller


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"event": "E1"}, [1]),
        ({"event": {"$in": ["E1", "E3", 5, None]}}, [1, 3]),
        ({"event": {"$in": []}}, []),
        ({"event": {"$nin": ["E1", "E3", "Session Started"]}}, [0, 2]),
        ({"event": {"$ne": "Session Started"}, "properties.color": {"$ne": "red"}}, [1, 3]),
        ({"properties.i": {"$gt": 1}}, [2, 3]),
        ({"properties.i": {"$gte": 1, "$lt": 3}}, [1, 2]),
        ({"properties.i": {"$lte": 0.5}}, [0]),
        ({"properties.i": "1"}, []),
        ({"properties.ok": True}, [0]),
        ({"properties.ok": False}, [1]),
        ({"properties.ok": 1}, [2]),
        ({"properties.color": {"$exists": False}, "event": {"$gte": "E"}, "properties.i": {"$exists": True}}, [3]),
        ({"properties.color": None, "properties.i": {"$exists": True}}, [3]),
        ({"properties.odd\"na.me'": 1}, [1]),
        ({"$or": [{"event": "E0"}, {"$and": [{"properties.color": "red"}, {"properties.ok": 1}]}]}, [0, 2]),
        ({"timestamp": {"$gt": "2025-04-03T09:35:11+02:00"}}, [2, 3]),
        ({"timestamp": "2025-04-03T07:35:12.000Z"}, [2]),
        ({"timestamp": {"$gte": "2025-04-04"}}, []),
        ({"timestamp": {"$gt": 0}}, []),
        ({"timestamp": {"$lt": 2e18}}, []),
        ({"timestamp": 1743665712000000}, []),
        ({"timestamp": {"$in": [1743665711000000, "2025-04-03T07:35:12Z", 1743665712000, True, None]}}, [2]),
        (
            {"timestamp": {"$nin": [1743665712000000, "2025-04-03T07:35:12Z"]}, "event": {"$gte": "E", "$lt": "F"}},
            [0, 1, 3],
        ),
        ({"timestamp": {"$ne": 1743665712000000}, "event": {"$gte": "E", "$lt": "F"}}, [0, 1, 2, 3]),
        ({"nothing": 1}, []),
        ({"session_id": 5}, []),
        ({"event": "E1' OR '1'='1"}, []),
        ({"properties.i') OR 1=1 --": 1}, []),
        ({'event" OR 1=1 --': 1}, []),
        ({"properties.i": 2**80}, []),
    ],
)
def test_filters(rows: Caller, query: object, expected: list[int]) -> None:
    assert [f"E{i}" for i in expected] == [e["event"] for e in rows.find("events", filter=query)]


def test_order_skip_and_limit(rows: Caller) -> None:
    only = {"event": {"$gte": "E", "$lt": "F"}}

    def names(**parameters: object) -> list[str]:
        return [e["event"] for e in rows.find("events", filter=only, **parameters)]

    assert ["E0", "E1", "E2", "E3"] == names()
    assert ["E3", "E2"] == names(sort={"timestamp": -1}, limit=2)
    assert ["E1", "E0", "E2"] == names(sort={"properties.color": 1, "properties.i": 1}, skip=1)
    assert ["E2", "E3"] == names(skip=2, limit=0)
    assert [] == names(skip=9)
    assert "E3" == rows.one("events", sort={"event": -1}, filter=only)["event"]
    assert rows.one("events", filter={"event": "none"}) is None


def test_projection(rows: Caller) -> None:
    only = {"event": "E0"}
    assert {"event": "E0", "properties": {"i": 0}} == rows.one(
        "events", filter=only, projection={"event": 1, "properties.i": 1, "_id": 0}
    )
    left = rows.one("events", filter=only, projection={"properties.color": 0, "session_id": 0})
    assert {"i": 0, "ok": True} == left["properties"]
    assert "session_id" not in left
    assert "event_id" in left


def test_related_rows(caller: Caller) -> None:
    caller.take(turn("a", "b"), turn("c", "d", "c2"), turn(session_id="s2"), event("end_session"))
    session = caller.one("sessions", include=["user", "conversations", "events", "messages"], projection={"user_id": 1})
    assert {"user_id", "user", "conversations", "events", "messages"} == set(session)
    assert "u" == session["user"]["id"]
    assert ["c", "c2"] == [c["conversation_id"] for c in session["conversations"]]
    assert ["a", "b", "c", "d"] == [m["content"] for m in session["messages"]]
    assert ("Session Started", "Session Ended") == (session["events"][0]["event"], session["events"][-1]["event"])
    conversation = caller.one("conversations", include=["session", "messages", "events", "user"])
    assert "s" == conversation["session"]["session_id"]
    assert ["a", "b"] == [m["content"] for m in conversation["messages"]]
    first, second = caller.find("events", include=["conversation", "session", "user"], limit=2)
    assert first["conversation"] is None
    assert "c" == second["conversation"]["conversation_id"]
    assert 2 == len(caller.one("users", include=["sessions", "conversations"])["sessions"])


def test_users_by_alias_and_trait(caller: Caller) -> None:
    caller.take(track(), event("identify", traits={"plan": "pro"}), event("alias", id="v", previous_id="u"))
    for wanted in ({"aliases": "u"}, {"aliases": "v"}, {"id": "v"}, {"traits.plan": "pro"}):
        assert 1 == len(caller.find("users", filter=wanted))
    assert [] == caller.find("users", filter={"aliases": "w"})


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"filter": {"event": {"$regex": "x"}}}, "$regex"),
        ({"filter": {"$where": "1"}}, "$where"),
        ({"filter": {"event": {}}}, "event"),
        ({"filter": {"event": {"$in": "x"}}}, "$in"),
        ({"filter": {"event": ["x"]}}, "event"),
        ({"filter": {"event": {"$exists": "yes"}}}, "$exists"),
        ({"filter": {"$or": []}}, "$or"),
        ({"filter": {"timestamp": {"$gt": "soon"}}}, "timestamp"),
        ({"filter": {"event": {"$in": ["x"] * 501}}}, "500"),
        ({"filter": {"$or": [{}] * 1500}}, "500"),
        ({"filter": {f"f{i}": {"$in" if i % 2 else "$nin": []} for i in range(501)}}, "500"),
        ({"filter": "{"}, "filter"),
        ({"filter": [1]}, "filter"),
        ({"sort": {"event": 2}}, "event"),
        ({"sort": "[]"}, "sort"),
        ({"projection": {"event": 1, "session_id": 0}}, "projection"),
        ({"projection": {"event": "yes"}}, "event"),
        ({"include": ["friends"]}, "friends"),
        ({"include": "{}"}, "include"),
        ({"limit": -1}, "limit"),
        ({"skip": "x"}, "skip"),
    ],
)
def test_what_is_refused(caller: Caller, parameters: dict[str, object], word: str) -> None:
    reply = caller.get("/bc/v1/db/events/find", **parameters)
    assert (400, "invalid query") == (reply.status_code, reply.json()["error"])
    assert reply.json()["field"] in parameters
    assert word in reply.json()["message"]


def test_unknown_collections_and_operations(caller: Caller) -> None:
    for path, field in (("/bc/v1/db/secrets/find", "collection"), ("/bc/v1/db/events/drop", "operation")):
        reply = caller.get(path)
        assert (400, "invalid query", field) == (reply.status_code, reply.json()["error"], reply.json()["field"])


@pytest.mark.parametrize("collection", sorted({*COLLECTIONS} - {"intents"}))  # those are in test_analysis.py
def test_every_column_can_be_filtered_and_sorted(caller: Caller, collection: str) -> None:
    caller.take(turn())
    (row,) = caller.find(collection, limit=1)
    for column in COLLECTIONS[collection].columns:
        value = row.get(column)
        if isinstance(value, (str, int, float)):
            assert row in caller.find(collection, filter={column: value})
        assert caller.find(collection, sort={column: -1})


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$in", "$gt", "$exists", "$and", "$or", "$ne", "event", "properties.a", "timestamp"])
            | st.text(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(_VALUES)
def test_any_filter_compiles_or_is_refused(anything: object) -> None:
    columns = COLLECTIONS["events"].columns
    for read in (Filter, order_by):
        with suppress(InvalidQuery):
            read(anything, columns)
