"""Exports of Slack, as zip: messages by channel and day. The assistant is a bot, or who ``--assistant`` names."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timezone
from typing import Any

from ..context import Context, an_object
from ..model import Feedback
from ..talk import Talk
from . import Shape
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


def detects(record: Any) -> bool:
    """What ``archives.py`` makes of a message: it knows the channel."""
    return isinstance(record, dict) and "slack_channel" in record


def group(record: Any, context: Context) -> str:
    """The thread, or the channel's day."""
    message = an_object("", record["message"])
    channel = record["slack_channel"]
    thread = message.get("thread_ts")
    if thread:
        return f"{channel}/{thread}"
    at = context.moment("ts", message.get("ts"))
    return f"{channel}/{at.astimezone(timezone.utc).date() if at else ''}"


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversation of a thread or a day."""
    users = {
        each["id"]: each for each in context.beside.get("users.json") or [] if isinstance(each, dict) and "id" in each
    }
    speeches: list[Speech] = []
    for record in sorted(records, key=lambda each: str(each.value["message"].get("ts"))):
        context.record = record
        given = record.value["message"]
        if given.get("subtype") in LEFT:
            context.leave(f"messages of type {given['subtype']}")
            continue
        user = users.get(given.get("user"), {})
        name = given.get("username") or user.get("real_name") or user.get("name") or str(given.get("user"))
        wanted = context.options.assistant
        is_bot = given.get("subtype") == "bot_message" or bool(user.get("is_bot")) or ("bot_id" in given and not user)
        is_assistant = is_bot if wanted is None else wanted in (name, given.get("user"), user.get("name"))
        with context.part():
            at = context.moment("ts", given.get("ts"))
            opinions = tuple(_opinions(given)) if is_assistant else ()
            speeches.append(
                Speech(str(given.get("user")), name, _text(given, users, context), at, is_assistant, opinions)
            )
    first = records[0]
    yield from talk_of(group(first.value, context), speeches, context, channel=first.value["slack_name"])


def _text(given: dict[str, Any], users: dict[str, Any], context: Context) -> str:
    for _ in given.get("files") or []:
        context.leave("files")
    text = given.get("text") or _of_blocks(given.get("blocks"))

    def mention(match: re.Match[str]) -> str:
        user = users.get(match[1], {})
        return f"@{(user.get('profile') or {}).get('display_name') or user.get('real_name') or match[1]}"

    def link(match: re.Match[str]) -> str:
        return match[2] or match[1]

    return html.unescape(_LINK.sub(link, _MENTION.sub(mention, text)))


def _of_blocks(blocks: Any) -> str:
    texts = []
    for block in blocks if isinstance(blocks, list) else []:
        inner = block.get("text") if isinstance(block, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("text"), str):
            texts.append(inner["text"])
    return "\n".join(texts)


def _opinions(given: dict[str, Any]) -> Iterator[Feedback]:
    for each in given.get("reactions") or []:
        yield Feedback("reaction", each.get("name"), None, None, {"count": each.get("count", 1)})


SHAPE = Shape("slack_export", detects, read, group)
