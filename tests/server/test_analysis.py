"""Conversations are analysed when they end: which events and rows come of it, in which order, once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mindlytics.server.analysis import (
    Analysis,
    AnalysisError,
    Dialogue,
    Findings,
    Intent,
    Turn,
    background,
    load,
    name_of,
    prices,
    reading,
)
from mindlytics.server.analysis.background import Background
from mindlytics.server.analysis.local import analyse
from mindlytics.server.records import Records
from mindlytics.server.run import LocalServer
from mindlytics.server.store import Store
from mindlytics.server.unavailable import Unavailable

from .calls import AT, Caller, event, track, turn
from .test_live import heard, listening

SUMMARY = "Conversation Summary"


@contextmanager
def serving(db: Path | None = None, analysis: Analysis | None = analyse) -> Iterator[Caller]:
    """A caller of a server of its own."""
    with LocalServer(db, analysis=analysis) as server, (caller := Caller(server.url)).http:
        yield caller


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def caller(shared: LocalServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    with (caller := Caller(shared.url, app_id=request.node.nodeid[-200:])).http:
        yield caller


def eventually(caller: Caller, condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The events, as soon as they are as they should be."""
    until = time.monotonic() + 30
    while not condition(events := caller.find("events")):
        assert time.monotonic() < until, [e["event"] for e in events]
        time.sleep(0.005)
    return events


def summaries(caller: Caller, count: int = 1) -> list[dict[str, Any]]:
    def there(events: list[dict[str, Any]]) -> bool:
        return count <= sum(e["event"] == SUMMARY for e in events)

    return [e for e in eventually(caller, there) if e["event"] == SUMMARY]


def call(name: str, result: str = "{}", runtime: float = 10.0, **fields: Any) -> dict[str, Any]:
    properties = {"name": name, "result": result, "runtime": runtime}
    return track("Conversation Function", conversation_id="c", properties=properties, **fields)


APPOINTMENT = (
    turn("Hi, I have to move my appointment.", "Of course. Which day was it on?", properties={"cost": 0.25}),
    turn("Thursday, with Dr. Osei.", "One moment.", properties={"cost": 0.5}),
    call("move_appointment", '{"ok": true}', 160.5),
    turn("Great, thank you!", "Done. See you on Monday."),
    event("end_session", timestamp="2025-04-03T07:35:12.500Z"),
)


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
    assert 1.5 == caller.one("conversations", filter={"conversation_id": "c"})["cost"]


