"""Sessions recorded for two services when one of them fails, is full or is closed."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from mindlytics import AsyncClient, Client
from mindlytics.align import AlignAI, AsyncAlignAI

from .. import sink as faults
from ..conftest import Face, entered, eventually, result
from ..live_service import Heard, LiveService
from ..programs import run_forking
from ..sink import Sink
from .mirrored import both


@pytest.mark.parametrize("down", ["mindlytics", "align"])
async def test_a_service_that_is_down_holds_up_nothing_of_the_other(
    face: Face, sink: Sink, other: Sink, down: str
) -> None:
    (sink if down == "mindlytics" else other).always = faults.hang
    client = both(face, other, flush_interval=0)
    session = client.create_session(id="ada")
    for number in range(20):
        await result(session.track_conversation_turn(user=f"{number}", assistant="a"))
    up = "align" if down == "mindlytics" else "mindlytics"
    flushed = await result(session.flush(1))
    assert flushed.pending > 0
    each = client.stats_of_each()
    assert (0, 0) == (each[up].pending, each[down].delivered)
    assert each[up].delivered == each[up].accepted > 0
    closed = await result(client.close(0.3))
    assert each[down].accepted == closed.dropped + closed.pending


@pytest.mark.parametrize("on", ["an earlier loop", "no loop"])
def test_what_was_recorded_on(on: str, sink: Sink, other: Sink) -> None:
    """It goes to the service that is well, while the client that closes waits for the one that hangs."""
    sink.always = faults.hang
    align = AsyncAlignAI("p", "k", other.url)
    client = AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url, destinations=[align])

    async def record() -> None:
        await client.create_session(id="ada").track_conversation_turn(user="u", assistant="a")

    if on == "no loop":
        with suppress(StopIteration):
            record().send(None)
    else:
        asyncio.run(record())
    asyncio.run(client.close(0.5))
    sink.stopping.set()
    assert {"mindlytics": (0, 1), "align": (3, 0)} == {
        name: (stats.delivered, stats.dropped) for name, stats in client.stats_of_each().items()
    }


async def test_to_ask_for_errors_sends_nothing(face: Face, sink: Sink, other: Sink) -> None:
    kind = AsyncAlignAI if face.is_async else AlignAI
    client = face.client(destinations=[kind("p", "k", other.url, flush_interval=60)], flush_interval=60)
    session = client.create_session(id="ada")
    await result(session.track_conversation_turn(user="u", assistant="a"))
    assert (False, []) == (session.has_errors(), session.get_errors())
    assert {1, 3} == {stats.pending for stats in client.stats_of_each().values()}
    assert 0 == client.pipeline.flush_up_to
    assert [] == other.requests == sink.requests
    assert (4, 0) == ((closed := await result(client.close(10))).delivered, closed.pending)


async def test_services_that_all_hang_are_closed_by_one_deadline(face: Face, sink: Sink, other: Sink) -> None:
    sink.always = other.always = faults.hang
    kind = AsyncAlignAI if face.is_async else AlignAI
    destinations = [kind(f"p{number}", "k", other.url, flush_interval=0) for number in range(40)]
    client = face.client(destinations=destinations, flush_interval=0)
    await result(client.create_session(id="ada").track_event(event="e"))
    await eventually(lambda: 40 == len(other.requests) == 40 * len(sink.requests))
    began = time.monotonic()
    closed = await result(client.close(0.2))
    assert time.monotonic() - began < 9, "the grace of 0.3 seconds is not for each of them"
    assert 41 == closed.dropped + closed.pending


async def test_a_full_queue_there_makes_no_call_wait_here(face: Face, sink: Sink, other: Sink) -> None:
    other.always = faults.hang
    kind = AsyncAlignAI if face.is_async else AlignAI
    slow = kind("p", "k", other.url, max_queue_events=2, on_full="block", block_timeout=60)
    client = face.client(destinations=[slow])
    session = client.create_session(id="ada")
    for number in range(20):
        await result(session.track_conversation_turn(user=f"{number}", assistant="a"))
    assert {"queue_full": 39} == slow.stats().reasons
    await eventually(lambda: client.stats_of_each()["mindlytics"].delivered == 20)


async def test_what_does_not_fit_at_all_is_a_loss_there(face: Face, sink: Sink, other: Sink) -> None:
    losses: list[Any] = []
    client = both(face, other)
    session = client.create_session(session_id="s" * 65, id="ada", on_error=losses.append)
    await result(session.track_conversation_turn(user="q", assistant=""))
    assert (1, 2) == ((outcome := await result(session.flush(10))).delivered, outcome.dropped)
    await eventually(lambda: bool(losses))
    assert ["encoding failed (ValidationError)"] * 2 == [error.message for error in session.get_errors()]
    assert session.has_errors()
    assert client.has_errors()
    assert 1 == len(sink.events)


@pytest.mark.parametrize("shared", [False, True])
async def test_closing_the_client_closes_its_destinations(face: Face, sink: Sink, other: Sink, shared: bool) -> None:
    client = both(face, other)
    if shared:
        both(face, other)  # goes on, with the same pipelines
    session = client.create_session(id="ada")
    await result(session.track_event(event="e"))
    assert 2 == (await result(client.close())).delivered
    (destination,) = client.destinations
    assert destination.is_closed
    await result(session.track_conversation_turn(user="q", assistant=""))
    assert [{"closed": 1}] * 2 == [stats.reasons for stats in client.stats_of_each().values()]


async def test_threads_that_share_a_session_never_share_an_index(sink: Sink, other: Sink) -> None:
    client = Client(api_key="k", project_id="p", server_endpoint=sink.url, destinations=[AlignAI("p", "k", other.url)])
    session = client.create_session(id="ada")

    def talk() -> None:
        for _ in range(50):
            session.track_conversation_turn(user="q", assistant="a")

    await asyncio.gather(*(asyncio.to_thread(talk) for _ in range(4)))
    await asyncio.to_thread(client.close, 20)
    indexes = sorted(
        event["decoded"].message_index for event in other.events if event["decoded"].type == "message_create"
    )
    assert list(itertools.islice(itertools.count(1), 400)) == indexes


async def test_a_strict_destination_that_was_closed_raises_nothing_here(face: Face, sink: Sink, other: Sink) -> None:
    kind = AsyncAlignAI if face.is_async else AlignAI
    destination = kind("p", "k", other.url, strict=True)
    client = face.client(destinations=[destination])
    session = client.create_session(id="ada")
    await result(destination.close())
    await result(session.track_conversation_turn(user="q", assistant="a"))
    flushed = await result(session.flush(10))
    assert (1, 3, 0) == (flushed.delivered, flushed.dropped, flushed.pending)


@pytest.mark.parametrize("own", [False, True], ids=["handler", "handler of both"])
async def test_the_clients_handler_is_called_for_losses_there(face: Face, sink: Sink, other: Sink, own: bool) -> None:
    losses: list[Any] = []
    other.always = faults.status(401)
    kind = AsyncAlignAI if face.is_async else AlignAI
    destination = kind("p", "k", other.url, on_error=losses.append if own else None)
    client = face.client(destinations=[destination], on_error=losses.append)
    await result(client.create_session(id="ada").track_conversation_turn(user="q", assistant="a"))
    await result(client.close(10))
    assert 3 == sum(loss.count for loss in losses)


async def test_a_destination_that_is_down_does_not_delay_the_live_end(
    live: Face, service: LiveService, other: Sink
) -> None:
    heard = Heard()
    other.always = faults.hang
    service.publishes_ends = False
    client = both(live, other, shutdown_timeout=0.3, live_timeout=30)
    session = client.create_session(session_id="s", on_event=heard.on_event)
    timer = threading.Timer(0.6, service.publish, ["Session Ended"])
    async with entered(session):
        await result(session.track_event(event="Hello"))
        timer.start()
    assert ["Session Started", "Hello", "Session Ended"] == heard.names
    timer.join()
    other.stopping.set()


def test_a_fork_while_the_hook_runs_holds_up_no_child(sink: Sink) -> None:
    program = """
        import os, threading, time
        from mindlytics import Client
        from mindlytics.align import AlignAI
        inside, forked = threading.Event(), threading.Event()
        def before_send(event):
            if destination.pipeline._thread is threading.current_thread() and event.session_id == 'parent':
                inside.set()
                forked.wait(30)
            return event
        destination = AlignAI(flush_interval=0)
        client = Client(before_send=before_send, destinations=[destination])
        client.create_session(session_id='parent', id='u').track_event(event='e')
        assert inside.wait(30)
        child = os.fork()
        client.create_session(session_id=f'child-{child == 0}', id='u').track_event(event='e')
        if child:
            forked.set()
            os.waitpid(child, 0)
        assert client.close(30).pending == 0
    """
    ran = run_forking(sink, program)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ["child-False", "child-True", "parent"] == sorted(
        event["session_id"] for event in sink.events if "decoded" in event
    )
