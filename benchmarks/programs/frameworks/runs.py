"""Runs of LangChain, LangGraph, OpenAI's library and LlamaIndex, with models that answer at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from attrs import frozen
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from openai import OpenAI

TOOL_RUNTIME = 0.02
"""Seconds that a tool takes in the runs whose records are compared."""

Handlers = list[Any]
Tool = Callable[[str], str]
Start = Callable[[Handlers, Any, Tool], Callable[[], object]]
"""Makes what runs, for handlers of LangChain, an OpenAI client and a tool."""


@frozen
class Run:
    """A run of a framework.

    :param start: makes what runs once, from LangChain's handlers, an OpenAI client and the tool.
    :param turns: questions in it.
    :param calls: calls of tools in it.
    :param tokens: tokens that its models counted.
    :param errors: runs and tools that raise in it.
    """

    start: Start
    turns: int = 1
    calls: int = 0
    tokens: int = 0
    errors: int = 0


def slow(city: str) -> str:
    """How warm it is in a city."""
    time.sleep(TOOL_RUNTIME)
    return f"21 in {city}"


def quick(city: str) -> str:
    """How warm it is in a city."""
    return f"21 in {city}"


# -- LangChain and LangGraph ---------------------------------------------------------------------------------------


class Scripted(GenericFakeChatModel):
    """Answers one reply after the other."""

    def bind_tools(self, *_: Any, **__: Any) -> Scripted:
        return self


def reply(text: str, *asked: dict[str, Any]) -> AIMessage:
    counted = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    return AIMessage(content=text, usage_metadata=counted, tool_calls=list(asked))


ASKS = {"id": "call-1", "name": "warmth", "args": {"city": "Bern"}}


def chain(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    config: Any = {"callbacks": handlers}

    def run() -> object:
        return (prompt | Scripted(messages=iter([reply("Hello.")]))).invoke({"question": "Hi?"}, config)

    return run


def graph(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    replies: Iterator[AIMessage] = (each for _ in iter(int, 1) for each in (reply("", ASKS), reply("It is 21.")))
    agent = create_agent(Scripted(messages=replies), [named(tool)], name="weather")
    config: Any = {"callbacks": handlers}
    return lambda: agent.invoke({"messages": [("user", "How warm is it?")]}, config)


def failing_graph(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    def warmth(city: str) -> str:
        """How warm it is in a city."""
        raise ConnectionError

    agent = create_agent(Scripted(messages=(reply("", ASKS) for _ in iter(int, 1))), [warmth], name="weather")
    config: Any = {"callbacks": handlers}
    return lambda: raised(lambda: agent.invoke({"messages": [("user", "How warm is it?")]}, config))


# -- OpenAI --------------------------------------------------------------------------------------------------------

TOOLS: Any = [{"type": "function", "function": {"name": "warmth", "parameters": {"type": "object"}}}]


def answer(request: httpx.Request) -> httpx.Response:
    """The service of models."""
    body = json.loads(request.content)
    last = body["messages"][-1]
    if last["content"] == "fail":
        return httpx.Response(500, json={"error": {"message": "No."}})
    message: dict[str, Any] = {"role": "assistant", "content": "It is 21."}
    if body.get("tools") and last["role"] == "user":
        function = {"name": "warmth", "arguments": '{"city": "Bern"}'}
        message = {"role": "assistant", "tool_calls": [{"id": "call-1", "type": "function", "function": function}]}
    head = {"id": "1", "model": "m-1", "created": 1}
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    if not body.get("stream"):
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return httpx.Response(200, json={**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    head["object"] = "chat.completion.chunk"
    chunks = [{**head, "choices": [{"index": 0, "delta": {"content": word}}]} for word in ("It", " is", " 21.")]
    lines = [f"data: {json.dumps(each)}\n\n" for each in (*chunks, {**head, "choices": [], "usage": usage})]
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text="".join(lines) + "data: [DONE]\n\n")


def openai_client() -> OpenAI:
    transport = httpx.Client(transport=httpx.MockTransport(answer))
    return OpenAI(api_key="key", base_url="http://models.test/v1", http_client=transport, max_retries=0)


def asked(client: Any, messages: list[Any], **more: Any) -> Any:
    return client.chat.completions.create(model="m-1", messages=messages, **more)


def completion(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    return lambda: asked(client, [{"role": "user", "content": "Hi?"}])


def loop(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    def run() -> object:
        messages: list[Any] = [{"role": "user", "content": "How warm is it?"}]
        wanted = asked(client, messages, tools=TOOLS).choices[0].message
        messages += [wanted, {"role": "tool", "tool_call_id": "call-1", "content": tool("Bern")}]
        return asked(client, messages, tools=TOOLS)

    return run


def stream(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    more = {"stream": True, "stream_options": {"include_usage": True}}
    return lambda: list(asked(client, [{"role": "user", "content": "Hi?"}], **more))


def failing_completion(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    return lambda: raised(lambda: asked(client, [{"role": "user", "content": "fail"}]))


# -- LlamaIndex ----------------------------------------------------------------------------------------------------


class Model(FunctionCallingLLM):
    """Asks for the tool, and answers once it has its result."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="m-1", is_chat_model=True, is_function_calling_model=True)

    def _reply(self, messages: Any) -> ChatResponse:
        last = messages[-1]
        if last.content == "fail":
            raise ConnectionError
        asks = last.role.value == "user" and last.content != "Hi?"
        message = ChatMessage(role="assistant", content="" if asks else "It is 21.", additional_kwargs={"asks": asks})
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        return ChatResponse(message=message, delta=str(message.content), raw={"usage": usage, "model": "m-1"})

    @llm_chat_callback()
    def chat(self, messages: Any, **_: Any) -> ChatResponse:
        return self._reply(messages)

    @llm_chat_callback()
    async def astream_chat(self, messages: Any, **_: Any) -> Any:
        async def pieces() -> Any:
            yield self._reply(messages)

        return pieces()

    async def achat(self, messages: Any, **_: Any) -> ChatResponse:
        return self.chat(messages)

    def stream_chat(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    complete = acomplete = stream_complete = astream_complete = stream_chat

    def _prepare_chat_with_tools(self, tools: Any, user_msg: Any = None, chat_history: Any = None, **_: Any) -> Any:
        return {"messages": chat_history or []}

    def get_tool_calls_from_response(self, response: Any, error_on_no_tool_call: bool = True, **_: Any) -> Any:
        if not response.message.additional_kwargs.get("asks"):
            return []
        return [ToolSelection(tool_id="call-1", tool_name="warmth", tool_kwargs={"city": "Bern"})]


def model(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    llm = Model()
    return lambda: llm.chat([ChatMessage("Hi?")])


def agent(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    async def run() -> object:
        return await FunctionAgent(tools=[named(tool)], llm=Model(), name="weather").run("How warm is it?")

    return lambda: asyncio.run(run())


def failing_model(handlers: Handlers, client: Any, tool: Tool) -> Callable[[], object]:
    llm = Model()
    return lambda: raised(lambda: llm.chat([ChatMessage("fail")]))


def named(tool: Tool) -> Tool:
    def warmth(city: str) -> str:
        """How warm it is in a city."""
        return tool(city)

    return warmth


def raised(run: Callable[[], object]) -> None:
    try:
        run()
    except Exception:
        return
    raise AssertionError("nothing was raised")


RUNS = {
    "LangChain: a chain": Run(chain, tokens=12),
    "LangGraph: an agent with a tool": Run(graph, calls=1, tokens=24),
    "LangGraph: a tool that raises": Run(failing_graph, calls=1, tokens=12, errors=2),
    "OpenAI: a completion": Run(completion, tokens=12),
    "OpenAI: a question with a tool": Run(loop, calls=1, tokens=24),
    "OpenAI: a stream": Run(stream, tokens=12),
    "OpenAI: a request that fails": Run(failing_completion, errors=1),
    "LlamaIndex: a model": Run(model, tokens=12),
    "LlamaIndex: an agent with a tool": Run(agent, calls=1, tokens=24),
    "LlamaIndex: a model that fails": Run(failing_model, errors=1),
}
