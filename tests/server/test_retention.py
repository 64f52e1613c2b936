"""Retention: old sessions go in steps, the rest stays, and the file becomes smaller."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, cast

import pytest

from mindlytics.server.retention import drop_old
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import microseconds
from mindlytics.server.store import Store

from .. import postgres
from .calls import Caller, event, turn

OLD, NEW = "2025-01-03T07:35:10Z", "2025-04-03T07:35:10Z"
BETWEEN = microseconds("2025-02-01T00:00:00Z")


def record(caller: Caller, session_id: str, at: str, *, ends: bool = True, turns: int = 1, text: str = "") -> None:
    for _ in range(turns):
        caller.take(turn(text or session_id, session_id=session_id, user_id=f"user of {session_id}", timestamp=at))
    if ends:
        caller.take(event("end_session", session_id, user_id=f"user of {session_id}", timestamp=at))


def dropped(server: LocalServer, before: int = BETWEEN) -> int:
    return asyncio.run(drop_old(server.store, before))


def test_old_sessions_go_and_others_stay(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "m.db", idle=None) as server:
        caller, other = Caller(server.url), Caller(server.url, app_id="other")
        record(caller, "old", OLD, text="quagga")
        record(caller, "open", OLD, ends=False)
        record(caller, "new", NEW)
        record(other, "old", OLD)
        assert server.settle()
        assert 2 == dropped(server)
        assert ["new", "open"] == sorted(row["session_id"] for row in caller.find("sessions"))
        assert [] == other.find("sessions")
        assert {"new", "open"} == {row["session_id"] for row in caller.find("events")}
        assert [] == caller.get("/bc/v1/search", q="quagga").json()["results"]
        assert 0 == dropped(server)


def test_users_stay_as_long_as_they_are_young_or_have_a_session(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "m.db", analysis=None, idle=None) as server:
        caller = Caller(server.url)
        record(caller, "old", OLD)
        record(caller, "new", NEW)
        dropped(server)
        assert {"user of old", "user of new"} == {row["id"] for row in caller.find("users")}
        dropped(server, microseconds("2100-01-01T00:00:00Z"))
        assert [] == caller.find("users")


def test_a_user_whom_a_session_of_another_names_stays(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "m.db", analysis=None, idle=None) as server:
        caller = Caller(server.url)
        caller.take(event("identify", id="ada", user_id="ada"), event("alias", id="ada 2", previous_id="ada"))
        caller.take(event("identify", id="bob", user_id="ada 2"))
        dropped(server, microseconds("2100-01-01T00:00:00Z"))
        assert {"ada 2", "bob"} == {row["id"] for row in caller.find("users")}
        caller.take(event("end_session", user_id="bob"))
        dropped(server, microseconds("2100-01-01T00:00:00Z"))
        assert [] == caller.find("users")


def test_a_long_session_goes_in_steps_and_events_come_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindlytics.server.deleting.EVENTS_AT_ONCE", 3)
    monkeypatch.setattr("mindlytics.server.retention.EVENTS_AT_ONCE", 3)
    left: list[int] = []
    with LocalServer(tmp_path / "m.db", analysis=None, idle=None) as server:
        caller = Caller(server.url)
        record(caller, "old", OLD, turns=10)

        class Counting:
            """A store that takes an event after each step."""

            compact = server.store.compact

            async def write(self, work: Any) -> Any:
                result = await server.store.write(work)
                left.append(len(caller.find("events")))
                caller.take(turn(session_id="meanwhile", timestamp=NEW))
                return result

        assert 1 == asyncio.run(drop_old(cast(Store, Counting()), BETWEEN))
        assert ["meanwhile"] == [row["session_id"] for row in caller.find("sessions")]
    assert len(set(left)) > 4


def test_a_session_that_is_reopened_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindlytics.server.deleting.EVENTS_AT_ONCE", 3)
    monkeypatch.setattr("mindlytics.server.retention.EVENTS_AT_ONCE", 3)
    with LocalServer(tmp_path / "m.db", analysis=None, idle=None) as server:
        caller = Caller(server.url)
        record(caller, "long", OLD, turns=10)
        record(caller, "resumed", OLD)
        before = len(caller.names("resumed"))

        class Resuming:
            """A store in which a session goes on while the first step is taken."""

            compact = server.store.compact
            resumed = False

            async def write(self, work: Any) -> Any:
                result = await server.store.write(work)
                if not self.resumed and len(caller.names("long")) < 10:
                    self.resumed = True
                    caller.take(event("start_session", "resumed", user_id="user of resumed", timestamp=NEW))
                return result

        assert 1 == asyncio.run(drop_old(cast(Store, Resuming()), BETWEEN))
        assert ["resumed"] == [row["session_id"] for row in caller.find("sessions")]
        assert before + 1 == len(caller.names("resumed"))


@postgres.sqlite_only
def test_the_space_is_given_back(tmp_path: Path) -> None:
    place = tmp_path / "m.db"
    with LocalServer(place, analysis=None, idle=None) as server:
        caller = Caller(server.url)
        for number in range(20):
            record(caller, f"old {number}", OLD, text="t" * 500_000)
        record(caller, "new", NEW)
    before = place.stat().st_size
    assert before > 10_000_000
    with LocalServer(place, analysis=None, idle=None) as server:
        assert 20 == dropped(server)
    assert before // 10 > place.stat().st_size


def test_a_server_keeps_what_it_is_told_to_keep(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "m.db", analysis=None, idle=None, keep=86400) as server:
        caller = Caller(server.url)
        record(caller, "old", OLD)
        record(caller, "open", OLD, ends=False)
    with LocalServer(tmp_path / "m.db", analysis=None, idle=None, keep=86400) as server:
        caller, until = Caller(server.url), time.monotonic() + 20
        while len(caller.find("sessions")) > 1:
            assert time.monotonic() < until
        assert ["open"] == [row["session_id"] for row in caller.find("sessions")]
