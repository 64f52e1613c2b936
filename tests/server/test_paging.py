"""Pages of collections: complete, in order, and where they were while events arrive."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mindlytics.server import cursors
from mindlytics.server.collection import COLLECTIONS

from .calls import Caller, event, track, turn


@pytest.fixture
def chats(caller: Caller) -> Caller:
    for number, hour in enumerate((4, 2, 9, 2, 7)):
        ids = {"session_id": f"s{number}", "user_id": f"u{number % 3}", "timestamp": f"2025-04-03T0{hour}:00:00Z"}
        caller.take(turn(f"a{number}", f"b{number}", **ids), track(f"E{hour}", **ids))
        if number % 2:
            caller.take(event("end_session", **ids))
    return caller


def pages(caller: Caller, collection: str, *, arrives: bool = False, **parameters: object) -> list[list[Any]]:
    """The rows of each page."""
    found = []
    cursor: str | None = ""
    while cursor is not None:
        reply = caller.get(f"/bc/v1/db/{collection}/find", cursor=cursor, **parameters)
        assert 200 == reply.status_code, reply.text
        found.append(reply.json()["results"])
        cursor = reply.json()["next"]
        if arrives:
            ids = {"session_id": f"new{len(found)}", "user_id": f"new{len(found)}"}
            caller.take(turn("new", "new", **ids, timestamp="2025-04-04T00:00:00Z"))
    return found


@pytest.mark.parametrize("collection", sorted({*COLLECTIONS} - {"intents"}))
def test_the_pages_of_every_collection_are_its_rows(chats: Caller, collection: str) -> None:
    rows = chats.find(collection)
    for limit in (1, 2, len(rows), len(rows) + 1):
        found = pages(chats, collection, limit=limit)
        assert rows == [row for page in found for row in page]
        assert [limit] * (len(found) - 1) == [len(page) for page in found[:-1]]


@pytest.mark.parametrize(
    ("collection", "sort"),
    [
        ("sessions", {"started_at": -1}),
        ("sessions", {"ended_at": 1}),
        ("sessions", {"ended_at": -1, "session_id": -1}),
        ("sessions", {"cost": -1}),
        ("sessions", {"duration": 1, "turn_count": -1}),
        ("conversations", {"ended_at": -1}),
        ("events", {"timestamp": 1, "event": -1}),
        ("events", {"conversation_id": -1}),
        ("events", {"origin_event_id": 1}),
        ("messages", {"role": -1, "index": 1}),
        ("users", {"id": -1}),
    ],
)
def test_the_pages_of_any_order(chats: Caller, collection: str, sort: dict[str, int]) -> None:
    rows = chats.find(collection, sort=sort)
    assert rows == [row for page in pages(chats, collection, limit=2, sort=sort) for row in page]


def test_pages_do_not_move_while_events_arrive(chats: Caller) -> None:
    newest = {"sort": {"started_at": -1}, "projection": {"session_id": 1}}
    whole = [session["session_id"] for session in chats.find("sessions", **newest)]
    found = pages(chats, "sessions", arrives=True, limit=2, **newest)
    assert [whole[:2], whole[2:4], whole[4:]] == [[row["session_id"] for row in page] for page in found]


def test_a_page_is_filtered_with_related_rows(chats: Caller) -> None:
    parameters = {"filter": {"user_id": "u0"}, "include": ["messages"], "limit": 1}
    first, second = pages(chats, "sessions", **parameters)
    assert [["a0", "b0"], ["a3", "b3"]] == [
        [each["content"] for each in page[0]["messages"]] for page in (first, second)
    ]


def test_an_app_without_data_has_one_empty_page(caller: Caller) -> None:
    assert [[]] == pages(caller, "sessions")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "", "skip": 1}, "skip"),
        ({"cursor": "", "limit": -1}, "limit"),
        ({"cursor": "", "sort": {"attributes.a": 1}}, "sort"),
    ],
)
def test_what_is_refused(chats: Caller, parameters: dict[str, object], field: str) -> None:
    reply = chats.get("/bc/v1/db/sessions/find", **parameters)
    assert (400, field) == (reply.status_code, reply.json()["field"])


def test_a_cursor_belongs_to_its_question(chats: Caller) -> None:
    def find(collection: str, **parameters: object) -> Any:
        return chats.get(f"/bc/v1/db/{collection}/find", **parameters)

    cursor = find("sessions", limit=1, cursor="").json()["next"]
    assert 4 == len(find("sessions", limit=9, cursor=cursor).json()["results"])
    for reply in (find("events", cursor=cursor), find("sessions", cursor=cursor, sort={"started_at": 1})):
        assert (400, "cursor") == (reply.status_code, reply.json()["field"])


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, True])
def test_a_cursor_with_a_number_that_no_row_has_is_refused(chats: Caller, value: object) -> None:
    real = chats.get("/bc/v1/db/sessions/find", cursor="", limit=1).json()["next"]
    place = json.dumps([value]).encode()
    wrong = base64.urlsafe_b64encode(base64.urlsafe_b64decode(f"{real}==")[: cursors.DIGEST] + place).rstrip(b"=")
    reply = chats.get("/bc/v1/db/sessions/find", cursor=wrong.decode(), limit=1)
    assert (400, "cursor") == (reply.status_code, reply.json()["field"])
    assert "next of an earlier answer" in reply.json()["message"]
