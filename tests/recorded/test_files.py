"""The files of an export: JSON lines, CSV and Parquet, whole or not there."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from mindlytics.recorded.files import FORMATS, write_directory, write_file
from mindlytics.recorded.frames import CHARACTERS
from mindlytics.recorded.lines import Line
from mindlytics.recorded.rows import TABLES, TurnRow, by_session, rows_of


def line(number: int, day: int, **more: Any) -> Line:
    at = f"2025-04-{day:02}T10:00:00.000Z"
    turn = {"role": "assistant", "content": '"Tea",\n she said', "turn": 1, "timestamp": at, "model": "m"}
    call = {"id": "1", "type": "function", "function": {"name": "search", "arguments": ""}, "runtime": 1.5}
    messages: Any = [
        {"role": "user", "content": "Tea?", "turn": 1},
        {**turn, "usage": {"prompt_tokens": 7}, "properties": {"n": True}},
        {"role": "assistant", "content": None, "tool_calls": [call], "timestamp": at},
        {"role": "event", "name": "Bought", "timestamp": at},
    ]
    whole: Any = {
        "session_id": f"s{number}",
        "user_id": "ada",
        "conversation_id": "c",
        "timestamp": at,
        "session": {"timestamp": at},
        "messages": messages,
        **more,
    }
    found: Line = whole
    return found


LINES = [line(1, 3), line(2, 3), line(3, 4)]


def test_a_row_of_csv_keeps_what_is_missing_from_what_is_empty(tmp_path: Path) -> None:
    assert 1 == write_file(LINES[:1], "csv", "turns", tmp_path / "turns.csv")
    text = (tmp_path / "turns.csv").read_bytes().decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert ('"Tea",\n she said', "", "", "7") == tuple(
        row[name] for name in ("assistant", "assistant_id", "cost", "prompt_tokens")
    )
    assert {"n": True} == json.loads(row["properties"])
    write_file(LINES[:1], "csv", "calls", tmp_path / "calls.csv")
    assert ',"search","",,1.5,' in (tmp_path / "calls.csv").read_text()


def test_parquet_has_the_types_of_the_rows(tmp_path: Path) -> None:
    for name in TABLES:
        write_file(LINES, "parquet", name, tmp_path / f"{name}.parquet")
    (turn, *_) = pyarrow.parquet.read_table(tmp_path / "turns.parquet").to_pylist()
    expected = next(row for lines in by_session(LINES) for row in rows_of(lines) if isinstance(row, TurnRow))
    assert {**{name: getattr(expected, name) for name in turn}, "properties": '{"n":true}'} == turn
    (session, *_) = pyarrow.parquet.read_table(tmp_path / "sessions.parquet").to_pylist()
    assert (1, 1, 1, 7, None) == tuple(
        session[name] for name in ("conversations", "turns", "calls", "prompt_tokens", "cost")
    )


@pytest.mark.parametrize("format", FORMATS)
def test_a_directory_has_a_file_for_each_day(format: str, tmp_path: Path) -> None:
    assert 3 == write_directory(LINES, format, tmp_path / "lake")
    files = {str(path.relative_to(tmp_path / "lake")) for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    days = [f"day=2025-04-{day}/part.{format}" for day in ("03", "04")]
    tables = [""] if format == "jsonl" else [f"{name}/" for name in TABLES]
    assert {table + day for table in tables for day in days} == files
    if format == "parquet":
        turns = pyarrow.parquet.read_table(tmp_path / "lake" / "turns")
        assert ["s1", "s2", "s3"] == sorted(turns["session_id"].to_pylist())
        assert {"2025-04-03", "2025-04-04"} == {str(day) for day in turns["day"].to_pylist()}


def breaking() -> Iterator[Line]:
    yield LINES[0]
    yield LINES[2]
    raise OSError("gone")


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_that_breaks_off_leaves_the_former_file(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"talks.{format}"
    path.write_text("former")
    with pytest.raises(OSError, match="gone"):
        write_file(breaking(), format, "turns", path)
    assert [path] == list(tmp_path.iterdir())
    assert "former" == path.read_text()


@pytest.mark.parametrize("format", FORMATS)
def test_a_directory_that_breaks_off_leaves_nothing(format: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        write_directory(breaking(), format, tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_the_next_export_replaces_its_days_and_keeps_the_others(tmp_path: Path) -> None:
    write_directory(LINES, "jsonl", tmp_path)
    write_directory([line(4, 4)], "jsonl", tmp_path)
    days = [(tmp_path / f"day=2025-04-{day}" / "part.jsonl").read_text().splitlines() for day in ("03", "04")]
    assert [["s1", "s2"], ["s4"]] == [[json.loads(each)["session_id"] for each in lines] for lines in days]


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    write_file(LINES, "jsonl", "turns", tmp_path / "talks.jsonl")
    assert 0o600 == (tmp_path / "talks.jsonl").stat().st_mode & 0o777


def test_a_link_stays_and_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to("talks.jsonl")
    for _ in range(2):
        write_file(LINES, "jsonl", "turns", tmp_path / "link.jsonl")
        assert (True, False) == (tmp_path.joinpath("link.jsonl").is_symlink(), (tmp_path / "talks.jsonl").is_symlink())
        assert len(LINES) == len((tmp_path / "talks.jsonl").read_text().splitlines())


@pytest.mark.skipif(os.name == "nt", reason="there are no such pipes")
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        write_file(LINES, "jsonl", "turns", pipe)
        assert len(LINES) == len(read.result(30).splitlines())
    assert pipe.is_fifo()


def test_long_texts_make_small_batches(tmp_path: Path) -> None:
    text = "tea " * (CHARACTERS // 12)
    long = [
        line(
            number,
            3,
            messages=[{"role": "assistant", "content": text, "turn": 1, "timestamp": line(1, 3)["timestamp"]}],
        )
        for number in range(7)
    ]
    write_file(long, "parquet", "turns", tmp_path / "turns.parquet")
    assert 7 // 3 + 1 == pyarrow.parquet.ParquetFile(tmp_path / "turns.parquet").num_row_groups
