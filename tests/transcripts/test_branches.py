"""Of a conversation that branches, the path that was seen last is read, or each path with ``branches``."""

from __future__ import annotations

from typing import Any

import pytest

from mindlytics.transcripts import Problem, Transcript, Turn, read

TREE = {"a": None, "b": "a", "c": "b", "d": "a", "e": "d", "f": "d"}
"""Messages and their parents. a, d and d's children are said by turns; the last of them, f, was seen last."""
DEPTH = {"a": 0, "b": 1, "c": 2, "d": 1, "e": 2, "f": 2}


def chatgpt() -> dict[str, Any]:
    mapping = {
        key: {
            "id": key,
            "parent": parent,
            "message": {
                "id": key,
                "author": {"role": ("user", "assistant")[DEPTH[key] % 2]},
                "content": {"content_type": "text", "parts": [key]},
            },
        }
        for key, parent in TREE.items()
    }
    return {"conversation_id": "talk", "create_time": 1743681600, "current_node": "f", "mapping": mapping}


def claude() -> dict[str, Any]:
    messages = [
        {"uuid": key, "parent_message_uuid": parent, "sender": ("human", "assistant")[DEPTH[key] % 2], "text": key}
        for key, parent in TREE.items()
    ]
    return {"uuid": "talk", "current_leaf_message_uuid": "f", "chat_messages": messages}


def librechat() -> dict[str, Any]:
    messages = [
        {
            "messageId": key,
            "parentMessageId": parent,
            "isCreatedByUser": DEPTH[key] % 2 == 0,
            "text": key,
            "createdAt": f"2025-04-03T12:00:0{number}Z",
        }
        for number, (key, parent) in enumerate(TREE.items())
    ]
    return {"conversationId": "talk", "messages": messages}


def oasst() -> dict[str, Any]:
    def node(key: str) -> dict[str, Any]:
        replies = [node(each) for each, parent in TREE.items() if parent == key]
        role = ("prompter", "assistant")[DEPTH[key] % 2]
        return {"message_id": key, "role": role, "text": key, "rank": -ord(key), "replies": replies}

    return {"message_tree_id": "talk", "prompt": node("a")}


def open_webui() -> dict[str, Any]:
    messages = {
        key: {"id": key, "parentId": parent, "role": ("user", "assistant")[DEPTH[key] % 2], "content": key}
        for key, parent in TREE.items()
    }
    return {"id": "talk", "chat": {"history": {"messages": messages, "currentId": "f"}}}


ALL = (chatgpt, claude, librechat, oasst, open_webui)


def said(record: dict[str, Any], **options: Any) -> dict[str | None, list[tuple[str, str]]]:
    items = [item for item in read([record], **options) if isinstance(item, Transcript)]
    turns = {each.session["conversation_id"]: [t for t in each.steps if isinstance(t, Turn)] for each in items}
    assert len(items) == len(turns)
    return {id: [(turn.user, turn.assistant) for turn in each] for id, each in turns.items()}


@pytest.mark.parametrize("made", ALL)
def test_the_path_that_was_seen_last(made: Any) -> None:
    assert {"talk": [("a", "d"), ("f", "")]} == said(made())


@pytest.mark.parametrize("made", ALL)
def test_each_path_is_a_conversation_of_its_own(made: Any) -> None:
    assert {
        "talk": [("a", "d"), ("f", "")],
        "talk/c": [("a", "b"), ("c", "")],
        "talk/e": [("a", "d"), ("e", "")],
    } == said(made(), branches=True)


@pytest.mark.parametrize("branches", [False, True])
@pytest.mark.parametrize("made", [chatgpt, claude, librechat, open_webui])
def test_parents_in_a_circle_end(made: Any, branches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREE, "a", "f")
    found = list(read([made()], branches=branches))
    assert found
    assert all(isinstance(each, (Problem, Transcript)) for each in found)


def test_a_message_that_is_its_own_parent_ends() -> None:
    record = librechat()
    record["messages"].append({"messageId": "f", "parentMessageId": "f", "text": "f again", "isCreatedByUser": True})
    (talk,) = read([record])
    assert isinstance(talk, Transcript)


def test_a_conversation_without_a_current_message_ends_with_the_last_one() -> None:
    record = open_webui()
    record["chat"]["history"]["currentId"] = None
    assert {"talk": [("a", "d"), ("f", "")]} == said(record)
