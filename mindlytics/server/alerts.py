"""Alerts: posts to a webhook when too much goes wrong within an hour, and again once it is over.

``mindlytics serve --alerts`` takes the rules as text, in the form that :func:`parse` reads. Events of the last
hour are counted by the minute of their time. The counts are in memory, so they begin anew with the server.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import uuid4

import orjson
from aiohttp import web
from attrs import Factory, define, fields_dict, frozen
from sqlalchemy import select

from ..errors import MindlyticsError
from ..events import CONVERSATION_SUMMARY, INTENT_CLOSED, ML_ERROR, ConversationFunction, ConversationTurn
from .antonnia.webhooks import WebhookSender
from .database import Publish
from .periodic import Periodic
from .schema import apps, iso, now
from .store import Store
from .stored import StoredEvent, is_error

WINDOW_SECONDS = 3600
MINUTE_SECONDS = 60

LEAST = 5
"""Fewest conversations, intents, or turns and calls within the hour for a share of them to count."""

CHECK_SECONDS = 5.0
"""Time between two checks."""

ALERTS = "negative:50%,unfulfilled:50%,errors:10%"
"""The default rules."""

STARTED, ENDED = "alert.started", "alert.ended"

_ITEM = re.compile(r"(\w+):(?:(\d{1,3}(?:\.\d{1,3})?)%|\$?(\d{1,9}(?:\.\d{1,6})?))")


class InvalidAlerts(MindlyticsError, ValueError):
    """The rules of alerts break a rule of their own. The message names the item."""


@define
class Counts:
    """What happened in a while: the total of each rule, and how many of it were bad. Costs are in US dollars."""

    conversations: int = 0
    negative: int = 0
    intents: int = 0
    unfulfilled: int = 0
    steps: int = 0
    errors: int = 0
    cost: float = 0.0

    def add(self, other: Counts) -> None:
        """Add the counts of another while."""
        for name in fields_dict(Counts):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Rule(NamedTuple):
    """A rule: what it looks at, of how many, and whether its limit is a share."""

    bad: Callable[[Counts], float]
    total: Callable[[Counts], int]
    is_share: bool


RULES: Mapping[str, Rule] = {
    "negative": Rule(lambda seen: seen.negative, lambda seen: seen.conversations, True),
    "unfulfilled": Rule(lambda seen: seen.unfulfilled, lambda seen: seen.intents, True),
    "errors": Rule(lambda seen: seen.errors, lambda seen: seen.steps, True),
    "cost": Rule(lambda seen: seen.cost, lambda seen: seen.conversations, False),
}
"""``negative``: conversations with a negative sentiment. ``unfulfilled``: intents. ``errors``: turns and function calls
with an ``error``, and failed analyses. ``cost``: of the conversations that ended.
"""


def parse(text: str) -> dict[str, float]:
    """The limits of rules, by name: shares from 0 to 1, and dollars an hour.

    :param text: ``negative:50%,unfulfilled:50%,errors:10%,cost:20``. A rule that is not named is off.
    :raises InvalidAlerts: an item is none of these.
    """
    limits: dict[str, float] = {}
    for item in filter(None, (each.strip() for each in text.split(","))):
        found = _ITEM.fullmatch(item)
        rule = RULES.get(found[1]) if found else None
        if found is None or rule is None or rule.is_share != (found[2] is not None):
            shares = ", ".join(name for name, each in RULES.items() if each.is_share)
            raise InvalidAlerts(f"{item}: must be {shares} with a share such as 50%, or cost with dollars an hour")
        limits[found[1]] = float(found[2]) / 100 if found[2] else float(found[3])
        if rule.is_share and limits[found[1]] > 1:
            raise InvalidAlerts(f"{item}: a share must be at most 100%")
    return limits


@frozen
class Value:
    """What a rule sees within the hour: its value, of how many, and whether that is above the limit."""

    value: float
    total: int
    above: bool


def judge(name: str, limit: float, seen: Counts) -> Value:
    """Apply a rule."""
    rule = RULES[name]
    bad, total = rule.bad(seen), rule.total(seen)
    if not rule.is_share:
        return Value(round(bad, 6), total, bad > limit)
    share = bad / total if total else 0.0
    return Value(round(share, 4), total, total >= LEAST and share > limit)


def count(event: StoredEvent) -> Counts | None:
    """What an event counts for. None: nothing."""
    if event.event == ML_ERROR:
        return Counts(errors=1)
    if event.event in (ConversationTurn.event, ConversationFunction.event):
        return Counts(steps=1, errors=int(is_error(orjson.loads(event.properties).get("error"))))
    if event.origin < 0:  # not of the analysis
        return None
    if event.event == INTENT_CLOSED:
        won = orjson.loads(event.properties).get("intent_fulfilled") == "yes"
        return Counts(intents=1, unfulfilled=int(not won))
    if event.event == CONVERSATION_SUMMARY:
        said = orjson.loads(event.properties)
        if "replaces" not in said:
            return Counts(
                conversations=1, negative=int(said.get("sentiment") == "negative"), cost=said.get("cost", 0.0)
            )
    return None


@define
class _Project:
    """What one project counted by minute, and which alerts have started."""

    minutes: dict[int, Counts] = Factory(dict)
    started: set[str] = Factory(set)


class Alerts(Periodic):
    """Counts the events of a store, and posts alerts.

    :param limits: the limits of the rules, see :func:`parse`.
    :param publish: called with the events of each commit, as before.
    :param clock: seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        url: str,
        limits: Mapping[str, float],
        publish: Publish,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(CHECK_SECONDS, "alerts cannot be checked")
        self._store = store
        self._url = url
        self._limits = limits
        self._publish = publish
        self._clock = clock
        self._projects: dict[int, _Project] = {}
        self._new: deque[tuple[int, int, Counts]] = deque()
        self._sender: WebhookSender | None = None

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """Take the events of a commit. Runs on the writer's thread."""
        for event in events:
            counted = count(event)
            if counted is not None:
                self._new.append((event.scope, event.timestamp // (MINUTE_SECONDS * 1_000_000), counted))
        self._publish(events)

    async def start(self, app: web.Application) -> None:
        """Start checking."""
        self._sender = WebhookSender(self._url)
        await super().start(app)

    async def stop(self, app: web.Application) -> None:
        """Stop checking, and wait briefly for what is posted."""
        await super().stop(app)
        if self._sender is not None:
            await self._sender.close()

    async def check(self) -> None:
        """Count what came, and post which alerts start and end."""
        minute = int(self._clock()) // MINUTE_SECONDS
        oldest = minute - WINDOW_SECONDS // MINUTE_SECONDS
        while self._new:
            scope, at, counted = self._new.popleft()
            if at > oldest:
                self._projects.setdefault(scope, _Project()).minutes.setdefault(at, Counts()).add(counted)
        for scope, project in list(self._projects.items()):
            for at in [at for at in project.minutes if at <= oldest]:
                del project.minutes[at]
            await self._judge(scope, project)
            if not project.minutes and not project.started:
                del self._projects[scope]

    async def _judge(self, scope: int, project: _Project) -> None:
        seen = Counts()
        for counted in project.minutes.values():
            seen.add(counted)
        for name, limit in self._limits.items():
            found = judge(name, limit, seen)
            if found.above != (name in project.started):
                await self._post(STARTED if found.above else ENDED, scope, name, limit, found)
                (project.started.add if found.above else project.started.discard)(name)

    async def _post(self, kind: str, scope: int, name: str, limit: float, found: Value) -> None:
        query = select(apps.c.organization_id, apps.c.app_id).where(apps.c.scope == scope)
        row = await self._store.read(lambda connection: connection.execute(query).one_or_none())
        assert self._sender is not None
        about = {
            "organization_id": row[0] if row else None,
            "project_id": row[1] if row else None,
            "rule": name,
            "limit": limit,
            "value": found.value,
            "total": found.total,
            "window_seconds": WINDOW_SECONDS,
        }
        body = {"id": str(uuid4()), "type": kind, "created_at": iso(now()), "data": about}
        self._sender.post([{"session_id": f"alerts of {scope}", "body": body}])


def post_alerts(app: web.Application, store: Store, url: str | None, text: str) -> None:
    """Have a server post alerts, if there is an address.

    :raises InvalidAlerts: the text breaks a rule.
    """
    limits = parse(text)
    if url is None:
        return
    alerts = Alerts(store, url, limits, store.on_commit)
    store.on_commit = alerts.committed
    alerts.run_along(app)
