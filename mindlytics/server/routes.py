"""Routes: which function answers a request, and what goes in and out.

A function says it by its signature: ``query`` and ``body`` among its arguments are read by their types, its result is
the answer, and its docstring begins with a summary. ``openapi/`` describes the routes by the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, get_type_hints

import orjson
from aiohttp import web
from attrs import Factory, field, frozen
from msgspec import Meta
from sqlalchemy import Connection

from ..annotations import NotRequired, TypedDict
from .apps import App, find_app
from .http import STORE, Problem, caller_of, json_object, reply
from .typed import Invalid, read, read_query

Credentials = Callable[[web.Request], Awaitable[Any]]

NOBODY = App(0, "", "")
"""An app without data."""


class Ok(TypedDict):
    """Done."""

    status: str


OK: Ok = {"status": "ok"}


class Error(TypedDict):
    """What is wrong: the kind of error in a word or two, and in words. For an array, the place of the bad event."""

    error: str
    message: str
    field: NotRequired[Annotated[str, Meta(description="The field, parameter or header that breaks a rule.")]]
    index: NotRequired[int]


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    return get_type_hints(getattr(function, "func", function), include_extras=True)


@frozen
class Route:
    """A request, and the function that answers it.

    :param function: takes the request, and as ``caller``, ``query`` and ``body`` what ``credentials`` returns and what
        the request says, those of them that it names. Returns a response, or what can be written as JSON.
    :param credentials: checks who asks, before anything else is read. None: anybody may.
    :param query: the type of the query, if the function reads it by itself. Likewise ``body`` and ``answer``.
    :param takes: the type of the body. ``media``: other accepted types, which are answered in the same type.
    :param key: whether the request may have an ``Idempotency-Key``.
    :param status: that of the answer.
    :param error: the type of the answer with another status: one of ``refusals``, if there are credentials, or of
        ``others``.
    :param title: what it does. Default: the first line of the docstring.
    """

    method: str
    path: str
    function: Callable[..., Any]
    credentials: Credentials | None = field(default=caller_of, kw_only=True)
    query: Any = field(default=None, kw_only=True)
    body: Any = field(default=None, kw_only=True)
    answer: Any = field(default=None, kw_only=True)
    takes: str = field(default="application/json", kw_only=True)
    media: Sequence[str] = field(default=(), kw_only=True)
    key: bool = field(default=False, kw_only=True)
    status: int = field(default=200, kw_only=True)
    error: Any = field(default=Error, kw_only=True)
    refusals: Sequence[int] = field(default=(400, 401, 403), kw_only=True)
    others: Sequence[int] = field(default=(), kw_only=True)
    title: str = field(default="", kw_only=True)
    hints: Mapping[str, Any] = field(init=False, default=Factory(lambda self: _hints(self.function), takes_self=True))

    @property
    def summary(self) -> str:
        """What it does."""
        function = getattr(self.function, "func", self.function)
        return self.title or str(function.__doc__).partition("\n")[0].rstrip(".")

    @property
    def query_type(self) -> Any:
        """The type of the query, or None."""
        return self.query or self.hints.get("query")

    @property
    def body_type(self) -> Any:
        """The type of the body, or None."""
        return self.body or self.hints.get("body")

    @property
    def answer_type(self) -> Any:
        """The type of the answer."""
        return self.answer or self.hints["return"]

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        arguments: dict[str, Any] = {}
        if self.credentials is not None:
            arguments["caller"] = await self.credentials(request)
        if "query" in self.hints:
            arguments["query"] = read_query(self.hints["query"], request.query)
        if "body" in self.hints:
            arguments["body"] = body_as(self.hints["body"], await json_object(request))
        answer = await self.function(request, **{name: it for name, it in arguments.items() if name in self.hints})
        return answer if isinstance(answer, web.StreamResponse) else reply(answer, self.status)


@frozen
class Read(Route):
    """A request that a function of a connection, an app and a query answers, on a reader thread.

    :param before: what to wait for.
    """

    before: Callable[[web.Request], Awaitable[object]] | None = field(default=None, kw_only=True)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        caller, parameters = await caller_of(request), request.query
        if self.before is not None:
            await self.before(request)

        def work(connection: Connection) -> bytes:
            app = find_app(connection, *caller) or NOBODY
            answer = self.read(connection, app, parameters)
            return answer if isinstance(answer, bytes) else orjson.dumps(answer)

        return web.Response(body=await request.app[STORE].read(work), content_type="application/json")

    def read(self, connection: Connection, app: App, parameters: Mapping[str, str]) -> Any:
        """What the function answers to these parameters.

        :raises InvalidQuery: one breaks a rule.
        """
        return self.function(connection, app, read_query(self.hints["query"], parameters))


def body_as(kind: type[Any], body: dict[str, Any]) -> Any:
    """A body by its type.

    :raises Problem: 400 if it breaks a rule.
    """
    try:
        return read(kind, body)
    except Invalid as error:
        raise Problem(400, "invalid body", str(error), field=error.field) from None
