"""Sessions that are never ended by a program."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mindlytics.server.idle import Idle
from mindlytics.server.run import LocalServer

from ..conftest import eventually
from .calls import Caller, event, track, turn


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    with LocalServer(tmp_path / "x.db", idle=None) as server:
        yield server


Look = Callable[[float], None]


@pytest.fixture
def look(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Look for sessions that are idle for a minute, at a time in seconds."""
    time = 0.0
    monkeypatch.setattr("mindlytics.server.idle.time", SimpleNamespace(monotonic=lambda: time))
    idle = Idle(server.store, 60)

    def look(at: float) -> None:
        nonlocal time
        time = at
        asyncio.run(idle.check())

    return look


def open_sessions(caller: Caller) -> list[str]:
    return [row["session_id"] for row in caller.find("sessions", filter={"ended_at": None})]


def test_a_session_ends_at_the_time_of_its_last_event(server: LocalServer, look: Look) -> None:
    with (caller := Caller(server.url)).http:
        caller.take(turn(), track(timestamp="2025-04-03T07:36:10.000Z"))
        look(0)
        look(59)
        assert ["s"] == open_sessions(caller)
        look(60)
        (row,) = caller.find("sessions")
        assert ("2025-04-03T07:36:10.000Z", "idle") == (row["ended_at"], row["attributes"]["reason"])
        assert ["Conversation Ended", "Session Ended"] == caller.names()[-2:]
        assert server.settle(30)
        assert 1 == len(caller.find("events", filter={"event": "Conversation Summary"}))


def test_a_session_to_which_events_come_stays_open_whatever_their_times(server: LocalServer, look: Look) -> None:
    with (caller := Caller(server.url)).http:
        caller.take(track(session_id="quiet"), track(session_id="busy"))
        look(0)
        caller.take(track(session_id="busy", timestamp="1999-01-01T00:00:00Z"))
        look(61)
        assert ["busy"] == open_sessions(caller)
        look(122)
        assert [] == open_sessions(caller)


def test_a_session_that_continues_is_open_again(server: LocalServer, look: Look) -> None:
    with (caller := Caller(server.url)).http:
        caller.take(track())
        look(0)
        look(60)
        caller.take(event("start_session", id="u"), track())
        assert ["s"] == open_sessions(caller)


def test_more_sessions_than_are_looked_at_at_once(
    server: LocalServer, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (caller := Caller(server.url)).http:
        caller.take(*(track(session_id=str(number)) for number in range(450)))
        look(0)
        look(60)
        assert [] == open_sessions(caller)
        assert 450 == len(caller.find("events", filter={"event": "Session Ended"}))


def test_a_server_ends_them_by_itself() -> None:
    with LocalServer(idle=0.1) as server, (caller := Caller(server.url)).http:
        caller.take(track())
        asyncio.run(eventually(lambda: not open_sessions(caller)))
