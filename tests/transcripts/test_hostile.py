"""Files that are damaged, far too large, or not what they seem: a clear problem each, in little memory."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mindlytics.transcripts import Problem, Step, Summary, Transcript, Turn, read
from mindlytics.transcripts.documents import MAX_LINE
from mindlytics.transcripts.encoding import EventEncoder, digest
from mindlytics.transcripts.tables import MAX_CELL

from .test_samples import FILES, SAMPLES

MIB = 1024 * 1024
TEA = {"messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Green."}]}
LINE = json.dumps(TEA).encode() + b"\n"
NOW = datetime(2025, 4, 3, 12, tzinfo=timezone.utc)
ODD = (
    None,
    0,
    -1.5,
    True,
    "",
    "x",
    [],
    {},
    [None],
    [[]],
    {"a": 1},
    {"role": "user"},
    "[",
    10**30,
    1e300,
    "\ud800",
    "x" * 300,
)
HEADER = "conversation_id,role,content\n"


def reasons(path: Path, **options: Any) -> list[str]:
    return [f"{item.where}: {item.reason}" for item in read(path, **options) if isinstance(item, Problem)]


def steps(path: Path) -> list[tuple[Step, ...]]:
    return [item.steps for item in read(path) if isinstance(item, Transcript)]


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_the_lines_after_a_long_one_are_read(tmp_path: Path) -> None:
    file = written(tmp_path / "long.jsonl", LINE + b'"' + b"x" * (MAX_LINE + 5) + b'"\n' + LINE)
    first, problem, last = sorted(read(file), key=lambda item: item.line)
    assert isinstance(problem, Problem)
    assert ("line 2", f"is longer than {MAX_LINE} bytes") == (problem.where, problem.reason)
    assert (Transcript, Transcript) == (type(first), type(last))


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lambda data: zstandard.compress(data, 19), lzma.compress]
)
def test_a_bomb_is_refused(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    file = written(tmp_path / "bomb", pack(LINE + b" " * (160 * MIB) + b"\n" + LINE))
    (*_, last) = reasons(file)
    assert "reading failed: it unpacks to over 500 times its size" in last


def test_a_bomb_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jsonl", b" " * (160 * MIB))
        archive.writestr("tea.jsonl", LINE)
    assert ["bomb.jsonl: unpacks to over 500 times its size"] == reasons(tmp_path / "bomb.zip")
    assert 1 == sum(isinstance(item, Transcript) for item in read(tmp_path / "bomb.zip"))


@pytest.mark.parametrize("depth", [500, 1000, 100_000])
@pytest.mark.parametrize("frame", ["{}", '{{"messages": {}}}', '{{"request": {{"messages": []}}, "response": {}}}'])
def test_absurd_nesting_is_a_problem(depth: int, frame: str, tmp_path: Path) -> None:
    nested = frame.format("[" * depth + "]" * depth).encode()
    found = list(read(written(tmp_path / "deep.jsonl", LINE + nested + b"\n" + LINE)))
    assert 2 == sum(isinstance(item, Transcript) for item in found)
    assert 1 >= sum(isinstance(item, Problem) for item in found)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n1 0 obj\n", "a PDF"),
        (b"<!DOCTYPE html><p>Hi</p>", "HTML"),
        (b"SQLite format 3\0" + bytes(100), "a database of SQLite"),
        (b"Dear diary,\ntoday I had tea.\n" * 1000, "plain text"),
        (bytes(range(256)) * 10, "a binary file that begins with 00 01 02 03"),
    ],
)
def test_a_file_that_is_none_gets_one_sentence(data: bytes, what: str, tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", data)
    assert [f"file: is no file of transcripts: it looks like {what}"] == reasons(file)


def test_records_of_no_known_format_are_not_reported_one_by_one(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", b'{"price": 3, "shop": "Mill Street"}\n' * 1000)
    found = reasons(file)
    assert 4 == len(found)
    assert "is of no known format" in found[0]
    assert "(its keys: price, shop)" in found[0]
    assert ": more records of no known format: 997" == found[3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_any_unicode_encoding(encoding: str, tmp_path: Path) -> None:
    lines = "".join(
        json.dumps({**TEA, "conversation_id": f"Größe {n} 十"}, ensure_ascii=False) + "\n" for n in range(3000)
    )
    file = written(tmp_path / "chats", lines.encode(encoding))
    found = [item.session["conversation_id"] for item in read(file) if isinstance(item, Transcript)]
    assert [f"Größe {number} 十" for number in range(3000)] == found


def test_a_folder_with_files_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    written(tmp_path / "a.txt", gzip.compress(LINE))
    written(tmp_path / "inside" / "b.gz", LINE * 2)
    written(tmp_path / ".hidden", LINE)
    summary = Summary()
    list(read(tmp_path, summary=summary))
    assert (3, 0) == (summary.conversations, summary.problems)


def test_rows_of_an_array_with_a_broken_one(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.json", b"[" + LINE + b', {"messages": [}, ' + LINE + b"]")
    found = list(read(file))
    assert 1 == sum(isinstance(item, Problem) and item.where == "[1]" for item in found)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('c1,user,"never closed\n', "begins a quote that does not end"),
        ("c1,user,Tea, please\n", "has 4 cells, and the header has 3"),
        ("c1,user\n", "has 2 cells, and the header has 3"),
    ],
    ids=["a quote", "a comma without quotes", "too few"],
)
def test_a_bad_row_of_a_table_costs_itself(row: str, reason: str, tmp_path: Path) -> None:
    table = f"{HEADER}c1,user,Tea?\n{row}c1,assistant,Green.\nc2,user,Hi.\n"
    path = written(tmp_path / "chats.csv", table.encode())
    assert [f"row 2: {reason}"] == reasons(path)
    assert [(Turn("Tea?", "Green."),), (Turn("Hi.", ""),)] == steps(path)


def test_the_rows_after_a_cell_that_is_too_long(tmp_path: Path) -> None:
    half = "x" * (MAX_CELL // 2)
    path = written(tmp_path / "chats.csv", f'{HEADER}c1,user,"{half}\n{half}\n"\nc2,user,Hi.\n'.encode())
    first, *others, talk = read(path)
    assert isinstance(first, Problem)
    assert ("row 1", "is no CSV that can be read: field larger than field limit (16777216)") == (
        first.where,
        first.reason,
    )
    assert [Problem] * 2 == [type(each) for each in others]
    assert isinstance(talk, Transcript)
    assert (Turn("Hi.", ""),) == talk.steps


def test_lines_of_a_table_in_several_encodings(tmp_path: Path) -> None:
    lines = [f"c{encoding},user,Grün?\n".encode(encoding) for encoding in ("utf-8", "cp1252")]
    path = written(tmp_path / "chats.csv", HEADER.encode() + b"".join(lines))
    assert [(Turn("Grün?", ""),)] * 2 == steps(path)


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "chats.csv", b"role,content,content\nuser,Tea?,Milk?\n")
    assert ["header: has several columns 'content', of which only the last is read"] == reasons(path)
    assert [(Turn("Milk?", ""),)] == steps(path)


@pytest.mark.parametrize(("name", "turns"), [("Robo", 2), ("Roba", 0)])
def test_a_chat_in_which_the_named_assistant_speaks_nowhere(name: str, turns: int, tmp_path: Path) -> None:
    says = [("09:00", "Dana", "Tea?"), ("09:01", "Robo", "Green."), ("09:02", "Dana", "Milk?")]
    text = "".join(f"[03.04.25, {at}:00] {who}: {words}\n" for at, who, words in says)
    path = written(tmp_path / "chat.txt", text.encode())
    summary = Summary()
    assert [] == [item for item in read(path, assistant=name, summary=summary) if isinstance(item, Problem)]
    assert (turns, 0 if turns else 1) == (summary.turns, summary.left_out["chats in which no assistant speaks"])


def test_rows_may_be_dicts_and_lines_at_once() -> None:
    found = list(read([TEA, LINE, LINE.decode(), 3]))
    assert [Transcript, Transcript, Transcript, Problem] == [type(item) for item in found]


def test_integers_beyond_64_bits_stay_whole() -> None:
    (item,) = read(
        ['{"messages": [{"role": "user", "content": "Hi."}], "metadata": {"n": 123456789012345678901234567890}}']
    )
    assert isinstance(item, Transcript)
    assert {"n": 123456789012345678901234567890} == item.session["attributes"]


def test_messages_that_are_not_in_order_of_time_end_after_they_begin() -> None:
    times = ("2025-04-03T12:05:00Z", "2025-04-03T12:00:00Z")
    said = [
        {"role": role, "content": "Hi.", "timestamp": at} for role, at in zip(("user", "assistant"), times, strict=True)
    ]
    (item,) = read([{"messages": said, "created_at": "2025-04-03T13:00:00Z"}])
    assert isinstance(item, Transcript)
    assert item.began is not None
    assert item.ended is not None
    assert item.began <= item.ended


def mutated(value: Any, draw: random.Random) -> Any:
    """A value of which something, somewhere, is something else."""
    if isinstance(value, (dict, list)) and value and draw.random() < 0.9:
        key = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
        copy: Any = value.copy()
        copy[key] = mutated(value[key], draw)
        return copy
    return draw.choice(ODD)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".json", ".jsonl", ".transcript"))])
def test_nothing_in_a_record_crashes_the_reading_and_the_encoding(name: str) -> None:
    text = (SAMPLES / name).read_bytes().decode("utf-16" if "utf16" in name else "utf-8-sig")
    try:
        values = [json.loads(text)]
    except ValueError:
        lines = [line for line in text.split("\n") if line.startswith("{") and line.endswith("}")]
        values = [json.loads(line) for line in lines if "}{" not in line] or [TEA]
    draw, encoder = random.Random(name), EventEncoder({}, lambda name, value, done: None)
    for _ in range(150):
        value = mutated(values if len(values) > 1 else values[0], draw)
        for item in read(io_lines(value)):
            if isinstance(item, Transcript):
                assert len(item.steps) <= len(encoder.events_of(item, digest(item), NOW))
            else:
                assert isinstance(item, Problem)


def io_lines(value: Any) -> list[str]:
    return [json.dumps(each) for each in value] if isinstance(value, list) and value else [json.dumps(value)]
