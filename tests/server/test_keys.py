"""Keys and organizations: who may manage keys, which keys are accepted, and that data stays with its owner."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from mindlytics.server import live, refusals
from mindlytics.server.collection import COLLECTIONS
from mindlytics.server.keyhash import shown
from mindlytics.server.run import LocalServer

from ..postgres import sqlite_only
from .calls import Caller, event, track, turn

KEYS = "/bc/v1/orgkeys"
CLEANUP = "/bc/v1/db/_cleanup"
REALTIME = "/bc/v1/live-events/realtime"


class Keys(Caller):
    """A caller who manages keys."""

    def ask(self, method: str, body: object = None, path: str = KEYS, **parameters: str) -> requests.Response:
        return self.http.request(method, self.url + path, json=body, params=parameters, timeout=20)

    def make(self, organization_id: str) -> str:
        reply = self.ask("POST", {"organization_id": organization_id})
        assert 200 == reply.status_code, reply.text
        assert {"organization_id": organization_id, "apikey": reply.json()["apikey"]} == reply.json()
        return str(reply.json()["apikey"])


@contextmanager
def callers(url: str, *keys: str) -> Iterator[list[Keys]]:
    made = [Keys(url, key) for key in keys]
    try:
        yield made
    finally:
        for caller in made:
            caller.http.close()


@pytest.fixture(scope="module")
def closed() -> Iterator[LocalServer]:
    """A server that takes only keys that were issued."""
    with LocalServer(super_key="super") as server:
        yield server


def test_the_first_key_of_an_organization_is_made_with_the_super_key(closed: LocalServer) -> None:
    with callers(closed.url, "super") as (root,):
        one, two, other = root.make("first"), root.make("first"), root.make("second")
        assert 3 == len({one, two, other})
        with callers(closed.url, one, two, other) as (first, same, foreign):
            first.take(track())
            assert ["Session Started", "Bought"] == same.names()
            assert [] == foreign.names()
            assert "first" == same.one("events")["organization_id"]
            listed = first.ask("GET").json()
            assert [("first", shown(key)) for key in (one, two)] == [
                (row["organization_id"], row["apikey"]) for row in listed
            ]
            assert listed == same.ask("GET").json()
            assert {shown(key) for key in (one, two, other)} <= {row["apikey"] for row in root.ask("GET").json()}
            assert {shown(one), shown(two)} == {row["apikey"] for row in first.find("orgkeys")}
            assert ["first"] == [row["organization_id"] for row in first.find("organizations")]


def test_only_issued_keys_are_taken(closed: LocalServer) -> None:
    with callers(closed.url, "super", "anything") as (root, unknown):
        for path in ("/bc/v1/db/events/find", REALTIME, "/bc/v1/user/list", KEYS):
            assert (403, "forbidden") == ((r := unknown.get(path)).status_code, r.json()["error"])
        assert 403 == unknown.queue(track()).status_code
        assert 403 == root.queue(track()).status_code
        assert "super key" in root.get("/bc/v1/db/events/find").json()["message"]


def test_a_key_of_an_organization_manages_that_organization_only(closed: LocalServer) -> None:
    with callers(closed.url, "super") as (root,):
        mine, foreign = root.make("mine"), root.make("foreign")
        with callers(closed.url, mine) as (caller,):
            second = caller.make("mine")
            for organization_id in ("foreign", "new"):
                for method, body in (("POST", {}), ("PUT", {"apikey": "x"}), ("PUT", {"apikey": mine})):
                    assert 403 == caller.ask(method, {"organization_id": organization_id, **body}).status_code
            assert 403 == caller.ask("PUT", {"organization_id": "mine", "apikey": foreign}).status_code
            assert 404 == caller.ask("DELETE", apikey=foreign).status_code
            assert 200 == caller.ask("PUT", {"organization_id": "mine", "apikey": "chosen"}).status_code
            assert [shown(mine), shown(second), "…"] == [row["apikey"] for row in caller.ask("GET").json()]
            assert {"status": "ok"} == caller.ask("DELETE", {"apikey": second}).json()
            assert 404 == caller.ask("DELETE", {"apikey": second}).status_code
            with callers(closed.url, second, "chosen") as (removed, chosen):
                assert 403 == removed.queue(track()).status_code
                chosen.take(track())
                assert ["Session Started", "Bought"] == caller.names()


def test_a_key_is_removed_by_itself_or_by_the_id_under_which_it_is_listed(closed: LocalServer) -> None:
    with callers(closed.url, "super") as (root,):
        mine, second, third, foreign = root.make("house"), root.make("house"), root.make("house"), root.make("other")
        with callers(closed.url, mine) as (caller,):
            ids = {row["apikey"]: row["id"] for row in root.ask("GET").json()}
            assert 404 == caller.ask("DELETE", {"id": ids[shown(foreign)]}).status_code
            assert (404, "id") == ((r := caller.ask("DELETE", {"id": "none"})).status_code, r.json()["field"])
            assert {"status": "ok"} == caller.ask("DELETE", {"id": ids[shown(second)]}).json()
            assert {"status": "ok"} == caller.ask("DELETE", apikey=third).json()
            assert [shown(mine)] == [row["apikey"] for row in caller.ask("GET").json()]


def test_who_is_refused_is_logged_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    with LocalServer(super_key="super") as server, callers(server.url, "a-key-that-is-guessed") as (stranger,):
        path = "/bc/v1/db/events/find"
        stranger.get(path, filter={"word": "secret"})
        stranger.get("/conversations/v2/agents/a")
        requests.get(f"{server.url}{path}", timeout=20)
        assert [
            f"403 for GET {path} from 127.0.0.1: no organization has this API key",
            "401 for GET /conversations/v2/agents/a from 127.0.0.1: no organization has this API key",
            f"401 for GET {path} from 127.0.0.1: the header Authorization must hold an API key",
        ] == caplog.messages
        for _ in range(2 * refusals.LINES):
            stranger.get(path)
        assert refusals.LINES == len(caplog.messages)
    assert "guessed" not in caplog.text


def test_the_super_key_moves_keys(closed: LocalServer) -> None:
    with callers(closed.url, "super") as (root,), callers(closed.url, root.make("former")) as (caller,):
        caller.take(track())
        key = caller.http.headers["Authorization"].split()[1]
        assert 200 == root.ask("PUT", {"organization_id": "latter", "apikey": key}).status_code
        assert [] == caller.names()
        caller.take(track("Moved"))
        assert ["Session Started", "Moved"] == caller.names()
        assert "latter" == caller.one("events")["organization_id"]
        assert {"status": "ok"} == root.ask("DELETE", apikey=key).json()
        assert 403 == caller.queue(track()).status_code


@pytest.mark.parametrize(
    ("method", "body", "field"),
    [
        ("POST", {}, "organization_id"),
        ("POST", {"organization_id": 5}, "organization_id"),
        ("POST", {"organization_id": "x" * 101}, "organization_id"),
        ("POST", [], "body"),
        ("PUT", {"organization_id": "o"}, "apikey"),
        ("PUT", {"organization_id": "o", "apikey": ""}, "apikey"),
        ("PUT", {"organization_id": "o", "apikey": "a b"}, "apikey"),
        ("PUT", {"organization_id": "o", "apikey": "x" * 256}, "apikey"),
        ("PUT", {"organization_id": "o", "apikey": "super"}, "apikey"),
        ("PUT", {"organization_id": "", "apikey": "k"}, "organization_id"),
        ("DELETE", None, "apikey"),
    ],
)
def test_bad_requests_about_keys(closed: LocalServer, method: str, body: object, field: str) -> None:
    with callers(closed.url, "super") as (root,):
        reply = root.ask(method, body)
        assert (400, field) == (reply.status_code, reply.json()["field"])
        assert field in reply.json()["message"]


def test_keys_need_a_key(closed: LocalServer) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert 401 == requests.request(method, closed.url + KEYS, json={}, timeout=20).status_code
    assert 401 == requests.get(closed.url + CLEANUP, timeout=20).status_code


def test_where_any_key_is_taken_all_are_of_one_organization(server: LocalServer) -> None:
    with callers(server.url, "one of many", "another") as (one, other):
        one.take(track("Met"))
        listed = one.ask("GET").json()
        assert "…" == listed[0]["apikey"]
        (organization_id,) = {row["organization_id"] for row in listed}
        with callers(server.url, other.make(organization_id)) as (same,):
            assert ["Met"] == [event["event"] for event in same.find("events", filter={"event": "Met"})]
        assert 403 == other.ask("POST", {"organization_id": "of others"}).status_code
        assert 403 == one.ask("GET", path=CLEANUP).status_code


def test_a_key_that_came_while_any_was_taken_is_not_taken_later(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "x.db") as server, callers(server.url, "local") as (caller,):
        caller.take(track())
    with LocalServer(tmp_path / "x.db", api_key="pin") as server, callers(server.url, "local", "pin") as (former, pin):
        assert 403 == former.get("/bc/v1/db/events/find").status_code
        assert [] == pin.names()
        pin.take(track())
        with callers(server.url, pin.make(pin.one("organizations")["organization_id"])) as (issued,):
            assert ["Session Started", "Bought"] == issued.names()


# -- a test server is emptied


@sqlite_only
async def test_cleanup_empties_everything(tmp_path: Path) -> None:
    with (
        LocalServer(tmp_path / "x.db", super_key="super", api_key="pinned") as server,
        callers(server.url, "super", "pinned") as (root, pinned),
        callers(server.url, root.make("org")) as (caller,),
    ):
        caller.take(turn(device_id="d"), event("end_session", device_id="d"))
        pinned.take(track())
        for nobody in (caller, pinned):
            assert 403 == nobody.ask("GET", path=CLEANUP).status_code
            assert 1 == len(nobody.find("sessions"))
        answer = caller.get(REALTIME).json()
        headers = {"Authorization": f"Bearer {answer['authorization_key']}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.ws_connect(answer["url"]) as listener:
                assert {"status": "ok"} == root.ask("GET", path=CLEANUP).json()
                while (message := await listener.receive(timeout=30)).type is aiohttp.WSMsgType.TEXT:
                    pass
                assert (aiohttp.WSMsgType.CLOSE, 1012) == (message.type, message.data)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(answer["url"])
        assert [] == root.ask("GET").json()
        assert 403 == caller.queue(track()).status_code
        assert [] == pinned.find("events")
        pinned.take(track())
        assert ["Session Started", "Bought"] == pinned.names()
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert [(3,)] == connection.execute("SELECT scope FROM apps").fetchall()  # no scope is used twice


# -- data stays with its owner


@pytest.fixture(scope="module")
def secrets(closed: LocalServer) -> Iterator[tuple[Keys, dict[str, str], list[Keys]]]:
    """Who has written secrets, under which ids, and others: of the same organization and of another."""
    with callers(closed.url, "super") as (root,):
        key, foreign = root.make("quiet"), root.make("curious")
    with callers(closed.url, key, key, foreign, foreign) as (owner, other_app, same_app, neither):
        for caller, app_id in ((owner, "app"), (other_app, "other"), (same_app, "app"), (neither, "other")):
            caller.http.headers["X-App-ID"] = app_id
        owner.take(event("identify", id="u", traits={"word": "secret"}), turn("Where is the secret?", "secret"))
        owner.take(track("secret"), event("end_session"))
        assert closed.settle()
        for caller in (other_app, same_app):
            caller.take(turn("mine", "mine", session_id="s2"))
        event_id = owner.one("events", filter={"event": "secret"})["event_id"]
        yield owner, {"event_id": event_id, "user_id": "u", "conversation_id": "c"}, [other_app, same_app, neither]


def reads(ids: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, collection in COLLECTIONS.items():
        for operation in ("find", "findOne"):
            yield f"/bc/v1/db/{name}/{operation}", {"include": list(collection.related)}
            yield f"/bc/v1/db/{name}/{operation}", {"filter": {"$or": [{}, {"organization_id": "quiet"}]}}
    yield "/bc/v1/user/list", {}
    for path in ("details", "insights", "conversation", "event"):
        yield f"/bc/v1/user/{path}", ids
    yield "/bc/v1/live-events/events", {"start": "2000-01-01", "end": "2100-01-01"}
    yield KEYS, {}


def test_readers_get_only_their_own_data(secrets: tuple[Keys, dict[str, str], list[Keys]]) -> None:
    owner, ids, others = secrets
    key = owner.http.headers["Authorization"].split()[1]
    for path, parameters in reads(ids):
        seen = owner.get(path, **parameters).text
        assert any(word in seen for word in ("secret", "quiet", key)), path
        for other in others:
            answer = other.get(path, **parameters)
            assert answer.status_code in (200, 404)
            of_organization = path.startswith(("/bc/v1/db/org", "/bc/v1/db/apps", KEYS))
            if other is others[0] and of_organization:  # another app of the organization
                continue
            assert "secret" not in answer.text, path
            assert ids["event_id"] not in answer.text, path
            assert key not in answer.text, path


async def test_listeners_receive_only_their_own_events(secrets: tuple[Keys, dict[str, str], list[Keys]]) -> None:
    owner, _, others = secrets
    async with aiohttp.ClientSession() as http:
        for session_id in ({}, {"session_id": "s"}):
            for other in others:
                answer = other.get(REALTIME, **session_id).json()
                headers = {"Authorization": f"Bearer {answer['authorization_key']}"}
                async with http.ws_connect(answer["url"], headers=headers) as listener:
                    owner.take(track("secret"))
                    other.take(track("mine"))
                    names = []
                    while "mine" not in names:
                        names.append(json.loads((await listener.receive(timeout=30)).data)["event"])
                    assert "secret" not in names


def test_a_live_key_says_nothing_of_the_api_key(server: LocalServer) -> None:
    with callers(server.url, "s3cret-key") as (caller,):
        assert "s3cret" not in caller.get(REALTIME).text
    assert live.KEY_SECONDS <= 3600
