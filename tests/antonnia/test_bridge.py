"""The bridge: a conversation of this API as turns and function calls of a Mindlytics session, on both faces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve

from mindlytics import AsyncClient, Client, HTTPClient
from mindlytics.antonnia import record
from mindlytics.antonnia.codec import from_json
from mindlytics.antonnia.types import Message, MessageContentText
from mindlytics.antonnia.webhooks import parse
from mindlytics.server.run import LocalServer

from ..conftest import entered, result
from .answers import MESSAGE


def said(minute: int, role: str, content: str | dict[str, Any]) -> Message:
    block = {"type": "text", "text": content} if isinstance(content, str) else content
    at = f"2025-04-03T09:{minute:02}:00.000Z"
    return from_json(Message, {**MESSAGE, "id": f"m{minute}", "role": role, "content": block, "created_at": at})


CONVERSATION = [
    said(0, "user", "Where is my parcel?"),
    said(1, "user", "Number 41."),
    said(2, "assistant", {"type": "thought", "thought": "look it up"}),
    said(3, "assistant", {"type": "function_call", "id": "c1", "name": "track", "input": '{"parcel": 41}'}),
    said(4, "assistant", {"type": "function_result", "id": "c1", "name": "track", "output": '"on its way"'}),
    said(5, "assistant", "It is on its way."),
    said(6, "user", {"type": "audio", "url": "https://example.com/a.mp3", "transcript": "Thank you!"}),
    said(7, "assistant", {"type": "image", "url": "https://example.com/heart.png"}),
    said(8, "assistant", {"type": "function_result", "id": "c9", "name": "rate", "output": "5"}),
    said(9, "user", {"type": "poem", "lines": 3}),
]


@pytest.fixture(params=[Client, AsyncClient], ids=["blocking", "asyncio"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def http(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[HTTPClient]:
    with HTTPClient(api_key="any", project_id=request.node.name, server_endpoint=server.url) as made:
        yield made


def find(http: HTTPClient, collection: str, **query: Any) -> Any:
    return http.send_request(method="GET", url=f"/bc/v1/db/{collection}/find", data=query)


async def test_a_conversation_becomes_turns_and_calls(
    kind: Any, server: LocalServer, http: HTTPClient, request: pytest.FixtureRequest
) -> None:
    async with entered(kind(api_key="any", project_id=request.node.name, server_endpoint=server.url)) as client:
        session = client.create_session(session_id="sess_1", id="ada", attributes={"priority": "high"})
        await result(record(session, reversed(CONVERSATION)))
    (stored,) = find(http, "sessions")
    assert ("ada", "2025-04-03T09:00:00.000Z", "2025-04-03T09:09:00.000Z", 2, 2, {"priority": "high"}) == tuple(
        stored[name] for name in ("user_id", "started_at", "ended_at", "turn_count", "function_count", "attributes")
    )
    turns = find(http, "events", filter={"event": "Conversation Turn"})
    assert [
        ("Where is my parcel?\nNumber 41.", "It is on its way.", "2025-04-03T09:05:00.000Z"),
        ("Thank you!", "[image] https://example.com/heart.png", "2025-04-03T09:07:00.000Z"),
    ] == [(turn["properties"]["user"], turn["properties"]["assistant"], turn["timestamp"]) for turn in turns]
    calls = find(http, "events", filter={"event": "Conversation Function"})
    assert [("track", '{"parcel": 41}', '"on its way"'), ("rate", None, "5")] == [
        (call["properties"]["name"], call["properties"].get("args"), call["properties"].get("result")) for call in calls
    ]


async def test_events_of_webhooks_are_recorded_too(
    kind: Any, server: LocalServer, http: HTTPClient, request: pytest.FixtureRequest
) -> None:
    data = {"object": {**MESSAGE, "content": {"type": "text", "text": "Hello"}}}
    event = parse({"id": "e", "created_at": MESSAGE["created_at"], "type": "message.created", "data": data})
    async with entered(kind(api_key="any", project_id=request.node.name, server_endpoint=server.url)) as client:
        await result(record(client.create_session(), [event]))
        await result(record(client.create_session(), []))
    (turn,) = find(http, "events", filter={"event": "Conversation Turn"})
    assert ("Hello", "") == (turn["properties"]["user"], turn["properties"]["assistant"])
    assert [1, 0] == [session["turn_count"] for session in find(http, "sessions")]


async def test_a_message_that_comes_twice_was_said_once(
    kind: Any, server: LocalServer, http: HTTPClient, request: pytest.FixtureRequest
) -> None:
    draft = evolve(CONVERSATION[0], content=MessageContentText(text="Where is my par"))
    twice = [draft, *(message for message in CONVERSATION for _ in range(2))]
    async with entered(kind(api_key="any", project_id=request.node.name, server_endpoint=server.url)) as client:
        await result(record(client.create_session(session_id="sess_1"), twice))
    turns = find(http, "events", filter={"event": "Conversation Turn"})
    assert [
        ("Where is my parcel?\nNumber 41.", "It is on its way."),
        ("Thank you!", "[image] https://example.com/heart.png"),
    ] == [(turn["properties"]["user"], turn["properties"]["assistant"]) for turn in turns]
    assert 2 == len(find(http, "events", filter={"event": "Conversation Function"}))


async def test_all_of_it_arrives_where_the_queue_is_smaller(
    kind: Any, server: LocalServer, http: HTTPClient, request: pytest.FixtureRequest
) -> None:
    """What is awaited is every event, not only the last."""
    settings = {"api_key": "any", "project_id": request.node.name, "server_endpoint": server.url}
    full = {"on_full": "block", "max_queue_events": 2, "block_timeout": 60}
    talk = [said(minute, "assistant" if minute % 2 else "user", str(minute)) for minute in range(20)]
    async with entered(kind(**settings, **full)) as client:
        await result(record(client.create_session(session_id="sess_1"), talk))
    (stored,) = find(http, "sessions")
    assert (10, "2025-04-03T09:19:00.000Z") == (stored["turn_count"], stored["ended_at"])
    turns = find(http, "events", filter={"event": "Conversation Turn"})
    assert [str(minute) for minute in range(0, 20, 2)] == [turn["properties"]["user"] for turn in turns]
