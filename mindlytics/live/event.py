"""A stored event, as the service sends it out live: what was recorded, and what the service found in it."""

from __future__ import annotations

from attrs import field, fields_dict, frozen

from ..annotations import JsonMapping, JsonObject, Self
from ..pydantic_names import PydanticNames


@frozen(kw_only=True)
class MLEvent(PydanticNames):
    """A stored event.

    :param event: its name, such as ``Conversation Turn`` or ``Session Ended``.
    :param timestamp: ISO 8601.
    :param origin_event_id: the event that made the service create this one.
    :param extra: fields that are new to this version.
    """

    session_id: str
    timestamp: str
    event: str
    event_id: str | None = None
    organization_id: str | None = None
    app_id: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    origin_event_id: str | None = None
    properties: JsonMapping = field(factory=dict, repr=False)
    user_traits: JsonMapping = field(factory=dict, repr=False)
    extra: JsonMapping = field(factory=dict, repr=False)

    @classmethod
    def from_dict(cls, document: JsonMapping) -> Self:
        """Read one from the service's JSON.

        :raises ValueError: a field that every stored event has is missing.
        """
        known = {name: value for name, value in document.items() if name in fields_dict(cls) and value is not None}
        missing = [name for name in ("session_id", "timestamp", "event") if name not in known]
        if missing:
            raise ValueError(f"a stored event lacks {', '.join(missing)}")
        return cls(**known, extra={name: value for name, value in document.items() if name not in fields_dict(cls)})

    @classmethod
    def _read(cls, document: JsonMapping) -> Self:
        return cls.from_dict(document)

    def to_dict(self) -> JsonObject:
        """A dict for JSON, in the service's form. Empty fields are left out."""
        fields = {name: getattr(self, name) for name in fields_dict(type(self)) if name != "extra"}
        return {**{name: value for name, value in fields.items() if value not in (None, {})}, **self.extra}
