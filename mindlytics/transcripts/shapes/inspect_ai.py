"""Logs of inspect_ai: a log in JSON with its ``samples``, or a sample of a log in the form of a zip."""

from __future__ import annotations

from collections.abc import Iterator

from .. import content
from ..context import Context
from ..fields import (
    JsonObject,
    a_list,
    an_id,
    an_object,
    list_or_empty,
    number_or_none,
    object_or_empty,
    text_or_none,
    unknown_role,
)
from ..model import Feedback
from ..talk import Called, Item, Message, Returned, Talk, Usage, merged, with_attributes
from . import Shape

ROLES = ("user", "assistant", "tool", "system")
READ = ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")


def detects(record: object) -> bool:
    """A log, or a sample."""
    if not isinstance(record, dict):
        return False
    if "task" in object_or_empty(record.get("eval")):
        return isinstance(record.get("samples"), list) or "plan" in record
    return isinstance(record.get("messages"), list) and {"epoch", "target", "input"} <= record.keys()


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of each sample."""
    log = an_object("", record)
    if "messages" in log:
        yield _talk("", log, object_or_empty(context.beside.get("header.json")), context)
        return
    samples = a_list("samples", log.get("samples", [] if "eval" in log else None))
    if not samples:
        context.leave("logs without samples")
    for index, sample in enumerate(samples):
        with context.part():
            yield _talk(f"samples[{index}].", an_object(f"samples[{index}]", sample), log, context)


def _talk(prefix: str, sample: JsonObject, log: JsonObject, context: Context) -> Talk:
    about = object_or_empty(log.get("eval"))
    names = [an_id(about.get("run_id")), an_id(sample.get("id")), an_id(sample.get("epoch"))]
    began, ended = (context.time(f"{prefix}{name}", sample.get(name)) for name in ("started_at", "completed_at"))
    talk = Talk(
        conversation_id=an_id(sample.get("uuid")) or "/".join(filter(None, names)),
        model=text_or_none(object_or_empty(sample.get("output")).get("model")) or text_or_none(about.get("model")),
        began=began,
        ended=ended,
        feedback=list(_scores(sample)),
    )
    with_attributes(talk, {"task": about.get("task"), "sample": sample.get("id"), "epoch": sample.get("epoch")})
    with_attributes(talk, object_or_empty(sample.get("metadata")))
    for index, value in enumerate(a_list(f"{prefix}messages", sample.get("messages"))):
        place = f"{prefix}messages[{index}]"
        with context.part():
            talk.take(_message(place, an_object(place, value), context))
    usages = object_or_empty(sample.get("model_usage")).values()
    talk.take(Message("assistant", usage=sum(map(_usage, usages), Usage())))  # the log counts for the whole sample
    return talk


def _message(where: str, fields: JsonObject, context: Context) -> Message:
    role = fields.get("role")
    if role not in ROLES:
        raise unknown_role(f"{where}.role", role, f"one of {', '.join(ROLES)}")
    if role == "system":
        context.leave("system messages")
        return Message("system")
    if role == "tool":
        text = content.result(f"{where}.content", fields.get("content"), context)
        error = text_or_none(object_or_empty(fields.get("error")).get("message"))
        item = Returned(text or error, text_or_none(fields.get("tool_call_id")), text_or_none(fields.get("function")))
        return Message("tool", (item,), where=where)
    items = [*_parts(f"{where}.content", fields.get("content"), context)]
    for index, value in enumerate(list_or_empty(fields.get("tool_calls"))):
        call = an_object(f"{where}.tool_calls[{index}]", value)
        name = content.name(f"{where}.tool_calls[{index}].function", call.get("function"))
        items.append(Called(name, content.arguments(call.get("arguments")), text_or_none(call.get("id"))))
    id = text_or_none(fields.get("id"))
    return Message(str(role), merged(items, "\n"), model=text_or_none(fields.get("model")), id=id, where=where)


def _parts(where: str, value: object, context: Context) -> Iterator[Item]:
    """The parts of a content. A tool that the model's provider ran is one part, with its result."""
    for index, part in enumerate(value if isinstance(value, list) else [value]):
        place = f"{where}[{index}]" if isinstance(value, list) else where
        if isinstance(part, dict) and part.get("type") == "tool_use":
            id = text_or_none(part.get("id"))
            yield Called(content.name(f"{place}.name", part.get("name")), content.arguments(part.get("arguments")), id)
            yield Returned(content.arguments(part.get("result")), id)
        else:
            yield from content.items(place, part, context)


def _scores(sample: JsonObject) -> Iterator[Feedback]:
    for name, value in object_or_empty(sample.get("scores")).items():
        score = object_or_empty(value)
        if score.get("value") is not None:
            yield Feedback(name, score["value"], None, text_or_none(score.get("explanation")))


def _usage(value: object) -> Usage:
    found = object_or_empty(value)
    read = [content.count(found.get(name)) for name in READ]
    cost = number_or_none(found.get("total_cost"))
    prompt = None if read[0] is None else sum(each or 0 for each in read)
    return Usage(prompt, content.count(found.get("output_tokens")), read[1], cost)


SHAPE = Shape("inspect_ai", detects, read)
