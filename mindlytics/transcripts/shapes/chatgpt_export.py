"""The export of a ChatGPT account: ``mapping`` of nodes, in ``conversations.json`` or in several of that kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..content import as_json
from ..context import Context, an_id, an_object, object_or_empty
from ..model import Feedback
from ..talk import Called, Item, Message, Returned, Said, Talk, with_attributes
from . import Shape
from .openai_chat import first_moment
from .trees import leave_others, path_to

TEXTS = ("text", "multimodal_text")
THOUGHTS = ("thoughts", "reasoning_recap")


def detects(record: Any) -> bool:
    """A ``mapping`` of nodes."""
    return isinstance(record, dict) and "mapping" in record and ("current_node" in record or "create_time" in record)


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation on the way to the current node."""
    nodes = {key: node for key, node in an_object("mapping", record.get("mapping")).items() if isinstance(node, dict)}
    current = record.get("current_node")
    talk = Talk(
        conversation_id=an_id(record.get("conversation_id"), record.get("id")),
        began=first_moment("", record, context),
        user_id=an_id(object_or_empty(context.beside.get("user.json")).get("id")),
    )
    with_attributes(talk, {"title": record.get("title") or None})
    if current in nodes and any(node.get("parent") for node in nodes.values()):
        path = path_to(current, {key: node.get("parent") for key, node in nodes.items()})
        leave_others(context, len(nodes), len(path))
    else:
        path = sorted(nodes, key=lambda key: object_or_empty(nodes[key].get("message")).get("create_time") or 0)
    called = False
    for key in path:
        given = nodes[key].get("message")
        if isinstance(given, dict):
            with context.part():
                message = _message(f"mapping.{key}.message", given, called, record, context)
                if message is not None:
                    called = any(isinstance(item, Called) for item in message.items)
                    talk.take(message)
    talk.finish()
    talk.feedback += _opinions(talk, context)
    yield talk


def _message(
    where: str, given: dict[str, Any], called: bool, record: dict[str, Any], context: Context
) -> Message | None:
    role = object_or_empty(given.get("author")).get("role")
    content, metadata = object_or_empty(given.get("content")), object_or_empty(given.get("metadata"))
    kind, at = content.get("content_type"), first_moment(f"{where}.", given, context)
    if (
        role == "system"
        or kind in ("user_editable_context", "model_editable_context")
        or metadata.get("is_visually_hidden_from_conversation")
    ):
        context.leave("system messages")
        return None
    if kind in THOUGHTS:
        context.leave("thinking")
        return None
    text = _text(content, context)
    if role == "tool":
        return Message("tool", (Returned(text),), at, where=where) if called else None
    model, id = metadata.get("model_slug"), an_id(given.get("id"))
    recipient = given.get("recipient")
    if role == "assistant":
        items: tuple[Item, ...] = (Said(text),)
        if recipient not in (None, "all"):
            items = (Called(str(recipient), text),)
        elif kind not in (None, *TEXTS):
            context.unread(f"content of type {kind}")
            return None
        return Message("assistant", items, at, model, assistant_id=an_id(record.get("gizmo_id")), id=id)
    return Message("user", (Said(text),), at, id=id)


def _text(content: dict[str, Any], context: Context) -> str:
    parts = content.get("parts")
    if isinstance(parts, list):
        texts = []
        for part in parts:
            if isinstance(part, str):
                texts.append(part)
            elif isinstance(part, dict) and isinstance(part.get("text"), str):
                texts.append(part["text"])  # of a voice
            else:
                context.leave("images and files")
        return "\n".join(texts)
    found = content.get("text", content.get("result", content.get("content")))
    return found if isinstance(found, str) else "" if found is None else as_json(found)


def _opinions(talk: Talk, context: Context) -> Iterator[Feedback]:
    given = context.beside.get("message_feedback.json")
    for each in given if isinstance(given, list) else []:
        message = each.get("message_id") or each.get("id")
        if each.get("conversation_id") != talk.conversation_id:
            continue
        turn = talk.turn_of.get(str(message))
        if turn is None and each.get("message_id"):
            continue  # of another branch
        comment = None
        with suppress(ValueError, AttributeError, TypeError):
            comment = json.loads(each.get("content") or "{}").get("text")
        yield Feedback("rating", each.get("rating"), turn, comment or None)


SHAPE = Shape("chatgpt_export", detects, read)
