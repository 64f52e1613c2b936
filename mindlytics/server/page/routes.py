"""The addresses of the page, and which of them needs what of a request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qs, urlencode

from aiohttp import web
from sqlalchemy import Connection

from ...values import UTC
from ..apps import App
from ..http import STORE, Problem, accepts_any_key, body_of
from ..paging import Page
from ..query import InvalidQuery
from ..search.filters import FILTERS
from ..search.finding import Search, run
from ..search.indexing import INDEXING
from ..search.routes import WAIT_SECONDS
from ..typed import read_query
from ..unavailable import RETRY_SECONDS, Unavailable
from .access import TOKENS, Tokens, check, looker, sign_in, sign_out
from .conversation import attributes_of, intents_of, step_of, steps
from .days import DAYS, Days, bounds, totals
from .drawing import HEIGHT, WIDTH, charts
from .listing import Choice, Place, newest_sessions, place_of, projects, session_of, user_of
from .rendering import HEADERS, assets, page, render, unsegment, write
from .watching import watch

T = TypeVar("T")

SIGN_IN_PATH = "/sign-in"
WATCH_PATH = "/watch"
SEARCHED = ("q", "order", *FILTERS)
"""The parameters of a search, besides where it goes on."""

DAYS_KEY: web.AppKey[Days] = web.AppKey("page_days", Days)


class Missing(Exception):
    """There is no such session, user or event."""


class Look(NamedTuple):
    """A request for a page: its parameters, and the project that it is about, among all that may be seen."""

    request: web.Request
    projects: list[App]
    project: App | None

    def parameter(self, name: str) -> str:
        """A parameter of the address, or an empty text."""
        return self.request.query.get(name, "").strip()

    def part(self, name: str) -> str:
        """A name in the path."""
        return unsegment(self.request.match_info[name])

    def render(self, template: str, **values: object) -> str:
        """The HTML of a page, with what all pages show."""
        return render(
            template,
            projects=[each.app_id for each in self.projects],
            project=None if self.project is None else self.project.app_id,
            may_sign_out=not accepts_any_key(self.request),
            origin=self.request.url.origin(),
            to=self.to,
            **{"watched": None, "asked": None, **values},
        )

    def watched(self, session_id: str | None = None) -> str | None:
        """Where an open page hears of new events: of the project, or of one session."""
        if self.project is None:
            return None
        named = {"project": self.project.app_id, **({} if session_id is None else {"session": session_id})}
        return f"{WATCH_PATH}?{urlencode(named)}"

    def to(self, path: str, **parameters: object) -> str:
        """The address of a page about the same project, with these parameters, unless they are empty."""
        named = {name: str(value) for name, value in parameters.items() if value not in (None, "")}
        if len(self.projects) > 1 and self.project is not None:
            named = {"project": self.project.app_id, **named}
        return f"{path}?{urlencode(named)}" if named else path


Show = Callable[[Connection, Look], str]


def add_routes(app: web.Application) -> None:
    """Answer requests for the page. ``app.py`` answers those for ``/``, and calls :func:`root` for browsers."""
    app[TOKENS] = Tokens()
    app[DAYS_KEY] = Days()
    app.router.add_get(f"/sessions/{_name('session')}", partial(_answer, show=_session))
    app.router.add_get(f"/sessions/{_name('session')}/events/{_name('event')}", partial(_answer, show=_event))
    app.router.add_get(f"/users/{_name('user')}", partial(_answer, show=_user))
    app.router.add_get("/search", _search_answer)
    app.router.add_get("/days", partial(_answer, show=_days))
    app.router.add_get(SIGN_IN_PATH, _sign_in_form)
    app.router.add_post(SIGN_IN_PATH, _sign_in)
    app.router.add_post("/sign-out", _sign_out)
    app.router.add_get(WATCH_PATH, watch)
    app.router.add_get("/assets/{version}/{name}", _asset)


def _name(of: str) -> str:
    """A part of a path that holds a name. aiohttp's own pattern takes no braces."""
    return f"{{{of}:[^/]+}}"


def wants_html(request: web.Request) -> bool:
    """Whether a request for ``/`` is a browser's. Programs that name no type get JSON."""
    return any(
        item.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")
        for item in request.headers.get("Accept", "").split(",")
    )


async def root(request: web.Request) -> web.StreamResponse:
    """The newest sessions. With a token in the address, sign in first."""
    token = request.query.get("token")
    if token is None:
        return await _answer(request, show=_sessions)
    response = _redirect("/")
    key_hash = request.app[TOKENS].take(token) if request.method == "GET" else None
    if key_hash is not None:
        sign_in(request, response, key_hash)
    elif await looker(request) is None:
        return _ask_for_key(403, "This address has been used, or is an earlier server's.")
    return response


async def _answer(request: web.Request, *, show: Show) -> web.StreamResponse:
    """Answer with a page, to who may look."""
    try:
        key_hash = await looker(request)
        if key_hash is None:
            return _ask_for_key(401)
        return page(await request.app[STORE].read(partial(_shown, request, show, key_hash)))
    except Missing as missing:
        return _problem(404, str(missing))
    except Problem as problem:
        return _problem(problem.status, str(problem))
    except InvalidQuery as error:
        return _problem(400, str(error))
    except Unavailable as error:
        response = _problem(503, str(error))
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response


def _shown(request: web.Request, show: Show, key_hash: str, connection: Connection) -> str:
    visible = projects(connection, key_hash)
    asked = request.query.get("project")
    chosen = [each for each in visible if asked is None or each.app_id == asked]
    if asked is not None and not chosen:
        raise Missing("There is no such project.")
    return show(connection, Look(request, visible, chosen[0] if chosen else None))


