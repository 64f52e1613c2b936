"""Pydantic AI, driven by its own models for tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from textwrap import dedent
from typing import Any

import pytest

pytest.importorskip("pydantic_ai")

from pydantic import BaseModel
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults, ModelRetry
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage, UsageLimits

import mindlytics
from mindlytics.integrations import pydantic_ai as integration
from mindlytics.integrations.pydantic_ai import instrument

from ..conftest import Face, result
from ..programs import run as run_program
from ..sink import Sink, hang
from .fakes import Session, calls, code_of, conversations, names, only, said, turns

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Recorded(Session):
    """A session of one face, in which all agents are recorded."""

    def __init__(self, face: Face, sink: Sink) -> None:
        super().__init__(face, sink)
        self.undo = instrument(self.session)


@pytest.fixture
async def recorded(face: Face, sink: Sink) -> AsyncIterator[Recorded]:
    made = Recorded(face, sink)
    yield made
    made.undo()


def steps(*replies: Any) -> FunctionModel:
    """A model with scripted replies: texts or calls of tools."""
    waiting: Iterator[Any] = iter(replies)

    def parts() -> list[Any]:
        reply = next(waiting)
        return [TextPart(reply)] if isinstance(reply, str) else [ToolCallPart(*each) for each in reply]

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts(), usage=RequestUsage(input_tokens=10, output_tokens=2), model_name="m-1")

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        for part in parts():
            if isinstance(part, TextPart):
                for word in part.content.split():
                    yield f"{word} "
            else:
                yield {0: DeltaToolCall(name=part.tool_name, json_args='{"a": 2, "b": 3}')}

    return FunctionModel(answer, stream_function=stream, model_name="m-1")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def adder(**more: Any) -> Agent[None, Any]:
    replies = [[("add", {"a": 2, "b": 3})], "It is 5."] * 5
    return Agent(steps(*replies), name="adder", tools=[add], **more)


def run_sync(agent: Agent[None, Any], asked: str) -> None:
    """In a loop of the thread's own, which the library would leave open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        agent.run_sync(asked)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def run(agent: Agent[None, Any], asked: str, how: str) -> None:
    """A run in each of the ways that there are."""
    if how == "run":
        await agent.run(asked)
    elif how == "run_sync":
        await asyncio.to_thread(run_sync, agent, asked)
    elif how == "run_stream":
        async with agent.run_stream(asked) as stream:
            async for _ in stream.stream_text():
                pass
    elif how == "iter":
        async with agent.iter(asked) as nodes:
            async for _ in nodes:
                pass
    else:
        async with agent.run_stream_events(asked) as events:
            async for _ in events:
                pass


@pytest.mark.parametrize("how", ["run", "run_sync", "run_stream", "iter", "run_stream_events"])
async def test_one_question_is_one_turn_after_its_calls(recorded: Recorded, how: str) -> None:
    await run(adder(), "2 + 3?", how)
    sink = await recorded.flush()
    assert ["Function", "Turn"] == names(sink)
    only(calls(sink), name="add", args='{"a": 2, "b": 3}', result="5")
    (turn,) = turns(sink)
    assert ("2 + 3?", "It is 5.", "adder", 2) == (
        turn["user"],
        turn["assistant"].strip(),
        turn["assistant_id"],
        turn["model_calls"],
    )
    if how in ("run", "run_sync", "iter"):
        assert ("m-1", 20, 4) == (turn["model"], turn["prompt_tokens"], turn["completion_tokens"])


async def test_results_of_the_program_are_json(recorded: Recorded) -> None:
    class Sum(BaseModel):
        value: int

    answered = await Agent(TestModel(custom_output_args={"value": 5}), output_type=Sum).run("2 + 3?")
    assert Sum(value=5) == answered.output
    sink = await recorded.flush()
    assert [("2 + 3?", '{"value": 5}')] == said(sink)
    assert [] == calls(sink)


async def test_tools_at_once_have_their_own_runtimes(recorded: Recorded) -> None:
    async def slowly(a: int) -> int:
        await asyncio.sleep(0.2)
        return a

    model = steps([("slowly", {"a": 1}), ("add", {"a": 1, "b": 1})], "Done.")
    await Agent(model, tools=[slowly, add]).run("Go!")
    runtimes = {call["name"]: call["runtime"] for call in calls(await recorded.flush())}
    assert 190 < runtimes["slowly"]
    assert runtimes["add"] < 150


async def test_errors_are_recorded_and_raised(recorded: Recorded) -> None:
    def explode() -> None:
        raise ValueError("a secret")

    with pytest.raises(ValueError, match="a secret"):
        await Agent(steps([("explode", {})]), tools=[explode]).run("Bang?")
    with pytest.raises(UsageLimitExceeded):
        await adder().run("2 + 3?", usage_limits=UsageLimits(request_limit=1))
    sink = await recorded.flush()
    assert ["ValueError", "UsageLimitExceeded"] == [turn["error"] for turn in turns(sink)]
    assert [("Bang?", ""), ("2 + 3?", "")] == said(sink)
    assert [("explode", "ValueError"), ("add", None)] == [(call["name"], call.get("error")) for call in calls(sink)]


async def test_a_tool_that_asks_for_another_try_is_one_turn(recorded: Recorded) -> None:
    tries: list[int] = []

    def sometimes() -> str:
        tries.append(1)
        if len(tries) < 2:
            raise ModelRetry("Not yet.")
        return "Now."

    await Agent(steps([("sometimes", {})], [("sometimes", {})], "Good."), tools=[sometimes]).run("When?")
    sink = await recorded.flush()
    assert [True, False] == ["error" in call for call in calls(sink)]
    assert [("When?", "Good.")] == said(sink)


