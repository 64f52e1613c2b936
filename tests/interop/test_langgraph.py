"""What the recorders for LangChain and LangGraph once did to the programs that they record, and to the records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mindlytics import Client as BlockingClient
from mindlytics.compat.mlsdk import Client, Session

from ..integrations.fakes import calls, names, only, said, turns
from ..programs import run
from ..sink import Sink

pytest.importorskip("langchain_core")
pytest.importorskip("langgraph.prebuilt")

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph import prebuilt

from mindlytics.compat.mlsdk.helpers.langchain import MLChatRecorderCallback
from mindlytics.compat.mlsdk.helpers.langgraph import MLPostModellHook

from ..integrations.langchain_fakes import ASKED, add, asks, explode, model, reply

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

START = """
import asyncio, warnings
warnings.simplefilter("ignore")
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from mindlytics.compat.mlsdk import Client
from mindlytics.compat.mlsdk.helpers.langchain import MLChatRecorderCallback
client = Client()
session = client.create_session(session_id="s", id="u")
def model(): return GenericFakeChatModel(
    messages=iter([AIMessage("Hello!")]), callbacks=[MLChatRecorderCallback(session)])
"""
WAYS = {
    "a plain script": "model().invoke('Hi')",
    "within a running loop": "async def main(): model().invoke('Hi')\nasyncio.run(main())",
    "a node that is a plain function": """
from langgraph.graph import MessagesState, StateGraph
graph = StateGraph(MessagesState)
graph.add_node("model", lambda state: {"messages": [model().invoke(state["messages"])]})
graph.set_entry_point("model")
asyncio.run(graph.compile().ainvoke({"messages": [("user", "Hi")]}))
""",
    "a loop that waits for all its tasks": """
async def main():
    await model().ainvoke('Hi')
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
asyncio.run(main())
""",
}


@pytest.fixture
async def session(sink: Sink) -> AsyncIterator[Session]:
    client = Client(api_key="k", project_id="p", server_endpoint=sink.url)
    yield client.create_session(session_id="s", conversation_id="c", id="u")
    await client.close()


def agent(*replies: Any, tools: Any = (add,)) -> Any:
    return prebuilt.create_react_agent(
        model(*replies), list(tools), post_model_hook=MLPostModellHook("m-2"), version="v2"
    )


def configured(session: Any) -> Any:
    return {"configurable": {"session": session}}


@pytest.mark.parametrize("program", WAYS.values(), ids=WAYS)
def test_the_callback_lets_every_program_end(sink: Sink, program: str) -> None:
    ran = run(sink, START + program)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert [("Hi", "Hello!")] == said(sink)


def test_a_session_of_the_blocking_face_will_do(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    with BlockingClient(api_key="k", project_id="p", server_endpoint=sink.url) as client:
        session: Any = client.create_session()
        model(reply("one"), callbacks=[MLChatRecorderCallback(session)]).invoke("a")
        agent(reply("two")).invoke({"messages": [("user", "b")]}, configured(session))
    assert [("a", "one"), ("b", "two")] == said(sink)
    assert [] == caplog.records


async def test_one_question_with_a_tool_is_one_turn_for_the_callback(session: Session, sink: Sink) -> None:
    chat = model(
        reply("", 10, 1, asks("add", a=2, b=3)), reply("5.", 20, 2), callbacks=[MLChatRecorderCallback(session)]
    )
    await prebuilt.create_react_agent(chat, [add]).ainvoke(ASKED)
    await session.flush()
    assert ["Function", "Turn"] == names(sink)
    only(turns(sink), user="2 + 3?", assistant="5.", prompt_tokens=30)


async def test_the_hook_records_true_runtimes_before_the_turn(session: Session, sink: Sink) -> None:
    @tool
    async def slowly(a: int) -> int:
        """Take a while."""
        await asyncio.sleep(0.3)
        return a

    replies = [reply("", 10, 1, asks("add", a=2, b=3)), reply("", 1, 1, asks("slowly", a=1)), reply("5.", 20, 2)]
    await agent(*replies, tools=[add, slowly]).ainvoke(ASKED, configured(session))
    await session.flush()
    assert ["Function", "Function", "Turn"] == names(sink)
    runtimes = {call["name"]: call["runtime"] for call in calls(sink)}
    assert 290 < runtimes["slowly"]
    assert runtimes["add"] < 250
    only(turns(sink), user="2 + 3?", assistant="5.", model="m-2", prompt_tokens=31, completion_tokens=4)


async def test_the_hook_loses_no_exchange(session: Session, sink: Sink) -> None:
    @tool(return_direct=True)
    def greet() -> str:
        """Greet."""
        return "Good morning."

    failing = agent(reply("", 1, 1, asks("explode", a=1, b=2)), tools=[explode])
    silent = agent(reply("", 1, 1, asks("add", a=1, b=2)), RuntimeError())
    endless = agent(*(reply("", 1, 1, asks("add", f"call-{n}", a=1, b=n)) for n in range(9)))
    await agent(reply("", 1, 1, asks("greet")), tools=[greet]).ainvoke(ASKED, configured(session))
    for each in (failing, silent, endless):
        with pytest.raises(Exception):  # noqa: B017, PT011  each raises its own
            await each.ainvoke(ASKED, {**configured(session), "recursion_limit": 6})
    await session.flush()
    assert "Good morning." == turns(sink)[0]["assistant"]
    assert [False, True, True, True] == ["error" in turn for turn in turns(sink)]
    assert {"greet", "explode", "add"} == {call["name"] for call in calls(sink)}


async def test_the_hook_raises_nothing_into_the_run(session: Session, sink: Sink) -> None:
    asked = {"messages": [{"role": "user", "content": "a"}]}
    agent(reply("one")).invoke(asked, configured(session))
    await agent(reply("two")).ainvoke(asked, configured("no session at all"))
    await MLPostModellHook()({"messages": asked["messages"]}, {"configurable": {"session": session}})
    await session.flush()
    assert [("a", "one")] == said(sink)


async def test_runs_without_a_session_are_not_recorded(session: Session, sink: Sink) -> None:
    MLPostModellHook()
    await model(reply("one")).ainvoke([HumanMessage("a")])
    await agent(reply("two")).ainvoke(ASKED)
    await session.flush()
    assert [] == sink.events
