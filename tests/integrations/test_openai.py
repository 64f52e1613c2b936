"""OpenAI's library, wrapped: Chat Completions and Responses, blocking and asyncio, streamed and not."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

import mindlytics

from ..conftest import Face, eventually, result
from .conftest import Recorded
from .models import Models

openai = pytest.importorskip("openai")
httpx = pytest.importorskip("httpx")
from mindlytics.integrations.openai import undo, wrap  # noqa: E402

USER = "user"
VARYING = ("turn_id", "latency", "time_to_first_token")


class Asking:
    """One way to ask: which API, which kind of client, streamed or not."""

    def __init__(self, make: Any, api: str, is_streamed: bool) -> None:
        self.api, self.is_streamed = api, is_streamed
        self.client: Any = make()

    async def __call__(self, messages: list[Any], **more: Any) -> tuple[str, list[Any]]:
        """The answer, and the calls that the model wants, as messages go on with them."""
        if self.api == "chat":
            options = {"stream": True, "stream_options": {"include_usage": True}} if self.is_streamed else {}
            reply = self.client.chat.completions.create(model="gpt-4o", messages=messages, **options, **more)
        else:
            options = {"stream": True} if self.is_streamed else {}
            reply = self.client.responses.create(model="gpt-4o", input=messages, **options, **more)
        reply = await result(reply)
        pieces = [piece async for piece in iterated(reply)] if self.is_streamed else []
        return self.of_chat(reply, pieces) if self.api == "chat" else self.of_responses(reply, pieces)

    def of_chat(self, reply: Any, pieces: list[Any]) -> tuple[str, list[Any]]:
        if not self.is_streamed:
            message = reply.choices[0].message
            return message.content or "", [call.model_dump() for call in message.tool_calls or ()]
        deltas = [piece.choices[0].delta for piece in pieces if piece.choices]
        calls: dict[int, Any] = {}
        for each in (call for delta in deltas for call in delta.tool_calls or ()):
            if each.index not in calls:
                calls[each.index] = each.model_dump(exclude={"index"})
            else:
                calls[each.index]["function"]["arguments"] += each.function.arguments
        return "".join(delta.content or "" for delta in deltas), list(calls.values())

    def of_responses(self, reply: Any, pieces: list[Any]) -> tuple[str, list[Any]]:
        whole = pieces[-1].response if self.is_streamed else reply
        return whole.output_text, [item.model_dump() for item in whole.output if item.type == "function_call"]

    def with_results(self, question: str, calls: list[Any], results: list[str]) -> list[Any]:
        begun: list[Any] = [{"role": USER, "content": question}]
        if self.api == "chat":
            ids = [call["id"] for call in calls]
            messages = [
                {"role": "tool", "tool_call_id": id, "content": each} for id, each in zip(ids, results, strict=True)
            ]
            return [*begun, {"role": "assistant", "tool_calls": calls}, *messages]
        ids = [call["call_id"] for call in calls]
        return [
            *begun,
            *calls,
            *(
                {"type": "function_call_output", "call_id": id, "output": each}
                for id, each in zip(ids, results, strict=True)
            ),
        ]


async def iterated(stream: Any) -> AsyncIterator[Any]:
    if hasattr(stream, "__aiter__"):
        async for piece in stream:
            yield piece
    else:
        for piece in stream:
            yield piece


@pytest.fixture(params=["chat", "responses"])
def api(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def is_streamed(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def make(models: Models, face: Face) -> AsyncIterator[Any]:
    """Makes a client of the library, of the face's kind or of another one, and closes it at the end."""
    made: list[Any] = []

    def make_one(is_async: bool = face.is_async) -> Any:
        made.append((openai.AsyncOpenAI if is_async else openai.OpenAI)())
        return made[-1]

    yield make_one
    for each in made:
        await result(each.close())


@pytest.fixture
def asking(make: Any, api: str, is_streamed: bool) -> Asking:
    return Asking(make, api, is_streamed)


def question(text: str) -> list[Any]:
    return [{"role": "system", "content": "Be kind."}, {"role": USER, "content": text}]


