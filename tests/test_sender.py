"""The sender itself: it fails and says so, it is forked by strangers, and it does not feed itself."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from . import sink as faults
from .conftest import Face, eventually, result
from .processes import PROGRAMS
from .programs import STARTS, run, run_forking
from .sink import Sink


@pytest.mark.parametrize("name", ["requests", "tenacity", "orjson"])
def test_a_dependency_that_cannot_be_imported_is_a_loss_that_is_reported(sink: Sink, name: str) -> None:
    sink.always = faults.status(503) if name == "tenacity" else None  # it is needed for a second attempt
    ran = run(sink, PROGRAMS / "unimportable.py", LIBRARY=name, MLSDK_RETRY_FOR="1.5", MLSDK_DEBUG="1")
    first, second = ran.stdout.splitlines()
    assert "1 0 {'sender_failed': 1} [1]" == first
    assert second.startswith(f"the sender failed (ModuleNotFoundError: import of {name} halted")
    assert 1 == ran.stderr.count("Traceback"), "once, not once a second"
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("mindlytics: 1 event was not delivered (the sender failed (ModuleNotFoundError")


def test_a_sender_that_fails_holds_no_end_up(sink: Sink) -> None:
    ran = run(sink, PROGRAMS / "unimportable_at_close.py")
    assert "1 {'shutdown': 1} True\n" == ran.stdout


def test_a_schema_that_is_missing_is_a_loss_that_is_reported(sink: Sink) -> None:
    ran = run(sink, PROGRAMS / "missing_schema.py", START="AlignAI", MLSDK_RETRY_FOR="1")
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
    ran = run(sink, PROGRAMS / "out_of_descriptors.py", MLSDK_DEBUG="1")
    assert "1\n1\n" == ran.stdout, ran.stderr
    assert "too many open files" in ran.stderr


@pytest.mark.parametrize("start", STARTS)
def test_a_fork_that_calls_no_hook_of_pythons(sink: Sink, start: str) -> None:
    ran = run_forking(sink, PROGRAMS / "fork_without_hooks.py", START=start)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ["parent-0", *(f"child-{n}" for n in range(5)), "parent-1"] == sink.names()


def test_a_worker_that_leaves_by_os_exit_delivers_what_it_closes(sink: Sink) -> None:
    ran = run_forking(sink, PROGRAMS / "os_exit_after_jobs.py", MLSDK_FLUSH_INTERVAL="60")
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
    ran = run(sink, PROGRAMS / "finalizers_while_posting.py")
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ["first", "finalizer", "finalize"] == sink.names(), ran.stdout
