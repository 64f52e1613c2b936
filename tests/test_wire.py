"""The Mindlytics wire against recorded requests, in both directions."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindlytics.delivery.reply import judge, retry_after
from mindlytics.delivery.verdict import Fate
from mindlytics.errors import InvalidEvent
from mindlytics.events import EVENT_TYPES, CustomEvent, Event, TrackedEvent
from mindlytics.secret import Secret
from mindlytics.usage import Cost
from mindlytics.values import parse_timestamp
from mindlytics.wire import QUEUE_PATH, MindlyticsWire, decode, encode, properties_of

RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "data/recorded.jsonl").read_text("utf-8").splitlines()
]
EVENTS = [row["body"] for row in RECORDED if row["path"] == QUEUE_PATH]
URL = "https://app.example/bc/v1/events/queue"


@pytest.mark.parametrize("body", EVENTS, ids=[row["call"][:40] for row in RECORDED if row["path"] == QUEUE_PATH])
def test_recorded_events_go_through_unchanged(body: dict[str, Any]) -> None:
    assert with_its_time(body) == with_its_time(json.loads(encode(decode(body))))


def with_its_time(body: dict[str, Any]) -> dict[str, Any]:
    """An event with its timestamp as a datetime, since one time has several notations."""
    return {**body, "timestamp": parse_timestamp(body["timestamp"])}


def test_a_datetime_is_sent_as_iso_8601() -> None:
    event = CustomEvent(session_id="s", event="e", timestamp=datetime(2025, 4, 3, 7, 35, tzinfo=timezone.utc))
    assert "2025-04-03T07:35:00Z" == json.loads(encode(event))["timestamp"]


def test_null_is_absent() -> None:
    body = {"type": "track", "event": "e", "session_id": "s", "user_id": None, "properties": {"a": None, "b": 1}}
    event = decode(body)
    assert (None, {"b": 1}) == (event.user_id, event.properties)  # type: ignore[attr-defined]
    assert {"a": None, "b": 1} == body["properties"]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_own_fields_are_read_from_the_properties_alone(event_type: type[Event]) -> None:
    body = {"type": event_type.type, "event": event_type.event or "e", "session_id": "s", "conversation_id": "c"}
    body |= {"id": "i", "previous_id": "p", "usage": 5, "user": 5, "name": 5, "runtime": "long"}
    whole = {"user": "hi", "assistant": "hello", "name": "f", "runtime": 7.5, "cost": 0.5}
    event = decode({**body, "properties": whole})
    assert event_type is type(event)
    if isinstance(event, TrackedEvent):
        assert whole == properties_of(event)


def test_a_callers_own_scalars_never_replace_the_events_own() -> None:
    body = {**EVENTS[4], "properties": {"user": "hi", "assistant": "hello", "cost": 0.5, "k": 1}}
    turn = decode(body)
    assert turn.usage == Cost(0.5)  # type: ignore[attr-defined]
    assert {"k": 1} == turn.properties  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (5, "event must be a JSON object, got int"),
        ({}, "type must be one of start_session"),
        ({"type": "track"}, "event must be a str of 1 to 100"),
        ({"type": "track", "event": "e"}, "session_id must be given"),
        ({"type": "track", "event": "e", "session_id": ""}, "session_id must be a str of 1 to 100"),
        ({"type": "track", "event": "e", "session_id": "s" * 101}, "got str of 101 characters"),
        ({"type": "track", "event": "e", "session_id": "s", "timestamp": "noon"}, "timestamp must be an ISO 8601"),
        (
            {"type": "track", "event": "e", "session_id": "s", "properties": {"a": [1]}},
            r"properties.a must be a string",
        ),
        (
            {"type": "track", "event": "Conversation Turn", "session_id": "s", "conversation_id": "c"},
            "user must be given",
        ),
        ({"type": "alias", "session_id": "s", "id": "a"}, "previous_id must be given"),
    ],
)
def test_what_breaks_a_rule_is_named(body: Any, words: str) -> None:
    with pytest.raises(InvalidEvent, match=words):
        decode(body)


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.DELIVERED), (204, Fate.DELIVERED), (400, Fate.HALVE), (422, Fate.HALVE), (413, Fate.SHRINK),
        (401, Fate.REFUSED), (403, Fate.REFUSED), (404, Fate.REFUSED), (408, Fate.RETRY), (425, Fate.RETRY),
        (429, Fate.RETRY), (500, Fate.RETRY), (503, Fate.RETRY), (304, Fate.REFUSED),
    ],
)  # fmt: skip
def test_a_status_has_one_meaning(status: int, fate: Fate) -> None:
    assert judge(URL, status, {}, b"", wall=0).fate is fate


def test_the_services_words_are_kept() -> None:
    assert "unknown key" == judge(URL, 403, {}, b'{"message": "unknown key"}', wall=0).message
    assert "go away" == judge(URL, 403, {}, b"go away", wall=0).message
    assert "status 403" == judge(URL, 403, {}, b"", wall=0).message


def test_retry_after_in_both_forms() -> None:
    wall = time.time()
    date = format_datetime(datetime.fromtimestamp(wall, timezone.utc) + timedelta(seconds=90), usegmt=True)
    assert 7 == retry_after({"Retry-After": "7"}, wall)
    assert retry_after({"Retry-After": date}, wall) == pytest.approx(90, abs=1)
    assert retry_after({"Retry-After": "soon"}, wall) is None
    assert retry_after({}, wall) is None


@pytest.mark.parametrize("year", ["10000", "9" * 20, "9" * 5000])
def test_a_retry_after_that_cannot_be_read_is_none(year: str) -> None:
    assert retry_after({"Retry-After": f"Sun, 06 Nov {year} 08:49:37 GMT"}, time.time()) is None


@given(st.integers(200, 599), st.text(), st.text(), st.binary())
def test_every_reply_is_judged(status: int, location: str, wait: str, body: bytes) -> None:
    for place in (location, f"http://{location}", f"//h:{location}"):
        assert judge(URL, status, {"Location": place, "Retry-After": wait}, body, wall=0).fate in Fate


@pytest.mark.parametrize(
    ("location", "fate"),
    [
        ("/elsewhere", Fate.MOVED),
        ("https://app.example/other", Fate.MOVED),
        ("http://app.example/other", Fate.REFUSED),
        ("https://app.example:444/other", Fate.REFUSED),
        ("https://evil.example/", Fate.REFUSED),
        ("https://app.example:port/other", Fate.REFUSED),
        ("https://[app.example/other", Fate.REFUSED),
    ],
)
def test_only_redirects_within_the_host_are_followed(location: str, fate: Fate) -> None:
    assert judge(URL, 307, {"Location": location}, b"", wall=0).fate is fate


def test_body_overheads_are_exact() -> None:
    wire = MindlyticsWire("https://app.example", Secret("k"), "p")
    pieces = [b"{}", b'{"a":1}', b"{}"]
    for count in (1, 2, 3):
        body = wire.body(pieces[:count], bare=False, key="k")
        assert len(body) == sum(map(len, pieces[:count])) + count * wire.piece_overhead + wire.body_overhead
        assert json.loads(body) == [json.loads(piece) for piece in pieces[:count]]
