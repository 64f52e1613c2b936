"""What the handler for LangChain and LangGraph records of runs, driven by the frameworks themselves."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("langchain")
pytest.importorskip("langgraph")

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

import mindlytics
from mindlytics.integrations.langchain import MindlyticsCallback

from ..conftest import Face, result
from ..programs import run as run_program
from ..sink import Sink, hang
from .fakes import calls, code_of, conversations, names, only, said, turns
from .langchain_fakes import ASKED, Recorded, add, asks, model, reply


@pytest.fixture
async def recorded(face: Face, sink: Sink) -> Recorded:
    return Recorded(face, sink)


def adding(*more: Any, **settings: Any) -> Any:
    """An agent that adds before it answers."""
    replies = (reply("", 10, 1, asks("add", a=2, b=3)), reply("It is 5.", 20, 2))
    return create_agent(model(*replies * 3), [add, *more], name="adder", **settings)


async def run(runnable: Any, asked: Any, config: Any, how: str) -> Any:
    """A run in each of the ways that there are."""
    if how == "invoke":
        return runnable.invoke(asked, config)
    if how == "ainvoke":
        return await runnable.ainvoke(asked, config)
    if how == "stream":
        return list(runnable.stream(asked, config))
    if how == "batch":
        return runnable.batch([asked], config)
    if how == "thread":
        return await asyncio.to_thread(runnable.invoke, asked, config)
    return [each async for each in runnable.astream(asked, config)]


WAYS = pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream", "batch", "thread"])


@WAYS
async def test_one_question_is_one_turn_after_its_calls(recorded: Recorded, how: str) -> None:
    await run(adding(), ASKED, recorded.config, how)
    sink = await recorded.flush()
    assert ["Function", "Turn"] == names(sink)
    only(calls(sink), name="add", args='{"a": 2, "b": 3}', result="5")
    only(
        turns(sink),
        user="2 + 3?",
        assistant="It is 5.",
        assistant_id="adder",
        prompt_tokens=30,
        completion_tokens=3,
        model_calls=2,
    )
    assert {calls(sink)[0]["turn_id"]} == {turn["turn_id"] for turn in turns(sink)}


@WAYS
async def test_a_chain_of_prompt_model_and_parser_is_a_turn(recorded: Recorded, how: str) -> None:
    chain = (
        ChatPromptTemplate.from_messages([("human", "A joke about {topic}")]) | model(reply("Ha.")) | StrOutputParser()
    )
    await run(chain, {"topic": "bears"}, recorded.config, how)
    assert [("bears", "Ha.")] == said(await recorded.flush())


@WAYS
async def test_a_model_alone_is_a_turn(recorded: Recorded, how: str) -> None:
    chat = model(reply("Hello!", 3, 4, response_metadata={"model_name": "m-1"}))
    await run(chat, "Hi", recorded.config, how)
    counted = {} if "stream" in how else {"model": "m-1", "prompt_tokens": 3}  # the fake drops them in streams
    only(turns(await recorded.flush()), user="Hi", assistant="Hello!", **counted)


async def test_a_model_that_completes_texts_has_a_question(recorded: Recorded) -> None:
    FakeListLLM(responses=["is blue."]).invoke("The sky", recorded.config)
    assert [("The sky", "is blue.")] == said(await recorded.flush())


async def test_a_tools_runtime_is_its_own(recorded: Recorded) -> None:
    async def slowly(a: int, b: int) -> int:
        """Add slowly."""
        await asyncio.sleep(0.2)
        return a + b

    replies = [reply("", 1, 1, asks("slowly", a=2, b=3), asks("add", a=1, b=1)), reply("It is 5.", 1, 1)]
    await create_agent(model(*replies), [slowly, add]).ainvoke(ASKED, recorded.config)
    runtimes = {call["name"]: call["runtime"] for call in calls(await recorded.flush())}
    assert 190 < runtimes["slowly"]
    assert runtimes["add"] < 150


async def test_a_tool_may_have_the_last_word(recorded: Recorded) -> None:
    @tool(return_direct=True)
    def greet() -> str:
        """Greet."""
        return "Good morning."

    create_agent(model(reply("", 1, 1, asks("greet"))), [greet]).invoke(ASKED, recorded.config)
    assert [("2 + 3?", "Good morning.")] == said(await recorded.flush())


async def test_a_thread_is_a_conversation(recorded: Recorded) -> None:
    agent = adding(checkpointer=InMemorySaver())
    for thread in ("a", "b", "a"):
        agent.invoke(ASKED, recorded.in_thread(thread))
    chain = RunnableLambda(lambda asked: model(reply("Yes.")).invoke(asked))
    chain.invoke("Are you there?", recorded.in_thread("c"))
    assert {"a": 2, "b": 1, "c": 1} == conversations(await recorded.flush())


async def test_an_agent_that_is_a_tool_asks_no_question_of_its_own(recorded: Recorded) -> None:
    inner = adding()

    @tool
    def calculate(question: str) -> str:
        """Ask the calculating agent."""
        return str(inner.invoke({"messages": [("user", question)]})["messages"][-1].content)

    outer = create_agent(model(reply("", 1, 1, asks("calculate", question="2+3")), reply("Five.", 1, 1)), [calculate])
    outer.invoke({"messages": [("user", "Two and three?")]}, recorded.config)
    sink = await recorded.flush()
    assert ["add", "calculate"] == [call["name"] for call in calls(sink)]
    only(turns(sink), user="Two and three?", assistant="Five.", prompt_tokens=32, model_calls=4)


async def test_callbacks_that_are_given_to_an_inner_call_again_make_no_second_turn(recorded: Recorded) -> None:
    inner = model(reply("Yes."))
    RunnableLambda(lambda asked: inner.invoke(asked, recorded.config)).invoke("Really?", recorded.config)
    assert [("Really?", "Yes.")] == said(await recorded.flush())


async def test_a_node_that_runs_tools_by_itself_is_recorded(recorded: Recorded) -> None:
    chat = model(reply("", 1, 1, asks("add", a=2, b=3)), reply("It is 5."))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [chat.invoke(state["messages"])]})
    graph.add_node("tools", lambda state: {"messages": [ToolMessage("5", tool_call_id="call-add")]})
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else "__end__")
    graph.add_edge("tools", "model")
    graph.compile().invoke(ASKED, recorded.config)
    sink = await recorded.flush()
    only(calls(sink), name="add", args='{"a": 2, "b": 3}', result="5")
    assert [("2 + 3?", "It is 5.")] == said(sink)


async def test_a_loop_of_the_programs_own_is_one_turn(recorded: Recorded) -> None:
    chat = model(reply("", 10, 1, asks("add", a=2, b=3)), reply("It is 5.", 20, 2), callbacks=[recorded.handler])
    messages: list[Any] = [HumanMessage("2 + 3?")]
    while getattr(answer := chat.invoke(messages), "tool_calls", ()):
        results = [ToolMessage(str(add(**call["args"])), tool_call_id=call["id"]) for call in answer.tool_calls]
        messages += [answer, *results]
    sink = await recorded.flush()
    assert ["Function", "Turn"] == names(sink)
    only(turns(sink), user="2 + 3?", assistant="It is 5.", prompt_tokens=30)


async def test_a_tool_whose_call_has_no_id_is_recorded_once(recorded: Recorded) -> None:
    class Older(MindlyticsCallback):
        """As with versions of LangChain that do not say which call a tool answers."""

        def on_tool_start(self, *args: Any, tool_call_id: Any = None, **kwargs: Any) -> None:
            super().on_tool_start(*args, **kwargs)

    adding().invoke(ASKED, {"callbacks": [Older(recorded.session)]})
    only(calls(await recorded.flush()), name="add", result="5")


async def test_a_retriever_is_a_call(recorded: Recorded) -> None:
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
            return [Document("Bears are large.")]

    shelf, chat = Shelf(), model(reply("Large."))
    chain = RunnableLambda(lambda asked: chat.invoke(f"{shelf.invoke(asked)[0].page_content} {asked}"))
    chain.invoke("How are bears?", recorded.config)
    sink = await recorded.flush()
    only(calls(sink), name="Shelf", args='{"query": "How are bears?"}', result='["Bears are large."]')
    assert [("How are bears?", "Large.")] == said(sink)


async def test_what_asks_no_model_is_no_turn(recorded: Recorded) -> None:
    RunnableLambda(lambda asked: asked + "!").invoke("Hi", recorded.config)
    tool(add).invoke({"a": 1, "b": 2}, recorded.config)
    sink = await recorded.flush()
    assert ["Function"] == names(sink)
    only(calls(sink), name="add", result="3")


async def test_tools_that_are_observed_are_recorded_once(recorded: Recorded) -> None:
    agent = create_agent(
        model(reply("", 1, 1, asks("add", a=2, b=3)), reply("It is 5.")), [tool(mindlytics.observe(add))]
    )
    with mindlytics.current(recorded.session):
        agent.invoke(ASKED, recorded.config)
    only(calls(await recorded.flush()), name="add", result="5")


async def test_two_hundred_questions_at_once_are_kept_apart(recorded: Recorded) -> None:
    async def ask(number: int) -> None:
        agent = create_agent(model(reply("", 1, 1, asks("add", a=number, b=0)), reply(f"{number}.", 1, 1)), [add])
        await agent.ainvoke({"messages": [("user", f"{number}?")]}, recorded.in_thread(f"t{number}"))

    await asyncio.gather(*map(ask, range(200)))
    sink = await recorded.flush()
    assert {(f"{number}?", f"{number}.") for number in range(200)} == set(said(sink))
    by_turn = {turn["turn_id"]: turn["user"].removesuffix("?") for turn in turns(sink)}
    assert all(by_turn[call["turn_id"]] == call["result"] for call in calls(sink))
    assert (200, 200) == (len(turns(sink)), len(calls(sink)))


async def test_threads_and_loops_of_their_own_are_kept_apart(recorded: Recorded) -> None:
    def ask(number: int) -> None:
        agent = create_agent(model(reply("", 1, 1, asks("add", a=number, b=0)), reply(f"{number}.", 1, 1)), [add])
        asked = {"messages": [("user", f"{number}?")]}
        if number % 2:
            agent.invoke(asked, recorded.config)
        else:
            asyncio.run(agent.ainvoke(asked, recorded.config))

    with ThreadPoolExecutor(8) as threads:
        await asyncio.gather(*(asyncio.wrap_future(threads.submit(ask, number)) for number in range(40)))
    assert {(f"{number}?", f"{number}.") for number in range(40)} == set(said(await recorded.flush()))


async def test_a_service_that_is_away_holds_nothing_up(recorded: Recorded) -> None:
    recorded.sink.always = hang
    began = time.monotonic()
    for _ in range(3):
        await adding().ainvoke(ASKED, recorded.config)
        adding().invoke(ASKED, recorded.config)
    assert time.monotonic() - began < 20
    recorded.sink.stopping.set()


async def test_it_leaves_no_task_and_no_thread_of_its_own(recorded: Recorded) -> None:
    recorded.session.track_event(event="warm up")
    tasks, threads = asyncio.all_tasks(), threading.enumerate()
    await adding().ainvoke(ASKED, recorded.config)
    assert tasks == asyncio.all_tasks()
    assert set(threads) == {each for each in threading.enumerate() if not each.name.startswith("asyncio")}


async def test_nothing_it_cannot_read_reaches_the_run(recorded: Recorded) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

        @property
        def messages(self) -> Any:
            raise RuntimeError

    assert isinstance(RunnableLambda(lambda _: Odd()).invoke(Odd(), recorded.config), Odd)
    chain = RunnableLambda(lambda _: (model(reply("Fine.")).invoke("Hm?"), Odd())[1])
    assert isinstance(chain.invoke({"odd": Odd()}, recorded.config), Odd)
    await recorded.flush()


async def test_the_current_session_is_the_one_that_records(face: Face, sink: Sink) -> None:
    client = face.client()
    handler = MindlyticsCallback()
    with mindlytics.current(client.create_session(session_id="current")):
        context = contextvars.copy_context()
        adding().invoke(ASKED, {"callbacks": [handler]})
        threads = [threading.Thread(target=context.run, args=(adding().invoke, ASKED, {"callbacks": [handler]}))]
        for thread in threads:
            thread.start()
            thread.join()
    await result(client.flush())
    assert {"current"} == {event["session_id"] for event in sink.events}
    assert 2 == len(turns(sink))


async def test_without_a_session_a_client_has_one_for_each_thread(face: Face, sink: Sink) -> None:
    client = face.client()
    agent = adding(checkpointer=InMemorySaver())
    for thread in ("a", "b", "a"):
        agent.invoke(ASKED, {"callbacks": [MindlyticsCallback(client=client)], "configurable": {"thread_id": thread}})
    await result(client.flush())
    assert {"a", "b"} == {event["session_id"] for event in sink.events}


async def test_without_anything_it_does_nothing() -> None:
    adding().invoke(ASKED, {"callbacks": [MindlyticsCallback()]})


OPENAI = """
import sys, types
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
class ChatOpenAI(GenericFakeChatModel):
    def __init__(self, model):
        call = {"id": "c", "name": "thermometer", "args": {"room": 1}}
        super().__init__(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("Warm.")][ALONE:]))
    def bind_tools(self, *_, **__): return self
sys.modules["langchain_openai"] = types.SimpleNamespace(ChatOpenAI=ChatOpenAI)
"""
"""In the place of OpenAI's package."""


@pytest.mark.parametrize(("number", "recorded"), [(0, ["Turn"]), (1, ["Function", "Turn"])])
def test_the_documentations_programs_record(sink: Sink, number: int, recorded: list[str]) -> None:
    alone = "ALONE = 1\n" if recorded == ["Turn"] else "ALONE = 0\n"
    ran = run_program(sink, alone + OPENAI + code_of("langchain")[number])
    assert (0, "") == (ran.returncode, ran.stderr)
    assert recorded == names(sink)
    assert [("How warm is it?", "Warm.")] == said(sink)
