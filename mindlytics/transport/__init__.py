"""One HTTP request and its reply, the blocking and the asyncio way, alike in what they honour.

Proxies from the environment, TLS verification, a caller's own session: here. Credentials are in the request's headers
and nowhere else, and no redirect is followed: what a reply means is for ``wire/``.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Reply:
    """A whole reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@frozen
class NoReply:
    """No whole reply came.

    :param cause: what the library raised, by its name; its text may hold addresses.
    :param stale: a kept-alive connection had ended before the server read the request.
    :param unsent: there was no connection, so nothing of the request has left.
    """

    cause: str
    stale: bool = False
    unsent: bool = False
