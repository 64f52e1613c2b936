"""The HTTP side of the local server: which routes there are, and those of the server itself.

``http.py`` holds what all requests share, ``routes.py`` what a route is, and the modules of the routes answer them.
``run.py`` listens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

from aiohttp import web

from ..annotations import Unpack
from . import align, chaos, export, find_routes, forgetting, keys, live, recording, stats, traces, user_reads
from .alerts import ALERTS, post_alerts
from .analysis import Analysis
from .analysis.background import BACKGROUND, Background
from .analysis.local import analyse
from .antonnia import app as antonnia
from .antonnia.desk import Reply
from .chaos import CHAOS, Chaos
from .database import Publish
from .guard import GUARD, Guard
from .http import API_KEY, MAX_BODY, STORE, SUPER_KEY, check_key, errors_as_json, reply
from .idle import IDLE_SECONDS, Idle
from .live import LIVE, Live
from .openapi import document
from .page import routes as page
from .parameters import Object
from .refusals import Refusals
from .retention import Retention
from .routes import OK, Ok, Route
from .search import routes as search
from .store import Store


class Options(TypedDict, total=False):
    """The options of a server, besides its address and key. See :func:`create_app`."""

    super_key: str | None
    analysis: Analysis | None
    reply: Reply | str | None
    webhook: str | None
    alert_webhook: str | None
    alerts: str
    chaos: str
    allowed_hosts: Sequence[str]
    idle: float | None
    keep: float | None


def create_app(store: Store, *, api_key: str | None = None, **options: Unpack[Options]) -> web.Application:
    """The application over a store, which publishes that store's commits from now on: no second one may.

    :param api_key: an accepted key, besides issued ones. Without any, all keys are accepted.
    :param options: ``super_key`` manages all keys. ``analysis`` is called for each ended conversation, see
        :mod:`mindlytics.server.analysis`. Default: the local one. None: no analysis for now. ``reply`` is the answer of
        agents in the Conversations API: a text, in which ``{text}`` stands for the last message, or a function of a
        :class:`~mindlytics.server.antonnia.desk.ReplyContext`. ``webhook`` is the address that receives its webhooks.
        ``alert_webhook`` is the address that receives alerts, by the rules in ``alerts``, see
        :mod:`mindlytics.server.alerts`. ``chaos`` describes what goes wrong, see :mod:`mindlytics.server.chaos`.
        ``allowed_hosts`` are names of the server besides loopback and its address. Requests with another name are
        refused. ``idle`` is the number of seconds without an event after which a session ends. Default: half an hour.
        None: sessions stay open. ``keep`` is the number of seconds after which an ended session is deleted. Default:
        None, never.
    :raises InvalidChaos: ``chaos`` breaks a rule.
    :raises InvalidAlerts: ``alerts`` breaks a rule.
    :raises InvalidKey: a key is empty, or a header cannot hold it.
    :raises InvalidHost: a name is invalid.
    """
    analysis = options.get("analysis", analyse)
    super_key = options.get("super_key")
    check_key("API key", api_key)
    check_key("super key", super_key)
    faults = Chaos(options.get("chaos", ""))
    guard = Guard(options.get("allowed_hosts", ()))
    app = web.Application(
        middlewares=[faults.misbehave, Refusals().log, guard.check, errors_as_json], client_max_size=2 * MAX_BODY
    )
    app[CHAOS] = faults
    app[GUARD] = guard
    app[STORE] = store
    app[API_KEY] = api_key or ""
    app[SUPER_KEY] = super_key or ""
    listeners = app[LIVE] = Live()
    publish = store.on_commit = _publishing(app, store, listeners)
    app.on_shutdown.extend([listeners.stop, _stop_reading])
    if analysis is not None:
        background = app[BACKGROUND] = Background(store, analysis, publish)
        store.on_commit = background.committed
        app.on_startup.append(background.start)
        app.on_cleanup.append(background.stop)
    post_alerts(app, store, options.get("alert_webhook"), options.get("alerts", ALERTS))
    if (idle := options.get("idle", IDLE_SECONDS)) is not None:
        Idle(store, idle).run_along(app)
    if (keep := options.get("keep")) is not None:
        Retention(store, keep).run_along(app)
    traces.start(app)
    search.start(app)
    page.add_routes(app)
    for service, routes in SERVICES.items():
        if service != CONVERSATIONS:
            for route in routes:
                app.router.add_route(route.method, route.path, route.respond)
    app.router.add_get(find_routes.UNKNOWN, find_routes.unknown)
    app.add_subapp(antonnia.PREFIX, antonnia.create_app(app, options.get("reply"), options.get("webhook")))
    return app


def _publishing(app: web.Application, store: Store, listeners: Live) -> Publish:
    """What publishes events, by the other servers too if the database is shared."""
    sharing = store.database.sharing(listeners.publish, listeners.is_heard)
    if sharing is None:
        return listeners.publish
    app.on_startup.append(sharing.start)
    app.on_cleanup.append(sharing.stop)
    return sharing.publish


async def _stop_reading(app: web.Application) -> None:
    app[STORE].stop_reading()


# -- the server itself


class ServerInfo(TypedDict):
    """Its name and version."""

    name: str
    version: str


async def root(request: web.Request) -> web.StreamResponse:
    """Name and version, or the page in a browser."""
    if "Upgrade" in request.headers:  # clients that know only the base URL connect here for live events
        return await request.app[LIVE].listen(request)
    if page.wants_html(request):
        return await page.root(request)
    try:
        number = version("mindlytics")
    except PackageNotFoundError:
        number = "unknown"
    return reply(ServerInfo(name="mindlytics local server", version=number))


async def health(request: web.Request) -> Ok:
    """Whether events can be stored."""
    await request.app[STORE].check()
    return OK


@cache
def described() -> Object:
    """The OpenAPI document of all routes."""
    return document(SERVICES)


async def openapi(_: web.Request) -> Object:
    """This document."""
    return described()


CONVERSATIONS = "Antonnia Conversations"
SERVICES: Mapping[str, Sequence[Route]] = {
    "This server": (
        Route("GET", "/", root, credentials=None, answer=ServerInfo),
        Route("GET", "/healthz", health, credentials=None, others=[503]),
        Route("GET", "/openapi.json", openapi, credentials=None),
        *chaos.ROUTES,
    ),
    "Mindlytics": (
        *recording.ROUTES,
        *forgetting.ROUTES,
        *user_reads.ROUTES,
        *search.ROUTES,
        *stats.ROUTES,
        *keys.ROUTES,
        *find_routes.ROUTES,
        *export.ROUTES,
        *live.ROUTES,
    ),
    "Align AI": align.ROUTES,
    CONVERSATIONS: antonnia.ROUTES,
    "OpenTelemetry": traces.ROUTES,
}
"""All routes but those of the page."""
