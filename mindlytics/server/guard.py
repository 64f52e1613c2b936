"""Which requests are answered at all: those that name this server and do not come from pages of other sites.

A web page in a browser on this machine can send requests to this server. With a name that resolves to this machine (DNS
rebinding), it could read the answers too. It cannot choose the headers ``Host``, ``Origin`` and ``Sec-Fetch-Site``, so
they are checked here. ``http.py`` checks keys.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from aiohttp import web

from ..errors import MindlyticsError
from .http import Handler, Problem, reply

_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:@/\\\[\]?#,]+))(?::\d{0,5})?")


class InvalidHost(MindlyticsError, ValueError):
    """An invalid name of a server."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def host_of(authority: str) -> str | None:
    """The name or address in a header such as ``Host``, without the port, or None if it is invalid."""
    found = _AUTHORITY.fullmatch(authority.strip().lower())
    return (found[1] or found[2]).rstrip(".") if found else None


class Guard:
    """Accepts requests that are meant for one server.

    :param names: the server's names, besides loopback and the address that a connection came to. Its own pages are
        accepted also if a proxy changes ``Host``. Pages on an unusual port need ``name:port``.
    :raises InvalidHost: one of the names is invalid.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._origins = {name.lower() for name in names}
        self._names = {_name(name) for name in names}

    def listens_at(self, host: str) -> None:
        """Also answer to the host name that the server listens on. Its addresses are accepted anyway."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            self._names.add(_name(host))

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 403 to requests for other servers, and 400 if the header is missing or ambiguous."""
        try:
            self._check(request)
        except Problem as problem:
            return reply(problem.body, problem.status)
        return await handler(request)

    def _check(self, request: web.Request) -> None:
        hosts = request.headers.getall("Host", [])
        name = host_of(hosts[0]) if len(hosts) == 1 else None
        if name is None:
            raise Problem(400, "invalid header", "there must be one header Host, with the name of the server")
        if not (name in self._names or is_loopback(name) or name == _address(request)):
            raise Problem(
                403,
                "forbidden",
                f"{name[:100]} is not a name of this server; to allow it, start the server with --allowed-host",
            )
        if self._is_from_elsewhere(request, hosts[0]):
            raise Problem(403, "forbidden", "pages of other sites may not use this server")

    def _is_from_elsewhere(self, request: web.Request, host: str) -> bool:
        """Whether a page of another site makes the request. Programs other than browsers omit the header,
        and are accepted.
        """
        origin = request.headers.get("Origin")
        if origin is not None:
            authority = origin.partition("://")[2].lower()
            return authority != host.strip().lower() and authority not in self._origins
        site = request.headers.get("Sec-Fetch-Site", "none")
        return site not in ("same-origin", "none") and not _follows_a_link(request)


GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)


def _name(text: str) -> str:
    name = host_of(text)
    if name is None:
        raise InvalidHost(f"{text} is not a host name; it must have the form name or name:port")
    return name


def _address(request: web.Request) -> str | None:
    """The address of this machine to which the connection came."""
    sockname = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(sockname[0]).partition("%")[0] if isinstance(sockname, tuple) else None


def _follows_a_link(request: web.Request) -> bool:
    """Whether it opens a page of this server in its own tab, whose content other pages cannot see."""
    of_tab = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    return request.method in ("GET", "HEAD") and of_tab == ("navigate", "document")
