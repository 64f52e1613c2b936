"""Event loops: the asyncio client binds to none, blocks none, and loses nothing to cancellation."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mindlytics import AsyncClient
from mindlytics.pipeline import lifecycle

from . import sink as faults
from .conftest import eventually
from .live_service import LiveService
from .sink import Sink


@pytest.fixture
def client(sink: Sink) -> Iterator[AsyncClient]:
    made = AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url, max_retry_wait=0.05)
    yield made
    sink.stopping.set()
    asyncio.run(made.close(1))


def test_one_client_survives_several_loops(sink: Sink, client: AsyncClient) -> None:
    session = client.create_session(id="u")

    async def part(first: int) -> None:
        for number in range(first, first + 10):
            await session.track_event(event=f"{number}")

    for first in range(0, 50, 10):
        asyncio.run(part(first))
    asyncio.run(client.flush(10))
    assert sink.names() == [f"{number}" for number in range(50)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks are never eager before Python 3.12")
def test_a_loop_whose_tasks_are_eager_delivers_and_listens(service: LiveService) -> None:
    heard: list[str] = []

    async def program() -> Any:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        client = AsyncClient(api_key="key-1", project_id="proj-1", server_endpoint=service.url)
        async with client:
            async with client.create_session(on_event=lambda event: heard.append(event.event)) as session:
                await session.track_event(event="a")
            return client.stats()

    assert 2 == asyncio.run(program()).delivered
    assert ["Session Started", "a", "Session Ended"] == heard


def test_two_loops_at_once_in_two_threads(sink: Sink, client: AsyncClient) -> None:
    async def part(name: str) -> None:
        session = client.create_session(session_id=name, id="u")
        for number in range(300):
            await session.track_event(event=f"{number}")
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert (await session.flush(20)).delivered == 300

    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            asyncio.run(part(name))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for name in "ab":
        mine = [event["event"] for event in sink.events if event["session_id"] == name]
        assert mine == [f"{number}" for number in range(300)]


def test_a_loop_that_stands_still_is_left_for_one_that_runs(sink: Sink, client: AsyncClient) -> None:
    session = client.create_session(id="u")

    async def track(*names: str) -> None:
        for name in names:
            await session.track_event(event=name)

    still = asyncio.new_event_loop()
    still.run_until_complete(track("a", "b"))

    async def elsewhere() -> Any:
        await track("c")
        return await client.flush(10)

    assert asyncio.run(elsewhere()).delivered == 3
    still.run_until_complete(track("d"))
    assert still.run_until_complete(client.flush(10)).delivered == 4
    still.run_until_complete(asyncio.sleep(0.01))
    pending = asyncio.all_tasks(still)
    for task in pending:
        task.cancel()
    still.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    still.close()
    assert sink.names() == ["a", "b", "c", "d"]


def test_what_is_left_on_a_loop_that_was_closed_is_told_of_nowhere(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def record(project: str) -> None:
        client = AsyncClient(api_key="k", project_id=project, server_endpoint=sink.url)
        await client.create_session(id="u").track_event(event="e")
        assert 1 == (await client.flush(30)).delivered

    loop = asyncio.new_event_loop()
    loop.run_until_complete(record("one"))
    loop.close()  # around the sender
    del loop
    monkeypatch.setattr(lifecycle, "_enough", 0)  # so that pipelines that nobody is at are let go of
    asyncio.run(record("other"))
    gc.collect()
    assert [] == caplog.records


async def test_events_from_a_thread_without_a_loop(sink: Sink, client: AsyncClient) -> None:
    session = client.create_session(id="u")
    await session.track_event(event="0")

    def work() -> None:
        for number in range(1, 20):
            session.track_event(event=f"{number}")

    await asyncio.to_thread(work)
    await eventually(lambda: len(sink.events) == 20)
    assert sink.names() == [f"{number}" for number in range(20)]
    await client.close()


async def test_a_cancelled_flush_loses_nothing(sink: Sink, client: AsyncClient) -> None:
    sink.faults(faults.slow(0.3), faults.slow(0.3))
    session = client.create_session(id="u")
    for number in range(10):
        await session.track_event(event=f"{number}")
    for call in (client.flush, session.flush, client.close):
        waiting = asyncio.create_task(call())  # type: ignore[operator]
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await eventually(lambda: client.stats().delivered == 10)
    assert sink.names() == [f"{number}" for number in range(10)]


async def test_clients_whose_closing_was_cancelled_are_not_kept_for_ever(sink: Sink) -> None:
    pipelines = []
    for number in range(3):
        client = AsyncClient(api_key="k", project_id=f"p{number}", server_endpoint=sink.url)
        await client.create_session(id="u").track_event(event="e")
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        pipelines.append(client.pipeline)
        await client.flush(30)
    assert pipelines[2:] == [each for each in lifecycle._cut_short if each in pipelines]


async def test_a_cancelled_sender_hands_its_batch_on_under_the_same_key(sink: Sink, client: AsyncClient) -> None:
    sink.faults(faults.hang)
    session = client.create_session(id="u")
    await session.track_event(event="a")
    flushing = asyncio.create_task(client.flush(20))
    await eventually(lambda: len(sink.requests) == 1)
    sender = next(task for task in asyncio.all_tasks() if task.get_name() == "mindlytics-sender")
    sender.cancel()
    await asyncio.wait({sender})
    await session.track_event(event="b")
    assert (await flushing).delivered >= 1
    await client.close()
    assert sink.names() == ["a", "b"]
    assert sink.requests[0].key == sink.requests[1].key


def waited_for_a_processor() -> float:
    """Seconds in which this thread could have gone on but other programs had the processors; 0 where nobody counts."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


