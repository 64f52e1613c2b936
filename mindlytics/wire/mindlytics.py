"""The Mindlytics protocol: events as JSON, bodies, headers and addresses.

Here and nowhere else is it known how an event looks on this wire, in both directions: the clients encode with it, the
local server decodes with it. What a reply means is in ``wire/http.py``, since the services agree on that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from attrs import NOTHING, fields_dict
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from ..errors import InvalidEvent
from ..events import (
    EVENT_TYPES,
    ConversationFunction,
    ConversationTurn,
    ConversationUsage,
    CustomEvent,
    Event,
    TrackedEvent,
    as_usage,
    check_name,
)

QUEUE_PATH = "/bc/v1/events/queue"
IDENTIFY_PATH = "/bc/v1/user/identify"
ALIAS_PATH = "/bc/v1/user/alias"

INSIDE_PROPERTIES: Mapping[type[Event], tuple[str, ...]] = {
    ConversationTurn: ("user", "assistant", "assistant_id"),
    ConversationUsage: (),
    ConversationFunction: ("name", "args", "result", "runtime"),
}
"""The fields that an event class has of its own and that travel inside ``properties``."""

USAGE_NAMES = ("model", "prompt_tokens", "completion_tokens", "cost")
ALWAYS_SENT = frozenset({"timestamp", "properties", "attributes", "runtime"})

converter = Converter()
"""The one converter of this wire: ``unstructure`` turns an event into the dict that JSON is made of."""


def _unstructure_hook(event_type: type[Event]) -> Callable[[Any], dict[str, Any]]:
    """How events of one class become dicts: absent values left out, own fields moved into ``properties``."""
    own = INSIDE_PROPERTIES.get(event_type, ())
    has_usage = "usage" in fields_dict(event_type)
    overrides: dict[str, Any] = {
        name: override(omit=name == "usage", omit_if_default=name not in ALWAYS_SENT or attribute.default is None)
        for name, attribute in fields_dict(event_type).items()
    }
    flatten = make_dict_unstructure_fn(event_type, converter, **overrides)
    constants: dict[str, Any] = {"type": event_type.type}
    if event_type.event is not None and "event" not in fields_dict(event_type):
        constants["event"] = event_type.event

    def unstructure(event: Any) -> dict[str, Any]:
        wire = {**constants, **flatten(event)}
        if own or has_usage:
            properties = dict(event.properties)
            properties.update((name, wire.pop(name)) for name in own if name in wire)
            if has_usage and event.usage is not None:
                properties.update(converter.unstructure(event.usage))
            wire["properties"] = properties
        return wire

    return unstructure


for _event_type in EVENT_TYPES:
    converter.register_unstructure_hook(_event_type, _unstructure_hook(_event_type))

_BY_TYPE = {event_type.type: event_type for event_type in EVENT_TYPES if not issubclass(event_type, TrackedEvent)}
_BY_EVENT = {event_type.event: event_type for event_type in EVENT_TYPES if issubclass(event_type, TrackedEvent)}


def encode(event: Event) -> bytes:
    """One event as JSON. Datetimes become ISO 8601 in UTC offsets as they were given."""
    return orjson.dumps(converter.unstructure(event), option=orjson.OPT_UTC_Z)


def decode(given: object) -> Event:
    """Read one event from what JSON gave; unknown fields are ignored, null is absent.

    :raises InvalidEvent: naming the field and the rule that it breaks.
    """
    if not isinstance(given, dict):
        raise InvalidEvent("event", "a JSON object", given)
    wire = {name: value for name, value in given.items() if value is not None}
    event_type = _BY_TYPE.get(wire.get("type", ""))
    if event_type is None:
        if wire.get("type") != "track":
            rule = f"one of {', '.join([*_BY_TYPE, 'track'])}"
            raise InvalidEvent("type", rule, wire.get("type"))
        event_type = _BY_EVENT.get(check_name("event", wire.get("event")), CustomEvent)
    if event_type in INSIDE_PROPERTIES:
        _unfold_properties(event_type, wire)
    for name, attribute in fields_dict(event_type).items():
        if attribute.default is NOTHING and name not in wire:
            raise InvalidEvent(name, "given", None)
    return event_type(**{name: wire[name] for name in fields_dict(event_type) if name in wire})


def _unfold_properties(event_type: type[Event], wire: dict[str, Any]) -> None:
    """Move an event's own fields, and its usage where it is whole, out of ``properties``."""
    properties = wire.get("properties", {})
    if not isinstance(properties, dict):
        raise InvalidEvent("properties", "a JSON object", properties)
    properties = {name: value for name, value in properties.items() if value is not None}
    for name in INSIDE_PROPERTIES[event_type]:
        if name in properties:
            wire[name] = properties.pop(name)
    names = USAGE_NAMES[-1:] if "cost" in properties else USAGE_NAMES[:-1]
    if "usage" in fields_dict(event_type) and all(name in properties for name in names):
        wire["usage"] = as_usage({name: properties.pop(name) for name in names})
    wire["properties"] = properties
