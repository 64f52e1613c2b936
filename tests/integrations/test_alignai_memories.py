"""The memories of Align AI's own client for LangChain and LlamaIndex, over ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mindlytics.align import ValidationError
from mindlytics.align.events import AlignEvent, MessageCreate, SessionClose, SessionOpen, UserRecognize
from mindlytics.compat.alignai import AlignAI

histories = pytest.importorskip("langchain_core.chat_history")
messages = pytest.importorskip("langchain_core.messages")
llms = pytest.importorskip("llama_index.core.llms")
memories = pytest.importorskip("llama_index.core.memory")

from mindlytics.compat.alignai.integration.langchain import ChatMessageHistory  # noqa: E402
from mindlytics.compat.alignai.integration.llama_index import ChatMemory  # noqa: E402


class Backend(histories.BaseChatMessageHistory):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        self.messages = []

    def add_message(self, message: Any) -> None:
        self.messages.append(message)

    def clear(self) -> None:
        self.messages = []


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[AlignEvent]:
    events: list[AlignEvent] = []
    monkeypatch.setattr(AlignAI, "_record", lambda _, event: events.append(event))
    return events


@pytest.fixture
def client() -> Iterator[AlignAI]:
    with AlignAI("p", "k", "http://127.0.0.1:9") as made:
        yield made


def said(events: list[AlignEvent]) -> list[tuple[int, str, str]]:
    return [(each.message_index, each.role, each.content) for each in events if isinstance(each, MessageCreate)]


def test_a_history_records_what_is_said(client: AlignAI, recorded: list[AlignEvent]) -> None:
    history = ChatMessageHistory(Backend(), client, "s", "u", user_info={"email": "ada@example.org"})
    history.add_message(messages.SystemMessage("Be brief."))
    history.add_user_message("Hello!")
    history.add_messages([messages.AIMessage(""), messages.AIMessage([{"type": "text", "text": "Good morning."}])])
    history.identify_user(country_code="KR")
    history.close()
    assert [(1, "user", "Hello!"), (3, "assistant", "Good morning.")] == said(recorded)
    assert [SessionOpen, UserRecognize] == [type(each) for each in recorded[:2]]
    assert [UserRecognize, SessionClose] == [type(each) for each in recorded[-2:]]
    assert ["system", "human", "ai", "ai"] == [each.type for each in history.messages]
    history.clear()
    assert [] == history.messages


def test_a_memory_records_what_is_said(client: AlignAI, recorded: list[AlignEvent]) -> None:
    inner = memories.ChatMemoryBuffer.from_defaults(token_limit=50)
    memory = ChatMemory(inner, client, "s", "u", "bot", {"display_name": "Ada"})
    for role, text in (
        ("system", "Be brief."),
        ("user", "Hello!"),
        ("assistant", None),
        ("assistant", "Good morning."),
    ):
        memory.put(llms.ChatMessage(role=role, content=text))
    memory.identify_user(email="ada@example.org")
    memory.close()
    assert [(1, "user", "Hello!"), (3, "assistant", "Good morning.")] == said(recorded)
    assert [SessionOpen, UserRecognize] == [type(each) for each in recorded[:2]]
    assert [UserRecognize, SessionClose] == [type(each) for each in recorded[-2:]]
    assert (50, inner.get_all()) == (memory.token_limit, memory.get_all())
    assert memory.get("Hello?") == inner.get("Hello?")
    memory.set(memory.get_all()[:1])
    assert 1 == len(inner.get_all())
    memory.reset()
    assert [] == inner.get_all()
    with pytest.raises(AttributeError):
        memory.nothing  # noqa: B018
    with pytest.raises(NotImplementedError):
        ChatMemory.from_defaults()


async def test_a_memory_records_what_is_put_by_a_coroutine(client: AlignAI, recorded: list[AlignEvent]) -> None:
    memory = ChatMemory(memories.ChatMemoryBuffer.from_defaults(token_limit=50), client, "s", "u")
    await memory.aput(llms.ChatMessage(role="user", content="Hello!"))
    assert [(1, "user", "Hello!")] == said(recorded)


@pytest.mark.parametrize("ids", [("", "u"), ("s" * 65, "u"), ("s", "")])
def test_wrong_ids_are_refused(client: AlignAI, ids: tuple[str, str]) -> None:
    with pytest.raises(ValidationError):
        ChatMessageHistory(Backend(), client, *ids)
    with pytest.raises(ValidationError):
        ChatMemory(memories.ChatMemoryBuffer.from_defaults(token_limit=50), client, *ids)


def test_a_message_that_cannot_be_recorded_is_kept(client: AlignAI, monkeypatch: pytest.MonkeyPatch) -> None:
    history = ChatMessageHistory(Backend(), client, "s", "u")
    monkeypatch.setattr(client, "create_message", None)
    history.add_user_message("Hello!")
    assert ["Hello!"] == [each.content for each in history.messages]
