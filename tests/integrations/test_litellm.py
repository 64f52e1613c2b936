"""The callback for LiteLLM: blocking and asyncio, streamed and not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

import mindlytics

from ..conftest import Face, eventually, result
from .conftest import Recorded
from .models import Models

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the internet when it is imported
litellm: Any = pytest.importorskip("litellm")
from mindlytics.integrations.dialogue import Dialogue  # noqa: E402
from mindlytics.integrations.litellm import MindlyticsCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own
VARYING = ("turn_id", "latency", "time_to_first_token")


@pytest.fixture(autouse=True)
async def _no_callbacks_and_no_clients(models: Models) -> AsyncIterator[None]:
    litellm.suppress_debug_info = True
    yield
    clients = litellm.in_memory_llm_clients_cache
    for client in [*clients.cache_dict.values()]:
        await result(client.close())
    clients.flush_cache()
    litellm.callbacks.clear()
    for name in ("success_callback", "failure_callback", "input_callback", "_async_success_callback",
                 "_async_failure_callback", "service_callback"):  # fmt: skip
        getattr(litellm, name).clear()


def install(**options: Any) -> MindlyticsCallback:
    callback = MindlyticsCallback(**options)
    litellm.callbacks.append(callback)
    return callback


@pytest.fixture(params=["whole", "streamed"])
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


async def recorded_by(callback: MindlyticsCallback) -> None:
    await eventually(lambda: not (callback._sent or callback._recording))


async def ask(callback: MindlyticsCallback, face: Face, messages: Any, way: str = "whole", **more: Any) -> Any:
    """The message that answers, once it was reported."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    ask_one = litellm.acompletion if face.is_async else litellm.completion
    options = {"stream": True, "stream_options": {"include_usage": True}} if way == "streamed" else {}
    reply = await result(ask_one(model="openai/gpt-4o", messages=messages, **options, **more))
    if way == "streamed":
        pieces = [piece async for piece in reply] if face.is_async else list(reply)
        reply = litellm.stream_chunk_builder(pieces)
    await recorded_by(callback)
    return reply.choices[0].message


async def test_a_question_is_a_turn(face: Face, recorded: Recorded, way: str) -> None:
    callback = install(session=face.client().create_session())
    assert "You said: Hello" == (await ask(callback, face, "Hello", way)).content
    (turn,) = await recorded()
    found = {name: value for name, value in turn.items() if name not in VARYING}
    assert {
        "user": "Hello", "assistant": "You said: Hello", "model": "gpt-4o", "prompt_tokens": 10,
        "completion_tokens": 5, "cached_tokens": 4, "reasoning_tokens": 2, "model_calls": 1,
        "event": "Conversation Turn",
    } == found  # fmt: skip
    assert (way == "streamed") == ("time_to_first_token" in turn)


async def test_parallel_tools_lie_between_a_question_and_its_answer(face: Face, recorded: Recorded, way: str) -> None:
    callback = install()
    with mindlytics.current(face.client().create_session()):
        question = {"role": "user", "content": "tool:warmth tool:rain"}
        asking = await ask(callback, face, [question], way)
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": each}
            for call, each in zip(asking.tool_calls, ("21", "none"), strict=True)
        ]
        await ask(callback, face, [question, asking.model_dump(), *results], way)
    warmth, rain, turn = await recorded()
    assert [("warmth", "21"), ("rain", "none")] == [(each["name"], each["result"]) for each in (warmth, rain)]
    assert ("tool:warmth tool:rain", "21 and none.", 20, 2) == tuple(
        turn[name] for name in ("user", "assistant", "prompt_tokens", "model_calls")
    )


async def test_a_request_continues_with_a_question_whose_answer_is_reported_after_it(
    face: Face, recorded: Recorded
) -> None:
    callback = MindlyticsCallback(session=face.client().create_session())
    question = {"role": "user", "content": "Q"}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asking = {"role": "assistant", "content": None, "tool_calls": [call]}
    tool_result = {"role": "tool", "tool_call_id": "c", "content": "r"}
    for id, messages in (("1", [question]), ("2", [question, asking, tool_result])):
        callback.log_pre_api_call("m", messages, {"litellm_call_id": id, "call_type": "completion"})
    for id, message in (("1", asking), ("2", {"content": "A"})):
        reply = {"choices": [{"message": message}], "usage": None}
        callback.log_success_event({"litellm_call_id": id}, reply, None, None)
    function, turn = await recorded()
    assert ("f", "r", "Q", "A") == (function["name"], function["result"], turn["user"], turn["assistant"])


async def test_a_request_continues_with_a_question_whose_answer_is_being_recorded(
    face: Face, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = MindlyticsCallback(session=face.client().create_session())
    question = {"role": "user", "content": "Q"}
    calls = [{"id": id, "type": "function", "function": {"name": id, "arguments": "{}"}} for id in "ab"]
    asking = {"role": "assistant", "content": None, "tool_calls": calls}
    tool_results = [{"role": "tool", "tool_call_id": id, "content": f"of {id}"} for id in "ab"]

    def send(id: str, messages: list[Any]) -> None:
        callback.log_pre_api_call("m", messages, {"litellm_call_id": id, "call_type": "completion"})

    wait = Dialogue.wait

    def wait_and_send(self: Dialogue, id: Any, turn: Any, call: Any) -> None:
        wait(self, id, turn, call)
        if id == "a":
            send("2", [question, asking, *tool_results])

    monkeypatch.setattr(Dialogue, "wait", wait_and_send)
    send("1", [question])
    for id, message in (("1", asking), ("2", {"content": "A"})):
        reply = {"choices": [{"message": message}], "usage": None}
        callback.log_success_event({"litellm_call_id": id}, reply, None, None)
    *functions, turn = await recorded()
    assert [("a", "of a"), ("b", "of b")] == [(each["name"], each["result"]) for each in functions]
    assert ("Q", "A") == (turn["user"], turn["assistant"])


async def test_errors_retries_and_threads(face: Face, sink: Any, recorded: Recorded) -> None:
    callback = install(client=face.client())
    with pytest.raises(litellm.BadRequestError):
        await ask(callback, face, "fail", max_retries=0, metadata={"session_id": "s-1"})
    await recorded_by(callback)
    await ask(callback, face, "retry", metadata={"thread_id": "s-1"})
    failed, retried = await recorded()
    assert ("fail", "BadRequestError") == (failed["user"], failed["error"])
    assert "You said: retry" == retried["assistant"]
    assert {"s-1"} == {event["conversation_id"] for event in sink.events}


async def test_what_is_left_is_cancelled_in_the_end(face: Face, recorded: Recorded) -> None:
    callback = MindlyticsCallback(session=face.client().create_session())
    messages = [{"role": "user", "content": "Q"}]
    callback.log_pre_api_call("m", messages, {"litellm_call_id": "1", "call_type": "completion"})
    del callback
    (turn,) = await recorded()
    assert turn["cancelled"] is True
