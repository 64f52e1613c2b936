"""Event loops: the asyncio client binds to none, blocks none, and loses nothing to cancellation."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mindlytics import AsyncClient
from mindlytics.pipeline import sharing, shutdown

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
    assert [f"{number}" for number in range(50)] == sink.names()


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
        assert 300 == (await session.flush(20)).delivered

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
    assert [] == failures
    for name in "ab":
        mine = [event["event"] for event in sink.events if event["session_id"] == name]
        assert [f"{number}" for number in range(300)] == mine


def test_a_loop_that_stands_still_holds_nothing_up(sink: Sink, client: AsyncClient) -> None:
    session = client.create_session(id="u")

    async def track(*names: str) -> None:
        for name in names:
            await session.track_event(event=name)

    still = asyncio.new_event_loop()
    still.run_until_complete(track("a", "b"))

    async def elsewhere() -> Any:
        await track("c")
        return await client.flush(10)

    assert 3 == asyncio.run(elsewhere()).delivered
    still.run_until_complete(track("d"))
    assert 4 == still.run_until_complete(client.flush(10)).delivered
    still.close()
    assert ["a", "b", "c", "d"] == sink.names()


def test_connections_of_a_closed_loop_cause_no_warning(
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
    monkeypatch.setattr(sharing, "_enough", 0)  # so that unused pipelines are freed
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
    assert [f"{number}" for number in range(20)] == sink.names()
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
    assert [f"{number}" for number in range(10)] == sink.names()


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
    assert pipelines[2:] == [each for each in shutdown._cut_short if each in pipelines]


async def test_nothing_of_ours_is_on_the_programs_loop(sink: Sink, client: AsyncClient) -> None:
    sink.faults(faults.slow(0.3))
    await client.create_session(id="u").track_event(event="e")
    await eventually(lambda: len(sink.requests) == 1)
    assert {asyncio.current_task()} == asyncio.all_tasks(), "some programs drain a loop until it has no tasks"
    assert 1 == (await client.flush(20)).delivered


def test_loops_that_are_shorter_than_a_reply_deliver_all_the_same(sink: Sink, client: AsyncClient) -> None:
    sink.always = faults.slow(0.05)
    session = client.create_session(id="u")

    async def one(number: int) -> None:
        await session.track_event(event=f"{number}")
        await asyncio.sleep(0.002)

    for number in range(50):
        asyncio.run(one(number))
    assert 50 == asyncio.run(client.flush(30)).delivered
    assert [f"{number}" for number in range(50)] == sink.names()
    assert len({request.key for request in sink.requests}) == len(sink.requests), "no batch was sent twice"


def test_events_of_a_program_without_any_loop_are_delivered(sink: Sink, client: AsyncClient) -> None:
    session = client.create_session(id="u")
    for number in range(20):
        session.track_event(event=f"{number}")
    sink.wait(lambda: len(sink.events) == 20)


async def test_the_sender_has_a_context_of_its_own(sink: Sink, client: AsyncClient) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")
    seen: list[str] = []
    client = AsyncClient(
        api_key="k",
        project_id="p",
        server_endpoint=sink.url,
        before_send=lambda event: (seen.append(request.get()), event)[1],
    )
    request.set("the first")
    await client.create_session(id="u").track_event(event="e")
    await client.close()
    assert ["none"] == seen


def waited_for_a_processor() -> float:
    """Seconds for which this thread was ready and other programs used the CPUs. 0 if the system does not count them."""
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


async def test_a_tight_loop_of_awaited_calls_starves_no_other_task(sink: Sink) -> None:
    async with AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url, max_queue_events=2000) as client:
        session = client.create_session(id="u")
        for number in range(20_000):
            await session.track_event(event=f"{number}")
        outcome = await client.flush(30)
    assert 20_000 == outcome.delivered + outcome.dropped
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
