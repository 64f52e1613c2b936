"""The names of other clients: what they add to what they inherit. Beside the clients themselves: ``interop/``."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

import mindlytics
from mindlytics import AsyncSession, FlushResult
from mindlytics.align import AsyncAlignAI
from mindlytics.compat import mlsdk

from . import sink as faults
from .programs import STRICT, run
from .sink import Sink

ROOT = Path(__file__).parents[1]


@pytest.fixture
async def client(sink: Sink) -> AsyncIterator[mlsdk.Client]:
    made = mlsdk.Client(api_key="key-1", project_id="proj-1", server_endpoint=sink.url)
    yield made
    await made.close(0.5)


def test_the_names_of_mlsdk_are_there() -> None:
    page = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
    assert [] == [name for name in mlsdk.__all__ if f"`{name}`" not in page]
    assert {"Client", "Session", "HTTPClient", "APIResponse", "TokenBasedCost", "Cost", "MLEvent"} <= set(mlsdk.__all__)
    assert all(hasattr(mlsdk, name) for name in mlsdk.__all__)


@pytest.mark.parametrize(
    ("ours", "base", "name"),
    [
        (mlsdk.Client, mindlytics.AsyncClient, "create_session"),
        (mlsdk.Session, mindlytics.AsyncSession, "end_session"),
        (mlsdk.Session, mindlytics.AsyncSession, "end_conversation"),
        (mlsdk.HTTPClient, mindlytics.AsyncHTTPClient, "send_request"),
    ],
)
def test_what_is_adapted_takes_the_same_arguments(ours: type, base: type, name: str) -> None:
    expected = inspect.signature(getattr(base, name)).parameters
    assert expected == inspect.signature(getattr(ours, name)).parameters


async def test_a_given_conversation_stays_the_sessions(client: mlsdk.Client, sink: Sink) -> None:
    session = client.create_session(session_id="s", conversation_id="c", id="u")
    await session.track_conversation_turn(user="a", assistant="b")
    await session.end_conversation()
    await session.track_conversation_turn(user="a", assistant="b")
    await session.end_session()
    await session.track_event(event="Late")
    assert "c" == session.conversation_id
    await session.flush()
    assert ["c", "c", "c", None, "c"] == [event.get("conversation_id") for event in sink.events]
    assert "start_session" not in {event["type"] for event in sink.events}


async def test_a_conversation_that_began_by_itself_ends(client: mlsdk.Client, sink: Sink) -> None:
    session = client.create_session(session_id="s", id="u")
    for _ in range(2):
        await session.track_conversation_turn(user="a", assistant="b")
        await session.end_conversation()
        assert session.conversation_id is None
    await session.flush()
    assert "s" not in {event["conversation_id"] for event in sink.events}
    first, first_end, second, second_end = (event["conversation_id"] for event in sink.events)
    assert first == first_end != second == second_end


async def test_the_conversation_may_be_set(client: mlsdk.Client, sink: Sink) -> None:
    session = client.create_session(session_id="s", id="u")
    for chosen in ("one", "two", None):
        session.conversation_id = chosen
        assert chosen == session.conversation_id
        await session.track_event(event="E")
    await session.flush()
    assert ["one", "two", None] == [event.get("conversation_id") for event in sink.events]


async def test_a_flush_without_a_timeout_continues_while_something_is_settled(
    client: mlsdk.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [FlushResult(2, 0, 0, 5), FlushResult(2, 1, 0, 4), FlushResult(2, 1, 1, 3), FlushResult(2, 1, 1, 3)]
    timeouts = []

    async def flush(_: AsyncSession, timeout: float | None = None) -> FlushResult:
        timeouts.append(timeout)
        return results[len(timeouts) - 1]

    monkeypatch.setattr(AsyncSession, "flush_and_continue", flush)
    session = client.create_session(session_id="s", id="u")
    assert results[-1] == await session.flush()
    assert [client.settings.shutdown_timeout] * 4 == timeouts


async def test_a_flush_does_not_wait_for_a_service_that_is_away(sink: Sink) -> None:
    sink.always = faults.status(503)
    client = mlsdk.Client(api_key="k", project_id="p", server_endpoint=sink.url, shutdown_timeout=0.1)
    session = client.create_session(session_id="s", id="u")
    await session.track_event(event="E")
    assert FlushResult(delivered=0, refused=0, dropped=0, pending=1) == await session.flush()
    sink.always = faults.fine
    assert 1 == (await session.flush(20)).delivered
    await client.close()


async def test_a_session_is_a_context_manager(client: mlsdk.Client, sink: Sink) -> None:
    async with client.create_session() as session:
        await session.track_event(event="E")
    assert ["track", "end_session"] == [event["type"] for event in sink.events]


async def test_sessions_with_destinations_are_sessions_of_this_module(sink: Sink) -> None:
    align = AsyncAlignAI("p", "k", sink.url)
    client = mlsdk.Client(api_key="k", project_id="p", server_endpoint=sink.url, destinations=[align])
    session = client.create_session(conversation_id="given")
    await session.track_conversation_turn(user="u", assistant="a")
    await session.end_session()
    assert (mlsdk.Session, "given") == (type(session), session.conversation_id)
    assert 6 == (await session.flush(20)).delivered
    await client.close(5)


async def test_no_reply_has_status_minus_one(sink: Sink) -> None:
    sink.always = faults.reset
    http = mlsdk.HTTPClient(api_key="k", project_id="p", server_endpoint=sink.url)
    reply = await http.send_request(method="GET", url="/bc/v1/user/list")
    assert (True, -1) == (reply["errored"], reply["status"])
    client = mlsdk.Client(api_key="k", project_id="p", server_endpoint=sink.url, retry_for=0)
    session = client.create_session(session_id="s", id="u")
    await session.track_event(event="E")
    await session.flush()
    assert [-1] == [error.status for error in session.get_errors()]
    await client.close()


async def test_a_reply_keeps_its_status(client: mlsdk.Client, sink: Sink) -> None:
    sink.always = faults.status(403)
    session = client.create_session(session_id="s", id="u")
    await session.track_event(event="E")
    await session.flush()
    assert [mlsdk.APIResponse(True, 403, "no")] == session.get_errors()
    with pytest.raises(mlsdk.MLHTTPError, match="403 - no"):
        await client.user_identify(id="u")


def test_a_program_that_neither_flushes_nor_closes_loses_nothing(sink: Sink) -> None:
    program = """
        import asyncio
        from mindlytics.compat.mlsdk import Client

        async def main():
            session = Client().create_session(session_id="s", id="u")
            for number in range(50):
                await session.track_event(event=str(number), properties={})

        asyncio.run(main())
    """
    ran = run(sink, program, *STRICT)
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert [str(number) for number in range(50)] == sink.names()


async def test_sessions_have_the_attributes_of_that_client(client: mlsdk.Client, sink: Sink) -> None:
    config = client.config
    assert ("key-1", "proj-1", sink.url, False) == (
        config.api_key,
        config.project_id,
        config.server_endpoint,
        config.debug,
    )
    assert (config.api_key, config.server_endpoint) == (client.api_key, client.server_endpoint)
    assert "key-1" not in repr(config)
    assert config.wss_endpoint == client.wss_endpoint == sink.url.replace("http", "ws")
    session = client.create_session(session_id="s", id="u", on_event=print, on_error=print)
    assert (config, "proj-1", print, print) == (
        session.client,
        session.project_id,
        session.on_event,
        session.on_error,
    )
    http = session.http_client
    assert isinstance(http, mlsdk.HTTPClient)
    assert http is session.http_client
    assert {"Authorization": "Bearer key-1", "X-App-ID": "proj-1"} == http.headers
    session.own = "kept"
    assert "kept" == session.own


async def test_the_history_of_a_session_has_its_losses(client: mlsdk.Client, sink: Sink) -> None:
    sink.always = faults.status(403)
    session = client.create_session(session_id="s", id="u")
    assert ([], 0) == (session.history, session.errors)
    await session.track_event(event="E")
    await session.flush()
    assert [{"errored": True, "status": 403, "message": "no"}] == [each.model_dump() for each in session.history]
    assert 1 == session.errors


async def test_a_refused_listener_is_reported_to_its_handler(client: mlsdk.Client, sink: Sink) -> None:
    sink.always = faults.status(403)
    session = client.create_session(session_id="s", id="u")
    reported: list[Exception] = []
    await session.start_listening(session_id="s", on_error=reported.append)
    assert ["no live events (status 403): no"] == [str(error) for error in reported]
    await session.stop_listening()


async def test_the_fields_of_costs_may_be_assigned(client: mlsdk.Client, sink: Sink) -> None:
    session = client.create_session(session_id="s", id="u")
    usage = mlsdk.TokenBasedCost(model="m", prompt_tokens=1, completion_tokens=2)
    usage.prompt_tokens += 4
    with pytest.raises(mindlytics.InvalidEvent, match="completion_tokens must be an int"):
        usage.completion_tokens = "many"
    with pytest.raises(mindlytics.InvalidEvent, match="price must be one of model"):
        usage.price = 1
    assert {"model": "m", "prompt_tokens": 5, "completion_tokens": 2} == usage.model_dump()
    await session.track_conversation_usage(usage=usage)
    cost = mlsdk.Cost(cost=0.1)
    cost.cost = Decimal("0.2")
    assert '{"cost":0.2}' == cost.model_dump_json()
    await session.track_conversation_usage(usage=cost)
    await session.flush()
    assert [usage.model_dump(), {"cost": 0.2}] == [event["properties"] for event in sink.events]
    assert mlsdk.Cost(cost=0.2) == cost != mindlytics.Cost(0.2)
    assert usage == pickle.loads(pickle.dumps(usage))


def test_an_event_is_made_of_the_services_json() -> None:
    event = mlsdk.MLEvent(session_id="s", timestamp="2025-04-03T07:35:10Z", event="E", properties=None, new=3)
    assert isinstance(event, mlsdk.MLEvent)
    assert isinstance(event, mindlytics.MLEvent)
    assert ({}, {"new": 3}) == (event.properties, event.extra)
    assert isinstance(mindlytics.MLEvent(session_id="s", timestamp="t", event="E"), mlsdk.MLEvent)
    assert event == mlsdk.MLEvent.model_validate({**event.model_dump(), "new": 3})
    with pytest.raises(ValueError, match="a stored event lacks event"):
        mlsdk.MLEvent(session_id="s", timestamp="t")


async def test_an_empty_id_is_none(client: mlsdk.Client, sink: Sink) -> None:
    session = client.create_session(session_id="s", conversation_id="", id="", device_id="d")
    assert (None, None) == (session.id, session.conversation_id)
    await session.track_event(event="E", conversation_id="")
    await session.track_conversation_turn(user="a", assistant="b", conversation_id="c")
    await session.flush()
    assert [None, "c"] == [event.get("conversation_id") for event in sink.events]
    with pytest.raises(mindlytics.InvalidEvent, match="previous_id must be"):
        await session.user_alias(id="u", previous_id="")


async def test_a_conversation_that_is_not_open_is_not_ended(client: mlsdk.Client, sink: Sink) -> None:
    session = client.create_session(session_id="s", id="u")
    await session.end_conversation()
    await session.end_conversation(conversation_id="c")
    await session.flush()
    assert ["c"] == [event["conversation_id"] for event in sink.events]
