"""Sessions of Claude Code: lines of ``~/.claude/projects``, or ``loglines`` in one object."""

from __future__ import annotations

from collections.abc import Iterator

from .. import content
from ..context import Context, Record
from ..fields import JsonObject, an_id, an_object, object_or_empty, objects_in, text_or_none, unknown_role
from ..talk import NOTHING, Message, Said, Talk, Usage, with_attributes
from . import GroupedShape

PROGRAM = ("isSidechain", "isMeta", "isCompactSummary", "isApiErrorMessage")
MARKS = ("<command-", "<local-command-", "[Request interrupted")
OTHERS = ("summary", "file-history-snapshot", "queue-operation", "custom-title", "progress")


def detects(record: object) -> bool:
    """A line of a session."""
    if not isinstance(record, dict):
        return False
    if isinstance(record.get("loglines"), list):
        return True
    kind = record.get("type")
    if kind in OTHERS and (
        "leafUuid" in record or "snapshot" in record or "operation" in record or "sessionId" in record
    ):
        return True
    return kind in ("user", "assistant", "system") and "sessionId" in record and "uuid" in record


def group(record: object, context: Context) -> str:
    """The whole file: summaries and snapshots name no session."""
    record = an_object("", record)
    return "file"


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversations of the sessions in a file."""
    talks: dict[str, Talk] = {}
    title = None
    lines = [(record, each) for record in records for each in objects_in(record.fields.get("loglines", [record.value]))]
    last = {id: index for index, (_, each) in enumerate(lines) if (id := _response_id(each)) is not None}
    for index, (record, line) in enumerate(lines):
        context.record = record
        if line.get("type") == "summary":
            title = line.get("summary")
        if line.get("type") not in ("user", "assistant"):
            continue
        if any(line.get(mark) for mark in PROGRAM):
            context.leave("what the program or another agent wrote")
            continue
        with context.part():
            id = _response_id(line)
            message = _message(line, id is None or last[id] == index, context)
            if message is not None:
                session = an_id(line.get("sessionId"))
                talks.setdefault(str(session), Talk(conversation_id=session)).take(message)
    for talk in talks.values():
        with_attributes(talk, {"title": title})
        yield talk


def _response_id(line: JsonObject) -> str | None:
    return text_or_none(object_or_empty(line.get("message")).get("id"))


def _message(line: JsonObject, final: bool, context: Context) -> Message | None:
    value = an_object("message", line.get("message"))
    role = {"user": "user", "assistant": "assistant"}.get(str(value.get("role")))
    if role is None:
        raise unknown_role("message.role", value.get("role"), "user or assistant")
    items = content.items("message.content", value.get("content"), context, "")
    kept = tuple(item for item in items if not (isinstance(item, Said) and item.text.lstrip().startswith(MARKS)))
    if len(kept) < len(items):
        context.leave("what the program or another agent wrote")
    usage: Usage = content.anthropic_usage(value.get("usage")) if final else NOTHING
    if not kept and (role == "user" or usage is NOTHING):
        return None
    model = text_or_none(value.get("model"))
    return Message(
        role, kept, context.time("timestamp", line.get("timestamp")), model, usage, id=text_or_none(line.get("uuid"))
    )


SHAPE = GroupedShape("claude_code", detects, read, group)
