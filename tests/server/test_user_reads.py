"""The reads about users: the list, and of one the sessions, the insights, a conversation, an event."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mindlytics.server import matching
from mindlytics.server.http import ANY_KEY
from mindlytics.server.records import Records
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import microseconds
from mindlytics.server.stored import StoredEvent

from .calls import AT, Caller, event, track, turn

READS = "/bc/v1/user/"
USER = {"id", "user_id", "aliases", "created_at", "traits"}


@pytest.fixture
def people(caller: Caller) -> Caller:
    for name, age in (("ada", 36), ("bob", 12), ("cleo", 39)):
        caller.post(READS + "identify", {"id": name, "traits": {"age": age}})
    caller.post(READS + "alias", {"id": "ada@mill.example", "previous_id": "ada"})
    return caller


def listed(caller: Caller, **parameters: object) -> list[str]:
    reply = caller.get(READS + "list", **parameters)
    assert 200 == reply.status_code, reply.text
    return [user["user_id"] for user in reply.json()["users"]]


def test_the_list(people: Caller) -> None:
    answer = people.get(READS + "list").json()
    assert {"users", "total"} == set(answer)
    assert (3, USER) == (answer["total"], set(answer["users"][0]))
    ada = answer["users"][0]
    assert ("ada@mill.example", "ada", ["ada", "ada@mill.example"]) == (ada["id"], ada["user_id"], ada["aliases"])
    page = people.get(READS + "list", limit=1, offset=1).json()
    assert (3, ["bob"]) == (page["total"], [user["id"] for user in page["users"]])
    assert [] == listed(people, offset=3)
    assert ["ada", "bob", "cleo"] == listed(people, limit=0)


def test_the_order_of_the_list(people: Caller) -> None:
    assert ["cleo", "bob", "ada"] == listed(people, sort={"value": "created_at", "order": "desc"})
    assert ["bob", "ada", "cleo"] == listed(people, sort={"value": "traits.age", "order": "asc"})
    assert ["cleo", "bob"] == listed(people, limit=2, **{"sort[value]": "id", "sort[order]": "desc"})


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        ("^b", ["bob"]),
        ("@mill", ["ada"]),
        ("^ada$", ["ada"]),
        ("a|c", ["ada", "cleo"]),
        ("(?i)BOB|CLEO", ["bob", "cleo"]),
        ("nobody", []),
        (r"\.", ["ada"]),
    ],
)
def test_users_by_a_regular_expression(people: Caller, regex: str, expected: list[str]) -> None:
    answer = people.get(READS + "list", regex=regex, limit=1).json()
    assert (len(expected), expected[:1]) == (answer["total"], [user["user_id"] for user in answer["users"]])
    assert expected[::-1] == listed(people, regex=regex, sort={"value": "user_id", "order": "desc"})


def test_a_regular_expression_that_never_ends(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MATCHING_SECONDS", 1)
    caller.post(READS + "identify", {"id": "a" * 99})
    reply = caller.get(READS + "list", regex="(a+)+$b")
    assert (400, "regex") == (reply.status_code, reply.json()["field"])
    assert "longer than 1 s" in reply.json()["message"]


def test_details(caller: Caller) -> None:
    caller.take(event("identify", id="u", traits={"plan": "pro"}), turn("a", "b"), event("end_session"))
    caller.take(track(session_id="later", timestamp="2025-04-04T07:35:10Z"))
    caller.take(event("alias", session_id="later", id="v", previous_id="u", timestamp="2025-04-04T07:35:10Z"))
    answer = caller.get(READS + "details", user_id="u").json()
    assert answer == caller.get(READS + "details", user_id="v").json()
    assert USER | {"sessions"} == set(answer)
    later, session = answer["sessions"]
    assert ("later", None) == (later["session_id"], later["ended_at"])
    assert ("s", AT) == (session["session_id"], session["ended_at"])
    assert {"plan": "pro"} == session["user_traits"]
    assert caller.names() == [e["event"] for e in session["events"]]
    needed = {"user_id", "event_id", "session_id", "timestamp", "event", "properties", "user_traits"}
    assert all(needed <= set(e) for e in session["events"])
    (only,) = caller.get(READS + "details", user_id="u", limit=1, offset=1).json()["sessions"]
    assert session == only


def summarize(server: LocalServer, caller: Caller, conversation_id: str, **properties: object) -> None:
    """Store what the server's analysis of a conversation found, as that does it."""
    cause = caller.find("events", filter={"conversation_id": conversation_id})[-1]

    def work(records: Records) -> None:
        app = records.app(server.store.hashed(ANY_KEY), caller.http.headers["X-App-ID"])
        session = records.session(app.scope, cause["session_id"])
        assert session is not None
        conversation = records.conversation(session, conversation_id)
        assert conversation is not None
        (origin,) = (number for number in range(10_000) if records.event_id(number) == cause["event_id"])
        number = records.number()
        row = (number, app.scope, session.seq, conversation.seq, origin, microseconds(AT), "Conversation Summary")
        fields = (cause["session_id"], conversation_id, cause["user_id"], records.event_id(number), cause["event_id"])
        records.written.append(StoredEvent(*row, json.dumps(properties), "", -1, *fields))

    asyncio.run(server.store.write(work))


