"""Alerts: each rule, when an alert starts and ends, and what is posted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mindlytics.server import alerts as alerting
from mindlytics.server.alerts import Alerts, Counts, InvalidAlerts, Value, judge, parse
from mindlytics.server.run import LocalServer, ServerError
from mindlytics.server.store import Store
from mindlytics.server.stored import StoredEvent
from mindlytics.values import UTC

from ..conftest import eventually
from .calls import Caller, event, turn

HOUR = 3600
NOW = 1_743_665_710


@pytest.fixture
async def posted() -> AsyncIterator[list[dict[str, Any]]]:
    """What arrives at a webhook, whose address is the first item."""
    found: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        found.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/alerts", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.append({"url": f"http://127.0.0.1:{runner.addresses[0][1]}/alerts"})
    yield found
    await runner.cleanup()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "alerts.db")
    yield made
    made.close()


def stored(name: str, at: float = NOW, *, origin: int = 1, scope: int = 1, **properties: object) -> StoredEvent:
    texts = (json.dumps(properties), "", -1, "s", "c", "u", "e", None)
    return StoredEvent(1, scope, 1, 1, origin, int(at * 1_000_000), name, *texts)


SUMMARY = "Conversation Summary"
RULES: dict[str, tuple[str, list[StoredEvent], list[StoredEvent], float]] = {
    "negative": (
        "negative:50%",
        [stored(SUMMARY, sentiment="negative")] * 3,
        [stored(SUMMARY, sentiment="positive")] * 2,
        0.6,
    ),
    "unfulfilled": (
        "unfulfilled:50%",
        [stored("Intent Closed", intent_fulfilled="no")] * 3,
        [stored("Intent Closed", intent_fulfilled="yes")] * 2,
        0.6,
    ),
    "errors": (
        "errors:10%",
        [stored("Conversation Turn", origin=-1, error="TimeoutError"), stored("Conversation Function", error="x")],
        [stored("Conversation Turn", origin=-1)] * 8,
        0.2,
    ),
    "cost": ("cost:20", [stored(SUMMARY, cost=12.5)] * 2, [stored(SUMMARY)], 25.0),
}


@pytest.mark.parametrize("rule", RULES)
async def test_an_alert_starts_once_and_ends_once(rule: str, store: Store, posted: list[dict[str, Any]]) -> None:
    text, bad, good, value = RULES[rule]
    clock = [float(NOW)]
    alerts = Alerts(store, posted.pop()["url"], parse(text), lambda events: None, lambda: clock[0])
    await alerts.start(web.Application())
    alerts.committed(good)
    await alerts.check()
    alerts.committed(bad)
    for _ in range(3):
        await alerts.check()
    await eventually(lambda: len(posted) == 1)
    clock[0] += HOUR + 60
    for _ in range(2):
        await alerts.check()
    await alerts.stop(web.Application())
    assert ["alert.started", "alert.ended"] == [each["type"] for each in posted]
    data = posted[0]["data"]
    assert (rule, value, len(bad) + len(good)) == (data["rule"], data["value"], data["total"])
    assert (HOUR, 0) == (data["window_seconds"], posted[1]["data"]["total"])


async def test_what_is_old_or_of_other_projects_or_of_programs_does_not_count(
    store: Store, posted: list[dict[str, Any]]
) -> None:
    alerts = Alerts(store, posted.pop()["url"], parse("cost:1"), lambda events: None, lambda: NOW)
    await alerts.start(web.Application())
    alerts.committed(
        [
            stored(SUMMARY, NOW - HOUR - 60, cost=5),
            stored(SUMMARY, cost=5, origin=-1),
            stored(SUMMARY, cost=5, replaces="an earlier one"),
            *[stored(SUMMARY, cost=0.75, scope=scope) for scope in range(5)],
        ]
    )
    await alerts.check()
    await alerts.stop(web.Application())
    assert [] == posted


def test_a_share_of_few_is_no_alarm() -> None:
    assert Value(1.0, 4, False) == judge("negative", 0.5, Counts(conversations=4, negative=4))
    assert Value(0.5, 6, False) == judge("negative", 0.5, Counts(conversations=6, negative=3))
    assert Value(0.6667, 6, True) == judge("negative", 0.5, Counts(conversations=6, negative=4))
    assert Value(0.0, 0, False) == judge("errors", 0.0, Counts())


def test_rules_are_read_from_a_text() -> None:
    assert {"negative": 0.5, "unfulfilled": 0.5, "errors": 0.1} == parse(alerting.ALERTS)
    assert {"cost": 0.25, "errors": 0.025} == parse(" cost:$0.25, errors:2.5% ,")
    assert {} == parse("")


@pytest.mark.parametrize("text", ["cost", "cost:5%", "negative:5", "negative:101%", "nothing:5%", "cost:x", "cost:-1"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidAlerts, match=text):
        parse(text)
    with pytest.raises(InvalidAlerts), LocalServer(alerts=text):
        pass


def test_an_address_that_is_none_starts_no_server() -> None:
    with pytest.raises(ServerError), LocalServer(alert_webhook="hooks"):
        pass


async def test_a_server_reports_what_its_analysis_finds(
    posted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerting, "CHECK_SECONDS", 0.05)
    now = datetime.now(UTC).isoformat()
    with LocalServer(alert_webhook=posted.pop()["url"], alerts="negative:50%") as server:
        with (caller := Caller(server.url, app_id="shop")).http:
            for number in range(5):
                said = turn("That is terrible, awful and useless.", "Sorry.", session_id=f"s{number}", timestamp=now)
                caller.take(said, event("end_session", session_id=f"s{number}", timestamp=now))
        await eventually(lambda: bool(posted))
    assert ("alert.started", "shop", 5) == (
        posted[0]["type"],
        posted[0]["data"]["project_id"],
        posted[0]["data"]["total"],
    )
    assert "terrible" not in json.dumps(posted)
