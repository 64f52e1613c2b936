"""One HTTP request and its reply, blocking and for asyncio.

Both honour proxies from the environment, TLS verification and a caller's own session. Credentials are only in the
request's headers. ``delivery/reply.py`` decides what a reply means, so redirects come back as replies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from ..secret import Headers


@frozen
class Reply:
    """A reply.

    :param body: decoded; empty if it is unreadable.
    :param problem: why the body is incomplete, in words; else empty.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    problem: str = ""


@frozen
class NoReply:
    """The whole reply did not come.

    :param cause: why, in words without addresses, headers or bodies.
    :param stale: a kept-alive connection had ended before the server read the request.
    :param unsent: connecting failed, so the request never left.
    :param timed_out: it took too long.
    """

    cause: str
    stale: bool = False
    unsent: bool = False
    timed_out: bool = False


StandIn = Callable[[str, str, "bytes | None", Headers], Reply]
"""Answers a request: method, address, body, headers."""

stand_in: StandIn | None = None
"""Answers every request in place of the network while a program is tested, see ``mindlytics/testing``."""
