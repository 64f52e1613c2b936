"""One HTTP request and its reply, the blocking and the asyncio way, alike in what they honour.

Proxies from the environment, TLS verification, a caller's own session: here. Credentials are in the request's headers
and nowhere else, and no redirect is followed: what a reply means is for ``delivery/reply.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Reply:
    """A reply.

    :param body: decoded; empty where it cannot be read.
    :param problem: why the body is not the whole one, in words; empty where it is.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    problem: str = ""


@frozen
class NoReply:
    """No whole reply came.

    :param cause: why, in words that hold no address, header or body.
    :param stale: a kept-alive connection had ended before the server read the request.
    :param unsent: there was no connection, so nothing of the request has left.
    :param timed_out: it took too long.
    """

    cause: str
    stale: bool = False
    unsent: bool = False
    timed_out: bool = False
