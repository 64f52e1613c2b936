"""Tables with a row a turn or a row a message, from CSV, Parquet, a DataFrame or dicts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ..columns import meanings
from ..content import count
from ..context import Context, Record
from ..fields import JsonObject, an_id, an_object, object_or_empty, unknown_role
from ..model import Feedback
from ..tables import is_day_first, iso, number_of
from ..talk import Message, Said, Talk, Usage, with_attributes
from . import GroupedShape
from .openai_chat import ROLES

MORE_ROLES = {
    **ROLES,
    **dict.fromkeys(
        ("kunde", "kundin", "nutzer", "nutzerin", "benutzer", "client", "utilisateur", "cliente", "usuario"), "user"
    ),
    **dict.fromkeys(
        ("assistent", "assistentin", "agent", "agente", "asistente", "support", "berater", "robot"), "assistant"
    ),
    **dict.fromkeys(("système", "systeme", "sistema"), "system"),
}
ROWS = ("role", "text")
TURNS = ("user", "assistant")
CONTEXT = {"instruction": "input"}
"""What belongs to a question beside its own column, in data sets such as Alpaca's."""


def _is_flat(record: object, wanted: tuple[str, str]) -> dict[str, str] | None:
    if not isinstance(record, dict) or "messages" in record:
        return None
    found = meanings(map(str, record))
    one, other = wanted
    if one not in found or other not in found:
        return None
    both = record.get(found[one]), record.get(found[other])
    return None if any(isinstance(value, (dict, list)) for value in both) else found


def is_turn(record: object) -> bool:
    """A row with what both said."""
    return _is_flat(record, TURNS) is not None and not is_message(record)


def is_message(record: object) -> bool:
    """A row with who said what."""
    found = _is_flat(record, ROWS)
    return found is not None and isinstance(object_or_empty(record).get(found["role"]), (str, type(None)))


def _key(record: JsonObject, found: dict[str, str], context: Context) -> str:
    id = an_id(record.get(found.get("conversation_id", ""))) or _whole(record.get(found.get("conversation_id", "")))
    return id if id else f"alone {context.record.number}"


def _whole(value: object) -> str | None:
    return str(int(value)) if isinstance(value, float) and value == int(value) else None


def _checked(record: JsonObject, found: dict[str, str], context: Context) -> None:
    """Refuse a row whose time or role cannot be read.

    :raises InvalidEvent: naming the column.
    """
    value = record.get(found.get("at", ""))
    if isinstance(value, str):
        certain = is_day_first(value)
        context.day_first = context.day_first or certain
        value = iso(value, certain)
    context.time(found.get("at", "at"), value)


def group_turns(record: object, context: Context) -> str:
    """The conversation's id; a row without one is a conversation by itself."""
    record = an_object("", record)
    found = meanings(map(str, record))
    _checked(record, found, context)
    return _key(record, found, context)


def group_messages(record: object, context: Context) -> str:
    """The same of rows with who said what."""
    record = an_object("", record)
    found = meanings(map(str, record))
    role = record.get(found["role"])
    if str(role).strip().lower() not in MORE_ROLES:
        raise unknown_role(found["role"], role, f"one of {', '.join(sorted(set(ROLES)))}")
    _checked(record, found, context)
    return _key(record, found, context)


def read_turns(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of rows with what both said."""
    talk, found, rows = _begun(records, context)
    for at, row in rows:
        user, assistant = (_text(row.get(found[name])) for name in TURNS)
        if more := _text(row.get(CONTEXT.get(found["user"], ""))):
            user = f"{user}\n{more}"
        talk.take(Message("user", (Said(user),), at))
        talk.take(_answer(row, found, assistant, at))
    yield talk


def read_messages(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of rows with who said what."""
    talk, found, rows = _begun(records, context)
    if "tokens" in found:
        found.setdefault("completion_tokens", found["tokens"])
    for at, row in rows:
        role = MORE_ROLES[str(row.get(found["role"])).strip().lower()]
        text = _text(row.get(found["text"]))
        if role == "assistant":
            talk.take(_answer(row, found, text, at))
        elif role == "user":
            talk.take(Message("user", (Said(text),), at))
        else:
            context.leave("system messages" if role == "system" else "results of functions")
            talk.take(Message("system", at=at))
    yield talk


def _begun(
    records: list[Record], context: Context
) -> tuple[Talk, dict[str, str], list[tuple[datetime | None, JsonObject]]]:
    rows = [
        {name: value for name, value in each.fields.items() if value is not None and value != ""} for each in records
    ]
    found = meanings(map(str, records[0].fields))
    times = [row.get(found.get("at", "")) for row in rows]
    times = [iso(each, context.day_first) if isinstance(each, str) else each for each in times]
    instants = [context.time(found.get("at", "at"), each) for each in times]
    ordered = list(zip(instants, rows, strict=True))
    if all(each is not None for each in instants):
        ordered.sort(key=lambda each: (each[0] is None, each[0]))
    first = rows[0]
    id = first.get(found.get("conversation_id", ""))
    user = next((each for row in rows if (each := row.get(found.get("user_id", ""))) is not None), None)
    talk = Talk(an_id(id) or _whole(id), user_id=an_id(user) or _whole(user))
    taken = {*found.values(), *(CONTEXT[name] for name in found.values() if name in CONTEXT)}
    for name in (name for name in first if name not in taken):
        values = [row.get(name) for row in rows]
        if all(each == values[0] for each in values):
            with_attributes(talk, {str(name): values[0]})
    return talk, found, ordered


def _answer(row: JsonObject, found: dict[str, str], text: str, at: datetime | None) -> Message:
    """What the assistant said, with the columns about it."""
    cells = {meaning: row[name] for meaning, name in found.items() if name in row}
    read, written, cached = (
        count(number_of(cells.get(name))) for name in ("prompt_tokens", "completion_tokens", "cached_tokens")
    )
    cost = number_of(cells.get("cost"))
    feedback: tuple[Feedback, ...] = ()
    if "feedback" in cells:
        comment = _text(cells.get("comment")) or None
        feedback = (Feedback(found["feedback"], number_of(cells["feedback"]), None, comment),)
    return Message(
        "assistant",
        (Said(text),),
        at,
        an_id(cells.get("model")),
        Usage(read, written, cached, cost if isinstance(cost, (int, float)) else None),
        assistant_id=an_id(cells.get("assistant_id")),
        feedback=feedback,
    )


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


TURNS_SHAPE = GroupedShape("csv_turns", is_turn, read_turns, group_turns)
MESSAGES_SHAPE = GroupedShape("csv_messages", is_message, read_messages, group_messages)