def test_insights(caller: Caller, server: LocalServer) -> None:
    caller.take(turn(), turn(conversation_id="plain"), turn(conversation_id="open"))
    caller.take(turn(conversation_id="its", user_id="v", session_id="s2"))
    caller.take(turn(conversation_id="late", session_id="s3", timestamp="2025-04-04T07:35:10Z"))
    caller.take(track("Conversation Summary", conversation_id="open", properties={"summary": "not the server's"}))
    summarize(server, caller, "c", summary="superseded", sentiment="negative")
    counts = {"successful_intents": 2, "unsuccessful_intents": 1}
    summarize(server, caller, "c", summary="a parcel", sentiment="positive", **counts)
    summarize(server, caller, "plain")
    summarize(server, caller, "late", summary="a refund")
    answer = caller.get(READS + "insights", user_id="u").json()
    assert USER | {"conversations"} == set(answer)
    late, plain, insight = answer["conversations"]
    ids = {"user_id": "u", "session_id": "s", "conversation_id": "c", "started_at": AT}
    assert {**ids, "sentiment": "positive", "summary": "a parcel", **counts} == insight
    nothing = {"sentiment": "neutral", "summary": "", "successful_intents": 0, "unsuccessful_intents": 0}
    assert {**ids, "conversation_id": "plain", **nothing} == plain
    assert ("late", "a refund") == (late["conversation_id"], late["summary"])
    page = caller.get(READS + "insights", user_id="u", limit=1, offset=1).json()
    assert [plain] == page["conversations"]
    assert [] == caller.get(READS + "insights", user_id="v").json()["conversations"]
    caller.take(track("Conversation Ended", conversation_id="plain", timestamp="2025-04-03T07:35:12.500Z"))
    assert 2.5 == caller.get(READS + "insights", user_id="u").json()["conversations"][1]["duration"]


def test_a_conversation(caller: Caller) -> None:
    caller.take(turn("a", "b"), turn("c", "", "other"), turn("", "d"), track(conversation_id="c"))
    caller.take(turn("x", "y", user_id="v", session_id="s2"))
    caller.take(track("Conversation Started", conversation_id="silent"))

    def turns_of(conversation_id: str, user_id: str = "u", **page: int) -> Any:
        return caller.get(READS + "conversation", conversation_id=conversation_id, user_id=user_id, **page).json()

    assert [{"user": "a", "assistant": "b"}, {"user": "", "assistant": "d"}] == turns_of("c")
    assert [{"user": "", "assistant": "d"}] == turns_of("c", limit=1, offset=1)
    assert [{"user": "x", "assistant": "y"}] == turns_of("c", "v")
    assert [] == turns_of("silent")
    assert "conversation_id" == turns_of("other", "v")["field"]


def test_an_event(caller: Caller) -> None:
    (stored,) = caller.post("/bc/v1/events/event", event("start_session")).json()
    assert stored == caller.get(READS + "event", event_id=stored["event_id"]).json()


@pytest.mark.parametrize(
    ("read", "parameters", "status", "field"),
    [
        ("list", {"limit": -1}, 400, "limit"),
        ("list", {"offset": "x"}, 400, "offset"),
        ("list", {"regex": "("}, 400, "regex"),
        ("list", {"regex": "a{9999999999}"}, 400, "regex"),
        ("list", {"regex": "x" * 201}, 400, "regex"),
        ("list", {"sort": "{"}, 400, "sort"),
        ("list", {"sort": "[]"}, 400, "sort"),
        ("list", {"sort": {"value": "id"}}, 400, "sort"),
        ("list", {"sort": {"value": "age", "order": "asc"}}, 400, "sort"),
        ("list", {"sort[value]": "id", "sort[order]": "up"}, 400, "sort"),
        ("details", {}, 400, "user_id"),
        ("details", {"user_id": "nobody"}, 404, "user_id"),
        ("insights", {}, 400, "user_id"),
        ("insights", {"user_id": "nobody"}, 404, "user_id"),
        ("conversation", {"user_id": "u"}, 400, "conversation_id"),
        ("conversation", {"conversation_id": "c"}, 400, "user_id"),
        ("conversation", {"conversation_id": "none", "user_id": "u"}, 404, "conversation_id"),
        ("event", {}, 400, "event_id"),
        ("event", {"event_id": "none"}, 404, "event_id"),
    ],
)
def test_bad_reads(caller: Caller, read: str, parameters: dict[str, object], status: int, field: str) -> None:
    caller.take(turn())
    reply = caller.get(READS + read, **parameters)
    assert (status, field) == (reply.status_code, reply.json()["field"])


def test_reads_of_an_app_without_data(caller: Caller) -> None:
    assert {"users": [], "total": 0} == caller.get(READS + "list").json()
    assert 404 == caller.get(READS + "details", user_id="u").status_code
