"""OpenTelemetry: a span processor that records models, tools and agents from the spans of libraries.

    from mindlytics.integrations.opentelemetry import MindlyticsSpanProcessor

    provider.add_span_processor(MindlyticsSpanProcessor())

Add it to your program's own provider. ``traces.py`` interprets the spans.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import nullcontext
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from attrs import define, field
from opentelemetry.sdk.trace import SpanProcessor

from ..context import current, current_session
from .fields import get
from .quiet import quiet
from .recording import Recorder
from .traces import Span, record

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace import Span as SdkSpan
    from opentelemetry.trace import SpanContext

    from .. import AsyncClient, Client
    from ..context import AnySession

MOST_TRACES = 1_000
MOST_SPANS = 1_000
"""Most spans of one trace that are kept. Beyond that, those that ended are recorded."""


@define
class Trace:
    """The spans of this process that belong together."""

    session: AnySession | None
    open: set[int] = field(factory=set)
    ended: list[Span] = field(factory=list)


class MindlyticsSpanProcessor(SpanProcessor):
    """Records a trace as turns when its outermost span of this process ends.

    Reads the attributes of OpenTelemetry's conventions for generative AI, also older ones, of OpenInference and of
    OpenLLMetry. The id of a conversation or session there becomes the ``conversation_id``.

    :param session: where to record turns. Default: the current session when the first span begins.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self._recorder = Recorder(session, client)
        self._traces: OrderedDict[int, Trace] = OrderedDict()

    @quiet
    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Called when a span begins."""
        context = span.get_span_context()
        if context is None:
            return
        trace = self._traces.get(context.trace_id)
        if trace is None:
            trace = self._traces[context.trace_id] = Trace(current_session())
            while len(self._traces) > MOST_TRACES:
                self._record(self._traces.popitem(last=False)[1])
        trace.session = trace.session or current_session()
        trace.open.add(context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Called when a span has ended."""
        self._end(span)

    @quiet
    def _end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        trace = None if context is None else self._traces.get(context.trace_id)
        if context is None or trace is None:
            return
        trace.open.discard(context.span_id)
        trace.ended.append(_read(context, span))
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
        """Record the ended spans of open traces."""
        while self._traces:
            self._record(self._traces.popitem()[1])

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return at once, since ended spans are in their client's queue."""
        return True


def _read(context: SpanContext, span: ReadableSpan) -> Span:
    attributes = dict(span.attributes or {})
    failed = getattr(span.status.status_code, "name", "") == "ERROR"
    kind = attributes.get("error.type") or next(
        (get(event.attributes, "exception.type") for event in span.events if event.name == "exception"), None
    )
    return Span(
        id=str(context.span_id),
        parent=None if span.parent is None else str(span.parent.span_id),
        name=span.name,
        began=_as_datetime(span.start_time),
        ended=_as_datetime(span.end_time),
        attributes=attributes,
        events=[(event.name, dict(event.attributes or {})) for event in span.events],
        error=str(kind or "error") if failed else None,
        resource=dict(span.resource.attributes),
    )


def _as_datetime(nanoseconds: int | None) -> datetime:
    return datetime.fromtimestamp((nanoseconds or 0) / 1e9, timezone.utc)
