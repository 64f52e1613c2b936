"""Rows of WildChat, LMSYS-Chat-1M and Chatbot Arena: ``conversation`` of roles, or ``conversation_a`` and ``_b``."""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, text_or_none
from ..model import Feedback
from ..talk import Talk, with_attributes
from . import Shape
from .openai_chat import first_time, message

KNOWN = ("role", "content", "timestamp")
ATTRIBUTES = ("language", "toxic", "redacted")


def detects(record: object) -> bool:
    """A ``conversation`` under that name, or two of them."""
    if not isinstance(record, dict) or "messages" in record:
        return False
    if "conversation_a" in record and "conversation_b" in record:
        return True
    return "conversation" in record and ("conversation_hash" in record or "model" in record or "turn" in record)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversations of a row."""
    record = an_object("", record)
    if "conversation" in record:
        id = an_id(record.get("conversation_hash"), record.get("conversation_id"))
        yield _talk("conversation", record, id, record.get("model"), context)
        return
    for letter in "ab":
        id = f"{record.get('question_id')}/{letter}"
        talk = _talk(f"conversation_{letter}", record, id, record.get(f"model_{letter}"), context)
        if record.get("winner") is not None:
            talk.feedback.append(Feedback("winner", record["winner"]))
        yield talk


def _talk(name: str, record: JsonObject, id: str | None, model: object, context: Context) -> Talk:
    began = first_time("", record, context) or context.time("tstamp", record.get("tstamp"))
    talk = Talk(id, model=text_or_none(model), began=began)
    with_attributes(talk, {key: record.get(key) for key in ATTRIBUTES})
    for index, each in enumerate(a_list(name, record.get(name))):
        with context.part():
            value = {key: each.get(key) for key in KNOWN} if isinstance(each, dict) else each
            talk.take(message(f"{name}[{index}]", value, context))
            if isinstance(each, dict) and talk.user_id is None:
                talk.user_id = an_id(each.get("hashed_ip"))
    talk.user_id = talk.user_id or an_id(record.get("hashed_ip"))
    return talk


SHAPE = Shape("wildchat_rows", detects, read)
