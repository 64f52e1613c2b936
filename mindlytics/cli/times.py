"""Times as options take them: a date, an ISO 8601 time, how long ago, such as ``2h`` or ``7d``, or for how long."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from ..values import UTC, parse_timestamp

_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


if TYPE_CHECKING:
    _TextParameter = click.ParamType[str]
else:
    _TextParameter = click.ParamType  # generic from click 8.4 on


class Time(_TextParameter):
    """An option that is a time. Its value is ISO 8601 in UTC."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return as_iso(value, datetime.now(UTC))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: write 2026-11-26, 2026-11-26T09:30:00Z, 2h or 7d", param, ctx)


TIME = Time()


def as_iso(text: str, now: datetime) -> str:
    """The time that a text names, as ISO 8601 in UTC.

    :raises ValueError: it names none.
    """
    found = _AGO.fullmatch(text)
    if found is not None:
        at = now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    else:
        at = parse_timestamp(text if len(text) > 10 else f"{text}T00:00:00Z")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def span(text: str) -> float | None:
    """Seconds from a text such as ``30m``, ``90s``, ``2h`` or ``1d``. None for ``none``.

    :raises click.BadParameter: it is another text.
    """
    if text == "none":
        return None
    found = _SPAN.fullmatch(text)
    if found is None or not float(found[1]):
        raise click.BadParameter("must be a number with s, m, h or d, such as 30m, or none")
    return float(found[1]) * _SECONDS[found[2]]
