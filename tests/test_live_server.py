"""Live events of the local server, as both faces hear them, while it is stopped and started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindlytics.server.run import LocalServer

from .conftest import Face, entered, eventually, result
from .live_service import Heard

TURN = ["Session Started", "Conversation Started", "Conversation Turn", "Conversation Ended", "Session Ended"]


@pytest.mark.parametrize("coroutines", [False, True], ids=["functions", "coroutines"])
async def test_a_session_hears_all_that_was_stored(face: Face, coroutines: bool) -> None:
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


async def test_a_key_that_the_server_does_not_take_is_told(face: Face) -> None:
    heard = Heard()
    with LocalServer(api_key="another") as server:
        face.url = server.url
        client = face.client()
        session = client.create_session(id="u", on_event=heard.on_event, on_error=heard.on_error)
        await result(session.track_event(event="Hello"))
        await eventually(lambda: any("no live events (status 403)" in str(error) for error in heard.errors))
        await result(client.close())
