"""Transcripts of the Bot Framework, Chatdown and Copilot Studio: activities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from ..content import as_json
from ..context import Context, Record
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, objects_in
from ..model import Feedback
from ..talk import Message, Said, Talk
from . import GroupedShape


def detects(record: object) -> bool:
    """An activity: of a ``type``, a ``conversation`` and a channel."""
    if not isinstance(record, dict):
        return False
    if isinstance(record.get("activities"), list):
        return True
    return (
        "type" in record
        and isinstance(record.get("conversation"), dict)
        and ("channelId" in record or "from" in record)
    )


def group(record: object, context: Context) -> str:
    """The conversation's id."""
    record = an_object("", record)
    if "activities" in record:
        first = object_or_empty(next(iter(a_list("activities", record["activities"])), None))
        return str(record.get("id") or first.get("conversation"))
    an_object("from", record.get("from"))
    return str(an_object("conversation", record.get("conversation")).get("id"))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of these activities."""
    found: list[tuple[datetime | None, Record, JsonObject]] = []
    for record in records:
        for index, value in enumerate(a_list("activities", record.fields.get("activities", [record.value]))):
            context.record = record
            with context.part():
                activity = an_object(f"activities[{index}]", value)
                found.append((context.time("timestamp", activity.get("timestamp")), record, activity))
    found.sort(key=lambda each: (each[0] is None, each[0]))
    talk = Talk()
    opinions: list[JsonObject] = []
    for at, record, each in found:
        context.record = record
        with context.part():
            talk.conversation_id = talk.conversation_id or an_id(object_or_empty(each.get("conversation")).get("id"))
            talk.began = talk.began or at
            kind = each.get("type")
            if kind == "message":
                _take(talk, each, at)
            elif kind in ("messageReaction", "invoke"):
                opinions.append(each)
            elif kind == "endOfConversation":
                talk.ended = at
            else:
                context.leave(f"activities of type {kind}")
    talk.finish()
    talk.feedback += [feedback for each in opinions for feedback in _opinions(each, talk)]
    yield talk


def _take(talk: Talk, fields: JsonObject, at: datetime | None) -> None:
    sender = an_object("from", fields.get("from"))
    role = sender.get("role")
    if role is None:
        role = "user" if object_or_empty(fields.get("recipient")).get("role") == "bot" else "bot"
        if "bot" in str(sender.get("name", "")).lower():
            role = "bot"
    text = fields.get("text")
    texts = [text] if isinstance(text, str) and text else []
    for card in objects_in(fields.get("attachments")):
        content = object_or_empty(card.get("content"))
        texts += [text for name in ("title", "text") if isinstance(text := content.get(name), str)]
    id = an_id(fields.get("id"))
    if role == "bot":
        talk.take(Message("assistant", (Said("\n".join(texts)),), at, assistant_id=an_id(sender.get("name")), id=id))
        return
    if not texts and fields.get("value") is not None:
        texts = [as_json(fields["value"])]
    talk.user_id = talk.user_id or an_id(sender.get("id"))
    talk.take(Message("user", (Said("\n".join(texts)),), at, id=id))


def _opinions(fields: JsonObject, talk: Talk) -> Iterator[Feedback]:
    turn = talk.turn_of.get(str(fields.get("replyToId")))
    for each in objects_in(fields.get("reactionsAdded")):
        yield Feedback("reaction", each.get("type"), turn)
    value = fields.get("value")
    if isinstance(value, dict) and value.get("actionName") == "feedback" and isinstance(value.get("actionValue"), dict):
        action = value["actionValue"]
        comment = action.get("feedback")
        with suppress(ValueError, TypeError, AttributeError):
            comment = json.loads(comment).get("feedbackText")
        yield Feedback("feedback", action.get("reaction"), turn, comment or None)


SHAPE = GroupedShape("botframework_transcript", detects, read, group)