async def test_a_question_is_a_turn(asking: Asking, face: Face, recorded: Recorded) -> None:
    assert asking.client is wrap(asking.client, session=face.client().create_session())
    assert ("You said: Hello", []) == await asking(question("Hello"))
    (turn,) = await recorded()
    assert {
        "user": "Hello", "assistant": "You said: Hello", "model": "gpt-4o", "prompt_tokens": 10,
        "completion_tokens": 5, "cached_tokens": 4, "reasoning_tokens": 2, "model_calls": 1,
        "event": "Conversation Turn",
    } == {name: value for name, value in turn.items() if name not in VARYING}  # fmt: skip
    assert asking.is_streamed == ("time_to_first_token" in turn)


async def test_parallel_tools_lie_between_a_question_and_its_answer(
    asking: Asking, face: Face, recorded: Recorded
) -> None:
    wrap(asking.client)
    with mindlytics.current(face.client().create_session()):
        for _ in range(2):
            _, calls = await asking(question("tool:warmth tool:rain"))
            answer, _ = await asking(asking.with_results("tool:warmth tool:rain", calls, ["21", "none"]))
            assert "21 and none." == answer
    warmth, rain, turn, *again = await recorded()
    assert [("warmth", '{"city": "Bern"}', "21"), ("rain", '{"city": "Bern"}', "none")] == [
        (each["name"], each["args"], each["result"]) for each in (warmth, rain)
    ]
    assert ("tool:warmth tool:rain", "21 and none.", 20, 10, 8, 2) == tuple(
        turn[name]
        for name in ("user", "assistant", "prompt_tokens", "completion_tokens", "cached_tokens", "model_calls")
    )
    assert {turn["turn_id"]} == {each["turn_id"] for each in (warmth, rain)}
    assert 3 == len(again)


async def test_what_ends_without_an_answer_is_recorded_when_the_next_question_shows_it(
    asking: Asking, face: Face, recorded: Recorded
) -> None:
    wrap(asking.client, session=face.client().create_session())
    _, calls = await asking(question("tool:warmth"))
    await asking([*asking.with_results("tool:warmth", calls, ["21"]), *question("And now?")])
    call, first, second = await recorded()
    assert ("21", "tool:warmth", "", "And now?") == (call["result"], first["user"], first["assistant"], second["user"])


