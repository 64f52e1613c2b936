"""Sessions of Codex: lines of ``~/.codex/sessions``, with an item of OpenAI's Responses each."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ..context import Context, Record
from ..fields import an_id, object_or_empty, text_or_none
from ..talk import Message, Said, Talk
from . import GroupedShape
from .openai_responses import message

KINDS = ("session_meta", "turn_context", "response_item", "event_msg", "compacted")
MARKS = ("<environment_context>", "<user_instructions>", "<permissions instructions>", "# AGENTS.md instructions")


def detects(record: object) -> bool:
    """A line of a session."""
    return isinstance(record, dict) and record.get("type") in KINDS and isinstance(record.get("payload"), dict)


def group(record: object, context: Context) -> str:
    """The whole file: only its first line names the session."""
    return "file"


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of a file. Its events repeat the items, and are not read."""
    talk = Talk()
    model: str | None = None
    for record in records:
        context.record = record
        payload = object_or_empty(record.fields.get("payload"))
        with context.part():
            kind = record.fields.get("type")
            at = context.time("timestamp", record.fields.get("timestamp"))
            if kind == "session_meta":
                talk.conversation_id = talk.conversation_id or an_id(payload.get("id"))
                talk.began = talk.began or at
            elif kind == "turn_context":
                model = text_or_none(payload.get("model")) or model
            elif kind == "response_item":
                for each in message("payload", payload, context):
                    if _is_of_program(each):
                        context.leave("what the program wrote")
                    else:
                        model_of = model if each.role == "assistant" else None
                        talk.take(evolve(each, at=at, model=model_of))
    yield talk


def _is_of_program(found: Message) -> bool:
    return found.role == "user" and all(isinstance(each, Said) and each.text.startswith(MARKS) for each in found.items)


SHAPE = GroupedShape("codex_rollout", detects, read, group)
