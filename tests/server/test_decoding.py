"""Bodies decoded quickly give what they give event by event."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindlytics.server.decoding import RefusedEvent, one_by_one, quick
from mindlytics.server.tracked import TURN, Tracked

from .calls import AT, event, track, turn

NAMES = ["Conversation Turn", "Conversation Function", "Conversation Usage", "Conversation Started", "Bought", "", None]
TEXTS = st.sampled_from(["", "hi", "x" * 101, "é\u0000", "null"])
NUMBERS = st.sampled_from([0, 1, -1, 40.0, 1.5, 2**63 - 1, 2**63, 2**64, -(2**63), 1e308])
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none() | st.just({}) | st.just([1])
NAMED = ["user", "assistant", "assistant_id", "model", "prompt_tokens", "completion_tokens", "cached_tokens", "cost"]
PROPERTIES = st.dictionaries(st.sampled_from([*NAMED, "name", "args", "result", "runtime", "mine"]), SCALARS)
MOMENTS = st.sampled_from(
    [
        AT,
        "2025-04-03T07:35:10Z",
        "2025-04-03T07:35:10.123456Z",
        "2025-04-03 07:35:10.5+02:00",
        "2025-02-30T00:00:00.000Z",
        "soon",
        "\u0662025-04-03T07:35:10.000Z",
        "2025-04-03T07:35:10.\u0660\u0660\u0660Z",
        "0001-01-01T00:00:00+05:00",
        5,
        "",
    ]
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["track"] * 6 + ["start_session", "end_session", "identify", "alias", "other", None])},
    optional={
        "event": st.sampled_from(NAMES),
        "session_id": st.sampled_from(["s"] * 8 + ["", None, 5, "x" * 101]),
        "conversation_id": st.sampled_from(["c"] * 8 + ["", None, 5]),
        "user_id": st.sampled_from(["u", "u", None, ""]),
        "device_id": st.sampled_from(["d", None, 7]),
        "timestamp": MOMENTS,
        "properties": PROPERTIES | st.none() | st.just([]),
        "attributes": PROPERTIES | st.none(),
        "traits": PROPERTIES | st.none(),
        "id": st.sampled_from(["u", None]),
        "previous_id": st.sampled_from(["v", None]),
        "extra": SCALARS,
    },
)


def plain(taken: Any) -> Any:
    """An event with its properties in whatever order."""
    if not isinstance(taken, Tracked):
        return taken
    return taken._replace(properties=json.loads(taken.properties))


@settings(max_examples=500, deadline=None)
@given(st.lists(EVENTS.map(lambda found: {"timestamp": AT, **found}), max_size=3))
def test_what_is_decoded_quickly_is_what_is_decoded_event_by_event(found: list[dict[str, Any]]) -> None:
    decoded = quick(json.dumps(found).encode())
    with suppress(RefusedEvent):
        expected = list(map(plain, one_by_one(found)))
        assert decoded is None or expected == list(map(plain, decoded))
        return
    assert decoded is None


@pytest.mark.parametrize(
    "found",
    [
        turn(),
        turn(properties={"model": "m", "prompt_tokens": 1, "completion_tokens": 2}),
        turn(properties={"cost": 1, "mine": True, "nothing": None}),
        track("Conversation Function", conversation_id="c", properties={"name": "f", "runtime": 1.5}),
        track("Conversation Usage", conversation_id="c", properties={"cost": 0.5}),
        track(properties={"color": "red"}),
        event("start_session", attributes={"from": "cart"}),
        track("Conversation Ended", conversation_id="c", attributes={"a": None}),
    ],
)
def test_what_clients_send_is_decoded_quickly(found: dict[str, Any]) -> None:
    decoded = quick(json.dumps([found]).encode())
    assert decoded is not None
    assert list(map(plain, one_by_one(found))) == list(map(plain, decoded))


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b'["\xff"]', b"[5]", b"null", b'[{"type": "track"}]'])
def test_what_is_no_array_of_events_is_left_to_the_thorough_way(body: bytes) -> None:
    assert quick(body) is None


def test_the_times_of_a_second_are_told_apart() -> None:
    moments = ["10.000Z", "10.001Z", "10.000001Z", "10Z", "11.000Z"]
    events = [turn(timestamp=f"2025-04-03T07:35:{second}") for second in moments]
    decoded = quick(json.dumps(events).encode())
    assert decoded is not None
    first = decoded[0].at  # type: ignore[union-attr]
    assert [0, 1000, 1, 0, 1_000_000] == [found.at - first for found in decoded]  # type: ignore[union-attr]
    assert {TURN} == {found.kind for found in decoded}  # type: ignore[union-attr]
