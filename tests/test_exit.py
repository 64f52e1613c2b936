"""Programs that just end, fork or are left by their loop: real processes, everything delivered, nothing on stderr."""

from __future__ import annotations

import time

import pytest

from . import sink as faults
from .programs import ALIGN, ASYNC, ASYNC_ALIGN, AT_EXIT, ATRACK, BLOCKING, RELEASE, STARTS, STRICT, TRACK, run
from .sink import Sink

ENDINGS = {
    "last line": BLOCKING + TRACK,
    "sys.exit": BLOCKING + TRACK + "import sys; sys.exit(0)",
    "one event on the last line": BLOCKING + "session.track_event(event='0')",
    "exit handler that tracks": BLOCKING + AT_EXIT,
    "exit handler registered before the import": (AT_EXIT + BLOCKING),
    "thread that outlives main": (
        BLOCKING + "import threading, time\n"
        "def work():\n    threading.main_thread().join()\n    for n in range(50): session.track_event(event=str(n))\n"
        "threading.Thread(target=work).start()"
    ),
    "open client after asyncio.run": ASYNC + ATRACK + "asyncio.run(main())",
    "no await at all": ASYNC + TRACK,
    "no loop until the exit handler": ASYNC + AT_EXIT,
    "several asyncio.run": (
        ASYNC + "async def main(a, b):\n    for n in range(a, b): await session.track_event(event=str(n))\n"
        "asyncio.run(main(0, 20))\nasyncio.run(main(20, 35))\nasyncio.run(main(35, 50))"
    ),
    "a loop closed with events pending": (
        ASYNC + ATRACK + "loop = asyncio.new_event_loop()\nloop.run_until_complete(main())\nloop.close()"
    ),
    "sys.exit within a loop": ASYNC
    + ATRACK
    + "async def leave():\n    await main()\n    raise SystemExit(0)\nasyncio.run(leave())",
    "last line, Align AI": ALIGN + TRACK,
    "exit handler that tracks, Align AI": ALIGN + AT_EXIT,
    "open client after asyncio.run, Align AI": ASYNC_ALIGN + ATRACK + "asyncio.run(main())",
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_everything_arrives_in_order_and_stderr_is_empty(sink: Sink, ending: str, host: str) -> None:
    quiet = () if "loop closed" in ending else STRICT
    url = sink.url.replace("127.0.0.1", host)
    ran = run(sink, ENDINGS[ending], *quiet, MLSDK_SERVER_BASE=url, ALIGNAI_HOST=url, MLSDK_SHUTDOWN_TIMEOUT="60")
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert [str(number) for number in range(1 if "one event" in ending else 50)] == sink.names()


INTERRUPTED = (
    "import signal\ndef interrupt(*_): raise KeyboardInterrupt\nsignal.signal(signal.SIGALRM, interrupt)\n"
    "try:\n    signal.setitimer(signal.ITIMER_REAL, 0.1)\n    client.close()\n"
    "except KeyboardInterrupt: assert client.stats().pending == 50\nelse: assert False\n"
)
CANCELLED = (
    "async def leave():\n    await main()\n    closing = asyncio.create_task(client.close())\n"
    "    await asyncio.sleep(0)\n    closing.cancel()\n    await asyncio.wait({closing})\n"
    "    assert closing.cancelled()\n    assert client.stats().pending == 50\nasyncio.run(leave())\n"
)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(
    "program", [BLOCKING + TRACK + INTERRUPTED, ASYNC + ATRACK + CANCELLED], ids=["interrupted", "cancelled"]
)
def test_a_close_that_is_cut_short_is_made_up_for_at_the_exit(sink: Sink, program: str, host: str) -> None:
    sink.always = faults.held
    url = sink.url.replace("127.0.0.1", host)
    ran = run(sink, program + RELEASE, *STRICT, MLSDK_SERVER_BASE=url, MLSDK_SHUTDOWN_TIMEOUT="60")
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert [str(number) for number in range(50)] == sink.names()


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_an_exception_ends_the_program_not_the_delivery(sink: Sink, start: str) -> None:
    ran = run(sink, start + TRACK + "raise RuntimeError('the program is broken')")
    assert 1 == ran.returncode
    assert ran.stderr.rstrip().endswith("RuntimeError: the program is broken")
    assert "mindlytics" not in ran.stderr
    assert 50 == len(sink.events)


@pytest.mark.parametrize(
    "start", [BLOCKING + TRACK, ASYNC + ATRACK + "asyncio.run(main())"], ids=["blocking", "asyncio"]
)
@pytest.mark.parametrize("fault", [faults.hang, faults.status(503)], ids=["hang", "503"])
def test_a_service_that_fails_holds_no_exit_up_and_the_loss_is_one_line(
    sink: Sink, start: str, fault: faults.Fault
) -> None:
    sink.always = fault
    began = time.monotonic()
    ran = run(sink, start, MLSDK_SHUTDOWN_TIMEOUT="3", MLSDK_REQUEST_TIMEOUT="60", MLSDK_RETRY_FOR="60")
    assert time.monotonic() - began < 10
    cause = "no reply: timed out" if fault is faults.hang else "status 503: no"
    assert (0, f"mindlytics: 50 events were not delivered ({sink.url}: {cause})\n") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("start", [BLOCKING + TRACK, ASYNC + TRACK], ids=["blocking", "asyncio"])
def test_an_unreachable_service_harms_nothing(sink: Sink, start: str) -> None:
    ran = run(sink, start + "print('done')", MLSDK_SERVER_BASE="http://127.0.0.1:9", MLSDK_SHUTDOWN_TIMEOUT="3")
    told = "mindlytics: 50 events were not delivered (http://127.0.0.1:9: no reply: connection refused)\n"
    assert (0, "done\n", told) == (ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_client_that_was_never_used_costs_an_exit_nothing(sink: Sink, start: str) -> None:
    ran = run(sink, start)
    assert (0, "", []) == (ran.returncode, ran.stderr, sink.requests)


def test_pipelines_of_dropped_clients_end(sink: Sink) -> None:
    program = (
        "import asyncio, time\n"
        "from mindlytics import AsyncClient, Client\n"
        "from mindlytics.pipeline import sharing\n"
        "kept = [Client(on_error=lambda error: None) for _ in range(20)]\n"
        "for kind in (Client, AsyncClient):\n"
        "    for _ in range(200):\n"
        "        client = kind(on_error=lambda error: None, sample_rate=0.0)\n"
        "        client.create_session(id='u').track_event(event='of nobody')\n"
        "async def main():\n"
        "    session = AsyncClient(on_error=lambda error: None).create_session(id='u')\n"
        "    await session.track_event(event='dropped')\n"
        "    await session.flush()\n"
        "for _ in range(40): asyncio.run(main())\n"
        "while len(sharing._shared) > 40: time.sleep(0.01)\n"
        "print(len(sharing._shared) >= 20)\n"
        "for client in kept: client.create_session(id='u').track_event(event='kept')\n"
    )
    ran = run(sink, program)
    assert (0, "True\n", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert ["dropped"] * 40 + ["kept"] * 20 == sink.names()


def test_the_line_includes_what_dropped_clients_lost(sink: Sink) -> None:
    sink.always = faults.status(403)
    program = (
        "import time\n"
        "from mindlytics import Client\n"
        "from mindlytics.pipeline import sharing, sender\n"
        "sender.IDLE = 0.05\n"
        "for _ in range(3): Client(on_error=lambda error: None).create_session(id='u').track_event(event='e')\n"
        "while sharing._shared: time.sleep(0.05)\n"
    )
    ran = run(sink, program)
    assert (ran.returncode, ran.stderr) == (
        0,
        f"mindlytics: 3 events were not delivered ({sink.url}: status 403: no)\n",
    )


def test_losses_of_a_later_exit_handler_are_reported_too(sink: Sink) -> None:
    sink.always = faults.status(503)
    program = (
        "import atexit\n"
        "atexit.register(lambda: session.track_event(event='late'))\n"
        "from mindlytics import Client\n"
        "session = Client().create_session(id='u')\n"
        "for n in range(3): session.track_event(event=str(n))\n"
    )
    ran = run(sink, program, MLSDK_SHUTDOWN_TIMEOUT="0.5")
    cause = f"({sink.url}: status 503: later)"
    assert f"mindlytics: 3 events were not delivered {cause}\nmindlytics: 1 event was not delivered {cause}\n" == (
        ran.stderr.replace(": no)", ": later)")
    )
