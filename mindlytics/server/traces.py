"""OpenTelemetry's ``/v1/traces``: turns the spans of programs in any language into turns.

The spans of a trace are kept until the outermost one comes, which ends last. ``integrations/traces.py`` interprets
them, and ``otlp.py`` parses them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypedDict

from aiohttp import web
from attrs import define, field

from ..arguments import as_text
from ..cleaning import clean_scalars
from ..events import ConversationFunction, ConversationTurn, ConversationUsage, EndSession, Event
from ..integrations import semconv
from ..integrations.recording import Recorder
from ..integrations.sessions import as_thread_id
from ..integrations.traces import Span, record
from ..values import now
from .decoding import taken
from .http import STORE, Caller, Problem, body_of, request_key
from .otlp import ExportRequest, Sent, Undecodable, decode
from .routes import Route

TRACES_PATH = "/v1/traces"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
MOST_TRACES = 10_000
"""Most traces that are kept. Beyond that, the oldest ones are stored as they are."""
MOST_SPANS = 5_000
"""Most spans of one trace. Beyond that, the trace is stored as it is."""
OUTERMOST_SPAN_WAIT = 60.0
"""Seconds to wait for the outermost span of a trace."""

Key = tuple[Caller, str]


@define
class Trace:
    """The spans of a trace by id, so that a resent span counts once."""

    since: float
    spans: dict[str, Span] = field(factory=dict)


class Traces:
    """The incomplete traces."""

    def __init__(self) -> None:
        self._traces: OrderedDict[Key, Trace] = OrderedDict()

    def take(self, caller: Caller, sent: list[Sent], at: float) -> dict[Caller, list[Event]]:
        """Add spans. Returns the events of traces that are complete now or have waited too long."""
        complete: list[Key] = []
        for each in sent:
            key = caller, each.trace_id
            spans = self._traces.setdefault(key, Trace(at)).spans
            spans[each.span.id] = each.span
            if each.is_outermost or len(spans) > MOST_SPANS:
                complete.append(key)
        events: dict[Caller, list[Event]] = {}
        for key in dict.fromkeys(complete):
            events.setdefault(caller, []).extend(_events(key[1], self._traces.pop(key)))
        while self._traces:
            key = next(iter(self._traces))
            if len(self._traces) <= MOST_TRACES and at - self._traces[key].since < OUTERMOST_SPAN_WAIT:
                break
            events.setdefault(key[0], []).extend(_events(key[1], self._traces.pop(key)))
        return events

    async def stop(self, app: web.Application) -> None:
        """Store what there is."""
        for caller, events in self.take_all().items():
            await app[STORE].ingest(*caller, [taken(event) for event in events])

    def take_all(self) -> dict[Caller, list[Event]]:
        events: dict[Caller, list[Event]] = {}
        while self._traces:
            (caller, trace_id), trace = self._traces.popitem(last=False)
            events.setdefault(caller, []).extend(_events(trace_id, trace))
        return {caller: found for caller, found in events.items() if found}


TRACES = web.AppKey("traces", Traces)


def start(app: web.Application) -> None:
    """Keep traces that are incomplete."""
    traces = app[TRACES] = Traces()
    app.on_shutdown.append(traces.stop)


class ExportResponse(TypedDict):
    """Nothing more is said."""


async def export(request: web.Request, caller: Caller) -> web.Response:
    """Store the spans of models, tools and agents as turns."""
    if request.content_type not in (PROTOBUF, JSON):
        raise Problem(415, "unsupported", f"Content-Type must be {PROTOBUF} or {JSON}")
    body = await body_of(request)
    try:
        sent = decode(body, as_json=request.content_type == JSON)
    except Undecodable as error:
        raise Problem(400, "undecodable", str(error)) from None
    # a request that is sent again after a lost answer is stored once
    key = request_key(request, blake2b(body, digest_size=16).hexdigest(), body)
    for owner, events in request.app[TRACES].take(caller, sent, time.monotonic()).items():
        if events:
            found = [taken(event) for event in events]
            await request.app[STORE].ingest(*owner, found, key=key if owner == caller else None)
    return web.Response(body=b"{}" if request.content_type == JSON else b"", content_type=request.content_type)


def _events(trace_id: str, trace: Trace) -> list[Event]:
    spans = list(trace.spans.values())
    named = (as_thread_id(semconv.conversation_of(span.attributes)) for span in spans)
    thread_id = next(filter(None, named), None)
    written: Any = Written(thread_id or trace_id)
    record(spans, Recorder(written))
    if written.events and thread_id is None:
        written.end_session()
    return list(written.events)


class Written:
    """A session for a :class:`Recorder`, which collects events."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.id: object = None
        self.events: list[Event] = []

    def track_function_call(self, *, args: object, result: object, **fields: Any) -> None:
        args, result = as_text("args", args, _ignored), as_text("result", result, _ignored)
        self._add(ConversationFunction, args=args, result=result, **fields)

    def track_conversation_usage(self, **fields: Any) -> None:
        self._add(ConversationUsage, **fields)

    def track_conversation_turn(self, **fields: Any) -> None:
        self._add(ConversationTurn, **fields)

    def end_session(self) -> None:
        last: Any = self.events[-1]
        self.events.append(EndSession(**self._common(), timestamp=last.timestamp))

    def _add(
        self, kind: Any, *, properties: Mapping[str, Any], conversation_id: str | None, timestamp: datetime, **own: Any
    ) -> None:
        self.events.append(
            kind(
                **self._common(),
                **own,
                conversation_id=conversation_id or self.session_id,
                timestamp=min(timestamp, now()),
                properties=clean_scalars("properties", properties, _ignored),
            )
        )

    def _common(self) -> dict[str, Any]:
        user = None if self.id is None else as_thread_id(self.id)
        return {"session_id": self.session_id, "user_id": user, "device_id": f"otlp:{self.session_id}"[:100]}


def _ignored(name: str, value: object, done: str) -> None:
    """Ignore changes of span values, since there is no one to report them to."""


ROUTES = (
    Route("POST", TRACES_PATH, export, body=ExportRequest, answer=ExportResponse, media=[PROTOBUF], others=[415, 422]),
)
