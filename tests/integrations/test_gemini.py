"""Google's library for Gemini, wrapped: blocking and asyncio, streamed and not, in chats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

import mindlytics
from mindlytics.integrations.gemini import undo, wrap

from ..conftest import Face, result
from .conftest import Recorded
from .models import Models

genai: Any = pytest.importorskip("google.genai")

VARYING = ("turn_id", "latency", "time_to_first_token")
pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own, of other versions of what it needs


@pytest.fixture
async def made(models: Models) -> AsyncIterator[Any]:
    client = genai.Client(api_key="k", http_options={"base_url": models.url})
    yield client
    await client.aio.aclose()
    client.close()


@pytest.fixture(params=["whole", "streamed"])
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


async def ask(client: Any, face: Face, contents: Any, way: str = "whole", **more: Any) -> tuple[str, list[Any]]:
    """The answer, and the contents with the calls of functions."""
    at = client.aio.models if face.is_async else client.models
    options = {"model": "gemini-1", "contents": contents, **more}
    if way == "whole":
        pieces = [await result(at.generate_content(**options))]
    elif face.is_async:
        pieces = [piece async for piece in await at.generate_content_stream(**options)]
    else:
        pieces = list(at.generate_content_stream(**options))
    parts = [part for piece in pieces for part in piece.candidates[0].content.parts]
    return "".join(part.text or "" for part in parts), [part for part in parts if part.function_call]


async def test_a_question_is_a_turn(made: Any, face: Face, recorded: Recorded, way: str) -> None:
    assert made is wrap(made, session=face.client().create_session())
    assert ("You said: Hello", []) == await ask(made, face, "Hello", way)
    (turn,) = await recorded()
    assert {
        "user": "Hello", "assistant": "You said: Hello", "model": "gemini-1", "prompt_tokens": 10,
        "completion_tokens": 5, "cached_tokens": 4, "reasoning_tokens": 2, "model_calls": 1,
        "event": "Conversation Turn",
    } == {name: value for name, value in turn.items() if name not in VARYING}  # fmt: skip
    assert (way == "streamed") == ("time_to_first_token" in turn)


async def test_parallel_tools_lie_between_a_question_and_its_answer(
    made: Any, face: Face, recorded: Recorded, way: str
) -> None:
    types = genai.types
    wrap(made)
    with mindlytics.current(face.client().create_session()):
        question = types.Content(role="user", parts=[types.Part(text="tool:warmth tool:rain")])
        _, calls = await ask(made, face, [question], way)
        responses = [
            types.Part.from_function_response(
                name=part.function_call.name, response={"result": part.function_call.name}
            )
            for part in calls
        ]
        contents = [question, types.Content(role="model", parts=calls), types.Content(role="user", parts=responses)]
        assert "warmth and rain." == (await ask(made, face, contents, way))[0]
    warmth, rain, turn = await recorded()
    assert [("warmth", '{"city": "Bern"}', "warmth"), ("rain", '{"city": "Bern"}', "rain")] == [
        (each["name"], each["args"], each["result"]) for each in (warmth, rain)
    ]
    assert ("tool:warmth tool:rain", "warmth and rain.", 20, 2) == tuple(
        turn[name] for name in ("user", "assistant", "prompt_tokens", "model_calls")
    )


async def test_functions_that_the_library_calls_are_recorded(
    made: Any, face: Face, recorded: Recorded, way: str
) -> None:
    def warmth(city: str) -> str:
        """How warm it is."""
        time.sleep(0.05)
        return f"21 in {city}"

    warmth.__annotations__["city"] = str  # older versions read no postponed annotations
    wrap(made, session=face.client().create_session())
    await ask(made, face, "tool:warmth", way, config={"tools": [warmth]})
    call, turn = await recorded()
    assert ("warmth", "21 in Bern") == (call["name"], call["result"])
    assert 50 <= call["runtime"] < 5000
    assert ("tool:warmth", "21 in Bern.", 2) == (turn["user"], turn["assistant"], turn["model_calls"])


async def test_a_chat_has_a_turn_for_each_question(made: Any, face: Face, recorded: Recorded) -> None:
    wrap(made, session=face.client().create_session())
    chat = (made.aio if face.is_async else made).chats.create(model="gemini-1")
    await result(chat.send_message("one"))
    await result(chat.send_message("two"))
    assert ["one", "two"] == [turn["user"] for turn in await recorded()]


async def test_an_error_is_raised_and_recorded(made: Any, face: Face, recorded: Recorded, way: str) -> None:
    wrap(made, session=face.client().create_session())
    with pytest.raises(genai.errors.ClientError):
        await ask(made, face, "fail", way)
    (turn,) = await recorded()
    assert ("fail", "ClientError") == (turn["user"], turn["error"])


async def test_a_stream_that_is_left_is_cancelled(made: Any, face: Face, recorded: Recorded) -> None:
    wrap(made, session=face.client().create_session())
    if face.is_async:
        stream = await made.aio.models.generate_content_stream(model="m", contents="hang")
        await anext(stream)
        task = asyncio.create_task(drain(stream))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        stream = made.models.generate_content_stream(model="m", contents="hang")
        next(stream)
        stream.close()
    (turn,) = await recorded()
    assert turn["cancelled"] is True
    assert turn["assistant"] in "You said: hang"


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_an_undone_client_records_nothing(made: Any, face: Face, recorded: Recorded) -> None:
    before = dict(vars(made.models))
    assert made is undo(wrap(made, session=face.client().create_session()))
    assert before == vars(made.models)
    await ask(made, face, "undone")
    assert [] == await recorded()
