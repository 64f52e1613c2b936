"""Both faces and a local server that misbehaves: every turn is stored, once and in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mindlytics.server.run import LocalServer

from .conftest import Face, entered, result
from .live_service import Heard
from .server.calls import Caller
from .server.test_chaos import behave

TURNS, AT_ONCE = 60, 4


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(analysis=None) as server:
        yield server


@pytest.fixture
def caller(server: LocalServer, face: Face, request: pytest.FixtureRequest) -> Iterator[Caller]:
    face.url = server.url
    with (caller := Caller(server.url, app_id=request.node.nodeid[-200:])).http:
        yield caller
        behave(caller)


@pytest.mark.parametrize(
    ("chaos", "fates"),
    [
        ("429:40%", {"429"}),
        ("503:40%", {"503"}),
        ("reset:40%", {"reset"}),
        ("lose-ack:40%", {"lose-ack"}),
        ("truncate:40%", {"truncate"}),
        ("latency:20ms", set()),
        (
            "429:10%,503:10%,latency:1ms,reset:10%,lose-ack:15%,truncate:15%,seed:4",
            {"429", "503", "reset", "lose-ack", "truncate"},
        ),
    ],
    ids=["429", "503", "reset", "lose-ack", "truncate", "latency", "all"],
)
async def test_every_turn_is_stored_once_and_in_order(face: Face, caller: Caller, chaos: str, fates: set[str]) -> None:
    behave(caller, chaos)
    client = face.client(
        api_key="key", project_id=caller.http.headers["X-App-ID"], flush_interval=60, max_batch_events=AT_ONCE
    )
    async with entered(client.create_session(session_id="s", id="u")) as session:
        for number in range(TURNS):
            await result(session.track_conversation_turn(user=str(number), assistant="ok"))
            if number % AT_ONCE == AT_ONCE - 1:
                await result(session.flush(30))
    closed = await result(client.close(30))
    assert (0, 0, 0) == (closed.refused, closed.dropped, closed.pending)
    answer = caller.get("/_chaos").json()
    behave(caller)
    stored = caller.find("events", filter={"event": "Conversation Turn"})
    assert [str(number) for number in range(TURNS)] == [event["properties"]["user"] for event in stored]
    assert ["Session Started", "Session Ended"] == [caller.names()[0], caller.names()[-1]]
    assert fates == set(answer["met"])
    assert TURNS / AT_ONCE <= answer["requests"]


async def test_a_listener_receives_every_event_once_and_in_order(face: Face, caller: Caller) -> None:
    heard = Heard()
    behave(caller, "503:20%,reset:20%,lose-ack:20%,truncate:20%,seed:3")
    client = face.client(api_key="key", project_id=caller.http.headers["X-App-ID"])
    async with entered(
        client.create_session(session_id="s", id="u", on_event=heard.on_event, on_error=heard.on_error)
    ) as session:
        for number in range(TURNS):
            await result(session.track_event(event=str(number)))
    await result(client.close(30))
    behave(caller)
    assert ["Session Started", *map(str, range(TURNS)), "Session Ended"] == heard.names
    assert [] == heard.errors
