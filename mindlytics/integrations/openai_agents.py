"""OpenAI's Agents SDK: a trace processor that records each run of an agent as a turn.

    from agents import add_trace_processor
    from mindlytics.integrations.openai_agents import MindlyticsTraceProcessor

    add_trace_processor(MindlyticsTraceProcessor())

A run is a span of type ``task``. Older versions lack it, so there the trace is the question. Spans below a tool's span
belong to an agent of that tool, whose words are not meant for the user.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from agents.tracing import TracingProcessor
from attrs import define

from .calls import Call
from .fields import get, items_of, str_of
from .quiet import quiet
from .recording import NoTurn, Recorder, Turn
from .texts import as_json, text_of

if TYPE_CHECKING:
    from agents import Span, SpanData, Trace

    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession

MOST_TRACES = 10_000
"""Most traces that are followed at once. Beyond that, the oldest counts as cancelled."""
MODELS = ("generation", "response")


@define(eq=False)
class _Question:
    """A run of an agent, or a trace if runs have no span."""

    turn: Turn
    said: str = ""
    """The last words of a model, or of a tool that ends the run."""
    handled: BaseException | None = None
    """The error that the program was handling when it asked."""


@define(eq=False)
class _Span:
    """An open span."""

    question: _Question
    is_root: bool = False
    is_inner: bool = False
    """Whether it is below a tool's span."""
    call: Call | None = None
    block: AbstractContextManager[Turn] | None = None


@define(eq=False)
class _Trace:
    """An open trace."""

    thread_id: object
    spans: dict[str, _Span]
    question: _Question | None = None
    """The question, if runs have no span of their own."""


class MindlyticsTraceProcessor(TracingProcessor):
    """Records each run of an agent as a turn, with its tool calls.

    Other processors keep working. Events are delivered in the background.

    :param session: where to record, of either face. Default: the current session at each run.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self._recorder = Recorder(session, client)
        self._traces: OrderedDict[str, _Trace] = OrderedDict()

    @quiet
    def on_trace_start(self, trace: Trace) -> None:
        """Called when a workflow begins."""
        self._traces[trace.trace_id] = _Trace(get(trace, "group_id"), {})
        if len(self._traces) > MOST_TRACES:
            self._end_trace(next(iter(self._traces)), cancelled=True)

    @quiet
    def on_trace_end(self, trace: Trace) -> None:
        """Called when a workflow has ended."""
        self._end_trace(trace.trace_id)

    @quiet
    def on_span_start(self, span: Span[SpanData]) -> None:
        """Called when a run, an agent, a model or a tool begins."""
        trace = self._traces.get(span.trace_id)
        if trace is None:
            return
        kind, parent = span.span_data.type, trace.spans.get(span.parent_id or "")
        if kind == "task" and parent is None:
            made = _Span(self._ask(trace), is_root=True)
        elif parent is None:
            trace.question = trace.question or self._ask(trace)
            made = _Span(trace.question)
        else:
            made = _Span(parent.question, is_inner=parent.is_inner or parent.call is not None)
        trace.spans[span.span_id] = made
        if kind == "function":
            made.call = made.question.turn.call(str_of(get(span.span_data, "name")))
            made.block = made.question.turn.active()
        elif kind in MODELS:
            made.block = NoTurn(None).active()  # a wrapped client must not record it again
        if made.block is not None:
            made.block.__enter__()

    @quiet
    def on_span_end(self, span: Span[SpanData]) -> None:
        """Called when it has ended."""
        trace = self._traces.get(span.trace_id)
        ended = None if trace is None else trace.spans.pop(span.span_id, None)
        if ended is None:
            return
        if ended.block is not None:
            ended.block.__exit__(None, None, None)
        question, data = ended.question, span.span_data
        if data.type in MODELS:
            _read_model(question, data, is_inner=ended.is_inner)
        elif ended.call is not None:
            _end_call(ended.call, data, span.error)
            if not ended.is_inner:
                question.said = as_json(get(data, "output")) or question.said
        elif data.type == "agent" and not ended.is_inner:
            question.turn.assistant_id = str_of(get(data, "name"))
        if ended.is_root:
            _end(question)

    def shutdown(self, *_: object, **__: object) -> None:
        """Do nothing: the client delivers pending events at exit."""

    def force_flush(self) -> None:
        """Do nothing: the client holds the events."""

    def _ask(self, trace: _Trace) -> _Question:
        return _Question(self._recorder.turn(thread_id=trace.thread_id), handled=sys.exc_info()[1])

    def _end_trace(self, trace_id: str, *, cancelled: bool = False) -> None:
        trace = self._traces.pop(trace_id, None)
        if trace is None:
            return
        unfinished = {id(span.question): span.question for span in trace.spans.values()}
        if trace.question is not None:
            unfinished[id(trace.question)] = trace.question
        for question in unfinished.values():
            _end(question, cancelled=cancelled or question is not trace.question)


def _end(question: _Question, *, cancelled: bool = False) -> None:
    """Record the turn. Spans end while the error that ended the run propagates, so it is the current exception."""
    error = sys.exc_info()[1]
    if error is not None and error is not question.handled:
        question.turn.fail(error, question.said)
    elif cancelled:
        question.turn.cancel(question.said)
    else:
        question.turn.end(question.said)


def _read_model(question: _Question, data: object, *, is_inner: bool) -> None:
    response = get(data, "response")
    usage = get(data, "usage") or get(response, "usage")
    question.turn.use(usage, get(response, "model") or get(data, "model"))
    if is_inner:
        return
    question.turn.user = question.turn.user or _asked_in(get(data, "input"))
    output = get(data, "output") if response is None else get(response, "output")
    question.said = "".join(_texts_in(output)) or question.said


def _asked_in(messages: object) -> str:
    """The user's last words."""
    if isinstance(messages, str):
        return messages
    users = (each for each in reversed(items_of(messages)) if get(each, "role") == "user")
    return next((text_of(get(each, "content")) for each in users), "")


def _texts_in(output: object) -> list[str]:
    """The model's words: messages among calls and reasoning. A stream's output wraps them in a response."""
    items = items_of(output)
    within = [text for each in items if get(each, "object") == "response" for text in _texts_in(get(each, "output"))]
    return [*within, *(text_of(get(each, "content")) for each in items if get(each, "type") in (None, "message"))]


def _end_call(call: Call, data: object, error: object) -> None:
    call.args = get(data, "input")
    raised = sys.exc_info()[1]
    if error is not None:
        call.fail(raised or str(get(error, "message") or "error"))
    else:
        call.end(as_json(get(data, "output")))
