"""OpenTelemetry: a span processor that records what libraries say of models, tools and agents in their spans.

    from mindlytics.integrations.opentelemetry import MindlyticsSpanProcessor

    provider.add_span_processor(MindlyticsSpanProcessor())

It is for a provider of the program's own, and touches no global one. What spans mean is read in ``traces.py``.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import nullcontext
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from attrs import define, field
from opentelemetry.sdk.trace import SpanProcessor

from ..context import current, current_session
from .quiet import quiet
from .recording import Recorder
from .traces import Span, record

if TYPE_CHECKING:
    from .. import AsyncClient, Client
    from ..context import AnySession

MOST_TRACES = 1_000
MOST_SPANS = 1_000
"""Of one trace; beyond that, what has ended is recorded."""


@define
class Trace:
    """The spans of this process that belong together."""

    session: AnySession | None
    open: set[int] = field(factory=set)
    ended: list[Span] = field(factory=list)


class MindlyticsSpanProcessor(SpanProcessor):
    """Records a trace as turns when its outermost span of this process ends.

    Reads the attributes of OpenTelemetry's conventions for generative AI, older ones too, of OpenInference and of
    OpenLLMetry. A conversation's or session's id there becomes the ``conversation_id``.

    :param session: where turns are recorded; default the session that is current when the first span begins.
    :param client: makes sessions where none is current; default one of the environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self._recorder = Recorder(session, client)
        self._traces: OrderedDict[int, Trace] = OrderedDict()

    @quiet
    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """A span begins."""
        context = span.get_span_context()
        trace = self._traces.get(context.trace_id)
        if trace is None:
            trace = self._traces[context.trace_id] = Trace(current_session())
            while len(self._traces) > MOST_TRACES:
                self._record(self._traces.popitem(last=False)[1])
        trace.session = trace.session or current_session()
        trace.open.add(context.span_id)

    def on_end(self, span: Any) -> None:
        """A span has ended."""
        self._end(span)

    @quiet
    def _end(self, span: Any) -> None:
        context = span.get_span_context()
        trace = self._traces.get(context.trace_id)
        if trace is None:
            return
        trace.open.discard(context.span_id)
        trace.ended.append(_read(span))
        if not trace.open:
            self._record(self._traces.pop(context.trace_id))
        elif len(trace.ended) >= MOST_SPANS:
            self._record(trace)
            trace.ended = []

    @quiet
    def _record(self, trace: Trace) -> None:
        with nullcontext() if trace.session is None else current(trace.session):
            record(trace.ended, self._recorder)

    def shutdown(self) -> None:
        """Record what has ended of traces that have not."""
        while self._traces:
            self._record(self._traces.popitem()[1])

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here: what has ended is in the queue of its client."""
        return True


def _read(span: Any) -> Span:
    attributes = dict(span.attributes or {})
    failed = getattr(span.status.status_code, "name", "") == "ERROR"
    kind = attributes.get("error.type") or next(
        (event.attributes.get("exception.type") for event in span.events if event.name == "exception"), None
    )
    return Span(
        id=span.get_span_context().span_id,
        parent=None if span.parent is None else span.parent.span_id,
        name=span.name,
        began=_moment(span.start_time),
        ended=_moment(span.end_time),
        attributes=attributes,
        events=[(event.name, dict(event.attributes or {})) for event in span.events],
        error=str(kind or "error") if failed else None,
        resource=dict(span.resource.attributes),
    )


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc)
