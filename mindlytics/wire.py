"""The Mindlytics protocol: events as JSON, bodies, headers and addresses.

Only this file knows the format, in both directions: the clients encode with it, and the local server decodes with it.
``delivery/reply.py`` reads replies, which are alike for all services.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from attrs import NOTHING, fields_dict

from .cleaning.numbers import plain_number
from .delivery.reply import judge
from .delivery.verdict import Verdict
from .errors import MISSING, InvalidEvent
from .events import EVENT_TYPES, CustomEvent, Event, TrackedEvent
from .secret import Headers, Secret
from .usage import Cost, TokenBasedCost, Usage
from .validators import check_name
from .values import Scalar, Timestamp, plain_datetime, read_timestamp

QUEUE_PATH = "/bc/v1/events/queue"
IDENTIFY_PATH = "/bc/v1/user/identify"
ALIAS_PATH = "/bc/v1/user/alias"

PARTS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")
"""What of a usage is on the wire where there is any. It is read back as properties, which may be the program's own."""

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


class _Form(NamedTuple):
    """The JSON form of one class of events."""

    event_type: type[Event]
    constant: dict[str, object]
    """Fields with the same value in all of them."""
    outside: tuple[str, ...]
    """The fields in the event itself."""
    inside: tuple[str, ...]
    """The fields among its properties."""
    takes_usage: bool
    """Whether its usage is among its properties too."""
    required: tuple[str, ...]
    """The required fields."""
    maps: tuple[str, ...]


def _form(event_type: type[Event]) -> _Form:
    attributes, inside = fields_dict(event_type), event_type.own_properties
    constant: dict[str, object] = {"type": event_type.type}
    if event_type is not CustomEvent and event_type.event is not None:
        constant["event"] = event_type.event
    return _Form(
        event_type,
        constant,
        outside=tuple(name for name in attributes if name not in (*inside, "usage")),
        inside=inside,
        takes_usage="usage" in attributes,
        required=tuple(name for name, attribute in attributes.items() if attribute.default is NOTHING),
        maps=tuple(name for name in ("properties", "attributes", "traits") if name in attributes),
    )


_FORMS = {event_type: _form(event_type) for event_type in EVENT_TYPES}
_BY_TYPE = {kind.type: form for kind, form in _FORMS.items() if not issubclass(kind, TrackedEvent)}
_BY_EVENT = {kind.event: form for kind, form in _FORMS.items() if issubclass(kind, TrackedEvent)}
_CONSTANTS = {kind: form.constant for kind, form in _FORMS.items()}


def encode(event: Event) -> bytes:
    """One event as JSON. None is left out, and a datetime becomes ISO 8601."""
    fields = vars(event)
    outside = {name: value for name in _FORMS[type(event)].outside if (value := fields[name]) is not None}
    properties = properties_of(event) if isinstance(event, TrackedEvent) else None
    return encode_parts(type(event), {}, event.timestamp, outside, properties)


def encode_parts(  # noqa: PLR0917  positional arguments are fastest
    event_type: type[Event],
    common: Mapping[str, object],
    timestamp: Timestamp,
    fields: Mapping[str, object],
    properties: Mapping[str, Scalar] | None = None,
    own: Mapping[str, Scalar] | None = None,
    usage: Usage | None = None,
) -> bytes:
    """Like :func:`encode`, from the parts of an event. None of them may be None.

    :param common: the fields that all events of a session share.
    :param fields: the fields in the event itself, without ``properties``.
    :param own: the fields to put among the properties. ``usage`` goes there too.
    """
    wire = {**_CONSTANTS[event_type], **common, "timestamp": timestamp, **fields}
    if properties is not None:
        wire["properties"] = _merged(properties, own, usage)
    # orjson's result keeps its write buffer, at least a kibibyte. A slice is a copy of the exact size.
    return orjson.dumps(wire, _plain, OPTIONS)[:-1]


def properties_of(event: TrackedEvent) -> Mapping[str, Scalar]:
    """An event's properties on the wire, with its own fields and its usage among them."""
    fields = vars(event)
    own = {name: value for name in event.own_properties if (value := fields[name]) is not None}
    return _merged(event.properties, own, fields.get("usage"))


