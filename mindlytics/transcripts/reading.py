"""From the records of a file to transcripts and problems."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import evolve

from ..errors import InvalidEvent
from ..validators import MAX_NAME, check_name
from .columns import renamed
from .context import Context, Record
from .detecting import detect
from .gathering import Gathering
from .model import Problem, Transcript
from .shapes import Shape
from .talk import Talk

NAMESPACE = uuid.UUID("6f0b54ad-7b33-5d0c-9e3c-2a8c1f1f6f5e")
"""Where ids are derived that a file leaves out, so that the same conversation always gets the same ones."""
UNKNOWN = "is of no known format"
FEW = 3
"""So many records of no known format are reported one by one."""
SILENT = "has messages, and nothing in them can be read"


def conversations(
    records: Iterable[Record | Problem], context: Context, format: Shape | None = None
) -> Iterator[Transcript | Problem]:
    """What the records of one file come to. Records that belong together come at the end.

    :param format: the shape of all of them; default: each is looked at.
    """
    gathering = Gathering()
    shapes: dict[str, Shape] = {}
    last = format
    unknown = 0
    for record in records:
        if isinstance(record, Problem):
            yield record
            continue
        context.record = record
        with context.part():
            if context.options.names:
                record = context.record = evolve(record, value=renamed(record.value, context.options.names))  # noqa: PLW2901
            shape = format or detect(record.value) or last
            if shape is None:
                unknown += 1
                if unknown <= FEW:
                    context.report(_unknown(record.value))
            else:
                last = shapes[shape.name] = shape
                if shape.group is None:
                    yield from _read(shape, record.value, context)
                else:
                    parent = None if shape.link is None else shape.link(record.value)
                    gathering.add(shape.name, shape.group(record.value, context), record, parent)
        yield from _problems(context)
    if unknown > FEW:
        yield Problem(0, f"{unknown - FEW} more records are of no known format")
    for name, group in gathering.groups():
        context.record = group[0]
        with context.part():
            yield from _read(shapes[name], group, context)
        yield from _problems(context)


def _read(shape: Shape, value: Any, context: Context) -> Iterator[Transcript | Problem]:
    for talk in shape.read(value, context):
        yield from _finished(talk, shape, context)


def _problems(context: Context) -> Iterator[Problem]:
    yield from context.problems
    context.problems.clear()


def _finished(talk: Talk, shape: Shape, context: Context) -> Iterator[Transcript | Problem]:
    record = context.record
    steps = talk.finish()
    if not steps:
        if talk.heard and not context.problems:
            yield Problem(record.number, SILENT, record.where(), record.place)
        return
    began, ended = talk.span()
    yield Transcript(
        line=record.number,
        session={**_ids(talk), "attributes": talk.attributes or None},
        steps=steps,
        began=began,
        ended=ended,
        feedback=tuple(talk.feedback),
        where=record.where(),
        shape=talk.shape or shape.name,
    )


def _unknown(value: object) -> str:
    """What a record looks like that is of no known format."""
    if isinstance(value, dict):
        keys = ", ".join(sorted(str(key)[:30] for key in value)[:8])
        return f"{UNKNOWN}: messages must be a list, got NoneType (its keys: {keys or 'none'})"
    return str(InvalidEvent("a line", "a JSON object", value))


def _ids(talk: Talk) -> dict[str, str | None]:
    """The ids of a talk. With one of session or conversation, the others are derived and not made up anew.

    :raises InvalidEvent: one is no id.
    """
    ids = {name: _id(name, getattr(talk, name)) for name in ("session_id", "conversation_id", "user_id", "device_id")}
    if ids["session_id"] is None and ids["conversation_id"] is not None:
        ids["session_id"] = derived("session", ids["conversation_id"])
    if ids["session_id"] is not None:
        if ids["conversation_id"] is None:
            ids["conversation_id"] = derived("conversation", f"{ids['session_id']} {talk.finish()}")
        if ids["user_id"] is None and ids["device_id"] is None:
            ids["device_id"] = derived("device", ids["session_id"])
    return ids


def derived(what: str, source: str) -> str:
    """An id that is the same whenever it is made of the same source."""
    return str(uuid.uuid5(NAMESPACE, f"{what} {source}".encode("utf-8", "replace").decode()))


def _id(name: str, value: str | None) -> str | None:
    """An id that the service takes; a longer one keeps its beginning."""
    if not value:
        return None
    if len(value) > MAX_NAME:
        value = f"{value[: MAX_NAME - 37]}-{derived('long', value)}"
    return check_name(name, value)
