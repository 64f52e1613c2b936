"""LlamaIndex itself, with models of scripted answers."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("llama_index.core")

from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata, TextBlock
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from pydantic import Field

import mindlytics
from mindlytics.integrations import llama_index as integration
from mindlytics.integrations.llama_index import instrument

from ..conftest import Face, eventually, result
from ..programs import run as run_program
from ..sink import Sink, hang
from .fakes import Session, calls, code_of, conversations, names, only, said, turns

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library meets its own

USAGE = {"prompt_tokens": 10, "completion_tokens": 2}


class Model(FunctionCallingLLM):
    """Answers one reply after the other: a text, or calls of tools. Without any, it repeats the question."""

    replies: list[Any] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="m-1", is_chat_model=True, is_function_calling_model=True)

    def reply(self, messages: Any) -> ChatResponse:
        reply = self.replies.pop(0) if self.replies else f"You said: {messages[-1].content}"
        if isinstance(reply, Exception):
            raise reply
        text, asked = (reply, []) if isinstance(reply, str) else ("", reply)
        message = ChatMessage(role="assistant", blocks=[TextBlock(text=text)], additional_kwargs={"asked": asked})
        return ChatResponse(message=message, delta=text, raw={"usage": USAGE, "model": "m-1"})

    def pieces(self, messages: Any) -> Iterator[ChatResponse]:
        whole = self.reply(messages)
        words = str(whole.message.content or "").split(" ")
        for at, word in enumerate(words):
            message = whole.message.model_copy(update={"blocks": [TextBlock(text=" ".join(words[: at + 1]))]})
            yield ChatResponse(message=message, delta=word, raw=whole.raw)

    @llm_chat_callback()
    def chat(self, messages: Any, **_: Any) -> ChatResponse:
        return self.reply(messages)

    @llm_chat_callback()
    async def achat(self, messages: Any, **_: Any) -> ChatResponse:
        return self.reply(messages)

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **_: Any) -> Any:
        return self.pieces(messages)

    @llm_chat_callback()
    async def astream_chat(self, messages: Any, **_: Any) -> Any:
        async def pieces() -> AsyncIterator[ChatResponse]:
            for piece in self.pieces(messages):
                yield piece

        return pieces()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text=str(self.chat([ChatMessage(prompt)]).message.content), raw={"usage": USAGE})

    async def acomplete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return self.complete(prompt)

    def stream_complete(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    astream_complete = stream_complete

    def _prepare_chat_with_tools(self, tools: Any, user_msg: Any = None, chat_history: Any = None, **_: Any) -> Any:
        return {"messages": chat_history or []}

    def get_tool_calls_from_response(self, response: Any, error_on_no_tool_call: bool = True, **_: Any) -> Any:
        asked = response.message.additional_kwargs.get("asked", [])
        return [
            ToolSelection(tool_id=f"c{at}", tool_name=name, tool_kwargs=args) for at, (name, args) in enumerate(asked)
        ]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def adder(*tools: Any) -> FunctionAgent:
    replies = [[("add", {"a": 2, "b": 3})], "It is 5."]
    return FunctionAgent(tools=[add, *tools], llm=Model(replies=replies), name="adder")


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text="Bears are large.")], embed_model=MockEmbedding(4))


class Recorded(Session):
    """A session of one face, in which LlamaIndex is recorded."""

    def __init__(self, face: Face, sink: Sink) -> None:
        super().__init__(face, sink)
        self.undo = instrument(self.session)


@pytest.fixture
async def recorded(face: Face, sink: Sink) -> AsyncIterator[Recorded]:
    made = Recorded(face, sink)
    yield made
    made.undo()


@pytest.mark.parametrize("how", ["chat", "achat", "stream_chat", "astream_chat", "complete"])
async def test_a_model_alone_is_a_turn(recorded: Recorded, how: str) -> None:
    model = Model(replies=["Hello to you!"])
    asked = "Hi" if how == "complete" else [ChatMessage("Hi")]
    answered = getattr(model, how)(asked)
    if how.startswith("a"):
        answered = await answered
    if how == "stream_chat":
        list(answered)
    if how == "astream_chat":
        assert [piece async for piece in answered]
    sink = await recorded.flush()
    only(turns(sink), user="Hi", assistant="Hello to you!", model="m-1", prompt_tokens=10, model_calls=1)
    assert ("stream" in how) == ("time_to_first_token" in turns(sink)[0])


async def test_an_agents_question_is_one_turn_after_its_calls(recorded: Recorded) -> None:
    await adder().run("2 + 3?")
    sink = await recorded.flush()
    assert ["Function", "Turn"] == names(sink)
    only(calls(sink), name="add", args='{"a": 2, "b": 3}', result="5")
    only(turns(sink), user="2 + 3?", assistant="It is 5.", assistant_id="adder", prompt_tokens=20, model_calls=2)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_query_is_a_turn_with_what_was_retrieved(
    recorded: Recorded, index: VectorStoreIndex, is_streamed: bool
) -> None:
    engine = index.as_query_engine(llm=Model(replies=["Very large."]), streaming=is_streamed)
    answered: Any = engine.query("How are bears?")
    if is_streamed:
        assert "Very large." == "".join(answered.response_gen).replace("Verylarge", "Very large")
    sink = await recorded.flush()
    assert ["Function", "Turn"] == names(sink)
    only(calls(sink), name="VectorIndexRetriever", args='{"query": "How are bears?"}', result='["Bears are large."]')
    only(turns(sink), user="How are bears?", assistant="Very large.")


@pytest.mark.parametrize("how", ["chat", "achat", "stream_chat"])
async def test_a_chat_is_a_turn_of_its_memorys_conversation(
    recorded: Recorded, index: VectorStoreIndex, how: str
) -> None:
    memory = ChatMemoryBuffer.from_defaults(token_limit=1_000, chat_store_key="thread-7")
    engine = index.as_chat_engine(chat_mode="context", llm=Model(replies=["Very large."]), memory=memory)
    answered: Any = await result(getattr(engine, how)("How are bears?"))
    if how == "stream_chat":
        assert "".join(answered.response_gen)
    await eventually(lambda: not integration._instruments[-1][0]._reader._spans)  # a thread of the library's ends it
    await recorded.flush()
    assert [("How are bears?", "Very large.")] == said(recorded.sink)
    assert {"thread-7": 1} == conversations(recorded.sink)


async def test_tags_name_a_conversation(recorded: Recorded) -> None:
    with instrument_tags({"thread_id": "mine"}):
        Model().chat([ChatMessage("Hi")])
    assert {"mine": 1} == conversations(await recorded.flush())


async def test_tools_have_their_own_runtimes_and_errors(recorded: Recorded) -> None:
    async def slowly(a: int) -> int:
        """Take a while."""
        await asyncio.sleep(0.3)
        return a

    def explode(a: int) -> int:
        """Raise an error."""
        raise ValueError("a secret")

    replies = [[("slowly", {"a": 1}), ("explode", {"a": 1})], "Done."]
    tools = [FunctionTool.from_defaults(async_fn=slowly), explode]
    await FunctionAgent(tools=tools, llm=Model(replies=replies)).run("Go!")
    sink = await recorded.flush()
    by_name = {call["name"]: call for call in calls(sink)}
    assert 290 < by_name["slowly"]["runtime"]
    assert by_name["explode"]["runtime"] < 250
    assert "error" in by_name["explode"]
    assert [("Go!", "Done.")] == said(sink)


async def test_errors_are_recorded_and_raised(recorded: Recorded) -> None:
    with pytest.raises(ConnectionError):
        Model(replies=[ConnectionError()]).chat([ChatMessage("Hi")])
    with pytest.raises(ConnectionError):
        await FunctionAgent(tools=[add], llm=Model(replies=[[("add", {"a": 1, "b": 2})], ConnectionError()])).run(
            "Sum?"
        )
    sink = await recorded.flush()
    assert [("Hi", ""), ("Sum?", "")] == said(sink)
    assert all("error" in turn for turn in turns(sink))
    only(calls(sink), name="add", result="3")


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "asyncio"])
async def test_a_stream_that_is_left_is_cancelled(recorded: Recorded, is_async: bool) -> None:
    model, asked = Model(replies=["Hello to you!"]), [ChatMessage("Hi")]
    if is_async:
        stream = await model.astream_chat(asked)
        await anext(stream)
    else:
        pieces = model.stream_chat(asked)
        next(pieces)
        del pieces
    if is_async:
        await stream.aclose()
        del stream
    gc.collect()
    (turn,) = turns(await recorded.flush())
    assert ("Hi", True) == (turn["user"], turn["cancelled"])
    assert "Hello" == turn["assistant"][:5]


async def test_a_workflow_that_is_cancelled_is_so(recorded: Recorded) -> None:
    class Flow(Workflow):
        @step
        async def ask(self, event: StartEvent) -> StopEvent:
            await Model(replies=["Hello to you!"]).achat([ChatMessage("Hi")])
            asked.set()
            await asyncio.Event().wait()
            return StopEvent()

    asked = asyncio.Event()
    handler = Flow().run()
    await asked.wait()
    await handler.cancel_run()
    only(turns(await recorded.flush()), user="Hi", assistant="Hello to you!", cancelled=True)


async def test_an_agent_within_a_tool_asks_no_question_of_its_own(recorded: Recorded) -> None:
    inner = adder()

    async def calculate(question: str) -> str:
        """Ask the calculating agent."""
        return str(await inner.run(question))

    replies = [[("calculate", {"question": "2+3"})], "Five."]
    outer = FunctionAgent(tools=[calculate], llm=Model(replies=replies), name="outer")
    await outer.run("Sum?")
    sink = await recorded.flush()
    assert ["add", "calculate"] == [call["name"] for call in calls(sink)]
    only(turns(sink), user="Sum?", assistant="Five.", prompt_tokens=40, model_calls=4)


async def test_a_hundred_questions_at_once_are_kept_apart(recorded: Recorded) -> None:
    async def ask(number: int) -> None:
        replies = [[("add", {"a": number, "b": 0})], f"{number}."]
        await FunctionAgent(tools=[add], llm=Model(replies=replies)).run(f"{number}?")

    await asyncio.gather(*map(ask, range(100)))
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(lambda number: Model(replies=[f"{number}."]).chat([ChatMessage(f"{number}?")]), range(100, 150))
        )
    sink = await recorded.flush()
    assert {(f"{number}?", f"{number}.") for number in range(150)} == set(said(sink))
    by_turn = {turn["turn_id"]: turn["user"].removesuffix("?") for turn in turns(sink)}
    assert (100, True) == (len(calls(sink)), all(by_turn[call["turn_id"]] == call["result"] for call in calls(sink)))


async def test_a_service_that_is_away_holds_nothing_up(recorded: Recorded) -> None:
    recorded.sink.always = hang
    began = time.monotonic()
    for _ in range(5):
        await adder().run("2 + 3?")
    assert time.monotonic() - began < 20
    recorded.sink.stopping.set()


async def test_what_asks_no_model_is_no_turn(recorded: Recorded, index: VectorStoreIndex) -> None:
    index.as_retriever().retrieve("bears")
    VectorStoreIndex.from_documents([Document(text="Cats are small.")], embed_model=MockEmbedding(4))
    assert ["Function"] == names(await recorded.flush())


async def test_it_leaves_no_task_no_thread_and_no_span_of_its_own(recorded: Recorded) -> None:
    recorded.session.track_event(event="warm up")
    await Model().achat([ChatMessage("Hi")])
    tasks, threads = asyncio.all_tasks(), threading.enumerate()
    await Model().achat([ChatMessage("Hi")])
    assert tasks == asyncio.all_tasks()
    assert set(threads) >= set(threading.enumerate())
    assert {} == integration._instruments[-1][0]._reader._spans


async def test_undo_leaves_the_library_as_it_was(face: Face, sink: Sink) -> None:
    dispatcher = get_dispatcher()
    before = (list(dispatcher.span_handlers), list(dispatcher.event_handlers))
    client = face.client()
    first, second = instrument(client=client), instrument(client=client)
    Model().chat([ChatMessage("one")])
    second()
    Model().chat([ChatMessage("two")])
    first()
    first()
    Model().chat([ChatMessage("three")])
    await result(client.flush())
    assert ["one", "two"] == [turn["user"] for turn in turns(sink)]
    assert before == (dispatcher.span_handlers, dispatcher.event_handlers)


async def test_the_current_session_is_the_one_that_records(face: Face, sink: Sink) -> None:
    client, undo = face.client(), instrument()
    with mindlytics.current(client.create_session(session_id="current")):
        await adder().run("2 + 3?")
    undo()
    await result(client.flush())
    assert {"current"} == {event["session_id"] for event in sink.events}


OPENAI = """
import sys, types
from llama_index.core.llms import MockLLM
class OpenAI(MockLLM):
    def __init__(self, model): super().__init__(max_tokens=1)
for name in ("llama_index.llms", "llama_index.llms.openai"):
    sys.modules[name] = types.SimpleNamespace(OpenAI=OpenAI, __path__=[])
"""
"""In the place of the package for OpenAI's models."""


def test_the_documentations_programs_record(sink: Sink) -> None:
    for program in code_of("llama_index"):
        ran = run_program(sink, OPENAI + program)
        assert (0, "") == (ran.returncode, ran.stderr)
    assert ["How warm is it?"] * len(code_of("llama_index")) == [turn["user"] for turn in turns(sink)]
