"""The porch: what is on it outlives its process, and goes to the log of whoever takes the run over."""

from __future__ import annotations

import dis
import errno
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from mindlytics import Client
from mindlytics.pipeline import own_run
from mindlytics.pipeline.durable import DurableIntake
from mindlytics.spool import porch
from mindlytics.spool.directory import Directory, Origin
from mindlytics.spool.porch import Porch, left_by

from .. import sink as faults
from ..conftest import Face, eventually, result
from ..sink import Sink

ORIGIN = Origin.of("mindlytics", "https://example.com", "p", "the-key")
ALL = 10**9


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "shm"
    place.mkdir()
    monkeypatch.setattr(porch, "PLACE", place)
    return place


class Writer:
    """A porch, and the queue that writes to it."""

    def __init__(self, run: Path) -> None:
        self.porch = Porch(run)
        self.intake = DurableIntake(ALL, ALL, lambda: None)
        self.intake.porch, self.intake.is_opened = self.porch, True
        self.intake.patience = lambda: 0.0
        self.intake.encode = lambda event: None
        self.account = self.intake.ledger.open_account()

    def put(self, data: bytes) -> int:
        return self.intake.put(data, len(data), self.account)

    def carry(self, count: int) -> None:
        self.intake.carried(self.intake.pop_many(count, ALL)[-1])


class Copies(list[tuple[slice, bytes]]):
    """Stands for the memory of a porch, and notes what is copied to it."""

    def __setitem__(self, place: Any, data: Any) -> None:
        self.append((place, data))


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "run")


def porches(place: Path) -> list[Path]:
    return list(place.glob("*"))


def left(number: int = 0) -> list[bytes]:
    return [data for _, (_, _, data) in left_by("run", number)]


def test_what_is_not_carried_is_left_in_order(writer: Writer) -> None:
    for number in range(1, 11):
        assert number == writer.put(b"%d" % number)
    assert [b"%d" % number for number in range(1, 11)] == left()
    assert [b"9", b"10"] == left(8)
    writer.carry(4)
    assert [b"%d" % number for number in range(5, 11)] == left()
    assert {(writer.account.number, number) for number in range(5, 11)} == {each[:2] for _, each in left_by("run", 0)}


def test_it_goes_round_and_round(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porch, "BYTES", 4000)
    at_random = random.Random(1)
    waiting: list[bytes] = []
    for number in range(1, 3000):
        data = b"%d " % number + bytes(at_random.randrange(256) for _ in range(at_random.randrange(300)))
        waiting.append(data)
        writer.put(data)
        if sum(map(len, waiting)) > 2000:
            count = at_random.randint(1, len(waiting))
            writer.carry(count)
            del waiting[:count]
        if number % 20 == 0:
            assert waiting == left()


def test_what_has_no_room_waits_in_memory_only(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porch, "BYTES", 1000)
    for _ in range(20):
        assert writer.put(b"x" * 90)
    kept = len(left())
    assert 5 < kept < 10
    assert writer.intake.is_stuck
    writer.carry(20)
    assert [] == left()
    writer.put(b"y")
    assert [b"y"] == left()
    writer.put(b"z" * 5000)  # which never has room
    assert not writer.intake.is_stuck


def test_a_call_waits_for_room_while_there_is_progress(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porch, "BYTES", 1000)
    writer.intake.patience = lambda: 60.0
    writer.intake._wake = lambda: writer.carry(3)
    for number in range(100):
        writer.put(b"%d" % number * 50)
    assert 100 == writer.intake.ledger.total.accepted
    assert not writer.intake.is_stuck


def test_damage_to_heads_alters_nothing(writer: Writer, place: Path) -> None:
    names = [b"event %d" % number for number in range(50)]
    for name in names:
        writer.put(name)
    (path,) = place.iterdir()
    whole = path.read_bytes()[: porch.HEADER + 5000]
    ends = [whole.index(name) for name in names]
    at_random = random.Random(1)
    for _ in range(500):
        data = bytearray(whole)
        data[at_random.choice(ends) - at_random.randint(1, 36)] ^= 1 << at_random.randrange(8)
        path.write_bytes(data)
        found = left()
        assert len(found) >= 49
        assert [name for name in names if name in found] == found


