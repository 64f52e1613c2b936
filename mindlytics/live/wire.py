"""Live events on the Mindlytics wire: addresses of requests, and how replies are read. Free of sockets and waiting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

import orjson
from attrs import frozen

from ..values import Timestamp
from .event import MLEvent

TOKEN_PATH = "/bc/v1/live-events/realtime"
EVENTS_PATH = "/bc/v1/live-events/events"

PAGE = 1000
"""Most events that one request reads back."""

KINDS: dict[str, type | tuple[type, ...]] = {
    "event": str,
    "session_id": str,
    "timestamp": str,
    "event_id": (str, int, type(None)),
    "user_id": (str, type(None)),
    "properties": Mapping,
}
"""The fields of an event that a listener relies on, and their types."""

AHEAD = timedelta(days=1)
"""How far ahead of our clock the clocks behind events may be."""


@frozen
class Page:
    """Events that one request read back, oldest first, and whether more may follow."""

    events: list[MLEvent]
    is_full: bool


def token_url(server_endpoint: str, session_id: str | None) -> str:
    """The address of the key to the WebSocket, for one session or the whole project."""
    query = "" if session_id is None else "?" + urlencode({"session_id": session_id})
    return server_endpoint + TOKEN_PATH + query


def events_url(server_endpoint: str, session_id: str | None, since: datetime, until: Timestamp) -> str:
    """The address for reading events back, newest first. Services may ignore ``session_id`` and return all."""
    query = {"start": _iso(since), "end": _iso(until), "limit": str(PAGE)}
    if session_id is not None:
        query["session_id"] = session_id
    return f"{server_endpoint}{EVENTS_PATH}?{urlencode(query)}"


def _iso(timestamp: Timestamp) -> str:
    """ISO 8601 with milliseconds, rounded down. A text is ISO 8601 already."""
    if isinstance(timestamp, str):
        return timestamp
    return timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_token(body: bytes) -> tuple[str, str | None]:
    """The key to the WebSocket, and its address if the service sends one.

    :raises ValueError: the key is missing.
    """
    reply = orjson.loads(body)
    key = reply.get("authorization_key") if isinstance(reply, dict) else None
    if not isinstance(key, str) or not key or not key.isprintable():
        raise ValueError("authorization_key is missing")
    advertised = reply.get("url")
    return key, advertised if isinstance(advertised, str) else None


def address(server_endpoint: str, wss_endpoint: str, advertised: str | None) -> str:
    """The address of the WebSocket: the setting, else the service's, else one derived from the base address.

    The service's address counts only if it leads to the same host, and keeps TLS.
    """
    if wss_endpoint:
        return wss_endpoint
    base = urlsplit(server_endpoint)
    if advertised is not None and _leads_to(
        advertised, base.hostname, {"https": ("wss",), "http": ("ws", "wss")}[base.scheme]
    ):
        return advertised
    host = re.sub(r":300(\d)$", r":400\1", re.sub(r"^app", "wss", base.netloc))
    return f"{base.scheme.replace('http', 'ws')}://{host}{base.path}"


def _leads_to(url: str, host: str | None, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and parts.hostname == host
    except ValueError:
        return False


def read_event(text: str | bytes) -> MLEvent:
    """Read one event from a message.

    :raises ValueError: it is not an event.
    """
    return as_event(orjson.loads(text))


def read_page(body: bytes) -> Page:
    """Read a page of events, and skip anything else in it.

    :raises ValueError: it is not a list.
    """
    found = orjson.loads(body)
    if not isinstance(found, list):
        raise ValueError("not a list of events")
    events = []
    for each in reversed(found):
        try:
            events.append(as_event(each))
        except ValueError:
            continue
    return Page(events, len(found) >= PAGE)


def as_event(document: object) -> MLEvent:
    """Read one event from parsed JSON. An error of the service may lack a session.

    :raises ValueError: it is not an event.
    """
    if not isinstance(document, Mapping):
        raise ValueError("not an object")
    event = MLEvent.from_dict(
        {"session_id": "", "timestamp": "", **{k: v for k, v in document.items() if v is not None}}
    )
    for name, kind in KINDS.items():
        if not isinstance(getattr(event, name), kind):
            raise ValueError(f"{name} has the wrong type")
    return event
