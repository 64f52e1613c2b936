"""OpenAI's Agents SDK, with the real client of OpenAI's and a service of the tests' own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("agents")

import openai
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
    set_trace_processors,
)
from agents.tracing import get_trace_provider

import mindlytics
from mindlytics.integrations.openai import wrap
from mindlytics.integrations.openai_agents import MindlyticsTraceProcessor

from ..conftest import Face
from ..programs import run as run_program
from ..sink import Sink, hang
from .fakes import Session, calls, code_of, conversations, names, only, said, turns
from .models import Models

MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


@function_tool
def weather(city: str) -> str:
    """How the weather is."""
    return f"sunny in {city}"


class Recorded(Session):
    """A processor of a session of one face, the only one that there is."""

    def __init__(self, face: Face, sink: Sink) -> None:
        super().__init__(face, sink)
        self.processor = MindlyticsTraceProcessor(self.session)
        set_trace_processors([self.processor])

    async def flush(self) -> Sink:
        assert {} == self.processor._traces
        return await super().flush()


@pytest.fixture(params=MODELS)
async def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def recorded(face: Face, sink: Sink, models: Models) -> AsyncIterator[Recorded]:
    yield Recorded(face, sink)
    set_trace_processors([])
    get_trace_provider().set_disabled(False)


@pytest.fixture
async def model(models: Models, api: str) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(max_retries=1) as client:
        yield MODELS[api](model="gpt-4o", openai_client=client)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_one_question_is_one_turn_after_its_calls(recorded: Recorded, model: Any, is_streamed: bool) -> None:
    settings = ModelSettings(include_usage=True)
    agent = Agent(name="forecast", model=model, tools=[weather], model_settings=settings)
    if is_streamed:
        stream = Runner.run_streamed(agent, "tool:weather please")
        async for _ in stream.stream_events():
            pass
    else:
        await Runner.run(agent, "tool:weather please")
    sink = await recorded.flush()
    assert ["Function", "Turn"] == names(sink)
    only(calls(sink), name="weather", args='{"city": "Bern"}', result="sunny in Bern")
    only(
        turns(sink),
        user="tool:weather please",
        assistant="sunny in Bern.",
        assistant_id="forecast",
        model="gpt-4o",
        model_calls=2,
        prompt_tokens=20,
        completion_tokens=10,
    )


async def test_a_run_without_a_loop_is_a_turn(recorded: Recorded, models: Models) -> None:
    def ask() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        client = openai.AsyncOpenAI()
        Runner.run_sync(Agent(name="a", model=OpenAIResponsesModel("gpt-4o", client)), "Hi")
        loop.run_until_complete(client.close())
        asyncio.set_event_loop(None)
        loop.close()

    with ThreadPoolExecutor(2) as threads:
        await asyncio.gather(*(asyncio.wrap_future(threads.submit(ask)) for _ in range(4)))
    assert [("Hi", "You said: Hi")] * 4 == said(await recorded.flush())


async def test_tools_at_once_have_their_own_runtimes(recorded: Recorded, model: Any) -> None:
    @function_tool
    async def slowly(city: str) -> str:
        await asyncio.sleep(0.3)
        return city

    await Runner.run(Agent(name="a", model=model, tools=[slowly, weather]), "tool:slowly tool:weather")
    runtimes = {call["name"]: call["runtime"] for call in calls(await recorded.flush())}
    assert 290 < runtimes["slowly"]
    assert runtimes["weather"] < 250


async def test_an_agent_that_hands_over_and_one_that_is_a_tool_ask_no_question(recorded: Recorded, model: Any) -> None:
    inner = Agent(name="inner", model=model)
    helper = inner.as_tool("ask_inner", "Ask it.")
    helper.params_json_schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    await Runner.run(Agent(name="outer", model=model, tools=[weather], handoffs=[inner]), "tool:transfer_to_inner")
    sink = await recorded.flush()
    only(turns(sink), user="tool:transfer_to_inner", assistant_id="inner", model_calls=2)

    @function_tool
    async def ask_inner(city: str) -> str:
        return str((await Runner.run(inner, f"{city}?")).final_output)

    await Runner.run(Agent(name="outer", model=model, tools=[ask_inner]), "tool:ask_inner")
    await recorded.flush()
    assert ("tool:ask_inner", "outer", 3) == (
        turns(sink)[1]["user"],
        turns(sink)[1]["assistant_id"],
        turns(sink)[1]["model_calls"],
    )


async def test_errors_are_recorded_and_raised(recorded: Recorded, model: Any, api: str) -> None:
    @function_tool(failure_error_function=None)
    def explode(city: str) -> str:
        raise ValueError("a secret")

    with pytest.raises(openai.BadRequestError):
        await Runner.run(Agent(name="a", model=model), "fail")
    with pytest.raises(Exception, match="a secret"):
        await Runner.run(Agent(name="a", model=model, tools=[explode]), "tool:explode")
    with pytest.raises(Exception, match="Max turns"):
        await Runner.run(Agent(name="a", model=model, tools=[weather]), "tool:weather", max_turns=1)
    sink = await recorded.flush()
    failed = "fail" if api == "chat" else ""  # the trace of a response that failed does not hold the question
    assert [failed, "tool:explode", "tool:weather"] == [turn["user"] for turn in turns(sink)]
    assert all("error" in turn for turn in turns(sink))
    assert [True, False] == ["error" in call for call in calls(sink)]


async def test_a_program_that_handles_an_error_may_ask(recorded: Recorded, model: Any) -> None:
    try:
        raise KeyError
    except KeyError:
        await Runner.run(Agent(name="a", model=model), "Now?")
    assert "error" not in turns(await recorded.flush())[0]


async def test_a_task_that_is_cancelled_ends_its_turn(recorded: Recorded, model: Any) -> None:
    begun = asyncio.Event()

    @function_tool
    async def wait(city: str) -> str:
        begun.set()
        await asyncio.Event().wait()
        return city

    task = asyncio.create_task(Runner.run(Agent(name="a", model=model, tools=[wait]), "tool:wait"))
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    sink = await recorded.flush()
    only(turns(sink), user="tool:wait", cancelled=True)
    only(calls(sink), name="wait")


async def test_what_is_tried_again_is_one_turn(recorded: Recorded, model: Any) -> None:
    await Runner.run(Agent(name="a", model=model), "retry")
    only(turns(await recorded.flush()), assistant="You said: retry", model_calls=1)


async def test_a_client_that_is_recorded_itself_is_recorded_once(recorded: Recorded, models: Models) -> None:
    async with openai.AsyncOpenAI() as client:
        model = OpenAIResponsesModel("gpt-4o", wrap(client))
        with mindlytics.current(recorded.session):
            await Runner.run(Agent(name="a", model=model), "Hi")
    only(turns(await recorded.flush()), user="Hi", prompt_tokens=10, model_calls=1)


async def test_a_group_is_a_conversation(recorded: Recorded, model: Any) -> None:
    for group in ("a", "b", "a"):
        await Runner.run(Agent(name="a", model=model), "Hi", run_config=RunConfig(group_id=group))
    assert {"a": 2, "b": 1} == conversations(await recorded.flush())


async def test_a_hundred_questions_at_once_are_kept_apart(recorded: Recorded, model: Any) -> None:
    asked = [f"Number {number}" for number in range(100)]
    await asyncio.gather(*(Runner.run(Agent(name="a", model=model), each) for each in asked))
    assert {(each, f"You said: {each}") for each in asked} == set(said(await recorded.flush()))


async def test_a_service_that_is_away_holds_nothing_up(recorded: Recorded, model: Any) -> None:
    recorded.sink.always = hang
    began = time.monotonic()
    for _ in range(3):
        await Runner.run(Agent(name="a", model=model), "Hi")
    recorded.processor.force_flush()
    recorded.processor.shutdown()
    assert time.monotonic() - began < 20
    recorded.sink.stopping.set()


async def test_it_leaves_no_task_and_no_thread_of_its_own(recorded: Recorded, model: Any) -> None:
    recorded.session.track_event(event="warm up")
    tasks, threads = asyncio.all_tasks(), threading.enumerate()
    await Runner.run(Agent(name="a", model=model), "Hi")
    assert tasks == asyncio.all_tasks()
    theirs = ("asyncio", "Thread")  # of the loop's executor, and of the service of models
    assert set(threads) >= {each for each in threading.enumerate() if not each.name.startswith(theirs)}


OPENAI = """
import agents
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
async def answer(*_, **__):
    part = ResponseOutputText(text="Warm.", type="output_text", annotations=[])
    message = ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[part])
    with agents.generation_span(model="gpt-4o", input=[{"role": "user", "content": "How warm is it?"}]) as span:
        span.span_data.output = [message.model_dump()]
        return agents.ModelResponse([message], agents.Usage(), None)
agents.OpenAIResponsesModel.get_response = answer
agents.set_trace_processors([])
"""
"""In the place of OpenAI."""


def test_the_documentations_programs_record(sink: Sink) -> None:
    for program in code_of("openai_agents"):
        ran = run_program(sink, OPENAI + program, OPENAI_API_KEY="k")
        assert (0, "") == (ran.returncode, ran.stderr)
    assert [("How warm is it?", "Warm.")] * len(code_of("openai_agents")) == said(sink)
