"""WhatsApp chats. ``--assistant NAME`` says who answers, ``--gap-hours`` where a conversation ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import cast

from ...errors import InvalidEvent
from ..context import Context
from ..fields import a_list, an_object
from ..talk import Talk
from ..texts import Line
from . import Shape
from .people import Speech, talk_of

MEDIA = re.compile(
    r"<[^<>]*(?:omitted|ausgeschlossen|omis|omitidos?|omessi|weggelaten)[^<>]*>"
    r"|(?:image|video|audio|sticker|GIF|document|Contact card) omitted"
    r"|<attached: [^>]*>|(?:Bild|Video|Audio|Sticker|Dokument) weggelassen",
    re.IGNORECASE,
)
EDITED = re.compile(r"\s*<(?:Diese Nachricht wurde bearbeitet\.|This message was edited)>")
DELETED = (
    "Diese Nachricht wurde gelöscht.",
    "Du hast diese Nachricht gelöscht.",
    "This message was deleted.",
    "This message was deleted",
    "You deleted this message.",
    "You deleted this message",
)


def detects(record: object) -> bool:
    """What ``texts.py`` makes of a chat."""
    return isinstance(record, dict) and "whatsapp_messages" in record


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversations of a chat."""
    record = an_object("", record)
    messages = cast("list[Line]", a_list("whatsapp_messages", record.get("whatsapp_messages")))
    month_first = _month_first(messages)
    speeches: list[Speech] = []
    last: datetime | None = None
    gap, wanted = context.options.gap_hours, context.options.assistant
    answers = any(each["name"] == wanted for each in messages)
    for each in messages:
        with context.part():
            if each["name"] is None:
                context.leave("lines without a sender")
                continue
            at = _time(each, month_first, context)
            text = EDITED.sub("", each["text"])
            if text in DELETED:
                context.leave("deleted messages")
                continue
            if MEDIA.fullmatch(text.strip()):
                context.leave("media")
                text = ""
            if gap is not None and last is not None and at - last > timedelta(hours=gap):
                yield from _talk(speeches, context, answers)
                speeches = []
            last = at
            speeches.append(Speech(each["name"], each["name"], text, at, each["name"] == wanted))
    yield from _talk(speeches, context, answers)


def _talk(speeches: list[Speech], context: Context, answers: bool) -> Iterator[Talk]:
    """The conversation of a part of a chat.

    :param answers: whether the assistant speaks in the chat. Where it does not in this part, the user got no answer.
    """
    wanted = context.options.assistant
    found = speeches
    if found and wanted is not None and answers and not any(each.is_assistant for each in found):
        found = [*speeches, Speech(wanted, wanted, "", speeches[-1].at, True)]  # asked, and not answered
    if found:
        first = found[0].at
        stamp = "" if first is None else first.replace(tzinfo=None).isoformat()
        yield from talk_of(f"{context.name}/{stamp}", found, context)


def _month_first(messages: list[Line]) -> bool:
    """Whether dates name the month first: dots never do, a number above 12 decides, and so does AM or PM."""
    parts = [re.split(r"[./-]", each["date"]) for each in messages]
    if any("." in each["date"] for each in messages) or any(int(part[0]) > 12 for part in parts):
        return False
    return any(int(part[1]) > 12 for part in parts) or any(each["half"] for each in messages)


def _time(line: Line, month_first: bool, context: Context) -> datetime:
    first, second, third = map(int, re.split(r"[./-]", line["date"]))
    if first > 31:
        year, month, day = first, second, third
    else:
        day, month = (second, first) if month_first else (first, second)
        year = third + 2000 if third < 100 else third
    hour, minute, *rest = map(int, re.split(r"[:.]", line["time"]))
    if line["half"]:
        hour = hour % 12 + (12 if line["half"][0] in "pP" else 0)
    try:
        return datetime(year, month, day, hour, minute, rest[0] if rest else 0, tzinfo=context.options.timezone)
    except ValueError:
        raise InvalidEvent(f"line {line['line']}", "begun with a date and a time", line["date"]) from None


SHAPE = Shape("whatsapp_txt", detects, read)
