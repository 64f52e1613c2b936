"""Live events of the local server, as both faces hear them, while it is stopped, killed and started again."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from mindlytics import MLEvent
from mindlytics.server.analysis import Dialogue, Findings
from mindlytics.server.run import LocalServer

from .cli.processes import Stored, running
from .conftest import Face, entered, eventually, result
from .live_service import Heard

TURN = ["Session Started", "Conversation Started", "Conversation Turn", "Conversation Ended", "Session Ended"]


def names_of(session_id: str, events: Iterable[MLEvent]) -> list[str]:
    return [event.event for event in events if event.session_id == session_id]


def fixed_port() -> int:
    """A free port that the system does not give to outgoing connections."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", port))
            return port


@pytest.mark.parametrize("coroutines", [False, True], ids=["functions", "coroutines"])
async def test_a_session_receives_all_that_was_stored(face: Face, coroutines: bool) -> None:
    heard, everybody = Heard(coroutines=coroutines), Heard()
    with LocalServer() as server:
        face.url = server.url
        client = face.client()
        await result(client.start_listening(everybody.on_event, everybody.on_error))
        async with entered(
            client.create_session(id="ada", on_event=heard.on_event, on_error=heard.on_error)
        ) as session:
            await result(session.track_conversation_turn(user="Hello!", assistant="Good morning.", cost=0.1))
        assert TURN == [name for name in heard.names if name in TURN]
        assert "ada" == heard.events[0].user_id
        assert {"user": "Hello!", "assistant": "Good morning.", "cost": 0.1} == heard.events[2].properties
        await eventually(lambda: TURN == [name for name in everybody.names if name in TURN])
        await result(client.close())
    assert ([], []) == (heard.errors, everybody.errors)


async def test_a_session_in_the_past_is_read_back_beside_others(face: Face) -> None:
    heard = Heard()
    with LocalServer() as server:
        face.url = server.url
        client = face.client(flush_interval=0)
        async with entered(client.create_session(id="u", on_event=heard.on_event)) as session:
            for minute in range(5):
                await result(session.track_event(event=str(minute), timestamp=f"2025-04-03T07:3{minute}:00Z"))
        await result(client.close())
    assert ["Session Started", *"01234", "Session Ended"] == heard.names


async def test_what_is_dated_before_the_first_event_arrives_live_too(face: Face) -> None:
    heard = Heard()
    with LocalServer() as server:
        face.url = server.url
        client = face.client()
        session = client.create_session(id="u", on_event=heard.on_event)
        await result(session.track_event(event="E"))
        await result(session.end_session(timestamp="2025-04-03T07:35:00Z"))
        await result(session.flush())
        await result(client.close())
    assert {"Session Started", "E", "Session Ended"} == set(heard.names)


async def test_who_reopens_a_session_waits_for_its_second_end(face: Face) -> None:
    heard, go_on = Heard(), threading.Event()

    def slow(_: Dialogue) -> Findings:
        go_on.wait(30)
        return Findings()

    with LocalServer(analysis=slow) as server:
        face.url = server.url
        client = face.client(flush_interval=30)
        async with entered(client.create_session(session_id="s", id="u")) as session:
            await result(session.track_conversation_turn(user="Hello!", assistant="Good morning."))
        session = client.create_session(session_id="s", id="u", on_event=heard.on_event)
        await result(session.start_session())
        await eventually(lambda: session._live.subscription.is_connected)
        await result(session.track_conversation_turn(user="One more thing.", assistant="Yes?"))
        await result(session.flush_and_continue())
        await eventually(lambda: "Conversation Turn" in heard.names)
        await result(session.end_session())
        await result(session.flush_and_continue())
        go_on.set()
        await result(session.flush())
        await result(client.close())
    names = [name for name in heard.names if name.startswith("Session")]
    assert ["Session Ended", "Session Started", "Session Ended"] == names


async def test_listeners_carry_on_when_the_server_comes_back(face: Face, tmp_path: Path) -> None:
    heard = Heard()
    db = tmp_path / "live.db"
    with LocalServer(db) as server:
        face.url, port = server.url, int(server.url.rpartition(":")[2])
        client = face.client(flush_interval=0)
        await result(client.start_listening(heard.on_event, heard.on_error))
        session = client.create_session(session_id="s", id="u")
        await result(session.track_event(event="before"))
        await eventually(lambda: "before" in heard.names)
    await result(session.track_event(event="meanwhile"))
    with LocalServer(db, port):
        await eventually(lambda: "meanwhile" in heard.names)
        await result(session.track_event(event="after"))
        await eventually(lambda: "after" in heard.names)
        await result(client.close())
    assert ["Session Started", "before", "meanwhile", "after"] == heard.names
    assert [] == heard.errors


async def test_a_kill_in_mid_ingest_costs_neither_clients_nor_listeners_an_event(face: Face, tmp_path: Path) -> None:
    options = ("serve", "--db", "live.db", "--port", fixed_port())
    of_one, of_all = Heard(), Heard(coroutines=True)
    with running(*options, until="Ctrl-C", cwd=tmp_path) as server:
        face.url = server.url
        client = face.client(flush_interval=0, max_batch_events=7, trust_env=False)
        await result(client.start_listening(of_all.on_event, of_all.on_error))
        sessions = [
            client.create_session(session_id=name, id="u", on_event=heard)
            for name, heard in (("s1", of_one.on_event), ("s2", None))
        ]

        async def record(numbers: Iterable[int]) -> None:
            for number in numbers:
                for session in sessions:
                    await result(session.track_event(event=str(number)))
                await asyncio.sleep(0)

        recording = asyncio.create_task(record(range(300)))
        await eventually(lambda: "20" in of_all.names)
        server.kill()
        await recording
        await record(range(300, 350))
    assert client.stats().pending > 0
    with running(*options, until="Ctrl-C", cwd=tmp_path) as server:
        await record(range(350, 400))
        for session in sessions:
            await result(session.end_session())
            await result(session.flush())
        expected = ["Session Started", *map(str, range(400)), "Session Ended"]
        stored = Stored(server.url, "proj-1", "key-1")
        for name in ("s1", "s2"):
            assert expected == [event["event"] for event in stored.find("events", filter={"session_id": name})]
            await eventually(lambda name=name: expected[-1] in names_of(name, of_all.events))
            assert expected == names_of(name, of_all.events)
        assert expected == of_one.names
        stats = client.stats()
        assert (802, 802, 0) == (stats.accepted, stats.delivered, stats.refused + stats.dropped + stats.pending)
        await result(client.close())
    assert ([], []) == (of_one.errors, of_all.errors)


async def test_a_key_that_the_server_does_not_take_is_reported(face: Face) -> None:
    heard = Heard()
    with LocalServer(api_key="another") as server:
        face.url = server.url
        client = face.client()
        session = client.create_session(id="u", on_event=heard.on_event, on_error=heard.on_error)
        await result(session.track_event(event="Hello"))
        await eventually(lambda: any("no live events (status 403)" in str(error) for error in heard.errors))
        await result(client.close())
