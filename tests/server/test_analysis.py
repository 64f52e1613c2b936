"""Conversations are analysed when they end: the resulting events and rows, their order and their cost."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mindlytics.server.analysis import (
    Dialogue,
    Findings,
    background,
    prices,
)
from mindlytics.server.records import Records
from mindlytics.server.run import LocalServer
from mindlytics.server.store import Store
from mindlytics.server.unavailable import Unavailable

from ..postgres import sqlite_only
from .analysing import APPOINTMENT, SUMMARY, call, eventually, serving, summaries
from .calls import AT, Caller, event, track, turn
from .test_live import heard, listening


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def caller(shared: LocalServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    with (caller := Caller(shared.url, app_id=request.node.nodeid[-200:])).http:
        yield caller


# -- what comes of it


def test_a_conversation_and_what_was_found_in_it(caller: Caller) -> None:
    caller.take(*APPOINTMENT)
    (summary,) = summaries(caller)
    events = caller.find("events")
    assert [
        *("Session Started", "Conversation Started", "Conversation Turn", "Conversation Turn", "Conversation Function"),
        *("Conversation Turn", "Conversation Ended", "Session Ended"),
        *("Intent Informed", "Intent Closed", SUMMARY),
    ] == [e["event"] for e in events]
    ended, _, informed, closed, _ = events[-5:]
    assert {
        "analysis": "local",
        "summary": "move appointment (fulfilled)",
        "sentiment": "positive",
        "successful_intents": 1,
        "unsuccessful_intents": 0,
        "turn_count": 3,
        "function_count": 1,
        "function_runtime": 160.5,
        "duration": 2.5,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "cost": 0.75,
    } == summary["properties"]
    assert (ended["event_id"], ended["timestamp"]) == (summary["origin_event_id"], summary["timestamp"])
    assert {"analysis": "local", "intent": "move appointment"} == informed["properties"]
    assert events[2]["event_id"] == informed["origin_event_id"]
    assert "yes" == closed["properties"]["intent_fulfilled"]
    assert events[5]["event_id"] == closed["origin_event_id"]
    assert {"c"} == {e["conversation_id"] for e in events[-3:]}
    assert 11 == caller.one("sessions")["event_count"]
    assert 9 == caller.one("conversations")["event_count"]


def test_intents_are_read_with_their_session_and_conversation(caller: Caller) -> None:
    caller.take(*APPOINTMENT, turn("Where is my parcel?", "", "c2", session_id="s2"), event("end_session", "s2"))
    summaries(caller, 2)
    (intent,) = caller.one("sessions", filter={"session_id": "s"}, include=["intents"])["intents"]
    events = {e["event_id"]: e["event"] for e in caller.find("events")}
    assert ("Conversation Turn", "Conversation Turn") == (events[intent["informed_by"]], events[intent["closed_by"]])
    assert {
        "session_id": "s",
        "conversation_id": "c",
        "intent": "move appointment",
        "intent_fulfilled": "yes",
        "summary": 'move_appointment was called, then: "Done. See you on Monday."',
        "sentiment": "positive",
        "informed_at": AT,
        "closed_at": AT,
        "analysis": "local",
    }.items() <= intent.items()
    (other,) = caller.one("conversations", filter={"conversation_id": "c2"}, include=["intents"])["intents"]
    assert ("ask about parcel", "no") == (other["intent"], other["intent_fulfilled"])
    assert [other] == caller.find("intents", filter={"intent_fulfilled": "no"})
    for column, value in other.items():
        assert other in caller.find("intents", filter={column: value}, sort={column: -1})


def test_a_session_without_a_conversation_has_no_summary(caller: Caller) -> None:
    caller.take(track(), event("end_session"), turn(session_id="s2"), event("end_session", "s2"))
    summaries(caller)
    assert ["Session Started", "Bought", "Session Ended"] == caller.names()


def test_a_conversation_in_which_nothing_was_said(caller: Caller) -> None:
    caller.take(track("Conversation Started", conversation_id="c"), track("Conversation Ended", conversation_id="c"))
    (summary,) = summaries(caller)
    assert (0, "neutral", "Nothing was said.") == tuple(
        summary["properties"][name] for name in ("turn_count", "sentiment", "summary")
    )
    assert "cost" not in summary["properties"]


def test_each_conversation_has_its_summary_in_the_order_of_the_ends(caller: Caller) -> None:
    caller.take(*(turn(conversation_id=f"c{n}") for n in range(5)))
    caller.take(track("Conversation Ended", conversation_id="c3"), event("end_session"))
    assert ["c3", "c0", "c1", "c2", "c4"] == [e["conversation_id"] for e in summaries(caller, 5)]


def test_a_second_end_makes_no_second_summary(caller: Caller) -> None:
    end = track("Conversation Ended", conversation_id="c")
    caller.take(
        turn(), end, end, event("end_session"), turn("a", "b", "last", session_id="s2"), event("end_session", "s2")
    )
    summaries(caller, 2)
    assert 1 == caller.names().count(SUMMARY)


def test_a_reopened_conversation_is_summarised_from_there(caller: Caller) -> None:
    end = track("Conversation Ended", conversation_id="c")
    caller.take(turn("Where is my parcel?", "In Lyon."), turn(), end)
    caller.take(track("Conversation Started", conversation_id="c"), turn("Can you cancel the order?", "Done."), end)
    first, second = summaries(caller, 2)
    assert [2, 1] == [s["properties"]["turn_count"] for s in (first, second)]
    intents = caller.one("sessions", include=["intents"])["intents"]
    assert ["ask about parcel", "cancel order"] == [intent["intent"] for intent in intents]


def test_a_single_event_that_ends_a_conversation_returns_the_findings(caller: Caller) -> None:
    caller.take(*APPOINTMENT[:-1])
    reply = caller.post("/bc/v1/events/event/end-session", APPOINTMENT[-1])
    assert ["Conversation Ended", "Session Ended", "Intent Informed", "Intent Closed", SUMMARY] == [
        e["event"] for e in reply.json()
    ]
    assert caller.find("events")[-5:] == reply.json()


async def test_the_end_of_a_session_arrives_live_after_what_was_found(caller: Caller) -> None:
    async with listening(caller) as socket:
        caller.take(*APPOINTMENT)
        events = await heard(socket, "Session Ended")
    assert ["Conversation Ended", "Intent Informed", "Intent Closed", SUMMARY, "Session Ended"] == [
        e["event"] for e in events[-5:]
    ]
    assert sorted(e["event_id"] for e in caller.find("events")) == sorted(e["event_id"] for e in events)


async def test_the_end_of_a_session_waits_for_a_slow_analysis_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "HOLD_SECONDS", 0.2)
    go_on = threading.Event()

    def slow(dialogue: Dialogue) -> Findings:
        go_on.wait(30)
        return Findings(summary=f"{len(dialogue.steps)} steps")

    with serving(analysis=slow) as caller:
        async with listening(caller) as socket:
            caller.take(turn(), event("end_session"))
            caller.take(track(session_id="s2"), event("end_session", "s2"))
            events = await heard(socket, "Session Ended") + await heard(socket, "Session Ended")
            assert SUMMARY not in [e["event"] for e in events]
            go_on.set()
            assert "1 steps" == (await heard(socket, SUMMARY))[-1]["properties"]["summary"]


async def test_the_end_of_a_session_arrives_live_although_the_file_could_not_be_written_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "HOLD_SECONDS", 0.2)
    go_on, failures = threading.Event(), iter(range(20))
    write = Store.write

    async def flaky(store: Store, work: Callable[[Records], Any]) -> Any:
        if work.__qualname__.startswith("Background") and next(failures, None) is not None:
            raise Unavailable("the disk is full")
        return await write(store, work)

    monkeypatch.setattr(Store, "write", flaky)
    with serving(analysis=lambda _: Findings(summary=str(go_on.wait(30)))) as caller:
        async with listening(caller) as socket:
            caller.take(turn(), event("end_session"))
            assert SUMMARY not in [e["event"] for e in await heard(socket, "Session Ended")]
            go_on.set()


def test_a_single_event_that_is_stored_is_acknowledged_although_nothing_can_be_read(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.take(turn())

    def unreadable(*_: object) -> Any:
        raise Unavailable("other reads take all readers")

    monkeypatch.setattr(background, "made_of", unreadable)
    reply = caller.post("/bc/v1/events/event/end-session", event("end_session"))
    assert (200, ["Conversation Ended", "Session Ended"]) == (reply.status_code, [e["event"] for e in reply.json()])


async def test_the_end_of_a_session_that_begins_again_arrives_live_before_that() -> None:
    go_on = threading.Event()

    def slow(_: Dialogue) -> Findings:
        go_on.wait(30)
        return Findings()

    with serving(analysis=slow) as caller:
        async with listening(caller) as socket:
            caller.take(turn(), event("end_session"))
            caller.take(event("start_session"), turn("a", "b", "c2"), event("end_session"))
            events = await heard(socket, "Session Ended")
            assert "Conversation Ended" == events[-2]["event"]
            read_back = [e["event_id"] for e in caller.get("/bc/v1/live-events/events", start=AT, end=AT).json()]
            events += (more := await heard(socket, "Conversation Ended"))
            assert "Session Started" == more[0]["event"]
            assert {e["event_id"] for e in events} == set(read_back)
            go_on.set()
            last = await heard(socket, "Session Ended")
            assert 2 == sum(e["event"] == SUMMARY for e in last)


@sqlite_only
async def test_what_another_server_has_analysed_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "HOLD_SECONDS", 1000.0)
    go_on = threading.Event()

    def slow(_: Dialogue) -> Findings:
        go_on.wait(30)
        return Findings()

    with serving(tmp_path / "x.db", slow) as caller:
        async with listening(caller) as socket:
            for session_id in ("s1", "s2"):
                caller.take(turn(session_id=session_id), event("end_session", session_id))
            with closing(sqlite3.connect(tmp_path / "x.db")) as other, other:
                other.execute("DELETE FROM unanalysed")
            go_on.set()
            events = await heard(socket, "Session Ended") + await heard(socket, "Session Ended")
            assert {"s1", "s2"} == {e["session_id"] for e in events if e["event"] == "Session Ended"}
            assert SUMMARY not in [e["event"] for e in events]


def test_the_end_of_a_session_is_read_back_after_what_was_found() -> None:
    go_on = threading.Event()

    def slow(dialogue: Dialogue) -> Findings:
        go_on.wait(30)
        return Findings()

    with serving(analysis=slow) as caller:
        caller.take(turn(), event("end_session"), track(session_id="s2"), event("end_session", "s2"))

        def read_back(**more: int) -> list[tuple[str, str]]:
            events = caller.get("/bc/v1/live-events/events", start=AT, end=AT, **more).json()
            return [(e["session_id"], e["event"]) for e in events]

        assert [("s2", "Session Ended"), ("s2", "Bought"), ("s2", "Session Started")] == read_back()[:3]
        assert ("s", "Conversation Ended") == read_back()[3]
        assert read_back()[:4] == read_back(limit=4)
        go_on.set()
        summaries(caller)
        assert [("s2", "Session Ended"), ("s", "Session Ended"), ("s", SUMMARY)] == read_back()[:3]


def test_the_end_of_a_session_of_another_run_waits_for_nothing(tmp_path: Path) -> None:
    go_on = threading.Event()

    def slow(dialogue: Dialogue) -> Findings:
        go_on.wait(30)
        return Findings()

    with serving(tmp_path / "x.db", None) as caller:
        caller.take(turn(), event("end_session"))
    with serving(tmp_path / "x.db", slow) as caller:
        assert "Session Ended" == caller.get("/bc/v1/live-events/events", start=AT, end=AT).json()[0]["event"]
        go_on.set()
        summaries(caller)


# -- cost


def test_tokens_have_a_price_where_the_model_is_known(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def price(model: str, prompt: int, completion: int, day: date, *parts: int) -> float | None:
        asked.append((model, prompt, completion, day))
        return prompt * 0.001 + completion * 0.002 if model == "known" else None

    monkeypatch.setattr("mindlytics.server.analysis.counted.price", price)
    usage = {"prompt_tokens": 100, "completion_tokens": 50}
    caller.take(
        turn(properties={"model": "known", **usage}),
        track("Conversation Usage", conversation_id="c", properties={"model": "strange", **usage}),
        turn(properties={"cost": 1.5}),
        turn(conversation_id="c2", properties={"model": "strange", **usage}),
        turn(conversation_id="c3", properties={"cost": 0}),
        event("end_session"),
    )
    first, second, third = (s["properties"] for s in summaries(caller, 3))
    assert (200, 100, 150, 1.7) == tuple(
        first[name] for name in ("prompt_tokens", "completion_tokens", "unpriced_tokens", "cost")
    )
    assert ("known", 100, 50, date(2025, 4, 3)) == asked[0]
    assert 150 == second["unpriced_tokens"]
    assert "cost" not in second
    assert 0 == third["cost"]
    assert 1.7 == pytest.approx(caller.one("conversations", filter={"conversation_id": "c"})["cost"])


def test_tokens_of_a_cache_are_summed_and_have_their_own_price(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("mindlytics.server.analysis.counted.price", lambda *arguments: asked.append(arguments))
    usage = {"model": "m", "prompt_tokens": 100, "completion_tokens": 50}
    parts = {"cached_tokens": 60, "cache_write_tokens": 30, "reasoning_tokens": 7}
    caller.take(
        turn(properties={**usage, **parts}),
        turn(properties={**usage, "cached_tokens": 1}),
        turn(properties={**usage, "cached_tokens": 101}),
        turn(properties={**usage, "cached_tokens": "many", "reasoning_tokens": -1}),
        event("end_session"),
    )
    (summary,) = summaries(caller, 1)
    counted = {"cached_tokens": 162, "cache_write_tokens": 30, "reasoning_tokens": 7}
    assert counted == {name: summary["properties"][name] for name in counted}
    assert [(60, 30), (1, 0), (0, 0), (0, 0)] == [arguments[4:] for arguments in asked]
    (stored, *_) = caller.find("events", filter={"event": "Conversation Turn"})
    assert parts == {name: stored["properties"][name] for name in parts}


def test_the_price_table() -> None:
    pytest.importorskip("genai_prices")
    cost = prices.price("gpt-4o-mini", 1_000_000, 1_000_000, date(2025, 4, 3))
    assert cost is not None
    assert 0 < cost < 100
    cached = prices.price("gpt-4o-mini", 1_000_000, 1_000_000, date(2025, 4, 3), 1_000_000)
    assert cached is not None
    assert 0 < cached < cost
    assert None is prices.price("nobody's model", 1, 1, date(2025, 4, 3))


def test_without_a_price_table_there_is_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices._table.cache_clear()
    prices.price.cache_clear()
    try:
        assert None is prices.price("gpt-4o-mini", 1_000_000, 1_000_000, date(2025, 4, 3))
    finally:
        prices._table.cache_clear()
        prices.price.cache_clear()


def test_a_session_costs_what_is_recorded_and_the_price_of_its_tokens(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindlytics.server.analysis.counted.price", lambda *_: 0.25)
    tokens = {"model": "m", "prompt_tokens": 9, "completion_tokens": 9}

    def costs() -> list[float | None]:
        return [caller.one(name)["cost"] for name in ("sessions", "conversations")]

    caller.take(turn(properties={"cost": 1.5}), turn(properties=tokens))
    assert [1.5, 1.5] == costs()
    caller.take(event("end_session"))
    (summary,) = summaries(caller)
    assert (1.75, 0.25) == (summary["properties"]["cost"], summary["properties"]["priced"])
    assert [1.75, 1.75] == costs()
    caller.take(turn(properties=tokens))
    eventually(caller, lambda events: any("replaces" in each["properties"] for each in events))
    assert [2.0, 2.0] == costs()


def test_absurd_numbers_are_counted_up_to_a_limit(caller: Caller) -> None:
    most = {"model": "nobody's", "prompt_tokens": 2**63, "completion_tokens": 2**64 - 1}
    turns = [turn(properties=most), turn(properties=most), turn(properties={"cost": sys.float_info.max})]
    caller.take(*turns, *turns, *(call("wait", runtime=n) for n in (2**64 - 1, 2**64 - 1)))
    caller.take(*(call("wait", runtime=sys.float_info.max) for _ in range(2)), event("end_session"))
    (summary,) = summaries(caller)
    properties = summary["properties"]
    assert {2**53} == {properties[name] for name in ("prompt_tokens", "completion_tokens", "unpriced_tokens")}
    assert {sys.float_info.max} == {properties[name] for name in ("cost", "function_runtime")}
