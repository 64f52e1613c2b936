"""The checks of ``mindlytics doctor``: one finding each, with its reason, and without a secret."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from ..errors import InvalidSetting
from ..secret import Secret
from ..settings import Settings
from ..spool.directory import folders, runs
from ..spool.porch import PLACE
from ..spool.reading import size_of
from ..transport import NoReply, Reply
from ..transport.blocking import BlockingTransport
from ..transport.proxies import proxy_for
from .services import settings_types, wire_of
from .terminal import count

SKEW = 5.0
"""Seconds by which the clock may be wrong before it is a finding."""
REFUSED_KEY = (401, 403)
REFUSED_BODY = (400, 422)
"""A service may refuse the empty batch of the check. The key was right, then."""


class Finding(NamedTuple):
    """The result of a check.

    :param is_fine: None if it is only shown.
    """

    is_fine: bool | None
    topic: str
    words: str


def configured_services() -> list[type[Settings]]:
    """The services with a credential in the environment, or Mindlytics if there is none."""
    try:
        found = [kind for kind in settings_types() if kind.sources()["api_key"] or kind.sources()["project_id"]]
    except InvalidSetting:  # as the examination says
        found = []
    return found or [Settings]


def examine(settings_type: type[Settings], *, is_all: bool) -> Iterator[Finding]:
    """Check the settings of a service, then reach it."""
    try:
        sources = settings_type.sources()
        settings = settings_type.load({})
    except InvalidSetting as error:
        for rule in str(error).split("; "):
            yield Finding(False, "settings", rule)
        return
    for name, source in sources.items():
        if source or is_all:
            value = getattr(settings, name)
            yield Finding(None, name, f"{'set' if isinstance(value, Secret) else value}  ({source or 'default'})")
    if not settings.enabled:
        yield Finding(None, "delivery", "off: nothing is sent")
        return
    yield from _address(settings)
    yield from _request(settings)
    yield from _spool(settings)


def _address(settings: Settings) -> Iterator[Finding]:
    parts = urlsplit(settings.server_endpoint)
    proxy = proxy_for(settings.server_endpoint) if settings.trust_env else None
    if proxy is not None:
        where = urlsplit(proxy)
        yield Finding(None, "proxy", f"{where.scheme}://{where.hostname}:{where.port}")
        return
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or parts.scheme, type=socket.SOCK_STREAM)
        yield Finding(True, "address", ", ".join(dict.fromkeys(str(address[0]) for *_, address in found)))
    except OSError as error:
        yield Finding(False, "address", f"{parts.hostname} cannot be resolved: {error.strerror or error}")


def _request(settings: Settings) -> Iterator[Finding]:
    """Send a batch without events, which records nothing."""
    try:
        wire = wire_of(settings)
    except ImportError:
        yield Finding(False, "protobuf", "not installed: install 'mindlytics[align]'")
        return
    transport = BlockingTransport(settings)
    key = str(uuid4())
    try:
        began = time.time()
        body = wire.body([], bare=False, key=key)
        reply = transport.request("POST", wire.url, body, wire.headers(key), settings.request_timeout)
        ended = time.time()
    finally:
        transport.close()
    if isinstance(reply, NoReply):
        yield Finding(False, "connection", f"no reply from {settings.server_endpoint}: {reply.cause}")
        return
    yield Finding(True, "connection", f"answered after {(ended - began) * 1000:.0f} ms")
    yield _encryption(settings)
    verdict = wire.judge(reply.status, reply.headers, reply.body, wall=ended)
    if reply.status in REFUSED_KEY:
        yield Finding(False, "key", f"refused with status {reply.status}: {verdict.message}")
    elif 200 <= reply.status < 300 or reply.status in REFUSED_BODY:
        yield Finding(True, "key", "accepted")
    else:
        yield Finding(False, "service", f"status {reply.status}: {verdict.message}")
    yield from clock_findings(reply, began, ended)


def _encryption(settings: Settings) -> Finding:
    parts = urlsplit(settings.server_endpoint)
    if parts.scheme == "https":
        bundle = settings.tls
        if bundle is False:
            return Finding(False, "TLS", "the certificate is not verified (verify=False)")
        return Finding(True, "TLS", f"verified with {'the bundled certificates' if bundle is True else bundle}")
    is_here = parts.hostname in ("localhost", "::1") or str(parts.hostname).startswith("127.")
    if is_here:
        return Finding(None, "TLS", "none, on this machine")
    return Finding(False, "TLS", "none: the key and the texts are sent in plain text")


def clock_findings(reply: Reply, began: float, ended: float) -> Iterator[Finding]:
    """Compare with the service's ``Date``, which has whole seconds."""
    try:
        service = parsedate_to_datetime(reply.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return
    skew = max(began - service - 1, service - ended, 0.0)
    if skew <= SKEW:
        yield Finding(True, "clock", "agrees with the service's")
    else:
        yield Finding(False, "clock", f"{skew:.0f} s {'ahead of' if began > service else 'behind'} the service's")


def _spool(settings: Settings) -> Iterator[Finding]:
    if settings.spool is None:
        return
    spool = Path(settings.spool)
    if not spool.exists():
        yield Finding(None, "spool", f"{spool} is made by the first client")
    elif not spool.is_dir() or not os.access(spool, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(False, "spool", f"{spool} is no directory that this user can write to")
    else:
        held = sum(size_of(path) for folder, _ in folders(spool) for path in runs(folder))
        yield Finding(True, "spool", f"{spool} holds {count(held, 'byte')}; see mindlytics spool status")
    if not PLACE.is_dir():
        yield Finding(None, "spool", f"no {PLACE}: a killed process can lose its last events")
