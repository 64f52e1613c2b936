"""The export of a ChatGPT account: ``mapping`` of nodes, in ``conversations.json`` or in several of that kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from ..content import as_json
from ..context import Context
from ..fields import JsonObject, an_id, an_object, number_or_none, object_or_empty, text_or_none
from ..model import Feedback
from ..talk import Called, Item, Message, Returned, Said, Talk, with_attributes
from . import Shape
from .openai_chat import first_time
from .trees import branch_id, paths_to

TEXTS = ("text", "multimodal_text")
THOUGHTS = ("thoughts", "reasoning_recap")


def detects(record: object) -> bool:
    """A ``mapping`` of nodes."""
    return isinstance(record, dict) and "mapping" in record and ("current_node" in record or "create_time" in record)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation on the way to the current node."""
    record = an_object("", record)
    nodes = {key: node for key, node in an_object("mapping", record.get("mapping")).items() if isinstance(node, dict)}
    paths = _paths(nodes, text_or_none(record.get("current_node")), context)
    for index, path in enumerate(paths):
        talk = Talk(
            conversation_id=branch_id(an_id(record.get("conversation_id"), record.get("id")), index, path[-1]),
            began=first_time("", record, context),
            user_id=an_id(object_or_empty(context.beside.get("user.json")).get("id")),
        )
        with_attributes(talk, {"title": record.get("title") or None})
        called = False
        for key in path:
            value = nodes[key].get("message")
            if isinstance(value, dict):
                with context.part():
                    message = _message(f"mapping.{key}.message", value, called, record, context)
                    if message is not None:
                        called = any(isinstance(item, Called) for item in message.items)
                        talk.take(message)
        talk.finish()
        talk.feedback += _opinions(talk, an_id(record.get("conversation_id"), record.get("id")), context)
        yield talk


def _paths(nodes: dict[str, JsonObject], current: str | None, context: Context) -> list[list[str]]:
    if any(node.get("parent") for node in nodes.values()) and (current in nodes or context.options.branches):
        return paths_to(current, {key: text_or_none(node.get("parent")) for key, node in nodes.items()}, context)
    by_time = sorted(
        nodes, key=lambda key: number_or_none(object_or_empty(nodes[key].get("message")).get("create_time")) or 0
    )
    return [by_time] if by_time else []


def _message(where: str, fields: JsonObject, called: bool, record: JsonObject, context: Context) -> Message | None:
    role = object_or_empty(fields.get("author")).get("role")
    content, metadata = object_or_empty(fields.get("content")), object_or_empty(fields.get("metadata"))
    kind, at = content.get("content_type"), first_time(f"{where}.", fields, context)
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
    model, id = text_or_none(metadata.get("model_slug")), an_id(fields.get("id"))
    recipient = fields.get("recipient")
    if role == "assistant":
        items: tuple[Item, ...] = (Said(text),)
        if recipient not in (None, "all"):
            items = (Called(str(recipient), text),)
        elif kind not in (None, *TEXTS):
            context.unread(f"content of type {kind}")
            return None
        return Message("assistant", items, at, model, assistant_id=an_id(record.get("gizmo_id")), id=id)
    return Message("user", (Said(text),), at, id=id)


def _text(content: JsonObject, context: Context) -> str:
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


def _opinions(talk: Talk, conversation_id: str | None, context: Context) -> Iterator[Feedback]:
    value = context.beside.get("message_feedback.json")
    for each in value if isinstance(value, list) else []:
        message = each.get("message_id") or each.get("id")
        if each.get("conversation_id") != conversation_id:
            continue
        turn = talk.turn_of.get(str(message))
        if turn is None and each.get("message_id"):
            continue  # of another branch
        comment = None
        with suppress(ValueError, AttributeError, TypeError):
            comment = json.loads(each.get("content") or "{}").get("text")
        yield Feedback("rating", each.get("rating"), turn, comment or None)


SHAPE = Shape("chatgpt_export", detects, read)
