"""Forms of the formats as further programs write them, and odd values."""

from __future__ import annotations

import io
import json
import random
import uuid
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mindlytics.transcripts import Problem, Summary, Transcript, Turn, read
from mindlytics.transcripts.ids import NAMESPACE, derived
from mindlytics.transcripts.unpacking import ZSTD_IN_ZIP, unzipped

USER = {"role": "user", "content": "Tea?"}
ANSWER = {"role": "assistant", "content": "Green."}
REQUEST = {"model": "tea-1", "messages": [USER]}
RESPONSE = {"id": "r1", "object": "chat.completion", "model": "tea-1", "choices": [{"index": 0, "message": ANSWER}]}


def turns(record: Any) -> list[tuple[str, str]]:
    (item,) = read([record])
    assert isinstance(item, Transcript), item
    return [(step.user, step.assistant) for step in item.steps if isinstance(step, Turn)]


@pytest.mark.parametrize(
    "record",
    [
        {"request": REQUEST, "response": RESPONSE},
        {"request": {"url": "/v1", "body": REQUEST}, "response": {"status": 200, "body": RESPONSE}},
        {"request_body": REQUEST, "response_body": RESPONSE},
        {"body": REQUEST, "response": {"status_code": 200, "body": RESPONSE}},
        {"conversations": [USER, ANSWER]},
    ],
    ids=["a log", "a gateway's log with HTTP bodies", "bodies beside each other", "a batch", "another name"],
)
def test_a_question_and_its_answer(record: dict[str, Any]) -> None:
    assert [("Tea?", "Green.")] == turns(record)


def test_the_input_of_an_instruction_belongs_to_the_question() -> None:
    assert [("Translate.\nTee", "Tea")] == turns({"instruction": "Translate.", "input": "Tee", "output": "Tea"})
    assert [("Name a tea.", "Green.")] == turns({"instruction": "Name a tea.", "input": "", "output": "Green."})


def test_numbers_that_are_none() -> None:
    usage = '{"prompt_tokens": NaN, "completion_tokens": Infinity}'
    line = f'{{"timestamp": NaN, "messages": [{{"role": "assistant", "content": "Green.", "usage": {usage}}}]}}'
    (item,) = read([line.replace('"usage"', '"cost": 1e999, "usage"')])
    assert isinstance(item, Transcript)
    assert (None, (Turn("", "Green."),)) == (item.began, item.steps)


@pytest.mark.parametrize(
    "value",
    [1743681600, 1743681600000, 1743681600000000, 1743681600000000000, "1743681600", "Thu, 03 Apr 2025 12:00 GMT"],
)
def test_times_in_any_unit(value: object) -> None:
    (item,) = read([{"messages": [{**USER, "timestamp": value}]}])
    assert isinstance(item, Transcript)
    assert datetime(2025, 4, 3, 12, tzinfo=timezone.utc) == item.began


@pytest.mark.parametrize(
    "text",
    ["Thu, 03 Apr 2025 12:00:00 +0200", "Thu Apr 03 2025 12:00:00 GMT+0200 (CEST)", "Thu Apr  3 10:00:00 2025"],
    ids=["RFC 2822", "JavaScript", "C"],
)
def test_times_with_the_name_of_a_month(text: str) -> None:
    (item,) = read([{"messages": [{**USER, "timestamp": text}]}])
    assert isinstance(item, Transcript)
    assert datetime(2025, 4, 3, 10, tzinfo=timezone.utc) == item.began


def test_a_time_with_the_name_of_a_month_is_in_the_zone_of_the_file() -> None:
    zone = timezone(timedelta(hours=2))
    (item,) = read([{"messages": [{**USER, "timestamp": "Thu Apr  3 12:00:00 2025"}]}], timezone=zone)
    assert isinstance(item, Transcript)
    assert datetime(2025, 4, 3, 12, tzinfo=zone) == item.began


@pytest.mark.parametrize("text", ["Apr 3, 2025 1:00 PM", "Thu, 03 Apr 2025 12:00 CET", "03 Apr 2025"])
def test_a_time_that_would_be_guessed_is_a_problem(text: str) -> None:
    (item,) = read([{"messages": [{**USER, "timestamp": text}]}])
    assert isinstance(item, Problem)
    assert "messages[0].timestamp must be an ISO 8601 date and time" in item.reason


def test_lines_that_are_nearly_json() -> None:
    says = json.dumps({"messages": [{**USER, "content": "a tab"}]})
    first, second = read([says.replace("a tab", "a\ttab"), f"{says},"])
    assert isinstance(first, Transcript)
    assert isinstance(second, Transcript)
    assert ((Turn("a\ttab", ""),), (Turn("a tab", ""),)) == (first.steps, second.steps)


