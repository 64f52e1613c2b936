"""Exports of Slack, as zip: messages by channel and day. The assistant is a bot, or who ``--assistant`` names."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timezone

from ..context import Context, Record
from ..fields import JsonObject, an_object, list_or_empty, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Talk
from . import GroupedShape
from .people import Speech, talk_of

LEFT = frozenset(
    (
        "channel_join",
        "channel_leave",
        "channel_topic",
        "channel_purpose",
        "channel_name",
        "tombstone",
        "bot_add",
        "bot_remove",
    )
)
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
_LINK = re.compile(r"<([^>|]+)(?:\|([^>]*))?>")


def detects(record: object) -> bool:
    """What ``archives.py`` makes of a message: it knows the channel."""
    return isinstance(record, dict) and "slack_channel" in record


def group(record: object, context: Context) -> str:
    """The thread, or the channel's day."""
    record = an_object("", record)
    message = an_object("", record["message"])
    channel = record["slack_channel"]
    thread = message.get("thread_ts")
    if thread:
        return f"{channel}/{thread}"
    at = context.time("ts", message.get("ts"))
    return f"{channel}/{at.astimezone(timezone.utc).date() if at else ''}"


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of a thread or a day."""
    users = {str(each["id"]): each for each in objects_in(context.beside.get("users.json")) if "id" in each}
    speeches: list[Speech] = []
    for record in sorted(records, key=lambda each: str(_message(each).get("ts"))):
        context.record = record
        message = _message(record)
        if message.get("subtype") in LEFT:
            context.leave(f"messages of type {message['subtype']}")
            continue
        user = users.get(str(message.get("user")), {})
        name = str(message.get("username") or user.get("real_name") or user.get("name") or message.get("user"))
        wanted = context.options.assistant
        is_bot = (
            message.get("subtype") == "bot_message" or bool(user.get("is_bot")) or ("bot_id" in message and not user)
        )
        is_assistant = is_bot if wanted is None else wanted in (name, message.get("user"), user.get("name"))
        with context.part():
            at = context.time("ts", message.get("ts"))
            opinions = tuple(_opinions(message)) if is_assistant else ()
            speeches.append(
                Speech(str(message.get("user")), name, _text(message, users, context), at, is_assistant, opinions)
            )
    first = records[0]
    yield from talk_of(group(first.value, context), speeches, context, channel=first.fields["slack_name"])


def _message(record: Record) -> JsonObject:
    return object_or_empty(record.fields.get("message"))


def _text(fields: JsonObject, users: dict[str, JsonObject], context: Context) -> str:
    for _ in list_or_empty(fields.get("files")):
        context.leave("files")
    text = text_or_none(fields.get("text")) or _of_blocks(fields.get("blocks"))

    def mention(match: re.Match[str]) -> str:
        user = users.get(match[1], {})
        return f"@{object_or_empty(user.get('profile')).get('display_name') or user.get('real_name') or match[1]}"

    def link(match: re.Match[str]) -> str:
        return match[2] or match[1]

    return html.unescape(_LINK.sub(link, _MENTION.sub(mention, text)))


def _of_blocks(blocks: object) -> str:
    texts = []
    for block in objects_in(blocks):
        text = object_or_empty(block.get("text")).get("text")
        if isinstance(text, str):
            texts.append(text)
    return "\n".join(texts)


def _opinions(fields: JsonObject) -> Iterator[Feedback]:
    for each in objects_in(fields.get("reactions")):
        yield Feedback("reaction", each.get("name"), None, None, {"count": each.get("count", 1)})


SHAPE = GroupedShape("slack_export", detects, read, group)