def test_an_event_whose_copy_a_kill_cuts_short_is_not_there(
    writer: Writer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(porch, "BYTES", 1000)
    for number in range(1, 21):
        writer.put(b"%d" % number * 20)
        writer.carry(1)
    data, copies = b"x" * 70, Copies()
    monkeypatch.setattr(writer.porch, "buffer", copies)
    writer.put(data)
    (path,) = place.iterdir()
    now = bytearray(path.read_bytes()[: porch.HEADER + 1000])
    whole = bytearray(now)
    for copied_to, copy in copies:
        whole[copied_to] = copy
    for copied_to, copy in copies:
        for at, byte in enumerate(copy, copied_to.start):
            now[at] = byte
            path.write_bytes(now)
            assert ([data] if now == whole else []) == left()
    assert [data] == left()


def test_nothing_comes_between_while_an_event_is_accepted() -> None:
    steps = [step for step in dis.get_instructions(DurableIntake.put) if step.opname not in ("CACHE", "EXTENDED_ARG")]
    begin = next(at for at, step in enumerate(steps) if (step.opname, step.argval) == ("STORE_ATTR", "accepted"))
    end = next(at for at, step in enumerate(steps) if at > begin and step.opname.startswith("CALL"))
    assert [] == [step.opname for step in steps[begin:end] if "JUMP" in step.opname or "BUILD" in step.opname]
    stored = [step.argval for step in steps[begin:end] if step.opname == "STORE_ATTR"]
    assert ["accepted", "accepted", "held_in", "tail"] == stored


def test_what_records_in_the_midst_of_a_call_loses_nothing(writer: Writer) -> None:
    """A signal handler or a finalizer, while the call makes its copy."""
    prepare, nested = writer.porch.prepare, []

    def interrupted(number: int, account: int, data: bytes) -> Any:
        prepared = prepare(number, account, data)
        if not nested:
            nested.append(True)
            writer.put(b"handler")
        return prepared

    writer.porch.prepare = interrupted  # type: ignore[method-assign]
    writer.put(b"call")
    assert [b"handler", b"call"] == left()


def test_what_leaves_while_it_is_read_is_left_out(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place may have been overwritten, so what was read of it may be another's."""
    for number in range(5):
        writer.put(b"%d" % number)
    read = os.pread

    def read_later(*values: int) -> bytes:
        writer.carry(3)
        return read(*values)

    monkeypatch.setattr(os, "pread", read_later)
    assert [b"3", b"4"] == left()


def test_a_forked_child_writes_nothing_to_it(writer: Writer) -> None:
    writer.put(b"parent")
    child = os.fork()
    if child == 0:
        writer.porch.leave()
        writer.put(b"child")
        os._exit(0)
    os.waitpid(child, 0)
    assert [b"parent"] == left()


def test_whoever_takes_a_run_over_finds_it_in_the_log(tmp_path: Path, place: Path) -> None:
    directory = Directory(tmp_path / "spool", ORIGIN)
    log = directory.begin()
    writer = Writer(log.path)
    for number in range(1, 6):
        writer.put(b"%d" % number)
    log.append([(1, number, b"%d" % number) for number in range(1, 4)], 1.0)  # and then killed
    directory.close_in_child()
    for _ in range(2):
        taken = directory.take(log.path)
        assert taken is not None
        assert [b"1", b"2", b"3", b"4", b"5"] == [each[3] for each in taken.read(ALL, ALL)]
        assert [] == list(place.iterdir())
        directory.close_in_child()


def test_what_is_on_the_porches_of_dead_runs_moves_to_their_logs_while_there_is_room(
    tmp_path: Path, place: Path
) -> None:
    directory = Directory(tmp_path / "spool", ORIGIN)
    for _ in range(3):
        assert Writer(directory.begin().path).put(b"event")
        directory.close_in_child()
    first, *others = directory.others()
    directory.empty_porches(others[:1], 10_000)
    directory.empty_porches(others, 1)  # no room
    assert {f"{porch.NAME}{path.name}" for path in (first, others[1])} == {path.name for path in porches(place)}
    for path in (first, *others):
        log = directory.take(path)
        assert log is not None
        assert [b"event"] == [each[3] for each in log.read(ALL, ALL)]


def test_it_is_emptied_before_its_run_moves_to_another_key(tmp_path: Path, place: Path) -> None:
    directory = Directory(tmp_path / "spool", ORIGIN)
    assert Writer(directory.begin().path).put(b"event")
    directory.close_in_child()
    other = Directory(directory.spool, Origin.of("mindlytics", "https://example.com", "p", "another"))
    other.prepare()
    assert other.adopt(directory.others()[0])
    assert ([], []) == (porches(place), directory.others())
    log = other.take(other.others()[0])
    assert log is not None
    assert [b"event"] == [each[3] for each in log.read(ALL, ALL)]


def test_anothers_file_and_a_link_are_not_read(tmp_path: Path, place: Path, writer: Writer) -> None:
    writer.put(b"event")
    (path,) = place.iterdir()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert [] == left()
    if os.geteuid() == 0:
        path.unlink()
        (tmp_path / "elsewhere").rename(path)
        os.chown(path, 12345, -1)
        assert [] == left()


def test_the_porch_of_a_run_that_is_gone_is_removed(place: Path, writer: Writer, tmp_path: Path) -> None:
    (path,) = place.iterdir()
    porch.remove_stale()
    assert path.exists()
    os.utime(path, (0, 0))
    (tmp_path / "run").mkdir()
    porch.remove_stale()
    assert path.exists()
    (tmp_path / "run").rmdir()
    porch.remove_stale()
    assert not path.exists()


def test_so_is_one_whose_process_ended_before_it_said_whose_it_is(place: Path) -> None:
    path = place / f"{porch.NAME}1"
    path.write_bytes(bytes(porch.HEADER))
    os.utime(path, (0, 0))
    porch.remove_stale()
    assert not path.exists()


@pytest.mark.parametrize("lack", ["posix_fallocate", "room", "place"])
async def test_without_shared_memory_events_are_written_a_moment_later(
    face: Face,
    sink: Sink,
    tmp_path: Path,
    place: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    lack: str,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if lack == "posix_fallocate":
        monkeypatch.delattr(os, "posix_fallocate")
    elif lack == "room":
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    else:
        monkeypatch.setattr(porch, "PLACE", place / "nowhere")
    monkeypatch.setattr(own_run, "_said", set())
    for _ in range(2):
        client = face.client(spool=tmp_path / "spool")
        client.create_session(id="u").track_event(event="x")
        assert 0 == (await result(client.flush(20))).pending
        await result(client.close())
    assert ["x", "x"] == sink.names()
    assert 1 == caplog.text.count("there is no shared memory")
    assert [] == porches(place)


def test_other_threads_wait_until_the_first_call_has_made_it(sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    client = Client(api_key="k", project_id="p", server_endpoint=sink.url, spool=tmp_path / "spool")
    intake, directory = client.pipeline.intake, client.pipeline.spooler.run.directory
    opening, begin, put, kinds = threading.Event(), directory.begin, intake._put, []
    other = threading.Thread(target=client.create_session(id="u").track_event, kwargs={"event": "other"})

    def open_porch(ask: Any = intake.open_porch) -> None:
        opening.set()
        ask()

    def begin_slowly() -> Any:
        opening.clear()
        other.start()
        while other.is_alive() and not opening.wait(0.01):
            pass
        return begin()

    def noted(entry: Any) -> None:
        kinds.append(type(intake.porch))
        put(entry)

    intake.open_porch, directory.begin, intake._put = open_porch, begin_slowly, noted
    client.create_session(id="u").track_event(event="first")
    other.join(20)
    client.close(0.1)
    assert [Porch, Porch] == kinds


async def test_it_is_removed_once_the_client_is_closed(face: Face, sink: Sink, tmp_path: Path, place: Path) -> None:
    client = face.client(spool=tmp_path / "spool")
    client.create_session(id="u").track_event(event="x")
    assert 1 == len(porches(place))
    await result(client.flush(20))
    await result(client.close())
    assert [] == porches(place)


async def test_what_was_delivered_from_memory_is_not_left(
    face: Face, sink: Sink, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("mindlytics.spool.run.Log.append", refuse)
    client = face.client(spool=tmp_path / "spool")
    session = client.create_session(id="u")
    for number in range(50):
        session.track_event(event=str(number))
    (path,) = porches(place)
    run = path.name[len(porch.NAME) :]
    assert 50 == (await result(client.flush(20))).delivered
    assert [] == left_by(run, 0)


async def test_metadata_only_leaves_no_text_on_it(face: Face, sink: Sink, tmp_path: Path, place: Path) -> None:
    sink.always = faults.status(503)
    client = face.client(spool=tmp_path / "spool", content_mode="metadata_only")
    client.create_session(id="u").track_conversation_turn(user="secret words", assistant="secret answer")
    (path,) = porches(place)
    data = path.read_bytes()
    assert b"secret" not in data
    assert b"Conversation Turn" in data
    await eventually(lambda: client.stats().spooled == 1)
