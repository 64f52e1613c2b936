"""The log of one run and the directory of all: what is written is read back, whatever happens to the files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mindlytics.spool import format, run
from mindlytics.spool.directory import Directory, Origin, Unusable
from mindlytics.spool.format import Record
from mindlytics.spool.run import Log

ORIGIN = Origin.of("mindlytics", "https://example.com", "p", "the-key")
DATA = Path(__file__).parent / "data"
ALL = 10**9


def records(first: int, count: int) -> list[Record]:
    return [(7, number, b'{"event":"%d"}' % number) for number in range(first, first + count)]


def numbers(log: Log, count: int = ALL) -> list[int]:
    found = log.read(count, ALL)
    assert [b'{"event":"%d"}' % each[0] for each in found] == [each[3] for each in found]
    return [each[0] for each in found]


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "spool", ORIGIN, segment_bytes=4096)


def died(directory: Directory, log: Log) -> Path:
    """What is left when a log's process is killed."""
    directory.close_in_child()
    return log.path


def taken(directory: Directory, path: Path) -> Log:
    log = directory.take(path)
    assert log is not None
    return log


def test_appended_events_are_read_in_order(directory: Directory) -> None:
    log = directory.begin()
    for first in range(1, 301, 3):
        log.append(records(first, 3), 1.0)
    assert list(range(1, 11)) == numbers(log, 10)
    assert list(range(11, 301)) == numbers(log)
    assert 0 == log.unread


