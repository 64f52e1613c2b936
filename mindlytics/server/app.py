"""The HTTP side of the local server: which routes there are, and those of events, users and ``find``.

``http.py`` holds what all routes share, and ``live.py`` live events. ``store.py`` and ``find.py`` store and read.
``run.py`` listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

import orjson
from aiohttp import web
from sqlalchemy import Connection

from ..align.settings import COLLECT_PATH
from ..annotations import Unpack
from ..errors import InvalidEvent
from ..events import Identify
from ..validators import check_name
from ..wire import ALIAS_PATH, IDENTIFY_PATH, QUEUE_PATH, decode
from . import align, forgetting, keys, stats, traces, user_reads
from .alerts import ALERTS, post_alerts
from .analysis import Analysis
from .analysis.background import BACKGROUND, Background
from .analysis.local import analyse
from .antonnia import app as antonnia
from .antonnia.desk import Reply
from .apps import find_app
from .chaos import CHAOS, CHAOS_PATH, Chaos
from .collection import COLLECTIONS
from .database import Publish
from .decoding import one_by_one, quick, taken
from .export import EXPORT_PATH, export
from .find import find, parse
from .forgetting import FORGET_PATH
from .guard import GUARD, Guard
from .http import (
    API_KEY,
    MAX_BODY,
    STORE,
    SUPER_KEY,
    Caller,
    body_of,
    caller_of,
    check_header,
    check_key,
    errors_as_json,
    json_body,
    json_object,
    json_of,
    reply,
    request_key,
)
from .idle import IDLE_SECONDS, Idle
from .live import LIVE, LIVE_PATH, Live, realtime, recent
from .openapi import document
from .openapi.mindlytics import EVENT_PATH, EVENT_PATHS
from .page import routes as page
from .paging import Page, page_of, parse_page
from .query import InvalidQuery
from .records import Records, User
from .refusals import Refusals
from .retention import Retention
from .schema import now
from .search import routes as search
from .store import Store
from .users import alias, identify


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
    """The application over a store.

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
    chaos = Chaos(options.get("chaos", ""))
    guard = Guard(options.get("allowed_hosts", ()))
    app = web.Application(
        middlewares=[chaos.misbehave, Refusals().log, guard.check, errors_as_json], client_max_size=2 * MAX_BODY
    )
    app[CHAOS] = chaos
    app[GUARD] = guard
    app[STORE] = store
    app[API_KEY] = api_key or ""
    app[SUPER_KEY] = super_key or ""
    live = app[LIVE] = Live()
    publish = store.on_commit = _publishing(app, store, live)
    app.on_shutdown.extend([live.stop, _stop_reading])
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
    app.router.add_get("/", _root)
    app.router.add_get("/healthz", _health)
    app.router.add_get("/openapi.json", _openapi)
    app.router.add_get(CHAOS_PATH, chaos.show)
    app.router.add_put(CHAOS_PATH, chaos.change)
    app.router.add_post(QUEUE_PATH, _queue)
    app.router.add_post(EVENT_PATH, _event)
    for last in EVENT_PATHS:
        app.router.add_post(f"{EVENT_PATH}/{last}", _event)
    app.router.add_post(COLLECT_PATH, align.collect)
    app.router.add_post(IDENTIFY_PATH, _user_identify)
    app.router.add_post(ALIAS_PATH, _user_alias)
    app.router.add_post(FORGET_PATH, forgetting.answer)
    traces.add_routes(app)
    search.add_routes(app)
    stats.add_routes(app)
    keys.add_routes(app)
    user_reads.add_routes(app)
    page.add_routes(app)
    app.router.add_get("/bc/v1/db/{collection}/{operation}", _find)
    app.router.add_get(EXPORT_PATH, export)
    app.router.add_get(LIVE_PATH, live.listen)
    app.router.add_get("/bc/v1/live-events/realtime", realtime)
    app.router.add_get("/bc/v1/live-events/events", recent)
    app.add_subapp(antonnia.PREFIX, antonnia.create_app(app, options.get("reply"), options.get("webhook")))
    return app


def _publishing(app: web.Application, store: Store, live: Live) -> Publish:
    """What publishes events, by the other servers too if the database is shared."""
    sharing = store.database.sharing(live.publish, live.is_heard)
    if sharing is None:
        return live.publish
    app.on_startup.append(sharing.start)
    app.on_cleanup.append(sharing.stop)
    return sharing.publish


