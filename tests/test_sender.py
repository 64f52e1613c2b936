"""The sender itself: it fails and says so, it is forked by strangers, and it does not feed itself."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from . import sink as faults
from .conftest import Face, eventually, result
from .programs import ALIGN, BLOCKING, FORKING, STARTS, run
from .sink import Sink

UNIMPORTABLE = "import sys\nsys.modules['{name}'] = None\n"
LOST = (
    "told = []\nclient = Client(on_error=told.append)\nsession = client.create_session(id='u')\n"
    "session.track_event(event='e')\n"
    "outcome = client.flush(20)\nclient.close()\n"
    "print(outcome.dropped, outcome.pending, client.stats().reasons, [e.count for e in told])\n"
    "print(client.get_errors()[0].message)\n"
)


@pytest.mark.parametrize("name", ["requests", "tenacity", "orjson"])
def test_a_dependency_that_cannot_be_imported_is_a_loss_that_is_reported(sink: Sink, name: str) -> None:
    sink.always = faults.status(503) if name == "tenacity" else None  # it is needed for a second attempt
    program = "from mindlytics import Client\n" + UNIMPORTABLE.format(name=name) + LOST
    ran = run(sink, program, MLSDK_RETRY_FOR="1.5", MLSDK_DEBUG="1")
    first, second = ran.stdout.splitlines()
    assert "1 0 {'sender_failed': 1} [1]" == first
    assert second.startswith(f"the sender failed (ModuleNotFoundError: import of {name} halted")
    assert 1 == ran.stderr.count("Traceback"), "once, not once a second"
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("mindlytics: 1 event was not delivered (the sender failed (ModuleNotFoundError")


def test_a_sender_that_fails_holds_no_end_up(sink: Sink) -> None:
    program = (
        "from mindlytics import Client\n"
        + UNIMPORTABLE.format(name="requests")
        + (
            "client = Client()\nsession = client.create_session(id='u')\nsession.track_event(event='e')\n"
            "import time\nbegan = time.monotonic()\noutcome = client.close(1)\n"
            "print(outcome.dropped, client.stats().reasons, time.monotonic() - began < 2)\n"
        )
    )
    assert "1 {'shutdown': 1} True\n" == run(sink, program).stdout


def test_a_schema_that_is_missing_is_a_loss_that_is_reported(sink: Sink) -> None:
    program = (
        "import pkgutil\nread = pkgutil.get_data\n"
        "def get_data(package, name):\n    if name.endswith('.binpb'): raise FileNotFoundError(name)\n"
        "    return read(package, name)\n"
        "pkgutil.get_data = get_data\n"
    ) + (
        ALIGN + "session.track_event('e')\noutcome = client.flush(20)\nprint(outcome.dropped, client.stats().reasons)\n"
    )
    ran = run(sink, program, MLSDK_RETRY_FOR="1")
    assert "1 {'sender_failed': 1}\n" == ran.stdout, ran.stderr
    assert "FileNotFoundError" in ran.stderr


async def test_a_failure_that_passes_costs_nothing(any_face: Face, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    client = any_face.client(flush_interval=0)
    failures = iter([1, 2])
    judge = client.pipeline.attempts._attempt

    def attempt(batch: Any) -> Any:
        if next(failures, None):
            raise ZeroDivisionError
        return judge(batch)

    monkeypatch.setattr(client.pipeline.attempts, "_attempt", attempt)
    session = client.create_session(id="u")
    for number in range(3):
        await result(session.track_event(event=str(number)))
    assert 3 == (await result(client.flush(20))).delivered
    assert ["0", "1", "2"] == sink.names()


def test_running_out_of_descriptors_is_an_outage(sink: Sink) -> None:
    program = (
        "import os, resource\n"
        f"{BLOCKING}"
        "session.track_event(event='first')\n"
        "assert client.flush(20).delivered == 1\n"
        "client.close()\n"
        "client = Client(flush_interval=0, max_retry_wait=0.1)\n"
        "session = client.create_session(id='u')\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "held = []\n"
        "try:\n    while True: held.append(os.open('/dev/null', os.O_RDONLY))\nexcept OSError: pass\n"
        "session.track_event(event='second')\n"
        "print(client.flush(1).pending)\n"
        "for each in held: os.close(each)\n"
        "print(client.flush(20).delivered)\n"
    )
    ran = run(sink, program, MLSDK_DEBUG="1")
    assert "1\n1\n" == ran.stdout, ran.stderr
    assert "too many open files" in ran.stderr


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_fork_that_calls_no_hook_of_pythons(sink: Sink, start: str) -> None:
    program = start + (
        "import ctypes, os, time\n"
        "fork = ctypes.PyDLL(None).fork\n"
        "session.track_event(event='parent-0')\n"
        "while client.stats().pending if hasattr(client, 'stats') else 0: time.sleep(0.01)\n"
        "child = fork()\n"
        "if child == 0:\n"
        "    import threading\n"
        "    for n in range(5): (session if type(session) is type else client.create_session(id='u'))"
        ".track_event(event=f'child-{n}')\n"
        "    for _ in range(1000):\n"
        "        if client.stats().delivered == 5: os._exit(0)\n"
        "        time.sleep(0.01)\n"
        "    os._exit(1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "session.track_event(event='parent-1')\n"
    )
    ran = run(sink, program, *FORKING)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ["parent-0", *(f"child-{n}" for n in range(5)), "parent-1"] == sink.names()


def test_a_worker_that_leaves_by_os_exit_delivers_what_it_closes(sink: Sink) -> None:
    """As the default worker of RQ does after each job."""
    program = BLOCKING + (
        "import os\n"
        "def job(n):\n"
        "    with client.create_session(id='u') as session: session.track_event(event=f'block-{n}')\n"
        "    client.create_session(id='u').track_event(event=f'flush-{n}')\n"
        "    client.flush(20)\n"
        "for n in range(3):\n"
        "    child = os.fork()\n"
        "    if child == 0: job(n); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    ran = run(sink, program, *FORKING, MLSDK_FLUSH_INTERVAL="60")
    assert (0, "") == (ran.returncode, ran.stderr)
    assert [f"{kind}-{n}" for n in range(3) for kind in ("block", "flush")] == sink.names()


async def test_a_handler_that_records_every_log_line_does_not_feed_itself(any_face: Face, sink: Sink) -> None:
    client = any_face.client(flush_interval=0)
    session = client.create_session(id="u")

    class Records(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            outcome = session.track_event(event=record.name)
            if hasattr(outcome, "close"):
                outcome.close()

    handler, root = Records(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("app").warning("one line of the program's own")
        await eventually(lambda: client.stats().delivered >= 1)
        for _ in range(20):
            await result(client.flush(5))
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    assert ["app"] == [name for name in sink.names() if not name.startswith("asyncio")]


async def test_an_event_of_an_error_handler_is_recorded(any_face: Face, sink: Sink) -> None:
    sink.always = faults.refuse_marked
    client = any_face.client(flush_interval=0, on_error=lambda _: _close(session.track_event(event="noted")))
    session = client.create_session(id="u")
    await result(session.track_event(event="poison"))
    await eventually(lambda: ["noted"] == sink.names())


def _close(outcome: Any) -> None:
    if hasattr(outcome, "close"):
        outcome.close()


def test_an_event_of_a_finalizer_that_runs_while_the_sender_posts_is_recorded(sink: Sink) -> None:
    program = BLOCKING + (
        "import weakref\n"
        "from mindlytics.transport.blocking import BlockingTransport\n"
        "class Last:\n"
        "    def __del__(self): session.track_event(event='finalizer')\n"
        "class Other: pass\n"
        "request = BlockingTransport.request\n"
        "def request_and_collect(*args):\n"
        "    BlockingTransport.request = request\n"
        "    Last()\n"
        "    other = Other()\n"
        "    weakref.finalize(other, session.track_event, event='finalize')\n"
        "    del other\n"
        "    return request(*args)\n"
        "BlockingTransport.request = request_and_collect\n"
        "session.track_event(event='first')\n"
        "client.flush(20)\n"
        "print(client.flush(20))\n"
    )
    ran = run(sink, program)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ["first", "finalizer", "finalize"] == sink.names(), ran.stdout
