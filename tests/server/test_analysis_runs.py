"""When analyses run: those of your own, failing ones, several servers, and restarts."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mindlytics.server.analysis import (
    AnalysisError,
    Dialogue,
    Findings,
    Intent,
    Turn,
    background,
    load,
    name_of,
    reading,
)
from mindlytics.server.analysis.background import Background
from mindlytics.server.run import LocalServer

from ..postgres import sqlite_only
from .analysing import APPOINTMENT, SUMMARY, serving, summaries
from .calls import AT, Caller, event, turn
from .test_live import heard, listening


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
        assert ("s/c: Hello?", "tests.server.test_analysis_runs:mine", 1) == tuple(
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


@sqlite_only
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


@sqlite_only
async def test_findings_name_the_events_of_an_earlier_version_by_their_ids(tmp_path: Path) -> None:
    with serving(db=tmp_path / "x.db") as caller:
        caller.take(turn("I have to move my appointment.", "Done."), turn("Thanks!"))
        with sqlite3.connect(tmp_path / "x.db") as connection:
            connection.execute("UPDATE events SET former_id = 'before-' || seq")
        connection.close()
        async with listening(caller) as socket:
            caller.take(event("end_session"))
            events = await heard(socket, "Session Ended")
        heard_of = {event["event_id"]: event.get("origin_event_id") for event in events}
        stored = {event["event_id"]: event.get("origin_event_id") for event in caller.find("events")}
        assert ["Conversation Ended", "Intent Informed", "Intent Closed", SUMMARY] == [e["event"] for e in events][:4]
        assert ["before-", "before-"] == [str(heard_of[e["event_id"]])[:7] for e in events[1:3]]
        assert heard_of == {event_id: stored[event_id] for event_id in heard_of}
