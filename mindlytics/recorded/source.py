"""Where lines come from: a server, page by page, or a database, read without a server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from functools import partial
from typing import Any, Protocol, Union
from urllib.parse import urlsplit

from attrs import frozen

from ..errors import InvalidEvent, InvalidSetting, MLHTTPError
from ..settings import Settings
from ..values import UTC, parse_timestamp
from .lines import Line

Time = Union[str, date, datetime]
Place = Union[str, os.PathLike[str]]

EXPORT_PATH = "/bc/v1/export"
LOCAL = "local"
"""The key and the project for a server on this machine, which mostly accepts any."""
PATIENCE = 60.0
"""Seconds for which a request is repeated while the server is away or has no time."""
LONGEST_WAIT = 10.0
"""Longest wait between two requests, in seconds."""
_URL = re.compile(r"(?s)^([\w+]+://)(?:[^:/]*(?::[^@]*)?@)?(?:[^?]*@)?([^?]*).*")
"""As SQLAlchemy reads one: a password may hold any character but ``@``. One that does is hidden, too."""
AGAIN = frozenset({0, 408, 425, 429, 500, 502, 503, 504})


@frozen
class Filters:
    """Which sessions to read: those that started in a span of time, or those of a user.

    :param since: the earliest start.
    :param until: the end of the span, which is not in it.
    :param user: any id of the user.
    """

    since: datetime | None = None
    until: datetime | None = None
    user: str | None = None

    def narrowed(self, since: Time | None, until: Time | None, user: str | None) -> Filters:
        """These filters with some replaced.

        :raises InvalidEvent: one is no time.
        """
        return Filters(
            self.since if since is None else as_time("since", since),
            self.until if until is None else as_time("until", until),
            self.user if user is None else user,
        )


class Source(Protocol):
    """Something that has lines. The ``project`` of a database may be None until it was read."""

    name: str
    project: str | None

    def lines(self, wanted: Filters) -> Iterator[Line]:
        """The lines, session by session, in order of time."""
        ...

    def ask(self, path: str, parameters: Mapping[str, object]) -> dict[str, object]:
        """The answer of a server's read. Parameters that are no texts are sent as JSON.

        :raises MindlyticsError: the place cannot be read, or a parameter breaks a rule.
        """
        ...


def as_time(name: str, value: Time) -> datetime:
    """A time from an ISO 8601 date or time, or a date. Without an offset it is in UTC.

    :raises InvalidEvent: it is none.
    """
    rule = "an ISO 8601 date, with or without a time"
    if isinstance(value, str):
        try:
            return parse_timestamp(value if len(value) > 10 else f"{value}T00:00:00Z")
        except ValueError:
            raise InvalidEvent(name, rule, value) from None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise InvalidEvent(name, rule, value)


def source_at(place: Place, api_key: str | None = None, project_id: str | None = None) -> Source:
    """The source at a server's address, a file or ``postgresql://…``. Nothing is read yet.

    :raises InvalidSetting: a credential is missing.
    """
    text = os.fspath(place)
    if text.startswith(("http://", "https://")):
        return _Server(_settings(text, api_key, project_id))
    return _Database(text, project_id)


def without_password(place: str) -> str:
    """A place without the user and the query of its URL, which may hold a password."""
    return _URL.sub(r"\1\2", place)


def failure(server: str, reply: Mapping[str, Any]) -> MLHTTPError:
    """The error of a failed request, which names the server."""
    where = urlsplit(server).netloc.rpartition("@")[2]
    return MLHTTPError(reply["status"], f"{where}: {reply['message']}")


class _Server:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = settings.server_endpoint
        self.project: str | None = settings.project_id

    def lines(self, wanted: Filters) -> Iterator[Line]:
        from tenacity import Retrying, retry_if_result, stop_after_delay, wait_random_exponential  # noqa: PLC0415

        from ..http import HTTPClient  # noqa: PLC0415

        query = {"user": wanted.user}
        for name, at in (("since", wanted.since), ("until", wanted.until)):
            query[name] = None if at is None else at.isoformat()
        data = {name: value for name, value in query.items() if value is not None}
        retrying = Retrying(
            retry=retry_if_result(_is_passing),
            stop=stop_after_delay(PATIENCE),
            wait=wait_random_exponential(0.5, LONGEST_WAIT),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        with HTTPClient._of(self._settings) as http:
            ask = partial(http.send_request, method="GET", url=EXPORT_PATH, data=data)
            reply = ask()
            while True:
                if _is_passing(reply) and (reply["status"] or "cursor" in data):  # else there is no server
                    reply = retrying(ask)
                if reply.get("errored"):
                    raise failure(self._settings.server_endpoint, reply)
                yield from reply["results"]
                if reply["next"] is None:
                    return
                data["cursor"] = reply["next"]
                reply = ask()

    def ask(self, path: str, parameters: Mapping[str, object]) -> dict[str, object]:
        from ..http import HTTPClient  # noqa: PLC0415

        with HTTPClient._of(self._settings) as http:
            reply = http.send_request(method="GET", url=path, data=dict(parameters))
        if reply.get("errored"):
            raise failure(self._settings.server_endpoint, reply)
        return dict(reply)


def _is_passing(reply: dict[str, object]) -> bool:
    return reply.get("errored") is True and reply.get("status") in AGAIN


class _Database:
    def __init__(self, place: str, project: str | None) -> None:
        self._place = place
        self.project = project
        self.name = without_password(place)

    def lines(self, wanted: Filters) -> Iterator[Line]:
        import orjson  # noqa: PLC0415

        from ..server.export import Wanted, page  # noqa: PLC0415  needs the extra local
        from ..server.reader import app_of_project, reader  # noqa: PLC0415
        from ..server.schema import microseconds  # noqa: PLC0415

        since, until = (None if at is None else microseconds(at) for at in (wanted.since, wanted.until))
        with reader(self._place) as connection:
            with connection.begin():
                app = app_of_project(connection, self.project)
            self.project = app.app_id
            cursor = None
            while True:
                with connection.begin():
                    lines, cursor = page(connection, app.scope, Wanted(since, until, wanted.user), cursor)
                yield from map(orjson.loads, lines)
                if cursor is None:
                    return

    def ask(self, path: str, parameters: Mapping[str, object]) -> dict[str, object]:
        from ..http import texts  # noqa: PLC0415
        from ..server.answers import READS  # noqa: PLC0415  needs the extra local
        from ..server.reader import app_of_project, reader  # noqa: PLC0415
        from ..server.search.indexing import complete  # noqa: PLC0415
        from ..server.search.routes import SEARCH_PATH  # noqa: PLC0415

        if path == SEARCH_PATH:
            complete(self._place)
        with reader(self._place) as connection, connection.begin():
            app = app_of_project(connection, self.project)
            self.project = app.app_id
            return dict(READS[path].read(connection, app, {"cursor": "", **texts(parameters)}))


def _settings(place: str, api_key: str | None, project_id: str | None) -> Settings:
    """Settings from arguments and the environment. A server on this machine needs no credentials."""
    from ..server.guard import is_loopback  # noqa: PLC0415  aiohttp takes a while to import

    arguments: dict[str, object] = {"api_key": api_key, "project_id": project_id, "server_endpoint": place}
    arguments |= {"enabled": True, "request_timeout": 60.0}
    if not is_loopback(urlsplit(place).hostname or ""):
        return Settings.load(arguments)
    arguments["trust_env"] = False  # a proxy cannot reach this machine
    for missing in ((), ("project_id",), ("api_key",)):
        try:
            return Settings.load({**arguments, **dict.fromkeys(missing, LOCAL)})
        except InvalidSetting:
            continue
    return Settings.load({**arguments, "project_id": LOCAL, "api_key": LOCAL})
