"""Sessions of Claude Code: lines of ``~/.claude/projects``, or ``loglines`` in one object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InvalidEvent
from .. import content
from ..context import Context, an_object
from ..talk import NOTHING, Message, Said, Talk, Usage, with_attributes
from . import Shape

PROGRAM = ("isSidechain", "isMeta", "isCompactSummary", "isApiErrorMessage")
MARKS = ("<command-", "<local-command-", "[Request interrupted")
OTHERS = ("summary", "file-history-snapshot", "queue-operation", "custom-title", "progress")


def detects(record: Any) -> bool:
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


def group(record: Any, context: Context) -> str:
    """The whole file: summaries and snapshots name no session."""
    return "file"


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversations of the sessions in a file."""
    talks: dict[str, Talk] = {}
    title = None
    lines = [(record, each) for record in records for each in record.value.get("loglines", [record.value])]
    last = {each["message"]["id"]: index for index, (_, each) in enumerate(lines) if _has_id(each)}
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
            final = not _has_id(line) or last[line["message"]["id"]] == index
            message = _message(line, final, context)
            if message is not None:
                talk = talks.setdefault(str(line.get("sessionId")), Talk(conversation_id=line.get("sessionId")))
                talk.take(message)
    for talk in talks.values():
        with_attributes(talk, {"title": title})
        yield talk


def _has_id(line: Any) -> bool:
    message = line.get("message") if isinstance(line, dict) else None
    return isinstance(message, dict) and isinstance(message.get("id"), str)


def _message(line: dict[str, Any], final: bool, context: Context) -> Message | None:
    given = an_object("message", line.get("message"))
    role = {"user": "user", "assistant": "assistant"}.get(str(given.get("role")))
    if role is None:
        raise InvalidEvent("message.role", "user or assistant", given.get("role"))
    items = content.items("message.content", given.get("content"), context, "")
    kept = tuple(item for item in items if not (isinstance(item, Said) and item.text.lstrip().startswith(MARKS)))
    if len(kept) < len(items):
        context.leave("what the program or another agent wrote")
    usage: Usage = content.anthropic_usage(given.get("usage")) if final else NOTHING
    if not kept and (role == "user" or usage is NOTHING):
        return None
    model = given.get("model")
    return Message(role, kept, context.moment("timestamp", line.get("timestamp")), model, usage, id=line.get("uuid"))


SHAPE = Shape("claude_code", detects, read, group)
