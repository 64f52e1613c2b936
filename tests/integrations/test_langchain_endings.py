"""Runs of LangChain that fail, are cancelled, are tried again, or wait for a person."""

from __future__ import annotations

import asyncio
import gc
import pickle
import time
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("langchain")
pytest.importorskip("langgraph")

from langchain.agents import create_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from mindlytics.integrations.langchain import MindlyticsCallback

from ..conftest import Face, result
from ..sink import Sink
from .fakes import calls, names, only, said, turns
from .langchain_fakes import ASKED, Recorded, add, asks, explode, model, reply


@pytest.fixture
async def recorded(face: Face, sink: Sink) -> Recorded:
    return Recorded(face, sink)


async def test_a_tool_that_raises_is_recorded_with_the_turn_it_ended(recorded: Recorded) -> None:
    agent = create_agent(model(reply("", 1, 1, asks("explode", a=1, b=2))), [explode])
    with pytest.raises(ValueError, match="secret"):
        await agent.ainvoke(ASKED, recorded.config)
    sink = await recorded.flush()
    only(calls(sink), name="explode", error="ValueError")
    only(turns(sink), user="2 + 3?", assistant="", error="ValueError", prompt_tokens=1)


async def test_a_model_that_fails_after_a_tool_leaves_what_happened(recorded: Recorded) -> None:
    agent = create_agent(model(reply("", 1, 1, asks("add", a=1, b=2)), RuntimeError()), [add])
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever the fake makes of it
        agent.invoke(ASKED, recorded.config)
    sink = await recorded.flush()
    only(calls(sink), result="3")
    assert "error" in turns(sink)[0]


async def test_the_limit_of_steps_ends_a_turn(recorded: Recorded) -> None:
    agent = create_agent(model(*(reply("", 1, 1, asks("add", f"call-{n}", a=1, b=n)) for n in range(9))), [add])
    with pytest.raises(RecursionError):
        agent.invoke(ASKED, {**recorded.config, "recursion_limit": 4})
    sink = await recorded.flush()
    assert {"add"} == {call["name"] for call in calls(sink)}
    only(turns(sink), user="2 + 3?", error="GraphRecursionError")


async def test_an_abandoned_stream_is_cancelled(recorded: Recorded) -> None:
    agent = create_agent(model(reply("one two three")), [])
    stream = agent.astream(ASKED, recorded.config, stream_mode="messages")
    async for _ in stream:
        break
    await stream.aclose()
    for _ in (ChatPromptTemplate.from_messages([("human", "{x}")]) | model(reply("four five"))).stream(
        {"x": "and then?"}, recorded.config
    ):
        break
    gc.collect()
    first, second = turns(await recorded.flush())
    assert (True, "2 + 3?") == (first["cancelled"], first["user"])
    assert first["assistant"].startswith("one")
    assert (True, "and then?") == (second["cancelled"], second["user"])
    assert second["time_to_first_token"] >= 0


async def test_a_task_that_is_cancelled_ends_its_turn(recorded: Recorded) -> None:
    begun = asyncio.Event()

    async def wait(a: int) -> None:
        """Wait for ever."""
        begun.set()
        await asyncio.Event().wait()

    agent = create_agent(model(reply("", 1, 1, asks("wait", a=1))), [wait])
    task = asyncio.create_task(agent.ainvoke(ASKED, recorded.config))
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    sink = await recorded.flush()
    only(calls(sink), name="wait", cancelled=True)
    only(turns(sink), user="2 + 3?", cancelled=True)


async def test_what_is_tried_again_is_one_turn(recorded: Recorded) -> None:
    tries: list[int] = []

    def fail(asked: str) -> str:
        raise ValueError

    def sometimes(asked: str) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError
        return model(reply("At last.")).invoke(asked)

    chain = RunnableLambda(sometimes).with_retry(wait_exponential_jitter=False)
    chain.invoke("Anybody?", recorded.config)
    failing = RunnableLambda(fail).with_fallbacks([model(reply("Here."))])
    failing.invoke("And now?", recorded.config)
    assert [("Anybody?", "At last."), ("And now?", "Here.")] == said(await recorded.flush())


@pytest.mark.parametrize("is_static", [False, True], ids=["interrupt", "interrupt_before"])
async def test_a_question_that_waits_for_an_approval_is_one_turn(recorded: Recorded, is_static: bool) -> None:
    def ask(a: int, b: int) -> str:
        """Ask a person."""
        return str(a + b) if is_static else str(interrupt("May I?"))

    replies = [reply("", 10, 1, asks("ask", a=2, b=3)), reply("It is 5.", 20, 2)]
    before = {"interrupt_before": ["tools"]} if is_static else {}
    agent = create_agent(model(*replies), [ask], checkpointer=InMemorySaver(), **before)
    config, began = recorded.in_thread("thread-1"), time.monotonic()
    agent.invoke(ASKED, config)
    await recorded.flush()
    assert [] == names(recorded.sink)
    await asyncio.sleep(0.3)
    agent.invoke(None if is_static else Command(resume="5"), config)
    sink = await recorded.flush()
    assert ["Function", "Turn"] == names(sink)
    only(calls(sink), name="ask", result="5")
    only(turns(sink), user="2 + 3?", assistant="It is 5.", prompt_tokens=30)
    assert turns(sink)[0]["latency"] < (time.monotonic() - began - 0.29) * 1000


async def test_an_unapproved_question_is_recorded_before_the_next(recorded: Recorded) -> None:
    def ask() -> str:
        """Ask a person."""
        return str(interrupt("May I?"))

    agent = create_agent(model(reply("", 1, 1, asks("ask")), reply("Well.")), [ask], checkpointer=InMemorySaver())
    agent.invoke(ASKED, recorded.in_thread("t"))
    with suppress(Exception):  # what a model makes of a history without the tool's result is its affair
        agent.invoke({"messages": [("user", "Never mind.")]}, recorded.in_thread("t"))
    assert [("2 + 3?", ""), ("Never mind.", "Well.")] == said(await recorded.flush())


async def test_a_waiting_question_is_recorded_when_its_handler_goes(recorded: Recorded) -> None:
    handler = MindlyticsCallback(recorded.session)
    model(reply("", 10, 1, asks("add"))).invoke([("user", "2 + 3?")], {"callbacks": [handler]})
    assert [] == said(await recorded.flush())
    del handler
    gc.collect()
    sink = await recorded.flush()
    only(turns(sink), user="2 + 3?", assistant="", prompt_tokens=10)


async def test_a_handler_may_be_pickled_at_any_time(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSDK_API_KEY", recorded.session._client.settings.api_key.reveal())
    copies = []

    def copy() -> str:
        """Copy the handler."""
        copies.append(pickle.loads(pickle.dumps(recorded.handler)))
        return "copied"

    create_agent(model(reply("", 1, 1, asks("copy")), reply("Done.")), [copy]).invoke(ASKED, recorded.config)
    model(reply("Hello.")).invoke("Hi?", {"callbacks": copies})
    await result(copies[0]._runs._recorder.place.session.flush())
    assert [("2 + 3?", "Done."), ("Hi?", "Hello.")] == said(await recorded.flush())
