"""Runs of LangSmith: one a line, as ``list_runs`` has them, or batches of ``post`` and ``patch``."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidEvent
from .. import content
from ..context import Context, Record
from ..exchanges import Exchange, by_time, talks_of
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import NOTHING, Message, Talk
from . import GroupedShape
from .langchain_dump import is_message, read_message
from .openai_chat import message as openai_message

THREADS = ("session_id", "thread_id", "conversation_id")


def detects(record: object) -> bool:
    """A run, or a batch of them."""
    if not isinstance(record, dict):
        return False
    return ("run_type" in record and ("trace_id" in record or "inputs" in record)) or (
        isinstance(record.get("post"), list) or isinstance(record.get("patch"), list)
    )


def group(record: object, context: Context) -> str:
    """The thread, or the trace."""
    record = an_object("", record)
    first = next(iter(_runs(record)), {})
    if first.get("run_type") == "llm":
        an_object("inputs", first.get("inputs"))
    return _thread(first) or str(first.get("trace_id"))


def _runs(record: JsonObject) -> list[JsonObject]:
    """A run by itself, or those of a batch."""
    return [record] if "run_type" in record else [*objects_in(record.get("post")), *objects_in(record.get("patch"))]


def _thread(run: JsonObject) -> str | None:
    metadata = object_or_empty(object_or_empty(run.get("extra")).get("metadata"))
    return an_id(*(metadata.get(name) for name in THREADS))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversations of a thread."""
    runs: dict[str, tuple[Record, JsonObject]] = {}
    for record in records:
        for run in _runs(record.fields):
            key = str(run.get("id"))
            before = runs[key][1] if key in runs else {}
            runs[key] = (record, {**before, **{name: each for name, each in run.items() if each is not None}})
    exchanges: list[Exchange] = []
    for record, run in runs.values():
        if run.get("run_type") != "llm":
            continue
        context.record = record
        with context.part():
            exchanges.append(_exchange(run, record, context))
    roots = {run.get("trace_id"): run for _, run in runs.values() if not run.get("parent_run_id")}
    for trace, run in roots.items():
        mine = [each for each in exchanges if each.attributes.get("trace") == trace]
        if mine:
            last = max(mine, key=lambda each: (each.ended is not None, each.ended))
            last.feedback += [
                Feedback(name, average)
                for name, stats in object_or_empty(run.get("feedback_stats")).items()
                if (average := object_or_empty(stats).get("avg")) is not None
            ]
            first = min(mine, key=by_time)
            began = context.time("start_time", run.get("start_time"))
            first.began = began or first.began
            ended = context.time("end_time", run.get("end_time"))
            last.ended = last.ended if ended is None or last.ended is None else max(last.ended, ended)
    for each in exchanges:
        each.attributes.clear()
    yield from talks_of(exchanges, context)


def _exchange(run: JsonObject, record: Record, context: Context) -> Exchange:
    inputs = an_object("inputs", run.get("inputs"))
    history = a_list("inputs.messages", inputs.get("messages") or [])
    if history and isinstance(history[0], list):
        history = history[0]
    messages = [
        message for i, each in enumerate(history) if (message := _message(f"inputs.messages[{i}]", each, context))
    ]
    metadata = object_or_empty(object_or_empty(run.get("extra")).get("metadata"))
    model = text_or_none(metadata.get("ls_model_name"))
    answer = _answer(run.get("outputs"), context)
    began, ended = context.time("start_time", run.get("start_time")), context.time("end_time", run.get("end_time"))
    return Exchange(
        [each for each in messages if each.role != "system"],
        None if answer is None else [answer],
        _thread(run),
        an_id(run.get("trace_id")),
        an_id(metadata.get("user_id")),
        began,
        ended or began,
        Message("assistant", model=model),
        {"trace": run.get("trace_id")},
        record=record,
    )


def _message(where: str, value: object, context: Context) -> Message | None:
    return read_message(where, value, context) if is_message(value) else openai_message(where, value, context)


def _answer(outputs: object, context: Context) -> Message | None:
    if not isinstance(outputs, dict):
        return None
    generations = outputs.get("generations")
    if isinstance(generations, list) and generations:
        first = generations[0][0] if isinstance(generations[0], list) else generations[0]
        return _message("outputs.generations[0]", first.get("message"), context)
    choices = outputs.get("choices")
    if isinstance(choices, list) and choices:
        found = openai_message("outputs.choices[0].message", choices[0].get("message"), context)
        usage = content.openai_usage(outputs.get("usage"))
        return Message("assistant", found.items, None, outputs.get("model"), usage or NOTHING)
    for name in ("message", "messages", "output"):
        found_ = outputs.get(name)
        found_ = found_[-1] if isinstance(found_, list) and found_ else found_
        if isinstance(found_, dict):
            return _message(f"outputs.{name}", found_, context)
    if outputs.get("role"):
        return openai_message("outputs", outputs, context)
    raise InvalidEvent("outputs", "an answer of a known kind", outputs)


SHAPE = GroupedShape("langsmith_runs", detects, read, group)
