"""With ``batch``, conversations share requests, and still each is stored once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mindlytics.transcripts import Transcript, read, record
from mindlytics.transcripts.checkpoint import Checkpoint
from mindlytics.transcripts.encoding import digest
from mindlytics.transcripts.sending import Batch, Parcel

from ..sink import Sink, refuse_marked, status

TALKS = [
    {
        "conversation_id": f"c{number}",
        "timestamp": 1743681600,
        "messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": f"Tea {number}."}],
    }
    for number in range(120)
]
EVENTS = 3
"""Of each of them: its session's start, a turn, the end."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    service = Sink()
    yield service
    service.close()


def recorded(sink: Sink, talks: list[dict[str, Any]], path: Path, **options: Any) -> Any:
    to = {"server_endpoint": sink.url, "api_key": "key", "project_id": "tea"}
    return record(talks, **to, resume=path / "stored", batch=True, connections=1, **options)


def said(events: list[dict[str, Any]]) -> list[str]:
    return [event["properties"]["assistant"] for event in events if event.get("event") == "Conversation Turn"]


def keys(*numbers: int) -> list[bytes]:
    items = [each for each in read(TALKS) if isinstance(each, Transcript)]
    return [digest(items[number]) for number in numbers]


def request_key(*numbers: int) -> bytes:
    return Batch([Parcel("", "", key, []) for key in keys(*numbers)]).key


def scoped(sink: Sink, path: Path) -> Checkpoint:
    return Checkpoint(path / "stored", f"{sink.url} tea")


def test_conversations_share_requests(sink: Sink, tmp_path: Path) -> None:
    summary = recorded(sink, TALKS, tmp_path)
    assert (120, 120 * EVENTS, 0, 0) == (summary.conversations, summary.delivered, summary.dropped, summary.refused)
    assert [f"Tea {number}." for number in range(120)] == said(sink.events)
    assert 1 == len(sink.requests)


def test_what_is_stored_is_passed_over_and_a_changed_file_costs_what_is_new(sink: Sink, tmp_path: Path) -> None:
    recorded(sink, TALKS[:60], tmp_path)
    summary = recorded(sink, [*TALKS[50:], TALKS[0]], tmp_path)
    assert (11, 60 * EVENTS) == (summary.stored_before, summary.delivered)
    assert [f"Tea {number}." for number in range(120)] == said(sink.events)


def test_a_conversation_that_comes_twice_is_stored_once(sink: Sink, tmp_path: Path) -> None:
    summary = recorded(sink, [TALKS[0], TALKS[0], TALKS[1], TALKS[0]], tmp_path)
    assert (2, 2 * EVENTS) == (summary.stored_before, summary.delivered)
    assert ["Tea 0.", "Tea 1."] == said(sink.events)


def test_a_request_of_a_killed_run_is_made_again(sink: Sink, tmp_path: Path) -> None:
    with closing(scoped(sink, tmp_path)) as killed:
        assert set() == killed.sending(keys(3, 5, 6), request_key(3, 5, 6))
    recorded(sink, TALKS, tmp_path)
    again = next(each for each in sink.requests if each.key == f"{request_key(3, 5, 6).hex()}-0")
    assert ["Tea 3.", "Tea 5.", "Tea 6."] == said(again.events)
    assert sorted(f"Tea {number}." for number in range(120)) == sorted(said(sink.events))
    assert 120 == recorded(sink, TALKS, tmp_path).stored_before


def test_the_rest_of_a_request_is_sent_where_the_file_has_changed(sink: Sink, tmp_path: Path) -> None:
    with closing(scoped(sink, tmp_path)) as checkpoint:
        checkpoint.sending(keys(0, 1), request_key(0, 1))
    recorded(sink, TALKS[1:3], tmp_path)
    assert ["Tea 1.", "Tea 2."] == sorted(said(sink.events))


def test_what_another_process_has_sent_is_left_to_it(sink: Sink, tmp_path: Path) -> None:
    def talks() -> Iterator[dict[str, Any]]:
        yield TALKS[0]
        with closing(scoped(sink, tmp_path)) as checkpoint:
            checkpoint.sending(keys(1), request_key(1))
        yield from TALKS[1:3]

    summary = recorded(sink, talks(), tmp_path)  # type: ignore[arg-type]
    assert (1, 2 * EVENTS) == (summary.stored_before, summary.delivered)
    assert ["Tea 0.", "Tea 2."] == said(sink.events)


def test_an_event_that_is_refused_is_reported_with_its_conversation(sink: Sink, tmp_path: Path) -> None:
    def refuse(exchange: Any) -> None:
        poisoned = any("Tea 7." in str(event) for event in exchange.request.events)
        status(400, "no")(exchange) if poisoned else refuse_marked(exchange)

    sink.always = refuse
    problems: list[tuple[str, str]] = []
    summary = recorded(sink, TALKS[:20], tmp_path, on_problem=lambda where, words: problems.append((where, words)))
    assert (1, 20 * EVENTS - 1) == (summary.refused, summary.delivered)
    assert [("row 8", "1 event not delivered, refused (status 400): no")] == problems


def test_batch_needs_a_file() -> None:
    with pytest.raises(ValueError, match="batch needs resume"):
        record([], server_endpoint="http://127.0.0.1:9", api_key="key", project_id="tea", batch=True)
