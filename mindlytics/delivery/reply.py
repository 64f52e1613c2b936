"""What an HTTP reply means for a batch, for all services."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import orjson

from ..secret import NO_SECRET, Secret
from .verdict import Fate, Verdict

RETRIED = frozenset({408, 425, 429})
HALVED = frozenset({400, 422})
REDIRECTS = frozenset({301, 302, 307, 308})
MAX_MESSAGE = 500
"""Most characters of a reply that are kept as its message."""


def judge(
    url: str, status: int, headers: Mapping[str, str], body: bytes, *, wall: float, secret: Secret = NO_SECRET
) -> Verdict:
    """Judge any reply to a batch that was posted to ``url``.

    :param headers: the reply's headers, with case-insensitive lookup.
    :param wall: the wall clock in seconds since the epoch, for ``Retry-After`` as a date.
    :param secret: masked if the service repeats it.
    """
    if 200 <= status < 300:
        return Verdict(Fate.DELIVERED, status)
    text = message(status, body, secret)
    if status in RETRIED or status >= 500:
        return Verdict(Fate.RETRY, status, text, wait=retry_after(headers, wall))
    if status in HALVED:
        return Verdict(Fate.HALVE, status, text)
    if status == 413:
        return Verdict(Fate.SHRINK, status, text)
    if status in REDIRECTS:
        return _redirected(url, status, headers.get("Location", ""))
    return Verdict(Fate.REFUSED, status, text)


def _redirected(url: str, status: int, location: str) -> Verdict:
    if not location:
        return Verdict(Fate.REFUSED, status, "redirected without an address")
    try:
        location = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(location)
        same_port = there.port == here.port
    except ValueError:
        return Verdict(Fate.REFUSED, status, "redirected to an invalid address")
    safer = there.scheme in (here.scheme, "https")
    if there.hostname == here.hostname and safer and (same_port or here.scheme != there.scheme):
        return Verdict(Fate.MOVED, status, "redirected too often", location=location)
    return Verdict(Fate.REFUSED, status, f"redirected to {there.scheme}://{there.netloc}, which is not followed")


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds that ``Retry-After`` asks for, in either of its forms, or None (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - wall)
    except Exception:  # the library raises many things on invalid dates and on the year 10000
        return None


def message(status: int, body: bytes, secret: Secret = NO_SECRET) -> str:
    """The service's message: ``message``, ``detail`` or ``error`` of a JSON reply, else the text."""
    return secret.mask_in(_words(body))[:MAX_MESSAGE] or f"status {status}"


def _words(body: bytes) -> str:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        reply = None
    if isinstance(reply, dict):
        for name in ("message", "detail", "error"):
            if isinstance(reply.get(name), str) and reply[name]:
                return str(reply[name])
    return body.decode("utf-8", "replace").strip()