async def test_an_abandoned_stream_is_cancelled(recorded: Recorded) -> None:
    async with Agent(steps("one two three")).run_stream("Count!") as stream:
        async for _ in stream.stream_text(delta=True, debounce_by=None):
            break
    only(turns(await recorded.flush()), user="Count!", assistant="one ", cancelled=True)


async def test_a_task_that_is_cancelled_ends_its_turn(recorded: Recorded) -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Agent(steps([("wait", {})]), tools=[wait]).run("Wait!"))
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    sink = await recorded.flush()
    only(calls(sink), name="wait", cancelled=True)
    only(turns(sink), user="Wait!", cancelled=True)


async def test_a_conversation_is_the_frameworks(recorded: Recorded) -> None:
    agent = Agent(steps("one", "two", "three"))
    first = await agent.run("a")
    await agent.run("b", message_history=first.all_messages())
    await agent.run("c", conversation_id="mine")
    assert [1, 2] == sorted(conversations(await recorded.flush()).values())
    assert 1 == conversations(recorded.sink)["mine"]


async def test_an_agent_within_a_tool_asks_no_question_of_its_own(recorded: Recorded) -> None:
    inner = adder()

    async def calculate(question: str) -> str:
        return str((await inner.run(question)).output)

    await Agent(steps([("calculate", {"question": "2+3"})], "Five."), name="outer", tools=[calculate]).run("Sum?")
    sink = await recorded.flush()
    assert ["add", "calculate"] == [call["name"] for call in calls(sink)]
    only(turns(sink), user="Sum?", assistant="Five.", assistant_id="outer", prompt_tokens=40, model_calls=4)


async def test_a_question_that_waits_for_an_approval_is_one_turn(recorded: Recorded) -> None:
    agent: Agent[None, Any] = Agent(
        steps([("delete", {"path": "x"}, "call-1")], "Gone."), output_type=[str, DeferredToolRequests]
    )

    @agent.tool_plain(requires_approval=True)
    def delete(path: str) -> str:
        return f"deleted {path}"

    waiting = await agent.run("Delete x!")
    await recorded.flush()
    assert [] == names(recorded.sink)
    approved = DeferredToolResults(approvals={"call-1": True})
    await agent.run(message_history=waiting.all_messages(), deferred_tool_results=approved)
    sink = await recorded.flush()
    only(calls(sink), name="delete", result="deleted x")
    only(turns(sink), user="Delete x!", assistant="Gone.", prompt_tokens=20)


async def test_two_hundred_questions_at_once_are_kept_apart(recorded: Recorded) -> None:
    async def ask(number: int) -> None:
        model = steps([("add", {"a": number, "b": 0})], f"{number}.")
        await Agent(model, tools=[add]).run(f"{number}?")

    await asyncio.gather(*map(ask, range(200)))
    sink = await recorded.flush()
    assert {(f"{number}?", f"{number}.") for number in range(200)} == set(said(sink))
    by_turn = {turn["turn_id"]: turn["user"].removesuffix("?") for turn in turns(sink)}
    assert (200, True) == (len(calls(sink)), all(by_turn[call["turn_id"]] == call["result"] for call in calls(sink)))


async def test_threads_with_loops_of_their_own_are_kept_apart(recorded: Recorded) -> None:
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(run_sync, adder(), f"{number}?") for number in range(20)]
        await asyncio.gather(*map(asyncio.wrap_future, asked))
    assert {f"{number}?" for number in range(20)} == {turn["user"] for turn in turns(await recorded.flush())}


async def test_a_service_that_is_away_holds_nothing_up(recorded: Recorded) -> None:
    recorded.sink.always = hang
    began = time.monotonic()
    for _ in range(5):
        await adder().run("2 + 3?")
    assert time.monotonic() - began < 20
    recorded.sink.stopping.set()


async def test_it_leaves_no_task_and_no_thread_of_its_own(recorded: Recorded) -> None:
    recorded.session.track_event(event="warm up")
    tasks, threads = asyncio.all_tasks(), threading.enumerate()
    await adder().run("2 + 3?")
    assert tasks == asyncio.all_tasks()
    others = ("AnyIO", "asyncio", "process_request")  # of the library, of the loop, and of the sink
    assert set(threads) >= {each for each in threading.enumerate() if not any(name in each.name for name in others)}


async def test_undo_leaves_the_library_as_it_was(face: Face, sink: Sink) -> None:
    before = Agent.iter
    client = face.client()
    first, second = instrument(client=client), instrument(client=client)
    assert before is not Agent.iter
    await adder().run("2 + 3?")
    first()
    second()
    second()
    assert before is Agent.iter
    await adder().run("2 + 3?")
    await result(client.flush())
    assert 1 == len(turns(sink))
    assert {} == integration._waiting


async def test_the_current_session_is_the_one_that_records(face: Face, sink: Sink) -> None:
    client, undo = face.client(), instrument()
    with mindlytics.current(client.create_session(session_id="current")):
        await adder().run("2 + 3?")
    undo()
    await result(client.flush())
    assert {"current"} == {event["session_id"] for event in sink.events}


def test_the_documentations_programs_record(sink: Sink) -> None:
    model = """
        from pydantic_ai import models
        from pydantic_ai.models.test import TestModel
        models.infer_model = lambda *_, **__: TestModel(custom_output_text="Warm.")
    """
    for program in code_of("pydantic_ai"):
        ran = run_program(sink, dedent(model) + program)
        assert (0, "") == (ran.returncode, ran.stderr)
    assert {("How warm is it?", "Warm.")} == set(said(sink))
