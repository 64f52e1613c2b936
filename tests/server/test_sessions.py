"""What events do to sessions, conversations and users."""

from __future__ import annotations

from typing import Any

import pytest

from mindlytics.server.run import LocalServer

from .calls import AT, QUEUE, Caller, event, track, turn


def test_a_session_of_one_event(caller: Caller) -> None:
    caller.take(track(properties={"n": 1, "ok": True}), event("end_session"))
    started, bought, ended = caller.find("events")
    assert ["Session Started", "Bought", "Session Ended"] == [e["event"] for e in (started, bought, ended)]
    assert started["origin_event_id"] == bought["event_id"]
    assert "origin_event_id" not in bought
    assert "origin_event_id" not in ended
    assert {AT} == {e["timestamp"] for e in (started, bought, ended)}
    assert {"n": 1, "ok": True} == bought["properties"]
    assert 3 == len({e["event_id"] for e in (started, bought, ended)})


def test_explicit_start_and_end_are_stored_once(caller: Caller) -> None:
    caller.take(
        event("start_session", id="u", attributes={"plan": "a", "seats": 1}),
        track("Conversation Started", conversation_id="c", properties={"p": 1}, attributes={"a": 1}),
        turn(),
        track("Conversation Ended", conversation_id="c", properties={"q": 2}, attributes={"a": 2}),
        event("end_session", attributes={"seats": 2}, timestamp="2025-04-03T07:35:12.500Z"),
    )
    assert [
        "Session Started",
        "Conversation Started",
        "Conversation Turn",
        "Conversation Ended",
        "Session Ended",
    ] == caller.names()
    session = caller.one("sessions")
    assert {"plan": "a", "seats": 2} == session["attributes"]
    assert (AT, "2025-04-03T07:35:12.500Z", 2.5) == (session["started_at"], session["ended_at"], session["duration"])
    conversation = caller.one("conversations")
    assert ({"p": 1, "q": 2}, {"a": 2}) == (conversation["properties"], conversation["attributes"])


def test_the_end_of_a_session_ends_its_open_conversations(caller: Caller) -> None:
    caller.take(turn(conversation_id="c1"), turn(conversation_id="c2"), turn(conversation_id="c3"))
    caller.take(track("Conversation Ended", conversation_id="c2"))
    caller.take(event("end_session"))
    events = caller.find("events")
    assert ["Conversation Ended", "Conversation Ended", "Session Ended"] == [e["event"] for e in events[-3:]]
    assert ["c1", "c3"] == [e["conversation_id"] for e in events[-3:-1]]
    assert {events[-1]["event_id"]} == {e["origin_event_id"] for e in events[-3:-1]}
    assert not caller.find("conversations", filter={"ended_at": None})


def test_counts_and_usage(caller: Caller) -> None:
    usage = {"model": "m", "prompt_tokens": 10, "completion_tokens": 5}
    caller.take(
        turn(properties=usage),
        turn(properties={"cost": 0.5}),
        turn(conversation_id="c2"),
        track("Conversation Usage", conversation_id="c", properties=usage),
        track("Conversation Function", conversation_id="c", properties={"name": "f", "runtime": 12}),
    )
    conversation = caller.one("conversations", filter={"conversation_id": "c"})
    session = caller.one("sessions")
    names = ("turn_count", "function_count", "prompt_tokens", "completion_tokens", "cost", "event_count")
    assert (2, 1, 20, 10, 0.5, 5) == tuple(conversation[name] for name in names)
    assert (3, 1, 20, 10, 0.5, 8) == tuple(session[name] for name in names)
    assert 2 == session["conversation_count"]
    assert (None, None, None) == (session["ended_at"], session["duration"], session["device_id"])


def test_messages_are_the_texts_of_turns(caller: Caller) -> None:
    caller.take(turn("a", "b"), turn("c", ""), turn("", "d"), turn("other", "e", "c2"))
    messages = caller.find("messages", filter={"conversation_id": "c"})
    assert [("user", "a", 0), ("assistant", "b", 1), ("user", "c", 2), ("assistant", "d", 3)] == [
        (m["role"], m["content"], m["index"]) for m in messages
    ]


