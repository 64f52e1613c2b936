"""Exports of Telegram Desktop in JSON: one chat, or ``chats.list``."""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, objects_in
from ..model import Feedback
from ..talk import Talk
from . import Shape
from .people import Speech, talk_of


def detects(record: object) -> bool:
    """A chat with messages of ``from_id``, or a list of chats."""
    if not isinstance(record, dict):
        return False
    if isinstance(chats := record.get("chats"), dict):
        return isinstance(chats.get("list"), list)
    messages = record.get("messages")
    return (
        isinstance(messages, list)
        and "type" in record
        and any(isinstance(each, dict) and ("from_id" in each or "actor_id" in each) for each in messages[:20])
    )


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of each chat."""
    record = an_object("", record)
    if "messages" in record:
        chats: list[tuple[str, object]] = [("", record)]
    else:
        chats = [
            (f"chats.list[{index}].", each)
            for index, each in enumerate(a_list("chats.list", object_or_empty(record.get("chats")).get("list")))
        ]
    for where, chat in chats:
        with context.part():
            yield from _chat(where, an_object(where or "chat", chat), context)


def _chat(where: str, chat: JsonObject, context: Context) -> Iterator[Talk]:
    bot = f"user{chat.get('id')}" if chat.get("type") == "bot_chat" else None
    wanted = context.options.assistant
    speeches: list[Speech] = []
    for index, value in enumerate(a_list(f"{where}messages", chat.get("messages"))):
        place = f"{where}messages[{index}]"
        with context.part():
            each = an_object(place, value)
            if each.get("type") == "service":
                context.leave("service messages")
                continue
            stamp = "date_unixtime" if "date_unixtime" in each or "date" not in each else "date"
            at = context.time(f"{place}.{stamp}", each.get(stamp))
            if at is None:
                context.report("has no time", f"{place}.{stamp}")
                continue
            who, name = str(each.get("from_id")), str(each.get("from"))
            is_assistant = who == bot if bot else wanted in (who, name) if wanted else False
            if "photo" in each or "file" in each or "media_type" in each:
                context.leave("media")
            opinions = tuple(_opinions(each)) if is_assistant else ()
            speeches.append(Speech(who, name, _text(each.get("text")), at, is_assistant, opinions))
    yield from talk_of(an_id(chat.get("id")), speeches, context)


def _text(value: object) -> str:
    """A text, or entities of one."""
    if isinstance(value, list):
        return "".join(each if isinstance(each, str) else str(object_or_empty(each).get("text", "")) for each in value)
    return value if isinstance(value, str) else ""


def _opinions(fields: JsonObject) -> Iterator[Feedback]:
    for each in objects_in(fields.get("reactions")):
        if each.get("emoji") or each.get("document_id"):
            yield Feedback(
                "reaction", each.get("emoji") or each.get("document_id"), None, None, {"count": each.get("count", 1)}
            )


SHAPE = Shape("telegram_export", detects, read)