def test_keys_beside_the_messages_that_are_not_known_are_counted() -> None:
    summary = Summary()
    (item,) = read([{"messages": [USER], "model": "tea-1", "temperature": 0, "outputs": ["Green."]}], summary=summary)
    assert isinstance(item, Transcript)
    assert {"the key outputs of conversations": 1} == summary.unread


def test_messages_without_roles_are_one_problem() -> None:
    (problem,) = read([{"messages": [{"sender_name": "Dana", "content": "Tea?"}] * 3}])
    assert isinstance(problem, Problem)
    assert problem.reason.startswith("messages have no roles (their keys: content, sender_name): pass --map")


@pytest.mark.parametrize("text", ["c1", "Grün", "\ud800"])
def test_derived_ids_are_those_of_uuid5(text: str) -> None:
    assert str(uuid.uuid5(NAMESPACE, f"session {text}".replace("\ud800", "?"))) == derived("session", text)


def test_a_line_in_another_encoding_costs_itself(tmp_path: Path) -> None:
    line = json.dumps({"messages": [{**USER, "content": "Grün?"}]}, ensure_ascii=False) + "\n"
    (tmp_path / "chats.jsonl").write_bytes(line.encode() + line.encode("cp1252") + line.encode())
    first, second, third = read(tmp_path / "chats.jsonl")
    assert [Transcript, Problem, Transcript] == [type(each) for each in (first, second, third)]
    assert "line 2: is not UTF-8" == str(second)


def test_what_is_not_known_is_named() -> None:
    (problem,) = read([{"dialog": ["Tea?", "Green."]}])
    assert isinstance(problem, Problem)
    assert "is of no known format (its keys: dialog): pass --format, or --map for other names of keys" == problem.reason


def test_lines_of_bare_messages_are_one_conversation() -> None:
    (item,) = read([USER, ANSWER, USER])
    assert isinstance(item, Transcript)
    assert (Turn("Tea?", "Green."), Turn("Tea?", "")) == item.steps


def test_members_of_a_zip_that_zstd_packs(tmp_path: Path) -> None:
    sample = {"id": 1, "epoch": 1, "input": "Tea?", "target": "", "messages": [USER, ANSWER]}
    members = {"header.json": {"eval": {"task": "tea", "model": "tea-1"}}, "samples/1_epoch_1.json": sample}
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        for name, value in members.items():
            archive.writestr(name, zstandard.compress(json.dumps(value).encode()))
            archive.getinfo(name).compress_type = ZSTD_IN_ZIP
    (item,) = read(tmp_path / "log.eval")
    assert isinstance(item, Transcript)
    assert (Turn("Tea?", "Green.", model="tea-1"),) == item.steps
    assert {"task": "tea", "sample": 1, "epoch": 1} == item.session["attributes"]


def test_a_member_that_zstd_packs_is_read_piece_by_piece() -> None:
    class Noting(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            self.most = max(self.most, len(found))
            return found

    file = Noting()
    packed = random.Random(1).randbytes(1_000_000)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.jsonl", packed)
        archive.getinfo("a.jsonl").compress_type = ZSTD_IN_ZIP
    with zipfile.ZipFile(file) as archive, unzipped(archive, archive.getinfo("a.jsonl")) as member:
        assert packed == b"".join(iter(lambda: member.read(1000), b""))
    assert file.most < 100_000


def test_bare_messages_with_other_words_for_roles_are_rows_of_a_table() -> None:
    items = [item for item in read([{"role": "Kunde", "content": "Tee?"}]) if isinstance(item, Transcript)]
    assert ["csv_messages"] == [item.shape for item in items]


def test_messages_of_langchain_that_are_named_like_those_of_autogen() -> None:
    first = {"type": "SystemMessage", "content": "Be kind.", "additional_kwargs": {}}
    assert [("Tea?", "")] == turns({"messages": [first, {"type": "human", "content": "Tea?", "additional_kwargs": {}}]})


def test_a_broken_response_in_a_chain_costs_itself() -> None:
    def exchange(number: int, before: str | None, output: object) -> dict[str, Any]:
        response = {"id": f"r{number}", "object": "response", "output": output, "previous_response_id": before}
        return {
            "request": {"model": "tea-1", "input": f"Tea {number}?", "previous_response_id": before},
            "response": response,
        }

    said = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]}]
    chain = [exchange(1, None, said), exchange(2, "r1", 5), exchange(3, "r2", said)]
    talk, problem = read(chain)
    assert isinstance(talk, Transcript)
    assert (Turn("Tea 1?", "Yes."), Turn("Tea 2?\nTea 3?", "Yes.")) == talk.steps
    assert isinstance(problem, Problem)
    assert ("row 2: output", "output must be a list, got int") == (problem.where, problem.reason)
