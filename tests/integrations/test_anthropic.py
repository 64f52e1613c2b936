"""Anthropic's library, wrapped: blocking and asyncio, streamed and not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

import mindlytics
from mindlytics.integrations.anthropic import Messages, undo, wrap

from ..conftest import Face, eventually, result
from .conftest import Recorded
from .models import Models

anthropic = pytest.importorskip("anthropic")

VARYING = ("turn_id", "latency", "time_to_first_token")


@pytest.fixture
async def make(models: Models, face: Face) -> AsyncIterator[Any]:
    made: list[Any] = []

    def make_one(is_async: bool = face.is_async) -> Any:
        made.append((anthropic.AsyncAnthropic if is_async else anthropic.Anthropic)())
        return made[-1]

    yield make_one
    for each in made:
        await result(each.close())


@pytest.fixture(params=["whole", "streamed", "helper"])
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


async def ask(client: Any, messages: Any, way: str = "whole", **more: Any) -> tuple[str, list[Any]]:
    """The answer, and the blocks that call tools."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    options = {"model": "claude", "max_tokens": 9, "messages": messages, **more}
    if way == "whole":
        message = await result(client.messages.create(**options))
    elif way == "streamed":
        return await streamed(await result(client.messages.create(**options, stream=True)))
    else:
        manager = client.messages.stream(**options)
        if hasattr(manager, "__aenter__"):
            async with manager as stream:
                message = await stream.get_final_message()
        else:
            with manager as stream:
                message = stream.get_final_message()
    texts = [block.text for block in message.content if block.type == "text"]
    calls = [{"type": "tool_use", "id": each.id, "name": each.name, "input": each.input} for each in message.content
             if each.type == "tool_use"]  # fmt: skip
    return "".join(texts), calls


async def streamed(stream: Any) -> tuple[str, list[Any]]:
    texts, calls = list[str](), list[Any]()
    pieces = [piece async for piece in stream] if hasattr(stream, "__aiter__") else list(stream)
    for piece in pieces:
        if piece.type == "content_block_delta" and piece.delta.type == "text_delta":
            texts.append(piece.delta.text)
        if piece.type == "content_block_start" and piece.content_block.type == "tool_use":
            block = piece.content_block
            calls.append({"type": "tool_use", "id": block.id, "name": block.name, "input": {"city": "Bern"}})
    return "".join(texts), calls


def with_results(question: str, calls: list[Any], results: list[str]) -> list[Any]:
    messages = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": each, "is_error": each == "broken"}
        for call, each in zip(calls, results, strict=True)
    ]
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": calls},
        {"role": "user", "content": messages},
    ]


async def test_a_question_is_a_turn(make: Any, face: Face, recorded: Recorded, way: str) -> None:
    client = make()
    assert client is wrap(client, session=face.client().create_session())
    assert ("You said: Hello", []) == await ask(client, "Hello", way, system="Be kind.")
    (turn,) = await recorded()
    assert {
        "user": "Hello", "assistant": "You said: Hello", "model": "claude", "prompt_tokens": 10,
        "completion_tokens": 5, "cached_tokens": 4, "model_calls": 1, "event": "Conversation Turn",
    } == {name: value for name, value in turn.items() if name not in VARYING}  # fmt: skip
    assert (way != "whole") == ("time_to_first_token" in turn)


async def test_parallel_tools_lie_between_a_question_and_its_answer(
    make: Any, face: Face, recorded: Recorded, way: str
) -> None:
    client = wrap(make())
    with mindlytics.current(face.client().create_session()):
        _, calls = await ask(client, "tool:warmth tool:rain", way)
        answered = await ask(client, with_results("tool:warmth tool:rain", calls, ["21", "broken"]), way)
        assert "21 and broken." == answered[0]
    warmth, rain, turn = await recorded()
    assert [("warmth", "21"), ("rain", "broken")] == [(each["name"], each["result"]) for each in (warmth, rain)]
    assert '{"city": "Bern"}' == warmth["args"]
    assert "error" in rain
    assert ("tool:warmth tool:rain", "21 and broken.", 20, 10, 8, 2) == tuple(
        turn[name]
        for name in ("user", "assistant", "prompt_tokens", "completion_tokens", "cached_tokens", "model_calls")
    )


