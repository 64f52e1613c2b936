"""The services whose events a command looks at: their settings and protocols."""

from __future__ import annotations

from ..align.settings import AlignSettings
from ..delivery.verdict import Wire
from ..settings import Settings

_TYPES: dict[str, type[Settings]] = {kind.service: kind for kind in (Settings, AlignSettings)}


def settings_types() -> list[type[Settings]]:
    """The settings of each service."""
    return list(_TYPES.values())


def settings_type(service: str) -> type[Settings]:
    """The settings of the service of that name."""
    return _TYPES.get(service, Settings)


def wire_of(settings: Settings) -> Wire:
    """The protocol of a service.

    :raises ImportError: it needs a library that is not installed.
    """
    place = settings.server_endpoint, settings.api_key, settings.project_id
    if settings.service == AlignSettings.service:
        from ..align.wire import AlignWire  # noqa: PLC0415  it needs protobuf

        return AlignWire(*place)
    from ..wire import MindlyticsWire  # noqa: PLC0415

    return MindlyticsWire(*place)
