"""From the records of a file to transcripts and problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

from attrs import evolve

from ..errors import InvalidEvent
from .columns import renamed
from .context import Context, Record
from .detecting import detect
from .fields import keys_of
from .gathering import Gathering
from .ids import derived, fitting
from .model import Problem, SessionArguments, Transcript
from .shapes import AnyShape, GroupedShape
from .talk import Talk

UNKNOWN = "is of no known format"
FEW = 3
"""So many records of no known format are reported one by one."""
APART = "belongs together with other records, so its file cannot be shared by processes: import it without --jobs"
SILENT = "has messages, and nothing in them can be read"


def conversations(
    records: Iterable[Record | Problem], context: Context, format: AnyShape | None = None
) -> Iterator[Transcript | Problem]:
    """What the records of one file come to. Records that belong together come at the end.

    :param format: the shape of all of them; default: each is looked at.
    """
    with closing(Gathering()) as gathering:  # also if the caller stops in the middle
        yield from _conversations(records, context, format, gathering)


def _conversations(
    records: Iterable[Record | Problem], context: Context, format: AnyShape | None, gathering: Gathering
) -> Iterator[Transcript | Problem]:
    grouped: dict[str, GroupedShape] = {}
    last = format
    unknown = 0
    for record in records:
        if isinstance(record, Problem):
            yield record
            continue
        context.record = record
        with context.part():
            if context.options.names:
                value = renamed(record.value, context.options.names, context.renamed)
                record = context.record = evolve(record, value=value)  # noqa: PLW2901
            shape = format or detect(record.value) or last
            if shape is None:
                unknown += 1
                if unknown <= FEW:
                    context.report(_unknown(record.value))
            else:
                last = shape
                if isinstance(shape, GroupedShape) and context.is_part:
                    context.report(APART)
                elif isinstance(shape, GroupedShape):
                    grouped[shape.name] = shape
                    parent = None if shape.link is None else shape.link(record.value)
                    gathering.add(shape.name, shape.group(record.value, context), record, parent)
                else:
                    yield from _finished(shape.read(record.value, context), shape, context)
        yield from _problems(context)
    if unknown > FEW:
        yield Problem(0, f"more records of no known format: {unknown - FEW}")
    for name, group in gathering.groups():
        context.record = group[0]
        with context.part():
            yield from _finished(grouped[name].read(group, context), grouped[name], context)
        yield from _problems(context)


def _problems(context: Context) -> Iterator[Problem]:
    yield from context.problems
    context.problems.clear()


def _finished(talks: Iterable[Talk], shape: AnyShape, context: Context) -> Iterator[Transcript | Problem]:
    for talk in talks:
        record = context.record
        steps = talk.finish()
        if not steps and talk.recorded is None:
            if talk.heard and not context.problems:
                yield Problem(record.number, SILENT, record.where(), record.place)
            continue
        began, ended = talk.span()
        yield Transcript(
            line=record.number,
            session=_session(talk),
            steps=steps,
            began=began,
            ended=ended,
            feedback=tuple(talk.feedback),
            where=record.where(),
            shape=talk.shape or shape.name,
            recorded=talk.recorded,
        )


def _unknown(value: object) -> str:
    """What a record looks like that is of no known format."""
    if isinstance(value, dict):
        return f"{UNKNOWN} (its keys: {keys_of(value)}): pass --format, or --map for other names of keys"
    return str(InvalidEvent("a line", "a JSON object", value))


def _session(talk: Talk) -> SessionArguments:
    """A session for a talk. With an id of session or conversation, the others are derived and not made up anew."""
    session_id, conversation_id = fitting(talk.session_id), fitting(talk.conversation_id)
    user_id, device_id = fitting(talk.user_id), fitting(talk.device_id)
    if session_id is None and conversation_id is not None:
        session_id = derived("session", conversation_id)
    if session_id is not None:
        if conversation_id is None and talk.recorded is None:
            conversation_id = derived("conversation", f"{session_id} {talk.finish()}")
        if user_id is None and device_id is None:
            device_id = derived("device", session_id)
    return {
        "session_id": session_id,
        "conversation_id": conversation_id,
        "user_id": user_id,
        "device_id": device_id,
        "attributes": talk.attributes or None,
    }