@pytest.mark.parametrize("block", [10, 150, 1000, run.BLOCK_BYTES])
def test_what_does_not_fit_into_memory_is_read_back(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Also where a chunk is larger than a block, or a block ends within a chunk."""
    monkeypatch.setattr(run, "READY_BYTES", 100)
    monkeypatch.setattr(run, "BLOCK_BYTES", block)
    log = directory.begin()
    taken: list[int] = []
    for first in range(1, 2001, 4):
        log.append(records(first, 4), 1.0)
        taken += numbers(log, 3)
    taken += numbers(log)
    assert list(range(1, 2001)) == taken


def test_little_is_read_back_ahead(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where chunks are larger than a block."""
    monkeypatch.setattr(run, "READY_BYTES", 100)
    monkeypatch.setattr(run, "BLOCK_BYTES", 100)
    log = directory.begin()
    log.append(records(1, 60), 1.0)
    assert [1] == numbers(log, 1)
    assert list(range(1, run.CHUNK_EVENTS + 1)) == list(log.written_at)


def test_settled_segments_are_removed_and_the_run_with_the_last(directory: Directory) -> None:
    log = directory.begin()
    log.append(records(1, 500), 1.0)
    for first in range(501, 1001, 100):
        log.append(records(first, 100), 1.0)
    assert 3 < len(list(log.path.glob("*.log")))
    found = log.read(ALL, ALL)
    log.settle([-each[2] for each in found], 1.0)
    assert log.is_settled
    assert 1 == len(list(log.path.glob("*.log")))
    directory.let_go(log)
    assert [] == list(directory.path.glob("*-*"))


def test_a_dead_run_is_taken_over_where_it_stood(directory: Directory) -> None:
    log = directory.begin()
    for first in range(1, 1001, 10):
        log.append(records(first, 10), 1.0)
    found = log.read(123, ALL)
    log.post(-found[0][2], -found[-1][2], "k1", 1.0, bare=False)
    log.settle([-each[2] for each in found], 1.0)
    more = log.read(50, ALL)
    log.post(-more[0][2], -more[-1][2], "k2", 1.0, bare=True)
    log = taken(directory, died(directory, log))
    assert {124: run.Posted(124, 173, "k2", True)} == log.posted
    assert list(range(124, 1001)) == numbers(log)


def test_the_run_of_a_living_process_is_left_alone(directory: Directory) -> None:
    log = directory.begin()
    log.append(records(1, 10), 1.0)
    other = Directory(directory.spool, ORIGIN)
    assert [log.path] == other.others()
    assert other.take(log.path) is None
    assert [] == directory.others()


def test_a_forked_child_leaves_its_parents_lock_alone(directory: Directory) -> None:
    directory.begin().append(records(1, 10), 1.0)
    child = os.fork()
    if child == 0:
        directory.close_in_child()
        os._exit(0)
    os.waitpid(child, 0)
    other = Directory(directory.spool, ORIGIN)
    assert other.take(other.others()[0]) is None


def test_a_chunk_that_is_not_whole_is_not_there(directory: Directory) -> None:
    log = directory.begin()
    log.append(records(1, 10), 1.0)
    size = log.size
    log.append(records(11, 10), 1.0)
    path = died(directory, log)
    segment = path / "00000001.log"
    whole = segment.read_bytes()
    for cut in range(size, len(whole), 7):
        segment.write_bytes(whole[:cut])
        log = taken(directory, path)
        assert list(range(1, 11)) == numbers(log)
        log.append(records(11, 1), 1.0)  # what follows can be read
        directory.close_in_child()
        log = taken(directory, path)
        assert list(range(1, 12)) == numbers(log)
        directory.close_in_child()


def test_a_gap_in_the_segments_means_that_what_was_before_is_settled(directory: Directory) -> None:
    log = directory.begin()
    for first in range(1, 501, 10):
        log.append(records(first, 10), 1.0)
    path = died(directory, log)
    (path / "00000002.log").unlink()
    log = taken(directory, path)
    read = numbers(log)
    assert read == list(range(log.settled + 1, 501))
    assert 10 < log.settled


def test_a_write_that_fails_leaves_nothing_behind(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    log = directory.begin()
    log.append(records(1, 10), 1.0)
    written = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: written(descriptor, data[: len(data) // 2]))
        with pytest.raises(OSError, match="No space"):
            log.append(records(11, 10), 1.0)
    log.append(records(11, 10), 1.0)
    assert list(range(1, 21)) == numbers(log)
    assert list(range(1, 21)) == numbers(taken(directory, died(directory, log)))


def test_a_log_of_another_version_is_left_untouched(directory: Directory) -> None:
    log = directory.begin()
    log.append(records(1, 10), 1.0)
    path = died(directory, log)
    segment = path / "00000001.log"
    other_seed = format.seed_of(path.name) ^ 2
    later = b"MLS\x02" + format.settled(other_seed, 0, 0, 1.0)[4:]
    segment.write_bytes(later)
    assert directory.take(path) is None
    assert later == segment.read_bytes()


def test_damage_to_the_version_is_damage(directory: Directory) -> None:
    log = directory.begin()
    log.append(records(1, 10), 1.0)
    path = died(directory, log)
    segment = path / "00000001.log"
    segment.write_bytes(b"MLS\x02" + segment.read_bytes()[4:])
    assert list(range(1, 11)) == numbers(taken(directory, path))


def test_a_damaged_byte_costs_few_events(directory: Directory) -> None:
    log = directory.begin()
    log.append(records(1, 1000), 1.0)
    path = died(directory, log)
    (segment,) = path.glob("*.log")
    segment.write_bytes(segment.read_bytes().replace(b'"500"', b'"5x0"'))
    log = taken(directory, path)
    assert [*range(1, 481), *range(501, 1001)] == numbers(log)
    log.settle(list(log.written_at), 1.0)
    assert 20 == log.missing


def test_a_log_of_version_1_stays_readable() -> None:
    """Never make these files anew: they are what earlier releases wrote."""
    name = "18eb9f1d6a2b3c4d-4242-0badcafe"
    assert b"MLS\x01" == format.MAGIC
    data = (DATA / name / "00000001.log").read_bytes()
    found = list(format.chunks(data, format.seed_of(name)))
    assert [format.SETTLED, format.EVENTS, format.POSTED, format.EVENTS, format.SETTLED] == [
        each.kind for each in found
    ]
    assert ("the-key", False) == format.read_posted(found[2].payload)
    assert [(7, 3, b'{"event":"3"}')] == list(format.records(found[3].payload))
    assert (2, 3) == (found[4].first, format.read_settled(found[4].payload))
    assert 1_700_000_000.5 == found[1].wall


def test_only_its_owner_can_read_it(directory: Directory) -> None:
    before = os.umask(0)
    try:
        log = directory.begin()
        log.append(records(1, 10), 1.0)
    finally:
        os.umask(before)
    for path in [directory.spool, *directory.spool.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert expected == stat.S_IMODE(path.lstat().st_mode), path


def test_the_key_is_not_in_it(directory: Directory) -> None:
    directory.begin()
    for path in directory.spool.rglob("*"):
        assert "the-key" not in path.name
        assert path.is_dir() or b"the-key" not in path.read_bytes()


@pytest.mark.parametrize("other", ["endpoint", "project", "key"])
def test_others_have_another_folder(other: str) -> None:
    about = {"service": "mindlytics", "endpoint": "https://example.com", "project": "p", "api_key": "the-key"}
    changed = {**about, ("api_key" if other == "key" else other): "another"}
    assert ORIGIN.folder == Origin.of(**about).folder
    assert ORIGIN.folder != Origin.of(**changed).folder


def test_a_file_a_link_and_anothers_directory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name, why in {"file": "directory", "file/below": "directory", "link": "symbolic link"}.items():
        with pytest.raises(Unusable, match=why):
            Directory(tmp_path / name, ORIGIN).prepare()
    if os.geteuid() == 0:
        os.chown(tmp_path / "real", 12345, -1)
        with pytest.raises(Unusable, match="another user"):
            Directory(tmp_path / "real", ORIGIN).prepare()
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / ORIGIN.folder).symlink_to(tmp_path)
    with pytest.raises(Unusable, match="symbolic link"):
        Directory(spool, ORIGIN).prepare()
