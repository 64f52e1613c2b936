"""Chats of Microsoft Teams, as Microsoft Graph exports them. The assistant is an app, or who ``--assistant`` names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from ..context import Context, Record
from ..fields import JsonObject, a_list, an_id, an_object, needs, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Talk
from . import GroupedShape
from .html import text_of
from .people import Speech, talk_of

Chats = dict[str, list[tuple[datetime, Record, Speech]]]
"""What was said, and when, by its chat."""


def detects(record: object) -> bool:
    """A message, or an answer of the API with messages."""
    if not isinstance(record, dict):
        return False
    values = record.get("value")
    return _is_message(record) or (isinstance(values, list) and bool(values) and _is_message(values[0]))


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("body"), dict) and {"messageType", "from"} <= value.keys()


def group(record: object, context: Context) -> str:
    """The whole file: one answer of the API may have messages of several chats."""
    return "file"


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of each chat, or of each thread in a channel. The export has the newest message first."""
    chats: Chats = {}
    for record in records:
        context.record = record
        with context.part():
            is_alone = _is_message(record.value)
            values = [record.value] if is_alone else a_list("value", record.fields.get("value"))
            for index, value in enumerate(values):
                _take(chats, "message" if is_alone else f"value[{index}]", value, record, context)
    for chat, found in chats.items():
        found.sort(key=lambda each: each[0])
        context.record = found[0][1]
        yield from talk_of(chat or None, [speech for *_, speech in found], context)


def _take(chats: Chats, where: str, value: object, record: Record, context: Context) -> None:
    with context.part():
        message = an_object(where, value)
        at = context.time(f"{where}.createdDateTime", message.get("createdDateTime"))
        if at is None:
            context.report("has no time", f"{where}.createdDateTime")
        elif (speech := _speech(where, message, at, context)) is not None:
            chats.setdefault(_chat(message), []).append((at, record, speech))


def _chat(message: JsonObject) -> str:
    """The chat's id, or those of a channel and of the message that began the thread."""
    channel = an_id(object_or_empty(message.get("channelIdentity")).get("channelId"))
    if channel is None:
        return an_id(message.get("chatId")) or ""
    return f"{channel}/{an_id(message.get('replyToId'), message.get('id'))}"


def _speech(where: str, message: JsonObject, at: datetime, context: Context) -> Speech | None:
    if message.get("messageType") != "message" or message.get("deletedDateTime") is not None:
        context.leave("service messages" if message.get("deletedDateTime") is None else "deleted messages")
        return None
    sender = an_object(f"{where}.from", message.get("from") or {})
    app, user = object_or_empty(sender.get("application")), object_or_empty(sender.get("user"))
    who, wanted = app or user, context.options.assistant
    name = text_or_none(who.get("displayName")) or an_id(who.get("id")) or ""
    is_assistant = bool(app) if wanted is None else wanted in (name, who.get("id"))
    text = "\n".join(filter(None, _texts(where, message, context)))
    opinions = tuple(_opinions(message)) if is_assistant else ()
    return Speech(an_id(who.get("id")) or name, name, text, at, is_assistant, opinions)


def _texts(where: str, message: JsonObject, context: Context) -> Iterator[str]:
    """Its text, and those of its cards."""
    body = object_or_empty(message.get("body"))
    text = needs(f"{where}.body.content", body.get("content") or "", str, "a str")
    if "<img" in text:
        context.leave("media")
    yield text_of(text) if body.get("contentType") == "html" else text
    for attachment in objects_in(message.get("attachments")):
        card = attachment.get("content")
        if isinstance(card, str):
            with suppress(ValueError, RecursionError):
                card = json.loads(card)
        if not isinstance(card, dict):
            context.leave("attachments")
            continue
        for each in (card, *objects_in(card.get("body"))):
            yield from (each[key] for key in ("title", "text") if isinstance(each.get(key), str))


def _opinions(message: JsonObject) -> Iterator[Feedback]:
    for each in objects_in(message.get("reactions")):
        if reaction := text_or_none(each.get("reactionType")):
            yield Feedback("reaction", reaction)


SHAPE = GroupedShape("teams_export", detects, read, group)