async def test_a_forced_function_is_the_answer(asking: Asking, face: Face, recorded: Recorded) -> None:
    wrap(asking.client, session=face.client().create_session())
    name = {"name": "extract"}
    choice = {"type": "function", "function": name} if asking.api == "chat" else {"type": "function", **name}
    tool = {"name": "extract", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": tool} if asking.api == "chat" else {"type": "function", **tool}]
    await asking(question("tool:extract"), tool_choice=choice, tools=tools)
    call, turn = await recorded()
    assert ("extract", "tool:extract") == (call["name"], turn["user"])
    assert "cancelled" not in call


async def test_an_error_is_raised_and_recorded(asking: Asking, face: Face, recorded: Recorded) -> None:
    wrap(asking.client, session=face.client().create_session())
    with pytest.raises(openai.BadRequestError):
        await asking(question("fail"))
    (turn,) = await recorded()
    assert ("fail", "", "BadRequestError") == (turn["user"], turn["assistant"], turn["error"])


async def test_retries_of_the_library_are_one_turn(
    asking: Asking, face: Face, models: Models, recorded: Recorded
) -> None:
    wrap(asking.client, session=face.client().create_session())
    await asking(question("retry"))
    assert 2 == len(models.bodies)
    assert ["You said: retry"] == [turn["assistant"] for turn in await recorded()]


@pytest.mark.parametrize("is_streamed", [True], indirect=True)
async def test_a_stream_that_breaks_off_is_an_error(asking: Asking, face: Face, recorded: Recorded) -> None:
    wrap(asking.client, session=face.client().create_session())
    if asking.api == "chat":
        with pytest.raises(openai.APIError):
            await asking(question("break"))
        (turn,) = await recorded()
        assert "APIError" == turn["error"]
        assert turn["assistant"] in "You said: break"


@pytest.mark.parametrize("is_streamed", [True], indirect=True)
@pytest.mark.parametrize("how", ["close", "with", "dropped"])
async def test_a_stream_that_is_left_is_cancelled(asking: Asking, face: Face, recorded: Recorded, how: str) -> None:
    wrap(asking.client, session=face.client().create_session())
    create: Any = asking.client.chat.completions if asking.api == "chat" else asking.client.responses
    options: Any = {"messages": question("hang")} if asking.api == "chat" else {"input": question("hang")}
    stream = await result(create.create(model="gpt-4o", stream=True, **options))
    await anext(stream) if face.is_async else next(stream)
    if how == "close":
        await result(stream.close())
    elif how == "with" and face.is_async:
        async with stream:
            pass
    elif how == "with":
        with stream:
            pass
    else:
        if face.is_async:
            await stream.response.aclose()
        del stream
        gc.collect()
    (turn,) = await recorded()
    assert turn["cancelled"] is True


async def test_a_cancelled_request_is_cancelled(
    make: Any, models: Models, face: Face, recorded: Recorded, api: str
) -> None:
    asking = Asking(lambda: make(True), api, False)
    wrap(asking.client, session=face.client().create_session())
    task = asyncio.create_task(asking(question("hang")))
    await eventually(lambda: bool(models.bodies))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (turn,) = await recorded()
    assert turn["cancelled"] is True


async def test_helpers_that_stream_and_parse_are_recorded(make: Any, face: Face, recorded: Recorded) -> None:
    pydantic = pytest.importorskip("pydantic")

    class Shape(pydantic.BaseModel):  # type: ignore[name-defined, misc]
        text: str

    client: Any = make()
    create, responses = client.chat.completions, client.responses
    wrap(client, session=face.client().create_session())
    raw = await result(create.with_raw_response.create(model="gpt-4o", messages=question("raw")))
    assert "You said: raw" == raw.parse().choices[0].message.content
    for name, stream in (
        ("chat", create.stream(model="gpt-4o", messages=question("chat"))),
        ("responses", responses.stream(model="gpt-4o", input=question("responses"))),
    ):
        if face.is_async:
            async with stream as entered:
                pieces = [piece async for piece in entered]
        else:
            with stream as entered:
                pieces = list(entered)
        assert pieces, name
    tool: Any = openai.pydantic_function_tool(Shape, name="shape")
    parsed = await result(create.parse(model="gpt-4o", messages=question("tool:none"), tools=[tool]))
    assert type(parsed).__name__.startswith("ParsedChatCompletion")
    assert ["raw", "chat", "responses"] == [turn["user"] for turn in await recorded()]


async def test_copies_record_and_an_undone_client_does_not(make: Any, face: Face, recorded: Recorded) -> None:
    client: Any = make()
    before = dict(vars(client))
    wrap(wrap(client), session=face.client().create_session())
    await result(client.with_options(timeout=9).chat.completions.create(model="m", messages=question("copied")))
    await result(client.copy().embeddings._client.chat.completions.create(model="m", messages=question("again")))
    assert client is undo(client)
    assert before.keys() == vars(client).keys() - {"chat", "embeddings"}
    await result(client.chat.completions.create(model="m", messages=question("undone")))
    assert ["copied", "again"] == [turn["user"] for turn in await recorded()]


async def test_a_question_continues_through_any_copy(asking: Asking, face: Face, recorded: Recorded) -> None:
    client = wrap(asking.client, session=face.client().create_session())
    asking.client = client.with_options(timeout=9)
    _, calls = await asking(question("tool:warmth"))
    asking.client = client.with_options(timeout=8)
    await asking(asking.with_results("tool:warmth", calls, ["21"]))
    assert ["21", 2] == [each.get("result") or each["model_calls"] for each in await recorded()]


@pytest.mark.parametrize("kind", ["shell", "local_shell", "computer", "apply_patch"])
async def test_other_tools_that_the_program_runs_are_calls(kind: str, face: Face, recorded: Recorded) -> None:
    asks = {"id": "item", "type": f"{kind}_call", "call_id": "c1", "status": "completed", "action": {"command": ["ls"]}}
    done = {"type": f"{kind}_call_output", "call_id": "c1", "output": "a file"}
    searches = {"id": "search", "type": "web_search_call", "status": "completed"}

    def answer(request: Any) -> Any:
        is_last = done in json.loads(request.content)["input"]
        return httpx.Response(200, json={"id": "r", "object": "response", "output": [searches] if is_last else [asks]})

    user = {"role": USER, "content": "List"}
    with httpx.Client(transport=httpx.MockTransport(answer)) as transport:
        client: Any = openai.OpenAI(api_key="key", base_url="http://models.test/v1", http_client=transport)
        wrap(client, session=face.client().create_session())
        client.responses.create(model="m", input=[user])
        client.responses.create(model="m", input=[user, asks, done])
    shell, search, turn = await recorded()
    assert (kind, ["ls"], "a file") == (shell["name"], json.loads(shell["args"])["command"], shell["result"])
    assert ("web_search", 2) == (search["name"], turn["model_calls"])


async def test_the_conversation_is_that_of_the_service(
    models: Models, face: Face, sink: Any, recorded: Recorded
) -> None:
    client: Any = wrap(openai.OpenAI(), client=face.client())
    client.responses.create(model="m", input="one", conversation="conv_1")
    client.responses.create(model="m", input="two", conversation={"id": "conv_1"})
    assert ["one", "two"] == [turn["user"] for turn in await recorded()]
    assert {("conv_1", "conv_1")} == {(event["session_id"], event["conversation_id"]) for event in sink.events}


async def test_a_raw_response_is_recorded_whether_or_not_it_is_parsed(
    models: Models, face: Face, recorded: Recorded
) -> None:
    with wrap(openai.OpenAI(), session=face.client().create_session()) as client:
        create = client.chat.completions
        create.with_raw_response.create(model="gpt-4o", messages=[{"role": USER, "content": "raw"}])
        with create.with_streaming_response.create(
            model="gpt-4o", messages=[{"role": USER, "content": "lines"}]
        ) as response:
            assert "You said: lines" in "".join(response.iter_lines())
        del response
        gc.collect()
    assert [("raw", "You said: raw"), ("lines", "")] == [(turn["user"], turn["assistant"]) for turn in await recorded()]


@pytest.mark.parametrize("is_read_already", [False, True], ids=["open", "read"])
async def test_the_stream_of_a_raw_response_is_recorded_to_its_end(
    models: Models, face: Face, recorded: Recorded, is_read_already: bool
) -> None:
    hooks: Any = {"response": [lambda response: response.read()] if is_read_already else []}
    with openai.OpenAI(http_client=httpx.Client(event_hooks=hooks)) as client:
        wrap(client, session=face.client().create_session())
        asked: Any = {"model": "gpt-4o", "messages": question("raw"), "stream": True}
        for _ in client.chat.completions.with_raw_response.create(**asked).parse():
            gc.collect()
    assert [("raw", "You said: raw")] == [(turn["user"], turn["assistant"]) for turn in await recorded()]


async def test_two_hundred_at_once_are_kept_apart(make: Any, face: Face, recorded: Recorded) -> None:
    asking = Asking(lambda: make(True), "chat", False)
    wrap(asking.client)

    async def ask(number: int) -> None:
        with mindlytics.current(face.client().create_session()):
            text = f"{number} tool:warmth"
            _, calls = await asking(question(text))
            await asking(asking.with_results(text, calls, [str(number)]))

    await asyncio.gather(*(ask(number) for number in range(200)))
    found = await recorded()
    results = {each["turn_id"]: each["result"] for each in found if "result" in each}
    turns = [each for each in found if "user" in each]
    assert (200, 200) == (len(results), len(turns))
    assert all(f"{results[each['turn_id']]}." == each["assistant"] for each in turns)


async def test_threads_and_a_service_that_is_down_change_nothing(make: Any, face: Face) -> None:
    down = face.client(server_endpoint="http://127.0.0.1:9", retry_for=0)
    client: Any = wrap(make(False), client=down)
    answers: list[str] = []

    def ask() -> None:
        reply = client.chat.completions.create(model="m", messages=question("Hello"))
        answers.append(reply.choices[0].message.content)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["You said: Hello"] * 8 == answers


def test_what_the_library_returns_is_the_same(make: Any, face: Face) -> None:
    client: Any = make(False)
    plain = client.chat.completions.create(model="m", messages=question("Hello"))
    wrap(client, client=face.client())
    reply = client.chat.completions.create(model="m", messages=question("Hello"))
    assert type(plain) is type(reply)
    assert plain == reply
    assert json.loads(plain.model_dump_json()) == json.loads(reply.model_dump_json())
    stream = client.chat.completions.create(model="m", messages=question("Hello"), stream=True)
    assert type(stream) is openai.Stream
    assert 4 == len(list(stream))