def _merged(
    properties: Mapping[str, Scalar], own: Mapping[str, Scalar] | None, usage: Usage | None
) -> Mapping[str, Scalar]:
    if own:
        properties = {**properties, **own} if properties else own
    if isinstance(usage, TokenBasedCost):
        counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
        if usage.cached_tokens or usage.cache_write_tokens or usage.reasoning_tokens:
            counts |= {name: count for name in PARTS if (count := getattr(usage, name))}
        return {**properties, "model": usage.model, **counts}
    return {**properties, "cost": usage.cost} if isinstance(usage, Cost) else properties


def _plain(value: object) -> object:
    """A plain value for one that orjson cannot encode, such as a mocked clock's or one from ``before_send``."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return plain_datetime(value).isoformat()
    number = plain_number(value)
    if number is value:
        raise TypeError
    return number


def decode(document: object) -> Event:
    """Read one event from parsed JSON. Unknown fields are ignored, null counts as absent, and a timestamp
    becomes a datetime.

    :raises InvalidEvent: a field breaks a rule. The message names both.
    """
    if not isinstance(document, dict):
        raise InvalidEvent("event", "a JSON object", document)
    kind = document.get("type")
    if kind == "track":
        form = _BY_EVENT.get(check_name("event", document.get("event")), _FORMS[CustomEvent])
    elif isinstance(kind, str) and kind in _BY_TYPE:
        form = _BY_TYPE[kind]
    else:
        raise InvalidEvent("type", f"one of {', '.join([*_BY_TYPE, 'track'])}", kind)
    wire = {name: value for name in form.outside if (value := document.get(name)) is not None}
    if isinstance(timestamp := wire.get("timestamp"), str):
        wire["timestamp"] = read_timestamp("timestamp", timestamp)
    for name in form.maps:
        values = wire.get(name)
        if isinstance(values, dict) and None in values.values():
            wire[name] = {key: value for key, value in values.items() if value is not None}
    if form.inside or form.takes_usage:
        _unfold_properties(form, wire)
    for name in form.required:
        if name not in wire:
            raise InvalidEvent(name, "given", MISSING)
    return form.event_type(**wire)


def _unfold_properties(form: _Form, wire: dict[str, object]) -> None:
    """Move an event's own fields, and its usage if complete, out of ``properties``."""
    properties = wire.get("properties", {})
    if not isinstance(properties, dict):
        raise InvalidEvent("properties", "a JSON object", properties)
    properties = wire["properties"] = properties.copy()
    for name in form.inside:
        if name in properties:
            wire[name] = properties.pop(name)
    if form.takes_usage:
        if "cost" in properties:
            wire["usage"] = Cost(properties.pop("cost"))
        elif "model" in properties and "prompt_tokens" in properties and "completion_tokens" in properties:
            take = properties.pop
            wire["usage"] = TokenBasedCost(take("model"), take("prompt_tokens"), take("completion_tokens"))


_BARE_ONLY: set[str] = set()
"""Addresses that refuse arrays and accept bare objects, remembered for the process."""


class MindlyticsWire:
    """The protocol, as delivery calls it: JSON arrays, posted to the queue.

    The API description asks for arrays. If the service refuses the array of a single event before it accepted any
    array, the event is retried as a bare object. If that is accepted, only bare objects are sent from then on.
    """

    piece_overhead = 1
    body_overhead = 1

    def __init__(self, server_endpoint: str, api_key: Secret, project_id: str) -> None:
        self.url: str = server_endpoint + QUEUE_PATH
        self._api_key = api_key
        self._headers = credentials(api_key, project_id)
        self._array_taken = False

    encode = staticmethod(encode)

    def body(self, pieces: Sequence[bytes], *, bare: bool, key: str) -> bytes:
        return pieces[0] if bare else b"[" + b",".join(pieces) + b"]"

    def headers(self, key: str) -> Headers:
        return {**self._headers, "Idempotency-Key": key}

    def judge(self, status: int, headers: Mapping[str, str], body: bytes, *, wall: float) -> Verdict:
        return judge(self.url, status, headers, body, wall=wall, secret=self._api_key)

    def allows_bare(self) -> bool:
        return not self._array_taken

    def took(self, *, bare: bool) -> None:
        if bare:
            _BARE_ONLY.add(self.url)
        else:
            self._array_taken = True

    def takes_bare_only(self) -> bool:
        return self.url in _BARE_ONLY


def credentials(api_key: Secret, project_id: str) -> Headers:
    """The headers of every request to the service."""
    bearer = Secret(f"Bearer {api_key.reveal()}")
    return {"Authorization": bearer, "X-App-ID": project_id, "Content-Type": "application/json"}