def test_a_late_event_reopens_nothing(caller: Caller) -> None:
    caller.take(turn(), event("end_session"), track("Late"), turn(), turn(conversation_id="new"))
    assert AT == caller.one("sessions")["ended_at"]
    assert not caller.find("conversations", filter={"ended_at": None})
    assert [
        "Session Ended",
        "Late",
        "Conversation Turn",
        "Conversation Started",
        "Conversation Turn",
        "Conversation Ended",
    ] == caller.names()[-6:]


def test_an_explicit_start_reopens(caller: Caller) -> None:
    caller.take(turn(), event("end_session"), event("start_session"))
    assert caller.one("sessions")["ended_at"] is None
    caller.take(track("Conversation Started", conversation_id="c"))
    assert caller.one("conversations")["ended_at"] is None
    assert 1 == len(caller.find("sessions"))


def test_a_second_end_leaves_the_first_time(caller: Caller) -> None:
    caller.take(track(), event("end_session"))
    caller.take(event("end_session", timestamp="2026-01-01T00:00:00Z", attributes={"late": True}))
    session = caller.one("sessions")
    assert (AT, {"late": True}) == (session["ended_at"], session["attributes"])


def test_the_same_conversation_id_in_two_sessions(caller: Caller) -> None:
    caller.take(turn("a", session_id="s1"), turn("b", session_id="s2"))
    assert ["s1", "s2"] == [c["session_id"] for c in caller.find("conversations")]
    assert [0, 1, 0, 1] == [m["index"] for m in caller.find("messages")]


@pytest.mark.parametrize("kind", ["track", "start_session", "end_session"])
def test_a_session_must_begin_with_a_user_or_device(caller: Caller, kind: str) -> None:
    event = {"type": kind, "session_id": "s", "event": "E"}
    reply = caller.queue(track(session_id="other"), event)
    assert (400, 1, "user_id") == (reply.status_code, reply.json()["index"], reply.json()["field"])
    assert [] == caller.find("sessions")
    caller.take(track(), event)


def test_a_device_has_one_anonymous_user(caller: Caller) -> None:
    caller.take(track(session_id="s1", device_id="d"), track(session_id="s2", device_id="d"))
    caller.take(track(session_id="s3", device_id="e"))
    first, second = caller.find("users")
    assert first["id"].startswith("ml_")
    assert [first["id"]] == first["aliases"]
    assert [first["user_id"], first["user_id"], second["user_id"]] == [s["user_id"] for s in caller.find("sessions")]


def test_identify_names_the_anonymous_user(caller: Caller) -> None:
    caller.take(track(device_id="d"), event("identify", device_id="d", id="bob", traits={"x": 1}), track(device_id="d"))
    (user,) = caller.find("users")
    assert "bob" == user["id"]
    assert [True, False] == [name.startswith("ml_") for name in user["aliases"]]
    events = caller.find("events")
    assert ["Session Started", "Bought", "User Identified", "Bought"] == [e["event"] for e in events]
    assert [None, None, {"x": 1}, {"x": 1}] == [e.get("user_traits") for e in events]
    caller.take(track(session_id="s2", device_id="d"))
    assert 1 == len(caller.find("users"))


def test_identify_moves_the_session_to_a_known_user(caller: Caller) -> None:
    caller.take(track(session_id="s1", user_id="bob"))
    caller.take(turn(session_id="s2", device_id="d"), event("identify", "s2", device_id="d", id="bob"))
    caller.take(turn(session_id="s2", device_id="d"))
    bob = caller.one("users", filter={"id": "bob"})
    assert ["bob"] == bob["aliases"]
    for collection in ("sessions", "conversations", "events"):
        assert {bob["user_id"]} == {row["user_id"] for row in caller.find(collection)}
    assert 2 == caller.one("conversations")["turn_count"]
    caller.take(track(session_id="s3", device_id="d"))
    assert bob["user_id"] == caller.one("sessions", filter={"session_id": "s3"})["user_id"]


@pytest.mark.parametrize("known", [False, True])
def test_a_start_that_comes_late_names_the_user(caller: Caller, known: bool) -> None:
    if known:
        caller.take(event("identify", "before", id="ada", traits={"plan": "pro"}))
    caller.take(turn(device_id="d"), event("start_session", device_id="d", id="ada"), turn(device_id="d"))
    ada = caller.one("users", filter={"id": "ada"})
    assert {ada["user_id"]} == {row["user_id"] for row in caller.find("events")}
    for collection in ("sessions", "conversations"):
        assert ada["user_id"] == caller.one(collection, filter={"session_id": "s"})["user_id"]
    started = caller.find("events", filter={"event": "Session Started", "session_id": "s"})[-1]
    assert ({"plan": "pro"} if known else None) == started.get("user_traits")
    caller.take(track(session_id="s2", device_id="d"))
    assert ada["user_id"] == caller.one("sessions", filter={"session_id": "s2"})["user_id"]


