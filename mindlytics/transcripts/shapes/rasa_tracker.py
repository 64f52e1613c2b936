"""Trackers of Rasa: ``events`` of a sender, together or one a line."""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context, Record
from ..fields import JsonObject, a_list, an_object
from ..talk import Called, Message, Said, Talk
from . import GroupedShape

DEFAULT = frozenset(
    f"action_{name}"
    for name in (
        "listen",
        "restart",
        "session_start",
        "default_fallback",
        "deactivate_loop",
        "two_stage_fallback",
        "default_ask_affirmation",
        "default_ask_rephrase",
        "back",
        "unlikely_intent",
        "extract_slots",
    )
)


def detects(record: object) -> bool:
    """A tracker, or an event of one."""
    if not isinstance(record, dict) or "sender_id" not in record:
        return False
    return "events" in record or isinstance(record.get("event"), str)


def group(record: object, context: Context) -> str:
    """The sender."""
    record = an_object("", record)
    if "events" in record:
        a_list("events", record["events"])
    return str(record.get("sender_id"))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversations of a sender: each start of a session begins one."""
    sender = str(records[0].fields.get("sender_id"))
    sessions: list[list[Message]] = [[]]
    for record in records:
        context.record = record
        events = a_list("events", record.fields.get("events", [record.value]))
        for index, each in enumerate(events):
            where = f"events[{index}]" if "events" in record.fields else "event"
            with context.part():
                event = an_object(where, each)
                kind = event.get("event")
                current = sessions[-1]
                if kind == "session_started" or event.get("name") == "action_session_start":
                    if any(each.role != "system" for each in current):
                        sessions.append([])
                    at = context.time(f"{where}.timestamp", event.get("timestamp"))
                    sessions[-1].append(Message("system", at=at))
                elif kind in ("rewind", "undo"):
                    _take_back(current, kind, context)
                else:
                    current += _messages(where, event, context)
    number = 0
    for session in sessions:
        if any(each.role != "system" for each in session):
            number += 1
            talk = Talk(sender if number == 1 else f"{sender}/{number}", user_id=sender)
            talk.take_all(session)
            yield talk


def _messages(where: str, event: JsonObject, context: Context) -> Iterator[Message]:
    kind, name = event.get("event"), str(event.get("name"))
    at = context.time(f"{where}.timestamp", event.get("timestamp"))
    text = event.get("text")
    if kind == "user":
        yield Message("user", (Said(text if isinstance(text, str) else ""),), at)
    elif kind == "bot":
        yield Message("assistant", (Said(text if isinstance(text, str) else ""),), at)
    elif kind == "action" and name.startswith("action_") and name not in DEFAULT:
        yield Message("assistant", (Called(name),), at)


def _take_back(messages: list[Message], kind: str, context: Context) -> None:
    context.leave("messages that were taken back")
    while messages:
        if kind == "undo" or messages.pop().role == "user":
            if kind == "undo":
                messages.pop()
            return


SHAPE = GroupedShape("rasa_tracker", detects, read, group)
