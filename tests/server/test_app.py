"""Requests and replies: bodies, single events, users, credentials, errors, idempotency."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mindlytics.server.http import MAX_BODY
from mindlytics.server.recording import EVENT_PATHS
from mindlytics.server.run import LocalServer

from ..postgres import NUL
from .calls import AT, QUEUE, Caller, event, track, turn


def test_a_bare_object_and_an_empty_array(caller: Caller) -> None:
    for body in (track(), []):
        reply = caller.post(QUEUE, body)
        assert (200, {"status": "ok"}) == (reply.status_code, reply.json())
    assert ["Session Started", "Bought"] == caller.names()


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"type": "dance", "session_id": "s"}, "type"),
        ({"type": ["track"], "session_id": "s"}, "type"),
        ({"type": {}, "session_id": "s"}, "type"),
        ({"session_id": "s"}, "type"),
        ({"foo": "bar"}, "type"),
        (5, "event"),
        (None, "event"),
        ([], "event"),
        (track(session_id=""), "session_id"),
        (track(session_id=5), "session_id"),
        (track(name="x" * 101), "event"),
        (track(timestamp="soon"), "timestamp"),
        (track(timestamp="0001-01-01T00:00:00+10:00"), "timestamp"),
        (track(timestamp=5), "timestamp"),
        (track(properties={"a": {"b": 1}}), "properties.a"),
        (track(properties=[]), "properties"),
        (turn(user=5), "user"),
        (turn(conversation_id=""), "conversation_id"),
        (track("Conversation Usage", conversation_id="c", properties={"model": "m"}), "usage"),
        (event("alias", id="x"), "previous_id"),
    ],
)
def test_a_bad_event_refuses_the_array(caller: Caller, bad: object, field: str) -> None:
    reply = caller.post(QUEUE, [track(), bad, track()])
    answer = reply.json()
    assert (400, "invalid event", 1, field) == (reply.status_code, answer["error"], answer["index"], answer["field"])
    assert "event 1" in answer["message"]
    assert field in answer["message"]
    assert [] == caller.find("events")


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'"\\ud800"', b"\xff", b"[" * 5000])
def test_malformed_json(caller: Caller, body: bytes) -> None:
    reply = caller.post(QUEUE, body)
    assert (400, "invalid JSON") == (reply.status_code, reply.json()["error"])


def test_extreme_values_are_stored(caller: Caller) -> None:
    usage = {"model": "m", "prompt_tokens": 2**64 - 1, "completion_tokens": 0}
    properties = {"big": 2**64 - 1, "small": -(2**63), "tiny": 1e-300, "nul": "a\x00b", "clef": "𝄞", "none": None}
    caller.take(turn("a\x00b", "é", properties={**properties, **usage}, conversation_id=f"c{NUL}"))
    stored = caller.one("events", filter={"event": "Conversation Turn"})["properties"]
    assert {name: value for name, value in properties.items() if value is not None}.items() <= stored.items()
    assert "a\x00b" == stored["user"]
    assert "é" == caller.one("messages", filter={"role": "assistant"})["content"]
    assert caller.one("sessions")["prompt_tokens"] > 2**52


def test_a_body_beyond_the_limit(caller: Caller) -> None:
    reply = caller.post(QUEUE, b"[" + b" " * MAX_BODY + b"]")
    assert (413, "too large") == (reply.status_code, reply.json()["error"])
    assert 200 == caller.post(QUEUE, b"[" + b" " * (MAX_BODY - 2) + b"]").status_code


def test_an_idempotency_key_is_stored_once(caller: Caller, server: LocalServer) -> None:
    for _ in range(3):
        assert {"status": "ok"} == caller.queue(track(), key="k1").json()
    caller.queue(track(), key="k2")
    assert 2 == caller.names().count("Bought")
    other = Caller(server.url, app_id="another app")
    with other.http:
        other.queue(track(session_id="mine"), key="k1")
        assert 1 == other.names("mine").count("Bought")


def test_an_idempotency_key_with_other_events_is_refused(caller: Caller) -> None:
    caller.queue(track("First"), key="reused")
    reply = caller.queue(track("Second"), key="reused")
    assert (422, "reused key", "Idempotency-Key") == (reply.status_code, *list(reply.json().values())[:2])
    assert ["Session Started", "First"] == caller.names()
    assert 200 == caller.queue(track("Second"), key="fresh").status_code


def test_a_refused_array_leaves_no_key(caller: Caller) -> None:
    bad = {"type": "track", "event": "E", "session_id": "s"}
    assert 400 == caller.queue(bad, key="k").status_code
    assert 200 == caller.queue(track(), key="k").status_code
    assert 1 == caller.names().count("Bought")


def test_the_same_key_at_the_same_time(caller: Caller) -> None:
    def send(i: int) -> int:
        return caller.queue(track(session_id=f"s{i % 4}"), key=f"k{i % 4}").status_code

    with ThreadPoolExecutor(8) as pool:
        assert {200} == set(pool.map(send, range(32)))
    assert 4 == len(caller.find("events", filter={"event": "Bought"}))


def test_a_refused_request_harms_none_that_waits_with_it(caller: Caller) -> None:
    def send(i: int) -> int:
        whom = {} if i % 3 == 0 else {"user_id": "u"}
        return caller.queue({"type": "track", "event": "E", "session_id": f"s{i}", **whom}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert [400 if i % 3 == 0 else 200 for i in range(60)] == list(pool.map(send, range(60)))
    assert 40 == len(caller.find("sessions"))
    assert 40 == len(caller.find("events", filter={"event": "E"}))


def test_single_events_answer_with_what_they_generated(caller: Caller) -> None:
    whole = {
        "start-session": event("start_session"),
        "track": track(),
        "start-conversation": track("Conversation Started", conversation_id="c"),
        "conversation-turn": turn(),
        "conversation-usage": track("Conversation Usage", conversation_id="c", properties={"cost": 1}),
        "conversation-function": track("Conversation Function", conversation_id="c", properties={"name": "f"}),
        "identify": event("identify", id="u"),
        "alias": event("alias", id="v", previous_id="u"),
        "end-conversation": track("Conversation Ended", conversation_id="c"),
        "end-session": event("end_session"),
    }
    assert set(EVENT_PATHS) == set(whole)
    answered = []
    for path, body in whole.items():
        reply = caller.post(f"/bc/v1/events/event/{path}", body)
        assert 200 == reply.status_code, reply.text
        (stored,) = reply.json()
        answered.append(stored)
    assert answered == caller.find("events")
    assert {"organization_id", "app_id", "session_id", "user_id", "event_id", "timestamp"} < set(answered[0])
    generated = caller.post("/bc/v1/events/event", turn(session_id="s2")).json()
    assert ["Session Started", "Conversation Started", "Conversation Turn"] == [e["event"] for e in generated]
    assert {generated[2]["event_id"]} == {e["origin_event_id"] for e in generated[:2]}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("start-session", event("end_session"), "type"),
        ("conversation-turn", track(), "event"),
        ("conversation-turn", turn(user=1), "user"),
        ("track", event("identify"), "type"),
        ("track", [track()], "event"),
    ],
)
def test_the_path_of_a_single_event_fixes_its_type(caller: Caller, path: str, body: object, field: str) -> None:
    reply = caller.post(f"/bc/v1/events/event/{path}", body)
    assert (400, field) == (reply.status_code, reply.json()["field"])


def test_user_identify_and_alias(caller: Caller) -> None:
    user = caller.post("/bc/v1/user/identify", {"id": "jj", "traits": {"age": 30, "vip": True}}).json()
    assert {"organization_id", "app_id", "user_id", "id", "aliases", "created_at", "traits"} == set(user)
    assert ("jj", ["jj"], {"age": 30, "vip": True}) == (user["id"], user["aliases"], user["traits"])
    again = caller.post("/bc/v1/user/identify", {"id": "jj", "traits": {"age": 31}}).json()
    assert (user["user_id"], {"age": 31, "vip": True}) == (again["user_id"], again["traits"])
    aliased = caller.post("/bc/v1/user/alias", {"id": "jacob", "previous_id": "jj"}).json()
    assert ("jacob", ["jj", "jacob"]) == (aliased["id"], aliased["aliases"])
    caller.take(track(user_id="jj"))
    assert user["user_id"] == caller.one("sessions")["user_id"]


def test_user_identify_by_device(caller: Caller) -> None:
    anonymous = caller.post("/bc/v1/user/identify", {"device_id": "d"}).json()
    assert anonymous["id"].startswith("ml_")
    assert anonymous == caller.post("/bc/v1/user/identify", {"device_id": "d"}).json()
    named = caller.post("/bc/v1/user/identify", {"id": "bob", "device_id": "d"}).json()
    assert ("bob", [anonymous["id"], "bob"]) == (named["id"], named["aliases"])
    assert named == caller.post("/bc/v1/user/identify", {"device_id": "d"}).json()


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("identify", {}, 400, "id"),
        ("identify", {"traits": {"a": 1}}, 400, "id"),
        ("identify", {"id": ""}, 400, "id"),
        ("identify", {"id": 5}, 400, "id"),
        ("identify", {"device_id": "x" * 101}, 400, "device_id"),
        ("identify", {"id": "a", "traits": {"a": []}}, 400, "traits.a"),
        ("identify", {"id": "a", "traits": 5}, 400, "traits"),
        ("identify", [], 400, "body"),
        ("alias", {"previous_id": "a"}, 400, "id"),
        ("alias", {"id": "a"}, 400, "previous_id"),
        ("alias", {"id": "a", "previous_id": "nobody"}, 404, "previous_id"),
        ("alias", {"id": "taken", "previous_id": "other"}, 400, "id"),
    ],
)
def test_bad_users(caller: Caller, path: str, body: object, status: int, field: str) -> None:
    for name in ("taken", "other"):
        caller.post("/bc/v1/user/identify", {"id": name})
    reply = caller.post(f"/bc/v1/user/{path}", body)
    assert (status, field) == (reply.status_code, reply.json()["field"])


def test_credentials(server: LocalServer) -> None:
    def status(path: str = "/bc/v1/db/events/find", **headers: str) -> int:
        caller = Caller(server.url)
        caller.http.headers.clear()
        with caller.http as http:
            reply = http.get(server.url + path, headers=headers, timeout=20)
            assert reply.headers["Content-Type"].startswith("application/json")
            return reply.status_code

    assert 401 == status()
    assert 401 == status(Authorization="Bearer k")
    assert 401 == status(Authorization="Bearer ", **{"X-App-ID": "a"})
    assert 401 == status(**{"X-App-ID": "a"})
    assert 400 == status(Authorization="k" * 300, **{"X-App-ID": "a"})
    assert 200 == status(Authorization="Bearer k", **{"X-App-ID": "a"})
    assert 200 == status(Authorization="k", **{"x-app-id": "a"})
    assert 200 == status("/")
    assert 200 == status("/healthz")


def test_a_pinned_key() -> None:
    with LocalServer(api_key="right") as server:
        for key, status in (("right", 200), ("wrong", 403), ("é", 403)):
            caller = Caller(server.url, key)
            caller.http.headers["Authorization"] = f"Bearer {key}".encode()
            with caller.http:
                reply = caller.queue(track())
                assert status == reply.status_code
                assert "right" not in reply.text


def test_errors_are_json(caller: Caller, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (404, "not found") == ((r := caller.get("/nowhere")).status_code, r.json()["error"])
    reply = caller.get(QUEUE)
    assert (405, "method not allowed", "POST") == (reply.status_code, reply.json()["error"], reply.headers["Allow"])
    monkeypatch.setattr(server.store, "ingest", None)
    reply = caller.queue(track())
    assert (500, "internal error") == (reply.status_code, reply.json()["error"])
    assert "Traceback" not in reply.text
    assert "NoneType" not in reply.text


def test_header_bytes_other_than_text(caller: Caller) -> None:
    caller.http.headers["X-App-ID"] = b"\xff\xfe"
    assert 400 == caller.queue(track()).status_code


def test_timestamps_in_any_notation(caller: Caller) -> None:
    notations = ["2025-04-03T07:35:10Z", "2025-04-03 09:35:10+02:00", "2025-04-03T07:35:10", "2025-04-03T07:35:10.000Z"]
    caller.take(*(track(timestamp=notation) for notation in notations))
    assert [AT] * 5 == [e["timestamp"] for e in caller.find("events")]
    caller.take(track("Fine", timestamp="1969-12-31T23:59:59.123456Z"))
    assert "1969-12-31T23:59:59.123456Z" == caller.one("events", filter={"event": "Fine"})["timestamp"]
