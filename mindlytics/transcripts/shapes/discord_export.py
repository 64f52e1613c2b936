"""Channels of Discord in the JSON of DiscordChatExporter. The assistant is a bot, or who ``--assistant`` names."""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, needs, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Talk
from . import Shape
from .people import Speech, talk_of

SPOKEN = ("Default", "Reply", "20", "23")
"""The types of messages that somebody wrote. Discord has numbers for them, and the last two are answers to commands."""
MEDIA = ("attachments", "stickers")


def detects(record: object) -> bool:
    """A channel of a guild, with messages."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("guild"), dict)
        and isinstance(record.get("channel"), dict)
        and isinstance(record.get("messages"), list)
    )


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a channel."""
    export = an_object("", record)
    channel, guild = object_or_empty(export.get("channel")), object_or_empty(export.get("guild"))
    speeches: list[Speech] = []
    for index, value in enumerate(a_list("messages", export.get("messages"))):
        with context.part():
            speeches += _speeches(f"messages[{index}]", an_object(f"messages[{index}]", value), context)
    names = {"channel": text_or_none(channel.get("name")), "guild": text_or_none(guild.get("name"))}
    yield from talk_of(an_id(channel.get("id")), speeches, context, **names)


def _speeches(where: str, message: JsonObject, context: Context) -> Iterator[Speech]:
    """What somebody said, after the command that it answers."""
    if message.get("type") not in SPOKEN:
        context.leave(f"messages of type {str(message.get('type'))[:60]}")
        return
    at = context.time(f"{where}.timestamp", message.get("timestamp"))
    author = an_object(f"{where}.author", message.get("author"))
    wanted = context.options.assistant
    names = [author.get(key) for key in ("nickname", "name", "id")]
    is_assistant = author.get("isBot") is True if wanted is None else wanted in names
    if any(message.get(kind) for kind in MEDIA):
        context.leave("media")
    command = object_or_empty(message.get("interaction"))
    if is_assistant and (user := object_or_empty(command.get("user"))):
        who = an_id(user.get("id"), user.get("name")) or ""
        yield Speech(who, who, f"/{command.get('name')}", at, False)
    texts = [*_texts(where, message)]
    texts += _texts(f"{where}.forwardedMessage", object_or_empty(message.get("forwardedMessage")))
    text = "\n".join(filter(None, texts))
    opinions = tuple(_opinions(message)) if is_assistant else ()
    yield Speech(an_id(*reversed(names)) or "", an_id(*names) or "", text, at, is_assistant, opinions)


def _texts(where: str, message: JsonObject) -> Iterator[str]:
    """Its text, and those of its cards."""
    yield needs(f"{where}.content", message.get("content") or "", str, "a str")
    for embed in objects_in(message.get("embeds")):
        cells = [(embed, "title"), (embed, "description")]
        cells += [(field, key) for field in objects_in(embed.get("fields")) for key in ("name", "value")]
        yield from (text for each, key in cells if isinstance(text := each.get(key), str))


def _opinions(message: JsonObject) -> Iterator[Feedback]:
    for each in objects_in(message.get("reactions")):
        if name := text_or_none(object_or_empty(each.get("emoji")).get("name")):
            yield Feedback("reaction", name, None, None, {"count": each.get("count", 1)})


SHAPE = Shape("discord_export", detects, read)
