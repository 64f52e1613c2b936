"""Transcripts of the Bot Framework, Chatdown and Copilot Studio: activities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..content import as_json
from ..context import Context, an_id, an_object
from ..model import Feedback
from ..talk import Message, Said, Talk
from . import Shape


def detects(record: Any) -> bool:
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


def group(record: Any, context: Context) -> str:
    """The conversation's id."""
    if "activities" in record:
        return str(record.get("id") or (record["activities"] or [{}])[0].get("conversation"))
    an_object("from", record.get("from"))
    return str(an_object("conversation", record.get("conversation")).get("id"))


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversation of these activities."""
    found = []
    for record in records:
        for each in record.value.get("activities", [record.value]):
            context.record = record
            with context.part():
                found.append((context.moment("timestamp", each.get("timestamp")), record, each))
    found.sort(key=lambda each: (each[0] is None, each[0]))
    talk = Talk()
    opinions: list[dict[str, Any]] = []
    for at, record, each in found:
        context.record = record
        with context.part():
            talk.conversation_id = talk.conversation_id or an_id((each.get("conversation") or {}).get("id"))
            talk.began = talk.began or at
            kind = each.get("type")
            if kind == "message":
                _take(talk, each, at, found)
            elif kind in ("messageReaction", "invoke"):
                opinions.append(each)
            elif kind == "endOfConversation":
                talk.ended = at
            else:
                context.leave(f"activities of type {kind}")
    talk.finish()
    talk.feedback += [feedback for each in opinions for feedback in _opinions(each, talk)]
    yield talk


def _take(talk: Talk, given: dict[str, Any], at: Any, found: list[Any]) -> None:
    sender = an_object("from", given.get("from"))
    role = sender.get("role")
    if role is None:
        role = "user" if (given.get("recipient") or {}).get("role") == "bot" else "bot"
        if "bot" in str(sender.get("name", "")).lower():
            role = "bot"
    text = given.get("text")
    cards = given.get("attachments") if isinstance(given.get("attachments"), list) else []
    assert isinstance(cards, list)
    texts = [text] if isinstance(text, str) and text else []
    for card in cards:
        content = card.get("content") if isinstance(card, dict) else None
        if isinstance(content, dict):
            texts += [content[name] for name in ("title", "text") if isinstance(content.get(name), str)]
    id = an_id(given.get("id"))
    if role == "bot":
        talk.take(Message("assistant", (Said("\n".join(texts)),), at, assistant_id=an_id(sender.get("name")), id=id))
        return
    if not texts and given.get("value") is not None:
        texts = [as_json(given["value"])]
    talk.user_id = talk.user_id or an_id(sender.get("id"))
    talk.take(Message("user", (Said("\n".join(texts)),), at, id=id))


def _opinions(given: dict[str, Any], talk: Talk) -> Iterator[Feedback]:
    turn = talk.turn_of.get(str(given.get("replyToId")))
    for each in given.get("reactionsAdded") or []:
        yield Feedback("reaction", each.get("type"), turn)
    value = given.get("value")
    if isinstance(value, dict) and value.get("actionName") == "feedback" and isinstance(value.get("actionValue"), dict):
        action = value["actionValue"]
        comment = action.get("feedback")
        with suppress(ValueError, TypeError, AttributeError):
            comment = json.loads(comment).get("feedbackText")
        yield Feedback("feedback", action.get("reaction"), turn, comment or None)


SHAPE = Shape("botframework_transcript", detects, read, group)