async def test_what_ends_without_an_answer_is_recorded_when_the_next_question_shows_it(
    make: Any, face: Face, recorded: Recorded
) -> None:
    client = wrap(make(), session=face.client().create_session())
    _, calls = await ask(client, "tool:warmth")
    further = [{"role": "assistant", "content": "Fine."}, {"role": "user", "content": "And now?"}]
    await ask(client, [*with_results("tool:warmth", calls, ["21"]), *further])
    call, first, second = await recorded()
    assert ("21", "tool:warmth", "", "And now?") == (call["result"], first["user"], first["assistant"], second["user"])


async def test_a_forced_tool_is_the_answer(make: Any, face: Face, recorded: Recorded) -> None:
    client = wrap(make(), session=face.client().create_session())
    tools = [{"name": "extract", "input_schema": {"type": "object"}}]
    await ask(client, "tool:extract", tools=tools, tool_choice={"type": "tool", "name": "extract"})
    assert ["extract", "tool:extract"] == [each.get("name") or each["user"] for each in await recorded()]


async def test_errors_and_retries(make: Any, face: Face, recorded: Recorded, way: str) -> None:
    client = wrap(make(), session=face.client().create_session())
    with pytest.raises(anthropic.BadRequestError):
        await ask(client, "fail", way)
    await ask(client, "retry", way)
    failed, retried = await recorded()
    assert ("fail", "BadRequestError") == (failed["user"], failed["error"])
    assert "You said: retry" == retried["assistant"]


async def test_a_stream_that_breaks_off_is_an_error(make: Any, face: Face, recorded: Recorded) -> None:
    client = wrap(make(), session=face.client().create_session())
    with pytest.raises(anthropic.APIError):
        await ask(client, "break", "streamed")
    (turn,) = await recorded()
    assert "error" in turn
    assert "You sai" == turn["assistant"]


@pytest.mark.parametrize("how", ["close", "dropped"])
async def test_a_stream_that_is_left_is_cancelled(make: Any, face: Face, recorded: Recorded, how: str) -> None:
    client = wrap(make(), session=face.client().create_session())
    messages = [{"role": "user", "content": "hang"}]
    stream = await result(client.messages.create(model="m", max_tokens=9, messages=messages, stream=True))
    for _ in range(3):
        await anext(stream) if face.is_async else next(stream)
    if how == "close" or face.is_async:
        await result(stream.close())
    else:
        del stream
        gc.collect()
    (turn,) = await recorded()
    assert (True, "You sai") == (turn["cancelled"], turn["assistant"])


async def test_a_cancelled_request_is_cancelled(make: Any, models: Models, face: Face, recorded: Recorded) -> None:
    client = wrap(make(True), session=face.client().create_session())
    task = asyncio.create_task(ask(client, "hang"))
    await eventually(lambda: bool(models.bodies))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (turn,) = await recorded()
    assert turn["cancelled"] is True


async def test_copies_record_and_an_undone_client_does_not(make: Any, face: Face, recorded: Recorded) -> None:
    client = make()
    wrap(client, session=face.client().create_session())
    await ask(client.with_options(timeout=9), "copied")
    await ask(undo(client), "undone")
    assert ["copied"] == [turn["user"] for turn in await recorded()]


def test_tools_that_the_service_runs_are_read() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "Bern"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "x", "url": "https://b"}]},
        {"type": "text", "text": "Found."},
    ]
    answer = Messages().answer({"content": blocks, "usage": None, "model": "m"})
    (wanted,) = answer.wanted
    assert ("Found.", "web_search", True) == (answer.text, wanted.name, wanted.is_done)
    assert [{"type": "x", "url": "https://b"}] == wanted.result
