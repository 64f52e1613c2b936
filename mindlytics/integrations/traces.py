"""Turns the spans of a trace into turns: one for each question, with the tools and tokens of all spans below it.

Spans come from the span processor (``opentelemetry.py``), or from other programs, through the local server.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from attrs import define, field, frozen

from . import semconv
from .calls import ErrorName
from .recording import Recorder, Turn
from .semconv import AGENT, MODEL, TOOL, Attributes


@frozen
class Span:
    """An ended span.

    :param error: the class name of an error, or another name for it.
    """

    id: str
    parent: str | None
    name: str
    began: datetime
    ended: datetime
    attributes: Attributes = field(factory=dict)
    events: list[tuple[str, Attributes]] = field(factory=list)
    error: str | None = None
    resource: Attributes = field(factory=dict)

    @property
    def kind(self) -> str | None:
        return semconv.kind_of(self.attributes)

    @property
    def asked(self) -> str:
        return semconv.asked(self.attributes, self.events)

    @property
    def answered(self) -> str:
        return semconv.answered(self.attributes, self.events)


@define
class Question:
    """The spans of one question by start, each with the number of spans above it."""

    user: str = ""
    spans: list[tuple[int, Span]] = field(factory=list)


def questions(spans: list[Span]) -> Iterator[Question]:
    """The questions of one trace. Sibling spans belong to one question unless one of them holds a new one.

    The input of a model or agent below another one is not a user's question.
    """
    depths = _depths(spans)
    found = Question()
    for span in sorted(
        (span for span in spans if span.kind is not None), key=lambda span: (span.began, -span.ended.timestamp())
    ):
        depth = depths[span.id]
        said = span.asked if span.kind != TOOL else ""
        if depth == 0 and said and found.user and said != found.user:
            yield found
            found = Question()
        if said and not found.user:
            found.user = said
        found.spans.append((depth, span))
    if any(span.kind != TOOL for _, span in found.spans):
        yield found


def _depths(spans: list[Span]) -> dict[str, int]:
    """How many spans of models, tools and agents are above each span, by id. Each span is visited once."""
    by_id = {span.id: span for span in spans}
    above: dict[str, int] = {}
    for span in spans:
        way = [span]
        met = {span.id}
        while way[-1].id not in above:
            parent = by_id.get(way[-1].parent or "")
            if parent is None or parent.id in met:
                above[way[-1].id] = 0
                break
            way.append(parent)
            met.add(parent.id)
        for upper, lower in zip(reversed(way), reversed(way[:-1]), strict=False):
            above[lower.id] = above[upper.id] + (upper.kind is not None)
    return above


def record(spans: list[Span], recorder: Recorder) -> None:
    """Record the questions of a trace. The caller sets the current session."""
    for question in questions(spans):
        _record(question, recorder)


def _record(question: Question, recorder: Recorder) -> None:
    spans = [span for _, span in question.spans]
    thread = next(filter(None, (semconv.conversation_of(span.attributes) for span in spans)), None)
    began, ended = min(span.began for span in spans), max(span.ended for span in spans)
    turn = recorder.turn(question.user, thread_id=thread, properties=_properties(spans[0]), at=began)
    user = next(filter(None, (semconv.user_of(span.attributes) for span in spans)), None)
    if user is not None and turn.session is not None and turn.session.id is None and thread is not None:
        turn.session.id = user
    for span in spans:
        _use(turn, span)
    top = min(depth for depth, _ in question.spans)
    agents = [span for _, span in question.spans if span.kind == AGENT]
    turn.assistant_id = next(filter(None, (semconv.agent_of(span.attributes) for span in agents)), None)
    outermost = sorted((span for depth, span in question.spans if depth == top), key=lambda span: span.ended)
    models = sorted(
        ((-depth, span.ended, span.answered) for depth, span in question.spans if span.kind == MODEL and span.answered),
    )
    answer = next((span.answered for span in reversed(outermost) if span.answered), "")
    answer = answer or (models[-1][2] if models else "")
    failed = outermost[-1].error if outermost else None
    if failed is not None:
        turn.fail(ErrorName(failed), answer, at=ended)
    else:
        turn.end(answer, at=ended)


def _use(turn: Turn, span: Span) -> None:
    if span.kind == MODEL:
        turn.use(semconv.tokens_of(span.attributes), semconv.model_of(span.attributes))
    elif span.kind == TOOL:
        name, args, result = semconv.tool_of(span.attributes, span.name)
        call = turn.call(name, args, at=span.began)
        if span.error is not None:
            call.fail(ErrorName(span.error), at=span.ended)
        else:
            call.end(result, at=span.ended)


def _properties(span: Span) -> dict[str, object]:
    """The resource's attributes about where the program ran."""
    resource = span.resource
    return {
        "service": resource.get("service.name"),
        "release": resource.get("service.version"),
        "environment": resource.get("deployment.environment.name", resource.get("deployment.environment")),
    }
