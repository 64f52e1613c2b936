"""What a hostile reader of the contract tried, on both faces. Each of these once failed."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from typing import Any

import pytest

from mindlytics import Client

from . import sink as faults
from .conftest import Face, entered, eventually, result
from .programs import ASYNC, BLOCKING, STRICT, TRACK, run
from .sink import Sink


async def test_an_absurd_retry_after_does_not_silence_the_client(any_face: Face, sink: Sink) -> None:
    sink.faults(faults.status(429, Retry_After="3600"))
    client = any_face.client(retry_for=0, flush_interval=0)
    session = client.create_session(id="u")
    await result(session.track_event(event="dropped"))
    await eventually(lambda: client.stats().dropped == 1)
    await result(session.track_event(event="delivered"))
    assert 1 == (await result(client.flush(5))).delivered


async def test_neither_a_full_queue_nor_flushes_hammer_a_service_that_is_down(face: Face, sink: Sink) -> None:
    sink.always = faults.status(503)
    client = face.client(max_queue_events=10, flush_interval=0, max_retry_wait=30)
    session = client.create_session(id="u")
    until = time.monotonic() + 2
    while time.monotonic() < until:
        await result(session.track_event(event="e"))
        await result(client.flush(0.005))
    assert len(sink.requests) < 10


async def test_closing_from_an_error_handler_loses_nothing(face: Face, sink: Sink) -> None:
    closed: list[Any] = []

    async def close_async(_: Exception) -> None:
        closed.append(await client.close())

    def close(_: Exception) -> None:
        closed.append(client.close())

    client = face.client(on_error=close_async if face.is_async else close, max_batch_events=1)
    sink.always = faults.refuse_marked
    session = client.create_session(id="u")
    for name in ("poison", "a", "b", "c"):
        await result(session.track_event(event=name))
    await eventually(lambda: client.stats().pending == 0 and len(closed) == 1)
    assert ["a", "b", "c"] == sink.names()


async def test_hooks_that_raise_anything_at_all_harm_nothing(face: Face, sink: Sink) -> None:
    def before_send(event: Any) -> Any:
        if event.event == "bad":
            raise SystemExit
        return event

    def on_error(_: Exception) -> None:
        raise GeneratorExit

    client = face.client(before_send=before_send, on_error=on_error)
    session = client.create_session(id="u")
    for name in ("a", "bad", "b"):
        await result(session.track_event(event=name))
    outcome = await result(client.flush(5))
    assert (2, 1, 0) == (outcome.delivered, outcome.dropped, outcome.pending)
    await result(session.track_event(event="c"))
    assert 3 == (await result(client.close(5))).delivered


async def test_every_loss_is_reported_at_once_however_many_kinds_there_are(any_face: Face, sink: Sink) -> None:
    errors: list[Any] = []
    client = any_face.client(on_error=errors.append, max_batch_bytes=1000)
    session = client.create_session(id="u")
    for number in range(300):
        await result(session.track_event(event="e", properties={"text": "x" * (1000 + number)}))
    await eventually(lambda: sum(error.count for error in errors) == 300)
    assert [] == sink.requests


async def test_a_loss_after_close_is_reported(any_face: Face) -> None:
    errors: list[Any] = []
    client = any_face.client(on_error=errors.append)
    session = client.create_session(id="u")
    await result(client.close())
    await result(session.track_event(event="late"))
    assert ["closed"] == [error.reason for error in errors]


async def test_waiting_for_ever_is_no_error(face: Face) -> None:
    client = face.client()
    await result(client.create_session(id="u").track_event(event="e"))
    assert 1 == (await result(client.flush(float("inf")))).delivered
    await result(client.create_session(id="u").track_event(event="e"))
    assert 2 == (await result(client.close(1e10))).delivered


@pytest.mark.parametrize("start", [BLOCKING, ASYNC], ids=["blocking", "asyncio"])
def test_a_service_that_hangs_does_not_use_up_anothers_time_at_exit(sink: Sink, start: str) -> None:
    hanging = Sink()
    hanging.always = faults.hang
    other = start.replace("import asyncio\n", "").replace("client", "other").replace("session", "others")
    other = other.replace("Client()", f"Client(server_endpoint={hanging.url!r})").replace(
        "create_others", "create_session"
    )
    try:
        ran = run(sink, other + start + "others.track_event(event='e')\n" + TRACK, MLSDK_SHUTDOWN_TIMEOUT="6")
    finally:
        hanging.close()
    assert (0, 1) == (ran.returncode, ran.stderr.count("\n"))
    assert ran.stderr.startswith(f"mindlytics: 1 event was not delivered ({hanging.url}: no reply")
    assert 50 == len(sink.events)


def test_a_signal_handler_and_a_finalizer_may_track(sink: Sink) -> None:
    program = BLOCKING + (
        "import signal\n"
        "def tick(*_): session.track_event(event='signal'); client.stats()\n"
        "signal.signal(signal.SIGALRM, tick)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
        "class Last:\n"
        "    def __init__(self): self.me = self\n"
        "    gone = 0\n"
        "    def __del__(self): session.track_event(event='finalizer'); Last.gone += 1\n"
        "for n in range(20000):\n"
        "    session.track_event(event=str(n)); Last()\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "import gc, time\n"
        "while Last.gone < 20000: gc.collect(); time.sleep(0.001)\n"
        "result = client.flush(60)\n"
        "stats = client.stats()\n"
        "assert stats.pending == 0 and stats.accepted == stats.delivered, stats\n"
    )
    ran = run(sink, program, *STRICT, MLSDK_MAX_QUEUE_EVENTS="1000000", MLSDK_MAX_QUEUE_BYTES="1000000000")
    assert (0, "") == (ran.returncode, ran.stderr)
    names = sink.names()
    assert [str(number) for number in range(20000)] == [name for name in names if name.isdigit()]
    assert 20000 == names.count("finalizer")
    assert "signal" in names


@pytest.mark.parametrize("raised", [SystemExit, asyncio.CancelledError, ValueError])
async def test_a_handler_that_raises_after_close_harms_no_call_and_is_called_again(
    any_face: Face, raised: type[BaseException]
) -> None:
    errors: list[Any] = []

    def on_error(error: Exception) -> None:
        errors.append(error)
        raise raised("a handler")

    client = any_face.client(on_error=on_error)
    session = client.create_session(id="u")
    await result(client.close())
    for number in range(2):
        await result(session.track_event(event=str(number)))
    assert ["closed", "closed"] == [error.reason for error in errors]


FINALIZERS = {
    "closes a client while another is made": (
        "made = BlockingPipeline.__init__\n"
        "def make(self, *given): client.close(0); made(self, *given)\n"
        "BlockingPipeline.__init__ = make\n"
        "other = Client(project_id='other')\n"
        "BlockingPipeline.__init__ = made\n"
    ),
    "closes the last client of a pipeline that another joins": (
        "class Owners(weakref.WeakSet):\n"
        "    def add(self, owner): owner is client or client.close(0); super().add(owner)\n"
        "client.pipeline.owners = Owners(client.pipeline.owners)\n"
        "other = Client()\n"
    ),
}
"""What a finalizer does that runs in the middle of something else, as garbage is collected between any two steps."""


@pytest.mark.parametrize("does", FINALIZERS)
def test_a_finalizer_that(sink: Sink, does: str) -> None:
    program = (
        "import faulthandler, weakref\n"
        "faulthandler.dump_traceback_later(20, exit=True)\n"
        "from mindlytics.pipeline.blocking import BlockingPipeline\n"
        f"{BLOCKING}{FINALIZERS[does]}"
        "other.create_session(id='u').track_event(event='e')\n"
        "assert 1 == other.close().delivered\n"
    )
    ran = run(sink, program, *STRICT)
    assert (0, "") == (ran.returncode, ran.stderr)


CLOSE = {
    "blocking": BLOCKING + "session.track_event(event='e')\nassert 2 == client.close().delivered\n",
    "asyncio": ASYNC + "async def main():\n"
    "    await session.track_event(event='e')\n"
    "    assert 2 == (await client.close()).delivered\n"
    "asyncio.run(main())\n",
}


@pytest.mark.parametrize("face", CLOSE)
def test_a_finalizer_that_tracks_while_a_sender_is_started(sink: Sink, face: str) -> None:
    program = (
        "import faulthandler\n"
        "faulthandler.dump_traceback_later(20, exit=True)\n"
        "from mindlytics.pipeline.sender import Sender\n"
        "start = Sender._start\n"
        "def start_and_track(self): session.track_event(event='finalizer'); start(self)\n"
        "Sender._start = start_and_track\n" + CLOSE[face]
    )
    ran = run(sink, program, *STRICT)
    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("call", ["close", "flush"])
def test_a_signal_in_the_midst_of_a_call_is_handled_without_waiting_for_it(sink: Sink, call: str) -> None:
    program = (
        "import faulthandler, signal\n"
        "faulthandler.dump_traceback_later(20, exit=True)\n"
        f"{BLOCKING}"
        f"signal.signal(signal.SIGTERM, lambda *_: client.{call}())\n"
        "put = client.pipeline.intake._put\n"
        "def put_and_be_interrupted(entry): put(entry); signal.raise_signal(signal.SIGTERM)\n"
        "client.pipeline.intake._put = put_and_be_interrupted\n"
        "session.track_event(event='e')\n"
    )
    ran = run(sink, program, *STRICT)
    assert (0, "", ["e"]) == (ran.returncode, ran.stderr, sink.names())


async def test_a_call_on_a_closed_client_leaves_the_losses_of_others(face: Face, sink: Sink) -> None:
    sink.faults(faults.hang)
    errors: list[Any] = []

    async def on_error(error: Any) -> None:
        errors.append((error.reason, error.count))

    closed, client = (face.client(flush_interval=0, max_queue_events=2, request_timeout=1) for _ in range(2))
    gone = closed.create_session(id="gone")
    session = client.create_session(id="here", on_error=on_error)
    await result(closed.close())
    await result(session.track_event(event="0"))
    await eventually(lambda: len(sink.requests) == 1)
    for number in range(1, 5):
        await result(session.track_event(event=str(number)))
    await result(gone.track_event(event="late"))
    assert (2, 4) == ((outcome := await result(client.flush(30))).delivered, outcome.dropped)
    await eventually(lambda: bool(errors))
    assert [("queue_full", 3)] == errors


def test_threads_that_record_after_close_get_each_loss_reported() -> None:
    errors: list[Any] = []
    busy, both = threading.Event(), threading.Event()

    def on_error(error: Any) -> None:
        errors.append(error.count)
        busy.set()
        both.wait(30)

    client = Client(api_key="k", project_id="p", server_endpoint="http://127.0.0.1:9", on_error=on_error)
    session = client.create_session(id="u")
    client.close()
    other = threading.Thread(target=session.track_event, kwargs={"event": "first"})
    other.start()
    assert busy.wait(30)
    threading.Timer(0.2, both.set).start()
    session.track_event(event="second")
    other.join(30)
    assert [1, 1] == errors


@pytest.mark.skipif(sys.version_info < (3, 11), reason="nobody can tell whom a cancellation is meant for")
async def test_a_handler_that_meets_a_cancelled_future_ends_no_sender(face: Face, sink: Sink) -> None:
    sink.always = faults.refuse_marked

    async def on_error(_: Exception) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    client = face.client(flush_interval=0.1, on_error=on_error)
    session = client.create_session(id="u")
    for name in ("poison", "next"):
        await result(session.track_event(event=name))
    await eventually(lambda: (1, 1) == (client.stats().refused, client.stats().delivered))


async def test_a_handler_that_tracks_after_close_is_called_once(face: Face) -> None:
    errors: list[Exception] = []
    client = face.client(on_error=lambda error: (errors.append(error), session.track_event(event="more")))
    session = client.create_session(id="u")
    await result(client.close())
    await result(session.track_event(event="late"))
    assert {"closed": 2} == client.stats().reasons
    assert len(errors) <= 2


async def test_a_stale_connection_is_no_outage(any_face: Face, sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    client = any_face.client()
    session = client.create_session(id="u")
    await result(session.track_event(event="a"))
    await result(client.flush(5))
    sink.faults(faults.reset)
    await result(session.track_event(event="b"))
    assert 2 == (await result(client.flush(5))).delivered
    assert [] == [record for record in caplog.records if record.name == "mindlytics"]


async def test_strict_hides_no_exception_of_the_block(face: Face) -> None:
    client = face.client(strict=True)

    async def fail() -> None:
        async with entered(client.create_session(id="u")) as session:
            await result(session.track_event(event="e"))
            await result(client.close())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


def test_a_flush_without_a_sender_gives_nothing_up(sink: Sink) -> None:
    program = (
        "import threading\n"
        + BLOCKING
        + (
            "start = threading.Thread.start\n"
            'def refuse(self): raise RuntimeError("can\'t start new thread")\n'
            "threading.Thread.start = refuse\n"
            "session.track_event(event='0')\n"
            "result = client.flush(0)\n"
            "assert (result.pending, result.dropped) == (1, 0), result\n"
            "threading.Thread.start = start\n"
            "session.track_event(event='1')\n"
            "result = client.flush(20)\n"
            "assert (result.delivered, result.pending) == (2, 0), result\n"
        )
    )
    ran = run(sink, program)
    assert (0, "", ["0", "1"]) == (ran.returncode, ran.stderr, sink.names())


def test_a_loop_in_an_exit_handler_from_before_the_import(sink: Sink) -> None:
    program = (
        "import asyncio, atexit\natexit.register(lambda: asyncio.run(main()))\n"
        + ASYNC
        + ("async def main():\n    for n in range(5): await session.track_event(event=str(n))\n")
    )
    ran = run(sink, program, *STRICT)
    assert (0, "", [str(number) for number in range(5)]) == (ran.returncode, ran.stderr, sink.names())


@pytest.mark.parametrize("start", [BLOCKING + TRACK, ASYNC + TRACK], ids=["blocking", "asyncio"])
def test_an_exit_does_not_linger(sink: Sink, start: str) -> None:
    began = time.monotonic()
    ran = run(sink, start, MLSDK_FLUSH_INTERVAL="600", MLSDK_SHUTDOWN_TIMEOUT="60")
    assert time.monotonic() - began < 30
    assert (0, "", 50) == (ran.returncode, ran.stderr, len(sink.events))


async def test_a_backlog_adds_no_work_for_the_garbage_collector(face: Face) -> None:
    client = face.client(flush_interval=60, max_queue_events=100_000, max_batch_events=100_000)
    session = client.create_session(id="u")
    await result(session.track_event(event="first"))
    gc.collect()
    before = len(gc.get_objects())
    for number in range(5_000):
        await result(
            session.track_conversation_turn(user=f"question {number}", assistant="a", properties={"n": number})
        )
    gc.collect()
    assert 5_001 == client.stats().pending
    assert len(gc.get_objects()) - before < 200
