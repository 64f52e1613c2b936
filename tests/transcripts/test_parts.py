"""A large file of JSON lines is cut at line ends, and its parts come to what the whole comes to."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mindlytics.transcripts import Problem, Summary, Transcript, read
from mindlytics.transcripts.context import Options
from mindlytics.transcripts.detecting import detect
from mindlytics.transcripts.parts import Part, parts_of
from mindlytics.transcripts.reader import one

LINES = [
    json.dumps({"messages": [{"role": "user", "content": f"Tea {number}?" + " " * (number * 37 % 101)}]}) + "\n"
    for number in range(200)
]
LINES[70] = '{"messages": \n'
LINES[71] = "\n"


def cut(path: Path, count: int = 4) -> list[Part]:
    return parts_of(str(path), count, detect, least=1000)


def items(part: Part) -> list[Transcript | Problem]:
    with Path(part.path).open("rb") as file:
        return list(one(part.source(file), Options(), None, False, Summary()))


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_parts_come_to_the_whole(end: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(LINES).removesuffix("\n") + end)
    parts = cut(file, count)
    assert count == len(parts)
    assert list(read(file)) == [item for part in parts for item in items(part)]


@pytest.mark.parametrize("line", ["x" * 5000, '{"messages": "' + "x" * 5000])
def test_a_line_that_is_longer_than_a_part(line: str, tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text(f"{LINES[0]}{line}\n{LINES[1]}")
    assert list(read(file)) == [item for part in cut(file) for item in items(part)]


LOG = {"request": {"messages": [{"role": "user", "content": "Tea?"}]}, "response": {"choices": []}}


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress("".join(LINES).encode(), 0),
        json.dumps([json.loads(line) for line in LINES[:60]]).encode(),
        "".join(LINES).encode("utf-16"),
        (json.dumps(LOG) + "\n").encode() * 100,
        "".join(LINES).encode()[:1500],
    ],
    ids=["packed", "an array", "UTF-16", "records that belong together", "small"],
)
def test_what_cannot_be_cut_has_no_parts(data: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    assert [] == cut(tmp_path / "file")


def test_a_record_that_belongs_to_others_is_a_problem_in_a_part(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(LINES[:60] * 3) + json.dumps(LOG) + "\n")
    found = [item for part in cut(file, 2) for item in items(part) if isinstance(item, Problem)]
    assert [("line 181", True)] == [(item.where, "without --jobs" in item.reason) for item in found]


def test_an_export_is_cut_between_sessions(tmp_path: Path) -> None:
    lines = [
        {
            "session_id": f"s{number // 5}",
            "conversation_id": f"c{number}",
            "timestamp": "2025-04-03T10:00:00Z",
            "session": {} if number % 5 else {"timestamp": "2025-04-03T10:00:00Z"},
            "messages": [{"role": "assistant", "content": "Tea?" + " " * (number * 37 % 101), "turn": 1}],
        }
        for number in range(60)
    ]
    file = tmp_path / "export.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    parts = [items(part) for part in cut(file)]
    assert 4 == len(parts)
    assert list(read(file)) == [item for part in parts for item in part]
    begins = [part[0] for part in parts]
    assert all(isinstance(each, Transcript) and each.recorded and each.recorded.session_began for each in begins)
