"""Clients with a spool, against a service that misbehaves: every event arrives once, by this process or the next."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mindlytics import Client, InvalidSetting
from mindlytics.delivery.account import Reason
from mindlytics.pipeline import leftovers, logged, own_run, spooler
from mindlytics.spool import porch, run

from .. import sink as faults
from ..conftest import Face, eventually, result
from ..sink import Sink

NAMES = [str(number) for number in range(200)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "SCAN_EVERY", 0.05)
    monkeypatch.setattr(own_run, "TRY_AGAIN", 0.1)
    monkeypatch.setattr(spooler, "ERROR_WAIT", 0.05)


def track(client: Any, names: list[str] = NAMES, session_id: str | None = None) -> None:
    session = client.create_session(id="u", session_id=session_id)
    for name in names:
        session.track_event(event=name)


def runs(spool: Path) -> list[Path]:
    return list(spool.glob("*/*-*"))


def logs(spool: Path) -> list[Path]:
    return list(spool.rglob("*.log"))


def balances(client: Any) -> bool:
    stats = client.stats()
    return bool(stats.accepted == stats.delivered + stats.refused + stats.dropped + stats.pending)


async def test_everything_arrives_once_and_the_directory_is_empty_then(
    any_face: Face, sink: Sink, tmp_path: Path
) -> None:
    client = any_face.client(spool=tmp_path)
    track(client, session_id="s")
    stats = client.stats()
    assert stats.accepted == stats.delivered + stats.pending == 200
    flushed = await result(client.flush(20))
    assert (200, 0) == (flushed.delivered, flushed.pending)
    await result(client.close())
    assert NAMES == sink.names()
    assert [] == runs(tmp_path)


async def test_what_an_outage_leaves_is_delivered_by_the_next_client(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path)
    track(client)
    closed = await result(client.close())
    assert (0, 0, 200) == (closed.delivered, closed.dropped, closed.pending)
    assert (200, 200, {}) == (client.stats().spooled, client.stats().pending, client.stats().reasons)
    assert closed == await result(client.flush(1000)), "nothing is sent any more, so there is nothing to wait for"
    keys = {request.key for request in sink.requests}
    sink.always = faults.fine
    later = face.client(spool=tmp_path)  # records nothing itself
    await eventually(lambda: later.stats().recovered == 200)
    assert NAMES == sink.names()
    assert keys <= sink.keys
    assert (200, 200, 0) == (later.stats().accepted, later.stats().delivered, later.stats().pending)
    await eventually(lambda: not runs(tmp_path))


async def test_a_batch_whose_reply_was_lost_is_sent_again_exactly_so(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.faults(faults.lose_reply)
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path)
    track(client, NAMES[:50])
    client.pipeline.flush_soon()
    await eventually(lambda: len(sink.requests) > 2)
    track(client, NAMES[50:])
    await result(client.close(0.2))
    sink.always = faults.fine
    later = face.client(spool=tmp_path, max_batch_events=7)
    await eventually(lambda: later.stats().recovered == 200)
    assert NAMES == sink.names()
    bodies = {request.body for request in sink.requests if request.key == sink.requests[0].key}
    assert 1 == len(bodies)


async def test_own_events_and_leftovers_keep_their_orders(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path)
    track(client, session_id="s")
    await result(client.close())
    sink.always = faults.fine
    later = face.client(spool=tmp_path, max_batch_events=20)
    track(later, [f"own {name}" for name in NAMES], session_id="t")
    flushed = await result(later.flush(20))
    assert 0 == flushed.pending
    await eventually(lambda: later.stats().accepted == 400)
    assert NAMES == [name for name in sink.names() if not name.startswith("own")]
    assert NAMES == [name[4:] for name in sink.names() if name.startswith("own")]
    assert balances(later)


async def test_an_outage_does_not_give_up(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path, retry_for=0.01, max_queue_events=50, flush_interval=0)
    for first in range(0, 200, 20):
        track(client, NAMES[first : first + 20])
        await eventually(lambda first=first: client.stats().spooled == first + 20)
    await eventually(lambda: len(sink.requests) > 10)
    assert (200, 200, {}) == (client.stats().pending, client.stats().spooled, client.stats().reasons)
    sink.always = faults.fine
    flushed = await result(client.flush(20))
    assert (200, 0) == (flushed.delivered, flushed.pending)
    assert NAMES == sink.names()


def failing_at_poison(status: int) -> faults.Fault:
    def fault(exchange: faults.Exchange) -> None:
        poisoned = any(event.get("event") == "poison" for event in exchange.request.events)
        faults.status(status, "poison")(exchange) if poisoned else faults.fine(exchange)

    return fault


fail_at_poison = failing_at_poison(500)


@pytest.mark.parametrize(("status", "count"), [(500, 1), (502, 1), (504, 2)])
async def test_an_event_that_the_service_fails_at_is_dropped_once_it_stands_alone(
    face: Face, sink: Sink, tmp_path: Path, status: int, count: int
) -> None:
    sink.always = failing_at_poison(status)
    client = face.client(spool=tmp_path, retry_for=0.05, max_batch_events=20)
    names = [*NAMES[:20], *["poison"] * count, *NAMES[20:]]
    names.insert(7, "poison")
    track(client, names)
    await eventually(lambda: client.stats().pending == 0)
    assert {"gave_up": 1 + count} == client.stats().reasons
    assert sorted(NAMES, key=int) == sorted(sink.names(), key=int)
    await result(client.close())
    assert [] == runs(tmp_path)


async def leave(face: Face, sink: Sink, spool: Path, names: list[str]) -> None:
    """Leave events of a process that ended while the service was down."""
    sink.always = faults.status(503)
    client = face.client(spool=spool)
    track(client, names)
    await result(client.close())


async def test_the_same_of_what_earlier_processes_left(face: Face, sink: Sink, tmp_path: Path) -> None:
    await leave(face, sink, tmp_path, [*NAMES[:30], "poison", *NAMES[30:50]])
    await leave(face, sink, tmp_path, [*NAMES[50:60], "poison"])  # nothing follows it there
    await leave(face, sink, tmp_path, NAMES[60:])
    sink.always = failing_at_poison(500)
    later = face.client(spool=tmp_path, retry_for=0.05, max_retry_wait=0.01, max_batch_events=20)
    await eventually(lambda: later.stats().recovered == 201)
    track(later, ["own"])  # which the service takes, so the one that is left is at fault
    await eventually(lambda: later.stats().recovered == 202)
    assert {"gave_up": 2} == later.stats().reasons
    assert [*sorted(NAMES, key=int), "own"] == sorted(
        sink.names(), key=lambda name: int(name) if name != "own" else 999
    )
    await result(later.close())
    assert [] == runs(tmp_path)
    assert balances(later)


@pytest.mark.parametrize("are_leftovers", [False, True])
@pytest.mark.parametrize("status", [401, 500, 503])
async def test_a_batch_that_fails_for_ever_expires(
    face: Face, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, are_leftovers: bool, status: int
) -> None:
    if are_leftovers:
        await leave(face, sink, tmp_path, NAMES)
    sink.always = faults.status(status)
    client = face.client(spool=tmp_path, retry_for=0.05, max_retry_wait=0.01)
    if not are_leftovers:
        track(client)
    asked = len(sink.requests)
    await eventually(lambda: len(sink.requests) > asked + 5)
    assert {} == client.stats().reasons
    monkeypatch.setattr(logged, "time", SimpleNamespace(time=lambda: time.time() + 8 * 24 * 3600))
    await eventually(lambda: client.stats().dropped == 200)
    assert {"spool_expired": 200} == client.stats().reasons
    assert balances(client)


async def test_an_event_that_fails_last_waits_for_the_next(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = fail_at_poison
    client = face.client(spool=tmp_path, retry_for=0.05)
    track(client, ["poison"])
    await eventually(lambda: len(sink.requests) > 5)
    assert 1 == client.stats().pending
    track(client, ["fine"])
    await eventually(lambda: client.stats().pending == 0)
    assert ({"gave_up": 1}, ["fine"]) == (client.stats().reasons, sink.names())


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_loses_nothing_and_is_reported_once(
    face: Face, sink: Sink, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    sink.always = faults.status(status, "the key has expired")
    client = face.client(spool=tmp_path)
    track(client)
    await eventually(lambda: len(sink.requests) > 5)
    assert 1 == caplog.text.count("the key has expired")
    assert 200 == client.stats().pending
    sink.always = faults.fine
    assert 0 == (await result(client.flush(20))).pending
    assert NAMES == sink.names()


async def test_bad_events_are_dropped_and_refused_as_without_a_spool(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.refuse_marked
    client = face.client(spool=tmp_path, max_batch_bytes=2000)
    session = client.create_session(id="u")
    for name in ["a", "poison", "b", "large", "c"]:
        session.track_event(event=name, properties={"text": "x" * 3000} if name == "large" else None)
    await result(client.flush(20))
    assert ["a", "b", "c"] == sink.names()
    stats = client.stats()
    assert (1, {"too_large": 1}, 0, 0) == (stats.refused, stats.reasons, stats.pending, stats.spooled)


async def test_what_is_held_back_never_touches_the_disk(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    hidden = face.client(spool=tmp_path, before_send=lambda event: None if event.event == "secret" else event)
    track(hidden, ["open", "secret"])
    short = face.client(spool=tmp_path, content_mode="metadata_only")
    short.create_session(id="u").track_conversation_turn(user="secret words", assistant="secret answer")
    await result(hidden.close())
    await result(short.close())
    files = [path.read_bytes() for path in logs(tmp_path)]
    assert 2 == len(files)
    assert not any(b"secret" in data for data in files)
    assert {"before_send": 1} == hidden.stats().reasons


async def test_nothing_is_sent_to_another_place(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path)
    track(client)
    await result(client.close())
    sink.always = faults.fine
    for changed in ({"api_key": "key-2"}, {"project_id": "proj-2"}):
        other = face.client(spool=tmp_path, **changed)
        track(other, ["own"])
        await result(other.flush(20))
        await result(other.close())
    assert ["own", "own"] == sink.names()
    assert 1 == len(runs(tmp_path))


async def test_old_events_are_dropped(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path)
    track(client)
    await result(client.close())
    sink.always = faults.fine
    later = face.client(spool=tmp_path, spool_max_age=1e-6)
    await eventually(lambda: later.stats().dropped == 200)
    assert ({"spool_expired": 200}, 200) == (later.stats().reasons, later.stats().recovered)
    assert [] == sink.names()
    await eventually(lambda: not runs(tmp_path))


async def test_events_of_a_clock_that_was_not_set_do_not_expire(
    face: Face, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        for module in (own_run, porch):
            patched.setattr(module, "time", SimpleNamespace(time=lambda: 1000.0, monotonic=time.monotonic))
        await leave(face, sink, tmp_path, NAMES[:100])
        client = face.client(spool=tmp_path, flush_interval=60)
        track(client, NAMES[100:])
        await eventually(lambda: client.stats().spooled == 100)
    sink.always = faults.fine
    assert 0 == (await result(client.flush(20))).pending
    await eventually(lambda: client.stats().recovered == 100)
    assert {} == client.stats().reasons
    assert sorted(NAMES) == sorted(sink.names())


async def test_the_clock_may_be_set_in_between(
    face: Face, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]
    for module in (own_run, logged):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now[0], monotonic=time.monotonic))
    client = face.client(spool=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(spooler.Spooler, "_read", lambda *_: [])
        for number, days in enumerate([-8, 0, -8, 0]):
            now[0] += days * 24 * 3600
            track(client, [str(number)])
            await eventually(lambda number=number: client.stats().spooled == number + 1)
            now[0] -= days * 24 * 3600
    assert (2, 2, 0) == ((await result(client.flush(20))).delivered, client.stats().dropped, client.stats().pending)
    assert ["1", "3"] == sink.names()


async def test_a_full_spool_fills_the_memory_then_drops(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path, spool_max_bytes=1024 * 1024, max_queue_events=300)
    session = client.create_session(id="u")
    for number in range(3000):
        session.track_event(event=str(number), properties={"text": "x" * 1000})
        if number % 100 == 0:
            await eventually(
                lambda: client.stats().pending - client.stats().spooled < 100 or client.pipeline.spooler.run.is_full
            )
    await eventually(lambda: client.pipeline.spooler.run.is_full)
    stats = client.stats()
    assert ["spool_full"] == list(stats.reasons)
    assert 300 == stats.pending - stats.spooled
    assert 700 < stats.spooled < 1000
    assert sum(path.stat().st_size for path in logs(tmp_path)) <= 1024 * 1024
    sink.always = faults.fine
    assert 0 == (await result(client.flush(30))).pending
    assert [str(number) for number in range(stats.pending)] == sink.names()
    assert balances(client)


async def test_a_disk_that_refuses_is_left_and_taken_again(
    face: Face, sink: Sink, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "mindlytics")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    client = face.client(spool=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(run.Log, "append", refuse)
        track(client, NAMES[:100])
        assert (100, 0) == ((await result(client.flush(20))).delivered, client.stats().spooled)
    assert 1 == caplog.text.count("Read-only file system")
    until = time.monotonic() + 20
    names = []
    while "the spool works again" not in caplog.text:
        assert time.monotonic() < until
        names.append(f"later {len(names)}")
        track(client, names[-1:])
        await result(client.flush(20))
    assert [*NAMES[:100], *names] == sink.names()


async def test_a_directory_that_vanishes_is_made_again(face: Face, sink: Sink, tmp_path: Path) -> None:
    client = face.client(spool=tmp_path / "spool")
    track(client, ["0"])
    await result(client.flush(20))
    shutil.rmtree(tmp_path / "spool")
    number = 0
    while not runs(tmp_path / "spool"):
        number += 1
        assert number < 1000
        track(client, [str(number)])
        await result(client.flush(20))
    assert [str(each) for each in range(number + 1)] == sink.names()


async def test_damage_is_counted_and_holds_nothing_up(face: Face, sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path)
    for first in range(0, 200, 20):
        track(client, NAMES[first : first + 20])
        await eventually(lambda first=first: client.stats().spooled == first + 20)
    await result(client.close())
    (log,) = logs(tmp_path)
    data = log.read_bytes()
    log.write_bytes(data.replace(b'"event":"50"', b'"event":"XX"'))
    sink.always = faults.fine
    later = face.client(spool=tmp_path)
    await eventually(lambda: later.stats().accepted == 200)
    assert 0 < later.stats().dropped < 100
    assert {"spool_corrupt": later.stats().dropped} == later.stats().reasons
    assert later.stats().delivered == len(sink.names())
    assert set(sink.names()) < set(NAMES) - {"50"}


async def test_a_directory_that_can_never_work_is_an_error(face: Face, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "file/below", "link"):
        with pytest.raises(InvalidSetting, match=r"spool \(environment: MLSDK_SPOOL\)"):
            face.client(spool=tmp_path / name)
    for wrong in (7, b"x", "a\0b"):
        with pytest.raises(InvalidSetting, match="MLSDK_SPOOL"):
            face.client(spool=wrong)


async def test_a_disabled_client_makes_no_directory(face: Face, tmp_path: Path) -> None:
    track(face.client(spool=tmp_path / "spool", enabled=False))
    assert not (tmp_path / "spool").exists()


def test_auto_is_where_programs_keep_their_state(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Client(api_key="k", project_id="p", server_endpoint=sink.url, spool="auto") as client:
        assert str(tmp_path / "mindlytics") == client.settings.spool
    assert list((tmp_path / "mindlytics").iterdir())


def test_a_client_with_a_spool_rests_while_there_is_nothing_to_do(sink: Sink, tmp_path: Path) -> None:
    with Client(api_key="k", project_id="p", server_endpoint=sink.url, spool=tmp_path) as client:
        track(client)
        client.flush(20)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.25


def test_without_a_spool_its_reasons_and_counts_are_nothing(sink: Sink) -> None:
    with Client(api_key="k", project_id="p", server_endpoint=sink.url) as client:
        track(client)
    assert (0, 0) == (client.stats().recovered, client.stats().spooled)
    assert {"spool_full", "spool_expired", "spool_corrupt"} <= {reason.value for reason in Reason if reason.is_loss}