def _problem(status: int, message: str) -> web.Response:
    return page(render("problem.html", status=status, message=message), status)


# -- the pages


def _sessions(connection: Connection, look: Look) -> str:
    user, since, until = (look.parameter(name) for name in ("user", "since", "until"))
    choice = Choice(
        user=user,
        since=bounds(_day("since", since))[0] if since else None,
        until=bounds(_day("until", until))[1] if until else None,
        before=place_of("before", look.parameter("before")),
    )
    found, following = newest_sessions(connection, look.project, choice) if look.project else ([], None)
    chosen = {"user": user, "since": since, "until": until}
    return look.render(
        "sessions.html",
        sessions=found,
        next=following,
        chosen=chosen,
        first=choice.before is None,
        watched=look.watched() if choice.before is None else None,
    )


def _session(connection: Connection, look: Look) -> str:
    name, wanted = look.part("session"), look.parameter("at")
    look, project, session = _one(look, "session", lambda project: session_of(connection, project, name))
    after, last = place_of("after", look.parameter("after")), bool(look.parameter("last"))
    found, following = steps(connection, session.seq, after, last=last)
    if wanted and wanted not in [step.id for step in found]:
        step = step_of(connection, project, name, wanted)
        if step is not None:
            after = Place(step.place.at, step.place.seq - 1)
            found, following = steps(connection, session.seq, after)
    return look.render(
        "session.html",
        watched=look.watched(name) if following is None else None,
        session=session,
        attributes=attributes_of(connection, session.seq),
        intents=intents_of(connection, session.seq),
        steps=found,
        next=following,
        first=after is None and not last,
    )


def _event(connection: Connection, look: Look) -> str:
    name, wanted = look.part("session"), look.part("event")
    look, _, step = _one(look, "event", lambda project: step_of(connection, project, name, wanted))
    return look.render("event.html", step=step, session_id=name)


def _user(connection: Connection, look: Look) -> str:
    name = look.part("user")
    look, project, user = _one(look, "user", lambda project: user_of(connection, project, name))
    before = place_of("before", look.parameter("before"))
    found, following = newest_sessions(connection, project, Choice(user=name, before=before))
    return look.render("user.html", user=user, sessions=found, next=following, first=before is None)


async def _search_answer(request: web.Request) -> web.StreamResponse:
    await request.app[INDEXING].complete(WAIT_SECONDS)
    return await _answer(request, show=_search)


def _search(connection: Connection, look: Look) -> str:
    asked = {name: value for name in SEARCHED if (value := look.parameter(name))}
    found: Page = {"results": [], "next": None}
    problem = ""
    try:
        if asked and look.project is not None:
            wanted = {**asked, **({"cursor": cursor} if (cursor := look.parameter("cursor")) else {})}
            found = run(connection, look.project, read_query(Search, wanted))
    except InvalidQuery as error:
        problem = str(error)
    return look.render("search.html", found=found["results"], next=found["next"], asked=asked, problem=problem)


def _days(connection: Connection, look: Look) -> str:
    text = look.parameter("days") or str(DAYS[1])
    if text not in map(str, DAYS):
        raise InvalidQuery("days", f"must be one of {', '.join(map(str, DAYS))}")
    today = datetime.now(UTC).date()
    last = _day("until", until) if (until := look.parameter("until")) else today
    count, kept = int(text), look.request.app[DAYS_KEY]
    found, more = kept.last(connection, look.project, count, last) if look.project else ([], False)
    return look.render(
        "days.html",
        charts=charts(found, write),
        total=totals(last, found),
        count=count,
        spans=DAYS,
        more=more,
        size=(WIDTH, HEIGHT),
        first=last - timedelta(days=count - 1),
        last=last,
        earlier=last - timedelta(days=count),
        later=min(last + timedelta(days=count), today) if last < today else None,
        until=until,
    )


def _one(look: Look, kind: str, find: Callable[[App], T | None]) -> tuple[Look, App, T]:
    """What has an id, in the project of the address or in any, with that project.

    :raises Missing: none has it.
    """
    asked = look.request.query.get("project")
    for project in look.projects:
        found = find(project) if asked in (None, project.app_id) else None
        if found is not None:
            return look._replace(project=project), project, found
    raise Missing(f"There is no {kind} of this id.")


def _day(name: str, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not 2 < found.year < 9999:
        raise InvalidQuery(name, "must be a day, such as 2025-04-03")
    return found


# -- signing in


async def _sign_in_form(request: web.Request) -> web.StreamResponse:
    return _redirect("/") if await looker(request) is not None else _ask_for_key(200)


async def _sign_in(request: web.Request) -> web.StreamResponse:
    if request.content_type != "application/x-www-form-urlencoded":
        return _ask_for_key(400, "The form was not sent by this page.")
    fields = parse_qs((await body_of(request)).decode("utf-8", "replace"))
    key_hash = await check(request, fields.get("key", [""])[0].strip())
    if key_hash is None:
        return _ask_for_key(403, "No organization has this API key.")
    response = _redirect("/")
    sign_in(request, response, key_hash)
    return response


async def _sign_out(request: web.Request) -> web.StreamResponse:
    response = _redirect(SIGN_IN_PATH)
    sign_out(request, response)
    return response


def _ask_for_key(status: int, problem: str = "") -> web.Response:
    return page(render("signin.html", problem=problem, action=SIGN_IN_PATH), status)


def _redirect(path: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": path})


# -- files


async def _asset(request: web.Request) -> web.StreamResponse:
    found = assets().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    kept = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=found[0], content_type=found[1], charset="utf-8", headers=kept)