def test_tokens_of_a_cache_are_summed_and_have_their_own_price(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("mindlytics.server.analysis.counted.price", lambda *given: asked.append(given))
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
    assert [(60, 30), (1, 0), (0, 0), (0, 0)] == [given[4:] for given in asked]
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


# -- analyses of others


def mine(dialogue: Dialogue) -> Findings:
    """What a user may plug in."""
    users = [step.user for step in dialogue.steps if isinstance(step, Turn)]
    return Findings(
        summary=f"{dialogue.session_id}/{dialogue.conversation_id}: {', '.join(users)}",
        intents=[Intent(name="talk", informed=0, fulfilled=False)],
    )


def test_an_analysis_of_your_own() -> None:
    with serving(analysis=mine) as caller:
        caller.take(turn("Hello?"), event("end_session"))
        (summary,) = summaries(caller)
        assert ("s/c: Hello?", "tests.server.test_analysis:mine", 1) == tuple(
            summary["properties"][name] for name in ("summary", "analysis", "unsuccessful_intents")
        )
        assert "sentiment" not in summary["properties"]
        assert ["talk"] == [intent["intent"] for intent in caller.find("intents")]


def fails(dialogue: Dialogue) -> Findings:
    raise RuntimeError(f"no model for {dialogue.conversation_id}\udcff")


@pytest.mark.parametrize(
    ("analysis", "message"),
    [
        (fails, "the analysis failed: RuntimeError: no model for c\ufffd"),
        (lambda _: sys.exit("enough"), "the analysis failed: SystemExit: enough"),
        (lambda _: {"summary": "x"}, "the analysis failed: AnalysisError: it must give back Findings, not dict"),
        (lambda _: Findings(sentiment="happy"), "sentiment must be one of positive, negative, neutral, or None"),
        (lambda _: Findings(summary="\ud800"), "valid Unicode"),
        (lambda _: Findings(intents=[Intent(name="", informed=0, fulfilled=True)]), "intent must be a str of 1 to 100"),
        (lambda _: Findings(intents=[Intent(name="x", informed=1, fulfilled=True)]), "not among the 1"),
        (lambda _: Findings(intents=[Intent(name="x", informed=-1, fulfilled=True)]), "index of a step"),
    ],
)
def test_an_analysis_that_fails_is_reported_and_loses_nothing_else(analysis: Any, message: str) -> None:
    with serving(analysis=analysis) as caller:
        for session_id in ("s", "s2"):
            caller.take(turn(session_id=session_id, properties={"cost": 2}), event("end_session", session_id))
        first, second = summaries(caller, 2)
        assert ("s", "s2", 1, 2) == (
            first["session_id"],
            second["session_id"],
            first["properties"]["turn_count"],
            first["properties"]["cost"],
        )
        assert not {"summary", "sentiment", "successful_intents"} & set(first["properties"])
        assert "MLError" == (names := caller.names())[-2], names
        problem = caller.one("events", filter={"event": "MLError"})
        assert message in problem["properties"]["error_message"]
        assert first["origin_event_id"] == problem["origin_event_id"]
        assert [] == caller.find("intents")


def test_without_an_analysis_conversations_wait_for_one(tmp_path: Path) -> None:
    with serving(db=tmp_path / "x.db", analysis=None) as caller:
        caller.take(*APPOINTMENT)
        reply = caller.post("/bc/v1/events/event/end-session", event("end_session"))
        assert ["Session Ended"] == [e["event"] for e in reply.json()]
        assert "Session Ended" == caller.get("/bc/v1/live-events/events", start=AT, end=AT).json()[0]["event"]
    with serving(db=tmp_path / "x.db") as caller:
        (summary,) = summaries(caller)
        assert 3 == summary["properties"]["turn_count"]


def test_a_local_server_settles() -> None:
    go_on = threading.Event()

    def slow(_: Dialogue) -> Findings:
        go_on.wait(30)
        return Findings()

    server = LocalServer(analysis=slow)
    assert not server.settle()
    with server, (caller := Caller(server.url)).http:
        assert server.settle()
        caller.take(turn(), event("end_session"))
        assert not server.settle(0.01)
        go_on.set()
        assert server.settle()
        assert SUMMARY == caller.names()[-1]


def test_what_can_be_loaded() -> None:
    assert None is load("none")
    local = load("local")
    assert local is not None
    assert "local" == name_of(local)
    assert mine is load(f"{__name__}:mine")
    for name in ("mine", ":mine", "json:", "no.such.module:f", "json:no_such", "json:__doc__"):
        with pytest.raises(AnalysisError, match=name.replace(".", r"\.")):
            load(name)


# -- whatever happens


def test_absurd_numbers_are_counted_up_to_a_limit(caller: Caller) -> None:
    most = {"model": "nobody's", "prompt_tokens": 2**63, "completion_tokens": 2**64 - 1}
    turns = [turn(properties=most), turn(properties=most), turn(properties={"cost": sys.float_info.max})]
    caller.take(*turns, *turns, *(call("wait", runtime=n) for n in (2**64 - 1, 2**64 - 1)))
    caller.take(*(call("wait", runtime=sys.float_info.max) for _ in range(2)), event("end_session"))
    (summary,) = summaries(caller)
    properties = summary["properties"]
    assert {2**53} == {properties[name] for name in ("prompt_tokens", "completion_tokens", "unpriced_tokens")}
    assert {sys.float_info.max} == {properties[name] for name in ("cost", "function_runtime")}


def test_a_conversation_that_cannot_be_read_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    take = reading._take

    def failing(found: Any, event: str, place: Any, text: str) -> None:
        if '"bad"' in text:
            raise TypeError("Integer exceeds 64-bit range")
        take(found, event, place, text)

    monkeypatch.setattr(reading, "_take", failing)
    with serving() as caller:
        for session_id in ("bad", "good"):
            caller.take(turn(session_id, session_id=session_id), event("end_session", session_id))
        bad, good = summaries(caller, 2)
        assert ({"analysis": "local"}, "good") == (bad["properties"], good["session_id"])
        problem = caller.one("events", filter={"event": "MLError"})
        assert "the analysis failed: TypeError: Integer exceeds" in problem["properties"]["error_message"]
        assert "bad" == problem["session_id"]


def test_of_a_huge_conversation_the_last_steps_are_analysed_and_all_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_STEPS", 3)
    with serving(analysis=mine) as caller:
        caller.take(*(turn(str(number), properties={"cost": 1}) for number in range(10)), event("end_session"))
        (summary,) = summaries(caller)
        assert ("s/c: 7, 8, 9", 10, 10) == tuple(summary["properties"][n] for n in ("summary", "turn_count", "cost"))
    monkeypatch.setattr(reading, "MAX_CHARACTERS", 100)
    with serving(analysis=mine) as caller:
        caller.take(turn("a" * 90), turn("b" * 90), turn("c" * 900, "last"), event("end_session"))
        assert f"s/c: {'c' * 900}" == summaries(caller)[0]["properties"]["summary"]


PROGRAM = """
import asyncio, sys
from mindlytics.server.analysis import Findings
from mindlytics.server.run import serve

def hangs(dialogue):
    print("analysing", flush=True)
    asyncio.run(asyncio.sleep(60))

asyncio.run(serve("127.0.0.1", 0, sys.argv[1], analysis=hangs, on_ready=lambda url: print(url, flush=True)))
"""


def test_a_server_that_is_killed_in_between_loses_no_summary(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(db)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        with (caller := Caller(server.stdout.readline().strip())).http:
            caller.take(*(e for n in range(20) for e in (turn(session_id=f"s{n}"), event("end_session", f"s{n}"))))
        assert "analysing\n" == server.stdout.readline()
        server.kill()
    expected = [f"s{n}" for n in range(20)]
    for session_id in ("more", "yet more"):
        with serving(db=db) as caller:
            assert expected == [e["session_id"] for e in summaries(caller, len(expected))]
            caller.take(turn(session_id=session_id), event("end_session", session_id))
            expected.append(session_id)
            assert expected == [e["session_id"] for e in summaries(caller, len(expected))]


def test_two_servers_on_one_file_share_the_work(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    with serving(db=db) as one, serving(db=db) as two:
        for number in range(40):
            caller = (one, two)[number % 2]
            caller.take(turn(session_id=f"s{number}"), event("end_session", f"s{number}"))
        summaries(one, 40)
    with serving(db=db) as caller:
        assert 40 == len(summaries(caller, 40))


def test_what_cannot_be_stored_is_stored_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.05)
    failures = iter([sqlite3.OperationalError("disk I/O error")] * 2)
    add = Background._add

    def failing(*arguments: Any) -> None:
        for failure in failures:
            raise failure
        add(*arguments)

    monkeypatch.setattr(Background, "_add", failing)
    with serving(db=tmp_path / "x.db") as caller:
        caller.take(turn(), event("end_session"))
        assert 1 == len(summaries(caller))
        assert None is next(failures, None)
