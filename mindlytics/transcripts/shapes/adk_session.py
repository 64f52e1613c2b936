"""Sessions of Google's Agent Development Kit: ``events`` of authors, with a content of Gemini each."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, objects_in, text_or_none
from ..talk import Message, Talk, with_attributes
from . import Shape
from .gemini import get, message, usage


def detects(record: object) -> bool:
    """A session with events."""
    if not isinstance(record, dict) or not isinstance(get(record, "appName"), str):
        return False
    events = record.get("events")
    return isinstance(events, list) and all("author" in each for each in objects_in(events)[:1])


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a session."""
    session = an_object("", record)
    talk = Talk(conversation_id=an_id(session.get("id")), user_id=an_id(get(session, "userId")))
    with_attributes(talk, {"app_name": get(session, "appName")})
    for index, value in enumerate(a_list("events", session.get("events"))):
        place = f"events[{index}]"
        with context.part():
            event = an_object(place, value)
            if event.get("partial") is True:
                context.leave("pieces of a text that follows")
            elif event.get("content") is not None:
                talk.take(_message(place, event, context))
    yield talk


def _message(where: str, event: JsonObject, context: Context) -> Message:
    found = message(f"{where}.content", event["content"], context)
    at = context.time(f"{where}.timestamp", event.get("timestamp"))
    if found.role != "assistant":
        return evolve(found, at=at)
    used = usage(get(event, "usageMetadata"))
    return evolve(found, at=at, usage=used, assistant_id=text_or_none(event.get("author")))


SHAPE = Shape("adk_session", detects, read)
