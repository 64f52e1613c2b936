"""Chats of Messenger and Instagram, as an account's export has them. ``--assistant NAME`` says who answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from operator import itemgetter

from ..context import Context
from ..fields import JsonObject, a_list, an_object, objects_in, text_or_none
from ..model import Feedback
from ..talk import Talk
from . import Shape
from .people import Speech, talk_of

MEDIA = ("photos", "videos", "audio_files", "gifs", "files", "sticker", "share", "media")


def detects(record: object) -> bool:
    """A chat of participants, with messages of senders. The export of encrypted chats has names of its own."""
    if not isinstance(record, dict) or not isinstance(record.get("participants"), list):
        return False
    return any("sender_name" in each or "senderName" in each for each in objects_in(record.get("messages"))[:1])


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a chat. The export has the newest message first."""
    chat = an_object("", record)
    dated: list[tuple[datetime, int, Speech]] = []
    for index, value in enumerate(a_list("messages", chat.get("messages"))):
        place = f"messages[{index}]"
        with context.part():
            each = an_object(place, value)
            stamp = "timestamp_ms" if "timestamp_ms" in each else "timestamp"
            at = context.time(f"{place}.{stamp}", each.get(stamp))
            if at is None:
                context.report("has no time", f"{place}.{stamp}")
            elif each.get("is_unsent") or each.get("isUnsent"):
                context.leave("deleted messages")
            else:
                if any(each.get(name) for name in MEDIA):
                    context.leave("media")
                who = _text(each.get("sender_name") or each.get("senderName"))
                is_assistant = who == context.options.assistant
                opinions = tuple(_opinions(each)) if is_assistant else ()
                said = _text(each.get("content") or each.get("text"))
                dated.append((at, -index, Speech(who, who, said, at, is_assistant, opinions)))
    speeches = [speech for *_, speech in sorted(dated, key=itemgetter(0, 1))]
    title = _text(chat.get("title") or chat.get("threadName"))
    yield from talk_of(text_or_none(chat.get("thread_path")) or title, speeches, context, title=title or None)


def _text(value: object) -> str:
    """A text. The export writes each byte of UTF-8 as a character."""
    text = value if isinstance(value, str) else ""
    try:
        return text.encode("latin-1").decode()
    except ValueError:
        return text


def _opinions(fields: JsonObject) -> Iterator[Feedback]:
    for each in objects_in(fields.get("reactions")):
        if reaction := _text(each.get("reaction")):
            yield Feedback("reaction", reaction)


SHAPE = Shape("messenger_export", detects, read)
