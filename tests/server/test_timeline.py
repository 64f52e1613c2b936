"""Chats whose events arrive in another order than that of their times, since several processes record them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from mindlytics.server.analysis import reading
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import unanalysed
from mindlytics.server.sqlite import SQLiteFile

from ..postgres import sqlite_only
from .calls import Caller, event, track, turn
from .test_live import heard, listening

SUMMARY = {"event": "Conversation Summary"}


def at(second: int, **more: Any) -> dict[str, Any]:
    return {"timestamp": f"2025-04-03T07:35:{second:02}.000Z", **more}


def start(kind: str, second: int, **more: Any) -> dict[str, Any]:
    if kind == "session":
        return event("start_session", **at(second, **more))
    return track("Conversation Started", conversation_id="c", **at(second))


def end(kind: str, second: int) -> dict[str, Any]:
    if kind == "session":
        return event("end_session", **at(second))
    return track("Conversation Ended", conversation_id="c", **at(second))


def call(second: int, **properties: Any) -> dict[str, Any]:
    return track("Conversation Function", conversation_id="c", properties=properties, **at(second))


@pytest.fixture(scope="module")
def analysing() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def chat(analysing: LocalServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    caller = Caller(analysing.url, app_id=request.node.nodeid[-200:])
    with caller.http:
        yield caller


def summaries(server: LocalServer, chat: Caller) -> list[dict[str, Any]]:
    assert server.settle(30)
    return [found["properties"] for found in chat.find("events", filter={**SUMMARY, "session_id": "s"})]


def contents(chat: Caller, **query: Any) -> list[tuple[int, str]]:
    rows = chat.find("messages", filter={"session_id": "s"}, **query)
    return [(row["index"], row["content"]) for row in rows]


def test_messages_are_in_order_of_time_and_numbered_so(caller: Caller) -> None:
    caller.take(turn("c", "d", **at(20)))
    caller.take(turn("", "e", **at(30)), turn("a", "", **at(10)))
    caller.take(turn("b", "", **at(15)), turn("f", "", **at(30)))
    expected = list(enumerate(["a", "b", "c", "d", "e", "f"]))
    assert expected == contents(caller)
    assert expected == contents(caller, sort={"index": 1})
    (session,) = caller.find("sessions", include=["messages", "events"])
    assert ["a", "b", "c", "d", "e", "f"] == [message["content"] for message in session["messages"]]
    times = [event["timestamp"] for event in session["events"] if event["event"] == "Conversation Turn"]
    assert sorted(times) == times
    turns = caller.get("/bc/v1/user/conversation", user_id="u", conversation_id="c").json()
    assert ["a", "b", "c", "", "f"] == [turn["user"] for turn in turns]


def test_the_index_of_a_late_turn_is_right_after_a_restart_too(tmp_path: Any) -> None:
    for expected, second in ((["x"], 20), (["y", "x"], 10)):
        with LocalServer(tmp_path / "x.db") as server, (caller := Caller(server.url)).http:
            caller.take(turn(expected[0], "", **at(second)))
            assert list(enumerate(expected)) == contents(caller)
            assert 1 == len(caller.find("conversations", filter={"turn_count": len(expected)}))


def test_sessions_and_conversations_begin_with_their_first_event_in_time(caller: Caller) -> None:
    caller.take(turn(**at(20)))
    caller.take(start("session", 5, id="u"), start("conversation", 10))
    assert [at(5)["timestamp"]] == [row["started_at"] for row in caller.find("sessions")]
    assert [at(10)["timestamp"]] == [row["started_at"] for row in caller.find("conversations")]


@pytest.mark.parametrize("at_once", [True, False])
def test_an_added_start_moves_to_the_earliest_event(caller: Caller, at_once: bool) -> None:
    turns = [turn("later", **at(20)), turn("first", **at(10)), turn("between", **at(15))]
    for some in [turns] if at_once else [[each] for each in turns]:
        caller.take(*some)
    rows = caller.find("events", filter={"session_id": "s"})
    seconds = [("Session Started", 10), ("Conversation Started", 10), *(("Conversation Turn", s) for s in (10, 15, 20))]
    assert [(name, at(second)["timestamp"]) for name, second in seconds] == [
        (row["event"], row["timestamp"]) for row in rows
    ]


def test_a_start_that_was_sent_keeps_its_time(caller: Caller) -> None:
    caller.take(start("session", 20, id="u"), start("conversation", 20))
    caller.take(turn(**at(10)))
    assert [at(10)["timestamp"]] == [row["started_at"] for row in caller.find("sessions")]
    rows = caller.find("events", filter={"session_id": "s"})
    assert ["Conversation Turn", "Session Started", "Conversation Started"] == [row["event"] for row in rows]


def test_what_comes_shortly_after_the_end_is_in_the_summary(analysing: LocalServer, chat: Caller) -> None:
    chat.take(turn("first", **at(10)), end("session", 30))
    chat.take(turn("second", **at(20)))
    (found,) = summaries(analysing, chat)
    assert (2, 20.0) == (found["turn_count"], found["duration"])
    assert "replaces" not in found


async def test_what_comes_later_replaces_the_summary_and_is_told_live(analysing: LocalServer, chat: Caller) -> None:
    chat.take(turn("Please cancel my order.", "Done.", **at(10)), end("session", 30))
    (before,) = summaries(analysing, chat)
    (former,) = chat.find("events", filter=SUMMARY)
    async with listening(chat) as socket:
        chat.take(turn("Please book a table.", "Sorry, I can't.", **at(20)))
        (after,) = await asyncio.to_thread(summaries, analysing, chat)
        summary = (await heard(socket, "Conversation Summary"))[-1]
    assert former["event_id"] == summary["properties"]["replaces"]
    assert (1, 2) == (before["turn_count"], after["turn_count"])
    assert former["event_id"] == after["replaces"]
    intents = [(row["intent"], row["intent_fulfilled"]) for row in chat.find("intents")]
    assert [("cancel order", "yes"), ("book table", "no")] == intents
    assert 2 == len(chat.find("events", filter={"event": "Intent Informed"}))
    for rows in ("sessions", "conversations"):
        (row,) = chat.find(rows, include=["events"])
        assert len(row["events"]) == row["event_count"]
    insight = chat.get("/bc/v1/user/insights", user_id="u").json()["conversations"]
    assert [(1, 1)] == [(one["successful_intents"], one["unsuccessful_intents"]) for one in insight]


def test_what_comes_late_again_and_again_leaves_one_summary(analysing: LocalServer, chat: Caller) -> None:
    chat.take(end("conversation", 50))
    for number in range(3):
        chat.take(turn(str(number), **at(number)))
        assert [number + 1] == [found["turn_count"] for found in summaries(analysing, chat)]


def test_a_late_turn_of_an_earlier_stretch_leaves_the_later_one_alone(analysing: LocalServer, chat: Caller) -> None:
    chat.take(turn("a", **at(5)), end("conversation", 10))
    chat.take(start("conversation", 20), turn("c", **at(25)), end("conversation", 30))
    assert [1, 1] == [found["turn_count"] for found in summaries(analysing, chat)]
    chat.take(turn("b", **at(7)), track("Conversation Usage", conversation_id="c", properties={"cost": 1.5}, **at(8)))
    first, second = summaries(analysing, chat)
    assert (2, 1.5, 1) == (first["turn_count"], first["cost"], second["turn_count"])
    assert "cost" not in second
    assert 1 == len(chat.get("/bc/v1/user/insights", user_id="u").json()["conversations"])


def test_a_start_that_is_older_than_the_end_reopens_nothing(analysing: LocalServer, chat: Caller) -> None:
    chat.take(turn(**at(10)), end("session", 30))
    chat.take(start("session", 5, id="u"), start("conversation", 6), turn(**at(20)))
    assert 0 == len(
        chat.find("sessions", filter={"ended_at": None}) + chat.find("conversations", filter={"ended_at": None})
    )
    assert [2] == [found["turn_count"] for found in summaries(analysing, chat)]
    chat.take(start("session", 40, id="u"))
    assert 1 == len(chat.find("sessions", filter={"ended_at": None}))


def test_a_conversation_that_comes_after_the_end_of_its_session_ends_with_it(chat: Caller) -> None:
    chat.take(track(**at(5)), end("session", 30))
    chat.take(start("conversation", 10), turn(**at(20)))
    (row,) = chat.find("conversations")
    assert (at(10)["timestamp"], at(30)["timestamp"]) == (row["started_at"], row["ended_at"])


def test_a_call_that_is_recorded_after_its_turn_counts_for_that_turn(analysing: LocalServer, chat: Caller) -> None:
    chat.take(
        turn("Please cancel my order.", "Done.", **at(10)),
        call(11, name="cancel_order", result='{"error": "no such order"}', runtime=4000),
        turn("Please book a table.", "It is booked.", **at(20)),
        end("session", 30),
    )
    summaries(analysing, chat)
    intents = [(row["intent"], row["intent_fulfilled"]) for row in chat.find("intents")]
    assert [("cancel order", "no"), ("book table", "yes")] == intents


def test_a_call_counts_for_the_turn_of_its_time_wherever_it_was_recorded(analysing: LocalServer, chat: Caller) -> None:
    chat.take(
        turn("Please cancel my order.", "Done.", **at(10)), turn("Please book a table.", "It is booked.", **at(20))
    )
    chat.take(call(8, name="cancel_order", result='{"error": "no such order"}', runtime=1000), end("session", 30))
    summaries(analysing, chat)
    intents = [(row["intent"], row["intent_fulfilled"]) for row in chat.find("intents")]
    assert [("cancel order", "no"), ("book table", "yes")] == intents


def test_a_call_of_any_length_does_no_harm(analysing: LocalServer, chat: Caller) -> None:
    chat.take(call(8, name="f", runtime=1e308), turn(**at(10)), end("session", 30))
    assert [1] == [found["function_count"] for found in summaries(analysing, chat)]


@sqlite_only
def test_what_is_due_a_moment_after_the_end_and_where_the_clock_was_set_back(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalServer(tmp_path / "x.db", analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(turn(**at(10)), end("session", 30))
    connection = SQLiteFile(tmp_path / "x.db").open()
    noted = connection.execute(select(unanalysed.c.noted_at)).scalar_one()
    for seconds, expected in ((-3600, 1), (-0.5, 0), (0, 0), (0.9, 0), (1, 1), (3600, 1)):
        monkeypatch.setattr(reading, "now", lambda seconds=seconds: noted + int(seconds * 1_000_000))
        assert (seconds, expected) == (seconds, len(reading.due(connection, 9)))
        left = reading.next_due(connection)
        assert left is not None
        assert 0 <= left <= 1
    connection.close()