async def _stop_reading(app: web.Application) -> None:
    app[STORE].stop_reading()


# -- events


async def _queue(request: web.Request) -> web.Response:
    caller = await caller_of(request)
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        check_header("Idempotency-Key", key)
    body = await body_of(request)
    events = quick(body)
    if events is None:
        events = one_by_one(json_of(body))
    if events:
        await request.app[STORE].ingest(*caller, events, key=request_key(request, key, body))
    return reply({"status": "ok"})


async def _event(request: web.Request) -> web.Response:
    caller = await caller_of(request)
    body = await json_body(request)
    last = request.path.rpartition("/")[2]
    if last in EVENT_PATHS and isinstance(body, dict):
        event_type, name = EVENT_PATHS[last]
        if body.get("type") != event_type:
            raise InvalidEvent("type", f"{event_type} on this path", body.get("type"))
        if name is not None and body.get("event") != name:
            raise InvalidEvent("event", f"{name} on this path", body.get("event"))
    app, stored = await request.app[STORE].ingest(*caller, [taken(decode(body))])
    if BACKGROUND in request.app:
        stored += await request.app[BACKGROUND].findings(stored)
    return reply([event.to_json(app) for event in stored])


# -- users


async def _user_identify(request: web.Request) -> web.Response:
    caller = await caller_of(request)
    body = await json_object(request)
    fields = {name: body.get(name) for name in ("id", "device_id", "traits")}
    event = decode({**fields, "type": "identify", "session_id": "-"})
    assert isinstance(event, Identify)

    def work(records: Records) -> dict[str, object]:
        app = records.app(*caller)
        if records.forgotten and records.forgotten.covers(app.scope, event):
            name = event.id or ""
            return User(0, app.scope, name, name, 0, [name], now(), {}).to_json(app)  # it is not stored
        user = identify(records, app.scope, name=event.id, device_id=event.device_id, traits=event.traits)
        return user.to_json(app)

    return reply(await request.app[STORE].write(work))


async def _user_alias(request: web.Request) -> web.Response:
    caller = await caller_of(request)
    body = await json_object(request)
    name = check_name("id", body.get("id"))
    previous = check_name("previous_id", body.get("previous_id"))

    def work(records: Records) -> dict[str, object]:
        app = records.app(*caller)
        return alias(records, app.scope, name=name, previous=previous).to_json(app)

    return reply(await request.app[STORE].write(work))


# -- reads


async def _find(request: web.Request) -> web.Response:
    caller = await caller_of(request)
    name, operation = request.match_info["collection"], request.match_info["operation"]
    if name not in COLLECTIONS:
        raise InvalidQuery("collection", f"must be one of {', '.join(COLLECTIONS)}, not {name}")
    if operation not in ("find", "findOne"):
        raise InvalidQuery("operation", f"must be find or findOne, not {operation}")
    if operation == "find" and "cursor" in request.query:
        return await _find_page(request, caller, name)
    one = operation == "findOne"
    query = parse(name, {**request.query, "limit": "1"} if one else request.query)

    def read(connection: Connection) -> bytes:
        app = find_app(connection, *caller)
        rows = find(connection, app, query) if app is not None else []
        return orjson.dumps((rows[0] if rows else None) if one else rows)

    return web.Response(body=await request.app[STORE].read(read), content_type="application/json")


async def _find_page(request: web.Request, caller: Caller, name: str) -> web.Response:
    query, question = parse_page(name, request.query)

    def read(connection: Connection) -> bytes:
        app = find_app(connection, *caller)
        found = Page([], None) if app is None else page_of(connection, app, query, question)
        return orjson.dumps(found._asdict())

    return web.Response(body=await request.app[STORE].read(read), content_type="application/json")


async def _root(request: web.Request) -> web.StreamResponse:
    if "Upgrade" in request.headers:  # clients that know only the base URL connect here for live events
        return await request.app[LIVE].listen(request)
    if page.wants_html(request):
        return await page.root(request)
    try:
        number = version("mindlytics")
    except PackageNotFoundError:
        number = "unknown"
    return reply({"name": "mindlytics local server", "version": number})


async def _health(request: web.Request) -> web.Response:
    await request.app[STORE].check()
    return reply({"status": "ok"})


async def _openapi(_: web.Request) -> web.Response:
    return reply(document())
