"""The recorders for LangChain and LangGraph, driven by the frameworks themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mindlytics.compat.mlsdk import Client, Session

from ..sink import Sink

pytest.importorskip("langchain_core")

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from mindlytics.compat.mlsdk.helpers.langchain import MLChatRecorderCallback
from mindlytics.compat.mlsdk.helpers.langgraph import MLPostModellHook


@pytest.fixture
async def session(sink: Sink) -> AsyncIterator[Session]:
    client = Client(api_key="k", project_id="p", server_endpoint=sink.url)
    yield client.create_session(session_id="s", conversation_id="c", id="u")
    await client.close()


MEASURED = frozenset({"latency", "model_calls", "time_to_first_token", "turn_id"})


async def properties(session: Session, sink: Sink) -> list[dict[str, Any]]:
    """What was recorded, without what is different each time."""
    await session.flush()
    turns = [event["properties"] for event in sink.events]
    assert len({each["turn_id"] for each in turns}) == sum("user" in each for each in turns)
    return [{name: value for name, value in each.items() if name not in MEASURED} for each in turns]


def reply(content: Any, tokens: tuple[int, int] | None = None, **more: Any) -> AIMessage:
    used = tokens and {"input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": sum(tokens)}
    return AIMessage(content=content, usage_metadata=used, **more)


def model(session: Session, *replies: AIMessage | BaseException) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(replies), callbacks=[MLChatRecorderCallback(session)])


async def test_a_call_of_a_chat_model_is_a_turn(session: Session, sink: Sink) -> None:
    chat = model(session, reply("Hello!", (3, 4), response_metadata={"model_name": "m-1"}))
    await chat.ainvoke([SystemMessage("Be brief."), HumanMessage("Hi")])
    assert [
        {"user": "Hi", "assistant": "Hello!", "model": "m-1", "prompt_tokens": 3, "completion_tokens": 4}
    ] == await properties(session, sink)


ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0"


@pytest.mark.parametrize(("name", "kept"), [("", "unknown"), (ARN, ARN[:100])], ids=["none", "long"])
async def test_a_model_may_have_any_name(session: Session, sink: Sink, name: str, kept: str) -> None:
    chat = model(session, reply("Hello!", (3, 4), response_metadata={"model_name": name}))
    await chat.ainvoke([HumanMessage("Hi")])
    await MLPostModellHook(name)(
        {"messages": [HumanMessage("Hi"), reply("Hello!", (3, 4))]}, {"configurable": {"session": session}}
    )
    assert [kept, kept] == [turn["model"] for turn in await properties(session, sink)]


async def test_what_a_model_leaves_out(session: Session, sink: Sink) -> None:
    chat = model(session, reply("one"), reply([{"type": "text", "text": "two"}, {"type": "image"}], (1, 2)))
    await chat.ainvoke([HumanMessage("a")])
    await chat.ainvoke([HumanMessage(["b", {"type": "text", "text": "!"}])])
    assert [
        {"user": "a", "assistant": "one"},
        {"user": "b!", "assistant": "two", "model": "unknown", "prompt_tokens": 1, "completion_tokens": 2},
    ] == await properties(session, sink)


async def test_calls_at_once_are_kept_apart(session: Session, sink: Sink) -> None:
    chats = {name: model(session, reply(f"about {name}")) for name in "abc"}
    await asyncio.gather(*(chat.ainvoke([HumanMessage(name)]) for name, chat in chats.items()))
    said = sorted((one["user"], one["assistant"]) for one in await properties(session, sink))
    assert [(name, f"about {name}") for name in "abc"] == said


async def test_a_call_that_fails_is_a_turn_with_its_error(session: Session, sink: Sink) -> None:
    callback = MLChatRecorderCallback(session)
    chat = GenericFakeChatModel(messages=iter([]), callbacks=[callback])
    with pytest.raises(RuntimeError):
        await chat.ainvoke([HumanMessage("a")])
    assert [{"user": "a", "assistant": "", "error": "RuntimeError"}] == await properties(session, sink)
    assert {} == callback._runs._runs


CALL = {"id": "call-1", "name": "add", "args": {"a": 2, "b": 3}}


async def test_an_agents_turn_with_a_function(session: Session, sink: Sink) -> None:
    hook = MLPostModellHook("m-2")
    config = {"configurable": {"session": session}}
    messages = [HumanMessage("old"), reply("old answer", (9, 9)), HumanMessage("2 + 3?")]
    for step in (
        reply("", (10, 1), tool_calls=[CALL]),
        ToolMessage("5", tool_call_id="call-1"),
        reply("It is 5.", (20, 2)),
    ):
        messages.append(step)
        if step.type == "ai":
            await hook({"messages": messages}, config)
    function, turn = await properties(session, sink)
    assert {
        "user": "2 + 3?",
        "assistant": "It is 5.",
        "model": "m-2",
        "prompt_tokens": 30,
        "completion_tokens": 3,
    } == turn
    assert function.pop("runtime") >= 0
    assert {"name": "add", "args": '{"a": 2, "b": 3}', "result": "5"} == function


async def test_tokens_and_functions_are_recorded_once(session: Session, sink: Sink) -> None:
    hook = MLPostModellHook()
    config = {"configurable": {"session": session}}
    messages = [HumanMessage("2 + 3?"), reply("Let me see.", (10, 1), tool_calls=[CALL])]
    await hook({"messages": messages}, config)
    messages += [ToolMessage("5", tool_call_id="call-1"), reply("5.", (20, 2))]
    await hook({"messages": messages}, config)
    function, turn = await properties(session, sink)
    assert ("5.", 30, "unknown", "add") == (
        turn["assistant"],
        turn["prompt_tokens"],
        turn["model"],
        function["name"],
    )


@pytest.mark.parametrize(
    ("state", "config"),
    [
        ({}, {}),
        ({"messages": []}, {}),
        ({"messages": [reply("unasked")]}, {}),
        ({"messages": [HumanMessage("a"), reply("b")]}, {"configurable": {}}),
        ({"messages": [HumanMessage("a"), reply("b")]}, {}),
    ],
)
async def test_nothing_to_record(state: dict[str, Any], config: dict[str, Any]) -> None:
    await MLPostModellHook()(state, config)
