"""The Mindlytics protocol: events as JSON, bodies, headers and addresses.

Here and nowhere else is it known how an event looks on this wire, in both directions: the clients encode with it, the
local server decodes with it. What a reply means is in ``wire/http.py``, since the services agree on that.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from attrs import NOTHING, fields_dict, frozen
from cattrs import Converter
from cattrs.fns import identity
from cattrs.gen import make_dict_unstructure_fn, override

from ..cleaning.numbers import plain_number
from ..delivery.verdict import Verdict
from ..errors import InvalidEvent
from ..events import EVENT_TYPES, CustomEvent, Event, TrackedEvent
from ..secret import Headers, Secret
from ..usage import Cost, TokenBasedCost
from ..validators import check_name
from ..values import Scalar, plain_datetime, read_timestamp
from .http import judge

QUEUE_PATH = "/bc/v1/events/queue"
IDENTIFY_PATH = "/bc/v1/user/identify"
ALIAS_PATH = "/bc/v1/user/alias"

_CONVERTER = Converter()


def _flat(kind: type[Any], names: Container[str]) -> Callable[[Any], dict[str, Any]]:
    """How an object's fields of these names become a dict; absent values are left out."""
    overrides: dict[str, Any] = {
        name: override(
            omit=name not in names,
            omit_if_default=attribute.default is None,
            unstruct_hook=identity,  # an event holds nothing but what JSON is made of
        )
        for name, attribute in fields_dict(kind).items()
    }
    return make_dict_unstructure_fn(kind, _CONVERTER, **overrides)


_USAGES = {kind: _flat(kind, fields_dict(kind)) for kind in (TokenBasedCost, Cost)}


def _properties_hook(event_type: type[Event]) -> Callable[[Any], dict[str, Any]]:
    """How the properties of one class become a dict: the event's own fields and its usage among them."""
    takes_usage = "usage" in fields_dict(event_type)
    inside = _flat(event_type, event_type.own_properties)

    def properties_of(event: Any) -> dict[str, Any]:
        properties = {**event.properties, **inside(event)}
        if takes_usage and event.usage is not None:
            properties |= _USAGES[type(event.usage)](event.usage)
        return properties

    return properties_of


_PROPERTIES = {
    event_type: _properties_hook(event_type)
    for event_type in EVENT_TYPES
    if event_type.own_properties or "usage" in fields_dict(event_type)
}


def _unstructure_hook(event_type: type[Event]) -> Callable[[Any], dict[str, Any]]:
    """How events of one class become dicts: own fields and usage among the ``properties``."""
    outside = _flat(event_type, fields_dict(event_type).keys() - {*event_type.own_properties, "usage"})
    properties_of = _PROPERTIES.get(event_type)
    kind = event_type.type
    name = None if event_type is CustomEvent else event_type.event

    def unstructure(event: Any) -> dict[str, Any]:
        wire = outside(event)
        wire["type"] = kind
        if name is not None:
            wire["event"] = name
        if properties_of is not None:
            wire["properties"] = properties_of(event)
        return wire

    return unstructure


_HOOKS = {event_type: _unstructure_hook(event_type) for event_type in EVENT_TYPES}


@frozen
class _Plan:
    """How one class is read: the fields that stand in the event itself, those among its properties, and its maps."""

    event_type: type[Event]
    outside: tuple[str, ...]
    inside: tuple[str, ...]
    required: tuple[str, ...]
    maps: tuple[str, ...]
    takes_usage: bool


def _plan(event_type: type[Event]) -> _Plan:
    attributes = fields_dict(event_type)
    inside = event_type.own_properties
    return _Plan(
        event_type,
        tuple(name for name in attributes if name not in (*inside, "usage")),
        inside,
        tuple(name for name, attribute in attributes.items() if attribute.default is NOTHING),
        tuple(name for name in ("properties", "attributes", "traits") if name in attributes),
        "usage" in attributes,
    )


_BY_TYPE = {
    event_type.type: _plan(event_type) for event_type in EVENT_TYPES if not issubclass(event_type, TrackedEvent)
}
_BY_EVENT = {event_type.event: _plan(event_type) for event_type in EVENT_TYPES if issubclass(event_type, TrackedEvent)}
_CUSTOM = _plan(CustomEvent)


def encode(event: Event) -> bytes:
    """One event as JSON; a datetime becomes ISO 8601."""
    return orjson.dumps(_HOOKS[type(event)](event), _plain, orjson.OPT_UTC_Z)


def _plain(value: object) -> object:
    """What orjson takes instead of a value that no call has checked: a stopped clock's, or one of ``before_send``."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return plain_datetime(value).isoformat()
    number = plain_number(value)
    if number is value:
        raise TypeError
    return number


def decode(given: object) -> Event:
    """Read one event from what JSON gave; unknown fields are ignored, null is absent, a timestamp becomes a datetime.

    :raises InvalidEvent: naming the field and the rule that it breaks.
    """
    if not isinstance(given, dict):
        raise InvalidEvent("event", "a JSON object", given)
    kind = given.get("type")
    if kind == "track":
        plan = _BY_EVENT.get(check_name("event", given.get("event")), _CUSTOM)
    elif isinstance(kind, str) and kind in _BY_TYPE:
        plan = _BY_TYPE[kind]
    else:
        raise InvalidEvent("type", f"one of {', '.join([*_BY_TYPE, 'track'])}", kind)
    wire = {name: value for name in plan.outside if (value := given.get(name)) is not None}
    if isinstance(timestamp := wire.get("timestamp"), str):
        wire["timestamp"] = read_timestamp("timestamp", timestamp)
    for name in plan.maps:
        values = wire.get(name)
        if isinstance(values, dict) and None in values.values():
            wire[name] = {key: value for key, value in values.items() if value is not None}
    if plan.inside or plan.takes_usage:
        _unfold_properties(plan, wire)
    for name in plan.required:
        if name not in wire:
            raise InvalidEvent(name, "given", None)
    return plan.event_type(**wire)


def _unfold_properties(plan: _Plan, wire: dict[str, Any]) -> None:
    """Move an event's own fields, and its usage where it is whole, out of ``properties``."""
    properties = wire.get("properties", {})
    if not isinstance(properties, dict):
        raise InvalidEvent("properties", "a JSON object", properties)
    properties = wire["properties"] = properties.copy()
    for name in plan.inside:
        if name in properties:
            wire[name] = properties.pop(name)
    if plan.takes_usage:
        if "cost" in properties:
            wire["usage"] = Cost(properties.pop("cost"))
        elif "model" in properties and "prompt_tokens" in properties and "completion_tokens" in properties:
            take = properties.pop
            wire["usage"] = TokenBasedCost(take("model"), take("prompt_tokens"), take("completion_tokens"))


def properties_of(event: TrackedEvent) -> Mapping[str, Scalar]:
    """An event's properties as they are on the wire: with its own fields and its usage among them."""
    hook = _PROPERTIES.get(type(event))
    return event.properties if hook is None else hook(event)


_BARE_ONLY: set[str] = set()
"""Addresses that were found to refuse arrays and to take bare objects; remembered for the process."""


class MindlyticsWire:
    """The protocol as delivery drives it: JSON arrays, posted to the queue.

    Arrays are what the API description asks for. Where a lone event's array is refused before any array was taken, the
    event is tried as a bare object; if that is taken, bare objects are all that is sent from then on.
    """

    piece_overhead = 1
    body_overhead = 1

    def __init__(self, server_endpoint: str, api_key: Secret, project_id: str) -> None:
        self.url = server_endpoint + QUEUE_PATH
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