async def test_a_hung_service_does_not_hold_the_loop_up(sink: Sink) -> None:
    sink.always = faults.hang
    client = AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url, request_timeout=0.2, retry_for=30)
    session = client.create_session(id="u")
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before, waited = time.perf_counter(), waited_for_a_processor()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - before - 0.001 - (waited_for_a_processor() - waited))

    watcher = asyncio.create_task(watch())
    for number in range(3000):
        await session.track_conversation_turn(user="u" * 200, assistant=f"{number}")
        if number % 20 == 0:
            await asyncio.sleep(0)
    await client.flush(1)
    watcher.cancel()
    lags.sort()
    assert lags[int(len(lags) * 0.99)] < 0.01, "the 99th percentile; hiccups of the machine are the rest"
    sink.stopping.set()
    await client.close(0.5)


async def test_nobody_starves_who_awaits_in_a_tight_loop(sink: Sink) -> None:
    async with AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url, max_queue_events=2000) as client:
        session = client.create_session(id="u")
        for number in range(20_000):
            await session.track_event(event=f"{number}")
        outcome = await client.flush(30)
    assert outcome.delivered + outcome.dropped == 20_000
    assert outcome.delivered > 2500, "the sender had its turns"


async def test_what_a_call_hands_back_may_be_a_task(sink: Sink) -> None:
    client = AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url, max_batch_events=3)
    session = client.create_session(session_id="s", id="u", attributes={"first": True})
    tasks = [
        asyncio.create_task(session.track_event(event="0")),
        asyncio.create_task(session.start_conversation(conversation_id="c")),
        *(asyncio.create_task(session.track_event(event=f"{number}")) for number in range(1, 20)),
        asyncio.create_task(session.end_session()),
        asyncio.create_task(session.end_session()),
    ]
    assert [None, "c", *[None] * 21] == await asyncio.gather(*tasks)
    loop = asyncio.get_running_loop()

    def work() -> str:
        asyncio.run_coroutine_threadsafe(session.track_event(event="20"), loop).result(20)
        return asyncio.run_coroutine_threadsafe(session.start_conversation(conversation_id="d"), loop).result(20)

    assert "d" == await asyncio.to_thread(work)
    assert 0 == (await client.close()).pending
    numbers = [name for name in sink.names() if name.isdigit()]
    assert [f"{number}" for number in range(21)] == numbers


@pytest.mark.parametrize("call", ["track_event", "start_conversation"])
async def test_a_task_that_is_cancelled_loses_nothing(sink: Sink, call: str) -> None:
    client = AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url)
    session = client.create_session(session_id="s", id="u")
    task = asyncio.create_task(getattr(session, call)(**({"event": "E"} if call == "track_event" else {})))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 1 == (await client.close()).delivered
