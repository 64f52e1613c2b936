"""Live events on the Mindlytics wire: where they are asked for, and what comes back. No waiting, no sockets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from attrs import frozen

from ..values import Timestamp
from .event import MLEvent

TOKEN_PATH = "/bc/v1/live-events/realtime"
EVENTS_PATH = "/bc/v1/live-events/events"

PAGE = 1000
"""Events that are read back with one request at most."""

KINDS: dict[str, type | tuple[type, ...]] = {
    "event": str,
    "session_id": str,
    "timestamp": str,
    "event_id": (str, int, type(None)),
    "user_id": (str, type(None)),
    "properties": Mapping,
}
"""What a listener relies on in an event."""

AHEAD = timedelta(days=1)
"""How far the clocks of those who make events may be ahead of ours."""


@frozen
class Page:
    """Events that were read back with one request, oldest first, and whether there may be more."""

    events: list[MLEvent]
    is_full: bool


def token_url(server_endpoint: str, session_id: str | None) -> str:
    """Where the key to the WebSocket is asked for, of one session or of the whole project."""
    query = "" if session_id is None else "?" + urlencode({"session_id": session_id})
    return server_endpoint + TOKEN_PATH + query


def events_url(server_endpoint: str, session_id: str | None, since: datetime, until: Timestamp) -> str:
    """Where events are read back, newest first. A service that knows no ``session_id`` here gives those of all."""
    query = {"start": _iso(since), "end": _iso(until), "limit": str(PAGE)}
    if session_id is not None:
        query["session_id"] = session_id
    return f"{server_endpoint}{EVENTS_PATH}?{urlencode(query)}"


def _iso(moment: Timestamp) -> str:
    """With milliseconds, rounded down; a text is ISO 8601 already."""
    if isinstance(moment, str):
        return moment
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_token(body: bytes) -> tuple[str, str | None]:
    """The key to the WebSocket, and its address where the service tells one.

    :raises ValueError: there is no key.
    """
    given = orjson.loads(body)
    key = given.get("authorization_key") if isinstance(given, dict) else None
    if not isinstance(key, str) or not key or not key.isprintable():
        raise ValueError("no authorization_key")
    told = given.get("url")
    return key, told if isinstance(told, str) else None


def address(server_endpoint: str, wss_endpoint: str, told: str | None) -> str:
    """The address of the WebSocket: the setting, else what the service tells, else derived from the base address.

    What the service tells counts only where it leads to the same host, and not from TLS to none.
    """
    if wss_endpoint:
        return wss_endpoint
    base = urlsplit(server_endpoint)
    if told is not None and _leads_to(told, base.hostname, {"https": ("wss",), "http": ("ws", "wss")}[base.scheme]):
        return told
    host = re.sub(r":300(\d)$", r":400\1", re.sub(r"^app", "wss", base.netloc))
    return f"{base.scheme.replace('http', 'ws')}://{host}{base.path}"


def _leads_to(url: str, host: str | None, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and parts.hostname == host
    except ValueError:
        return False


def read_event(text: str | bytes) -> MLEvent:
    """One event from a message.

    :raises ValueError: it is none.
    """
    return as_event(orjson.loads(text))


def read_page(body: bytes) -> Page:
    """Events that were read back; what is none is passed over.

    :raises ValueError: it is no list.
    """
    given = orjson.loads(body)
    if not isinstance(given, list):
        raise ValueError("not a list of events")
    events = []
    for each in reversed(given):
        try:
            events.append(as_event(each))
        except ValueError:
            continue
    return Page(events, len(given) >= PAGE)


def as_event(given: Any) -> MLEvent:
    """One event from what JSON gave. An error of the service may belong to no session.

    :raises ValueError: it is none.
    """
    if not isinstance(given, Mapping):
        raise ValueError("not an object")
    event = MLEvent.from_dict({"session_id": "", "timestamp": "", **{k: v for k, v in given.items() if v is not None}})
    for name, kind in KINDS.items():
        if not isinstance(getattr(event, name), kind):
            raise ValueError(f"{name} is of another kind")
    return event