@pytest.mark.parametrize("later", [turn(user_id="ada"), event("end_session", user_id="ada"), track(user_id="ada")])
def test_any_event_that_names_the_user_names_an_anonymous_session(caller: Caller, later: dict[str, Any]) -> None:
    caller.take(turn(device_id="d"))
    caller.take(later)
    assert ["ada"] == [user["id"] for user in caller.find("users")]
    assert caller.one("users")["user_id"] == caller.one("sessions")["user_id"]
    caller.take(turn(user_id="bob"))
    assert ["ada"] == [user["id"] for user in caller.find("users")]


def test_a_start_does_not_take_a_session_from_a_named_user(caller: Caller) -> None:
    caller.take(track(user_id="ada"), event("start_session", id="bob"), event("start_session", device_id="d"))
    assert ["ada"] == [user["id"] for user in caller.find("users")]
    assert "ada" == caller.one("sessions")["user_id"]


def test_identify_as_first_event(caller: Caller) -> None:
    caller.take(event("identify", id="bob", device_id="d"))
    (user,) = caller.find("users")
    assert ("bob", 2) == (user["id"], len(user["aliases"]))
    caller.take(event("identify", session_id="s2", id="eve"))
    assert ["eve"] == caller.one("users", filter={"id": "eve"})["aliases"]


def test_identify_without_an_id_keeps_the_user(caller: Caller) -> None:
    caller.take(track(), event("identify", traits={"x": 1, "y": 1}), event("identify", traits={"y": 2}))
    assert [("u", {"x": 1, "y": 2})] == [(user["id"], user["traits"]) for user in caller.find("users")]


def test_alias_in_a_session(caller: Caller) -> None:
    caller.take(track(), event("alias", id="v", previous_id="u"), track(session_id="s2", user_id="v"))
    (user,) = caller.find("users")
    assert ("v", ["u", "v"]) == (user["id"], user["aliases"])
    assert {"u"} == {s["user_id"] for s in caller.find("sessions")}


def test_an_alias_of_an_unknown_user_is_an_mlerror(caller: Caller) -> None:
    caller.take(track(), event("alias", id="v", previous_id="nobody", user_id="u"))
    aliased, problem = caller.find("events")[-2:]
    assert ("User Aliased", "MLError", aliased["event_id"]) == (
        aliased["event"],
        problem["event"],
        problem["origin_event_id"],
    )
    assert "previous_id" in problem["properties"]["error_message"]


def test_apps_are_kept_apart(caller: Caller, server: LocalServer) -> None:
    caller.take(track(user_id="u"))
    for other in (Caller(server.url, app_id="elsewhere"), Caller(server.url, "key2", "a third")):
        with other.http:
            assert [] == other.find("events", filter={"session_id": "s"})
            assert [] == other.find("users")
            other.take(track(user_id="u", session_id="s9"))
            assert ["s9"] == [s["session_id"] for s in other.find("sessions")]
            assert other.find("orgkeys")
            assert 1 == len(other.find("apps"))
            assert 1 == len(other.find("organizations"))
    assert ["s"] == [s["session_id"] for s in caller.find("sessions")]


@pytest.mark.parametrize("path", [QUEUE, "/bc/v1/events/event"])
def test_tokens_count_beside_a_cost(caller: Caller, path: str) -> None:
    """Both by the quick way of reading arrays and by that of single events."""
    tokens = {"model": "m", "prompt_tokens": 5, "completion_tokens": 2}
    usage = track("Conversation Usage", conversation_id="c", properties={**tokens, "cost": 0.25})
    for each in (turn(properties={**tokens, "cost": 0.5}), turn(properties=tokens), usage):
        assert 200 == caller.post(path, [each] if path == QUEUE else each).status_code
    (sums,) = caller.get("/bc/v1/stats").json()["results"]
    assert (15, 6, 0.75) == (sums["prompt_tokens"], sums["completion_tokens"], sums["cost"])
