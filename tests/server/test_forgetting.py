"""Forgetting a person: nothing of it is left, not even as bytes, and nothing new comes in for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mindlytics import Client
from mindlytics.align import AlignAI
from mindlytics.antonnia import Conversations
from mindlytics.recorded import read
from mindlytics.server import forgetting, sessions
from mindlytics.server.antonnia.webhooks import WebhookSender
from mindlytics.server.decoding import taken
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import metadata
from mindlytics.wire import decode

from .. import postgres
from .calls import AT, Caller, event, track, turn
from .test_traces import CHAT, post, span

FORGET = "/bc/v1/user/forget"
SECRETS = ["ada-lovelace", "ada-at-home", "ada-phone", "zebrafinch", "quokka", "axolotl", "narwhal", "ada-session"]
"""What only Ada's data has, each in another place."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "m.db"


@pytest.fixture
def server(place: Path) -> Iterator[LocalServer]:
    with LocalServer(place, idle=None) as server:
        yield server


def record(server: LocalServer) -> Caller:
    caller = Caller(server.url)
    ada = {"user_id": "ada-lovelace", "device_id": "ada-phone"}
    caller.take(
        event("identify", "ada-session", id="ada-lovelace", traits={"pet": "zebrafinch"}, **ada),
        event("alias", "ada-session", id="ada-at-home", previous_id="ada-lovelace", **ada),
        turn("Where is my quokka?", "Here is your axolotl.", session_id="ada-session", **ada),
        track(
            "Conversation Function",
            session_id="ada-session",
            conversation_id="c",
            properties={"name": "narwhal"},
            **ada,
        ),
        event("end_session", "ada-session", **ada),
        turn("Where is my parcel?", "On its way.", session_id="bobs", user_id="bob"),
        event("end_session", "bobs", user_id="bob"),
    )
    assert server.settle()
    return caller


def forget(caller: Caller, name: str = "ada-at-home", **more: Any) -> dict[str, Any]:
    answered = caller.post(FORGET, {"id": name, **more})
    assert 200 == answered.status_code, answered.text
    found: dict[str, Any] = answered.json()
    return found


def is_gone(server: LocalServer, place: Path, *others: str) -> bool:
    """Whether only these users are left, and no secret."""
    users = Caller(server.url).find("users")
    return [*others] == [row["id"] for row in users] and set() == left_in(place)


def left_in(place: Path) -> set[str]:
    """The secrets that are bytes of the files of a database, or of any row of PostgreSQL."""
    if postgres.ON:
        return left_in_rows(place)
    files = [file.read_bytes() for file in place.parent.iterdir() if file.is_file()]
    assert files
    return {secret for secret in SECRETS if any(secret.encode() in data for data in files)}


def left_in_rows(place: Path) -> set[str]:
    from mindlytics.server import store

    connection = store.database_at(place).reading(lambda: False)  # type: ignore[attr-defined]
    with connection, connection.begin():
        names = (
            connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars().all()
        )
        assert {*metadata.tables, "event_words"} <= set(names)
        rows = [row[0] for name in names for row in connection.exec_driver_sql(f"SELECT t::text FROM {name} t")]
    return {secret for secret in SECRETS if any(secret in row for row in rows)}


def test_nothing_of_the_person_is_left(server: LocalServer, place: Path) -> None:
    caller = record(server)
    assert {*SECRETS} - {"narwhal"} <= left_in(place) | {"narwhal"}
    before = [line["session_id"] for line in read(server.url, api_key="key", project_id="app").lines()]
    assert ["ada-session", "bobs"] == sorted(before)
    deleted = forget(caller)
    assert (1, 0) == (deleted["sessions"], deleted["contacts"])
    assert deleted["events"] >= 9
    assert set() == left_in(place)
    lines = list(read(server.url, api_key="key", project_id="app").lines())
    assert ["bobs"] == [line["session_id"] for line in lines]
    assert not any(secret in json.dumps(lines) for secret in SECRETS)
    for collection in ("users", "sessions", "conversations", "events", "messages", "intents"):
        rows = caller.find(collection)
        assert not any(secret in json.dumps(rows) for secret in SECRETS)
    assert [] == caller.get("/bc/v1/search", q="quokka").json()["results"]
    assert ["Where is my parcel?"] == [row["content"] for row in caller.find("messages") if row["role"] == "user"]
    server.stop()
    assert set() == left_in(place)


ADA: dict[str, Any] = {"user_id": "ada-lovelace", "device_id": "ada-phone"}
NAMELESS: dict[str, Any] = {"device_id": "ada-phone"}
EARLIER = [
    event("identify", "ada-session", traits={"pet": "zebrafinch"}, **NAMELESS),
    turn("quokka", session_id="ada-session", **NAMELESS),
]
"""What is recorded of a device before anyone knows whose it is."""


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "later",
    [
        event("identify", "ada-session", id="ada-lovelace", **NAMELESS),
        {"type": "identify", "session_id": "ada-session", "timestamp": AT, "id": "ada-lovelace"},
        event("start_session", "ada-session", id="ada-lovelace", **NAMELESS),
        turn(session_id="ada-session", **ADA),
        track(session_id="ada-session", user_id="ada-lovelace"),
        event("end_session", "ada-session", **ADA),
        event("alias", "ada-session", id="ada-at-home", previous_id="ada-lovelace", **NAMELESS),
        event("identify", "another", id="ada-lovelace", **NAMELESS),
        turn(session_id="another", **ADA),
    ],
    ids=lambda later: f"{later['type']}-{later['session_id']}-{len(later)}",
)
def test_what_came_before_the_person_was_named_goes_too(
    server: LocalServer, place: Path, later: dict[str, Any], known: bool
) -> None:
    caller = Caller(server.url)
    if known:
        caller.take(turn(session_id="first", user_id="ada-lovelace"))
    caller.take(*EARLIER)
    caller.take(later)
    forget(caller, "ada-lovelace")
    assert is_gone(server, place)
    assert [] == caller.find("sessions")
    caller.take(turn("quokka", session_id="new", **NAMELESS), turn("quokka", session_id="ada-session", user_id="ada"))
    assert is_gone(server, place)


def test_what_is_known_of_a_device_goes_with_its_owner(server: LocalServer, place: Path) -> None:
    caller = Caller(server.url)
    caller.take(turn(session_id="first", user_id="ada-lovelace"))
    for body in ({"device_id": "ada-phone", "traits": {"pet": "zebrafinch"}}, {"id": "ada-lovelace", **NAMELESS}):
        assert 200 == caller.post("/bc/v1/user/identify", body).status_code
    forget(caller, "ada-lovelace")
    assert is_gone(server, place)


def test_a_second_device_of_an_unnamed_user_goes_with_its_owner(server: LocalServer, place: Path) -> None:
    caller = Caller(server.url)
    caller.take(turn(session_id="s", device_id="d"), event("identify", "s", **NAMELESS))
    caller.take(*EARLIER)
    caller.take(turn(session_id="first", user_id="ada-lovelace"))
    assert 200 == caller.post("/bc/v1/user/identify", {"id": "ada-lovelace", **NAMELESS}).status_code
    forget(caller, "ada-lovelace")
    assert is_gone(server, place)


@pytest.mark.parametrize(
    "events",
    [
        [
            event("identify", "s", id="ada-lovelace", traits={"pet": "zebrafinch"}, user_id="ada-lovelace"),
            event("identify", "s", id="bob", user_id="ada-lovelace"),
        ],
        [
            turn(session_id="s", user_id="bob"),
            event("identify", "s", id="ada-lovelace", traits={"pet": "zebrafinch"}, user_id="bob"),
            event("identify", "s", id="bob", user_id="ada-lovelace"),
            turn(session_id="s", user_id="bob"),
        ],
        [turn(session_id="s", user_id="bob"), turn("quokka", session_id="s", user_id="ada-lovelace")],
        [
            turn(session_id="s", user_id="bob"),
            event("start_session", "s", id="ada-lovelace", attributes={"a": "quokka"}),
        ],
        [
            turn(session_id="elsewhere", user_id="ada-lovelace"),
            turn(session_id="s", user_id="bob"),
            event("alias", "s", id="ada-at-home", previous_id="ada-lovelace", user_id="bob"),
        ],
        [
            turn(session_id="elsewhere", user_id="ada-lovelace"),
            turn(session_id="s", user_id="bob"),
            event("alias", "s", id="bob", previous_id="ada-lovelace", user_id="bob"),
        ],
    ],
    ids=["former owner", "owner in between", "turn", "start", "alias", "failed alias"],
)
def test_a_session_that_names_the_person_goes_whosever_it_is(
    server: LocalServer, place: Path, events: list[dict[str, Any]]
) -> None:
    caller = Caller(server.url)
    for one in events:
        caller.take(one)
    caller.take(turn(session_id="bobs", user_id="bob"))
    assert "bob" == caller.one("sessions", filter={"session_id": "s"})["user_id"]
    forget(caller, "ada-lovelace")
    assert is_gone(server, place, "bob")
    assert ["bobs"] == [row["session_id"] for row in caller.find("sessions")]
    caller.take(turn("mine", session_id="s", user_id="bob"), turn("quokka", session_id="s", user_id="ada-lovelace"))
    assert {"s", "bobs"} == {row["session_id"] for row in caller.find("sessions")}
    assert is_gone(server, place, "bob")


def test_of_two_people_on_one_device_each_keeps_what_names_them(server: LocalServer) -> None:
    caller = Caller(server.url)
    device = {"device_id": "shared"}
    caller.take(turn(session_id="elsewhere", user_id="ada-lovelace"), turn(session_id="elsewhere too", user_id="bob"))
    caller.take(turn(session_id="anonymous", **device))
    caller.take(event("identify", "adas", id="ada-lovelace", traits={"pet": "zebrafinch"}, **device))
    caller.take(turn(session_id="after ada", **device))
    caller.take(event("identify", "bobs", id="bob", **device), turn(session_id="after bob", **device))
    started = caller.one("events", filter={"session_id": "bobs", "event": "Session Started"})
    assert ("bob", None) == (started["user_id"], started.get("user_traits"))
    forget(caller, "ada-lovelace")
    assert {"elsewhere too", "bobs", "after bob"} == {row["session_id"] for row in caller.find("sessions")}
    caller.take(turn("mine", session_id="bobs", user_id="bob", **device))
    assert "mine" in [row["content"] for row in caller.find("messages")]


def test_messages_of_an_align_session_that_is_opened_late_go_too(server: LocalServer, place: Path) -> None:
    caller = Caller(server.url)
    caller.take(turn(session_id="first", user_id="ada-lovelace"))
    with AlignAI("app", "key", api_host=server.url) as align:
        align.create_message("ada-session", 1, "user", "quokka")
        assert align.flush(20).delivered
        align.open_session("ada-session", "ada-lovelace")
    assert 2 == forget(caller, "ada-lovelace")["sessions"]
    assert is_gone(server, place)


def test_traces_of_a_conversation_whose_user_is_named_later_go_too(server: LocalServer, place: Path) -> None:
    caller = Caller(server.url)
    for number, named in enumerate(({}, {"user.id": "ada-lovelace"})):
        chat = span("00", "", number, number + 1, **CHAT, **named, **{"session.id": "ada-session"})
        assert 200 == post(caller, {**chat, "traceId": f"{number}a" * 16}).status_code
    assert 2 == caller.one("sessions")["turn_count"]
    forget(caller, "ada-lovelace")
    assert is_gone(server, place)


def test_a_client_that_names_the_user_while_it_records(server: LocalServer, place: Path) -> None:
    caller = Caller(server.url)
    caller.take(turn(session_id="first", user_id="ada-lovelace"))
    with Client(api_key="key", project_id="app", server_endpoint=server.url) as client:
        for name in ("identified", "assigned"):
            with client.create_session(session_id=f"ada-session {name}", device_id=f"ada-phone {name}") as session:
                session.track_conversation_turn(user="quokka", assistant="axolotl")
                if name == "assigned":
                    session.id = "ada-lovelace"
                else:
                    session.user_identify(id="ada-lovelace", traits={"pet": "zebrafinch"})
                session.track_conversation_turn(user="quokka", assistant="axolotl")
    assert 3 == forget(caller, "ada-lovelace")["sessions"]
    assert is_gone(server, place)


@pytest.mark.parametrize("at_once", [False, True])
def test_what_arrives_before_the_person_is_named_is_deleted_then(
    server: LocalServer, place: Path, at_once: bool
) -> None:
    caller = record(server)
    forget(caller)
    device = {"device_id": "ada-tablet"}
    events = [
        turn("quokka", session_id="new", **device),
        turn("quokka", session_id="newer", **device),
        event("identify", "newer", id="ada-lovelace", **device),
        turn("quokka", session_id="newer", **device),
        turn("mine", session_id="bobs", user_id="bob"),
    ]
    for some in [events] if at_once else [[one] for one in events]:
        caller.take(*some)
    assert {"bobs"} == {row["session_id"] for row in caller.find("sessions")}
    assert ["bob"] == [row["id"] for row in caller.find("users")]
    assert 2 == caller.one("sessions")["turn_count"]
    with AlignAI("app", "key", api_host=server.url) as align:
        align.create_message("elsewhere", 1, "user", "quokka")
        assert align.flush(20).delivered
        align.open_session("elsewhere", "ada-lovelace")
    assert {"bobs"} == {row["session_id"] for row in caller.find("sessions")}
    forget(caller)  # writes the database anew
    assert is_gone(server, place, "bob")


def test_what_another_server_recorded_goes_and_stays_out_there(server: LocalServer, place: Path) -> None:
    with LocalServer(place, idle=None) as other:
        one, two = Caller(server.url), Caller(other.url)
        one.take(turn(session_id="first", user_id="ada-lovelace"), turn(session_id="s", user_id="bob"))
        two.take(*EARLIER)
        one.take(turn(session_id="ada-session", **ADA))
        two.take(turn("quokka", session_id="s", user_id="ada-lovelace"))
        assert 3 == forget(one, "ada-lovelace")["sessions"]
        two.take(turn("quokka", session_id="ada-session", **NAMELESS), turn("quokka", session_id="new", **ADA))
        assert [] == two.find("sessions")
        assert is_gone(other, place, "bob")


def test_events_that_still_arrive_are_acknowledged_and_not_stored(server: LocalServer, place: Path) -> None:
    caller = record(server)
    forget(caller)
    caller.take(
        turn("quokka", session_id="ada-session", user_id="somebody"),
        turn("quokka", session_id="new", user_id="ada-lovelace"),
        turn("quokka", session_id="new", device_id="ada-phone"),
        event("identify", "new", id="ada-at-home", traits={"pet": "zebrafinch"}),
        turn("Hello", session_id="bobs again", user_id="bob", device_id="ada-phone"),
    )
    identified = caller.post("/bc/v1/user/identify", {"id": "ada-lovelace", "traits": {"pet": "zebrafinch"}})
    assert (200, "ada-lovelace") == (identified.status_code, identified.json()["user_id"])
    with AlignAI("app", "key", api_host=server.url) as align:
        align.identify_user("ada-lovelace", email="zebrafinch")
        align.open_session("elsewhere", "ada-lovelace")
    assert {"bobs", "bobs again"} == {row["session_id"] for row in caller.find("sessions")}
    assert ["bob"] == [row["id"] for row in caller.find("users")]
    assert {"ada-phone"} >= left_in(place)
    assert {"sessions": 0, "events": 0, "contacts": 0} == forget(caller, "ada-lovelace")


def test_what_follows_an_event_of_the_person_is_not_stored_either(server: LocalServer, place: Path) -> None:
    caller = record(server)
    forget(caller)
    ada = event("start_session", "new", id="ada-lovelace", device_id="ada-tablet")
    nameless = {name: value for name, value in turn("quokka", session_id="new").items() if name != "user_id"}
    caller.take(ada, nameless)
    caller.take(nameless)
    caller.take(turn("quokka", session_id="newer", device_id="ada-tablet"))
    caller.take(event("alias", "a", id="ada-at-work", previous_id="ada-lovelace"))
    caller.take(turn("quokka", session_id="b", user_id="ada-at-work"))
    for path, body in (
        ("/bc/v1/user/identify", {"id": "ada-lovelace", "device_id": "ada-watch"}),
        ("/bc/v1/user/alias", {"id": "ada-abroad", "previous_id": "ada-lovelace"}),
    ):
        assert 200 == caller.post(path, body).status_code
    caller.take(
        turn("quokka", session_id="c", device_id="ada-watch"), turn("quokka", session_id="d", user_id="ada-abroad")
    )
    with AlignAI("app", "key", api_host=server.url) as align:
        align.open_session("elsewhere", "ada-lovelace")
        align.create_message("elsewhere", 1, "user", "quokka")
    assert {"bobs"} == {row["session_id"] for row in caller.find("sessions")}
    assert ["bob"] == [row["id"] for row in caller.find("users")]
    assert set() == left_in(place)


def test_what_others_have_is_stored_although_an_event_of_the_person_names_it(server: LocalServer) -> None:
    caller = record(server)
    caller.take(turn(session_id="bobs too", user_id="bob", device_id="bobs-phone"))
    forget(caller)
    caller.take(
        event("identify", "bobs", id="ada-lovelace", device_id="bobs-phone"),
        turn("mine", session_id="bobs", user_id="bob"),
        turn("mine", session_id="bobs again", device_id="bobs-phone"),
        event("identify", "e", id="bob", user_id="ada-lovelace"),
        turn("mine", session_id="bobs third", user_id="bob"),
    )
    assert 3 == len(caller.find("messages", filter={"content": "mine"}))
    assert {"bob"} == {row["user_id"] for row in caller.find("sessions")}


def test_nothing_of_the_person_comes_in_while_the_rest_is_deleted(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = record(server)
    end = forgetting._end

    def arriving(plan: Any, records: Any) -> Any:
        server.store.submit(partial(apply_one, plan.scope))  # its turn comes after this step
        return end(plan, records)

    def apply_one(scope: int, records: Any) -> None:
        sessions.apply(records, scope, taken(decode(turn(session_id="new", user_id="ada-lovelace"))))

    monkeypatch.setattr(forgetting, "_end", arriving)
    forget(caller, keep_out=0)
    assert {"bobs"} == {row["session_id"] for row in caller.find("sessions")}
    caller.take(turn("I am back", session_id="newer", user_id="ada-lovelace"))
    assert {"bobs", "newer"} == {row["session_id"] for row in caller.find("sessions")}


def test_an_idempotency_key_that_names_the_person_is_not_kept(server: LocalServer, place: Path) -> None:
    caller = record(server)
    assert 200 == caller.queue(turn(session_id="bobs", user_id="bob"), key="for-ada-lovelace").status_code
    forget(caller)
    assert set() == left_in(place)


def test_the_time_without_the_person_ends(server: LocalServer) -> None:
    caller = record(server)
    forget(caller, keep_out=0)
    caller.take(turn("I am back", session_id="new", user_id="ada-lovelace"))
    assert {"bobs", "new"} == {row["session_id"] for row in caller.find("sessions")}


def test_a_later_time_replaces_the_earlier_one(server: LocalServer) -> None:
    caller = record(server)
    forget(caller)
    forget(caller, "bob")
    forget(caller, "ada-lovelace", keep_out=0)
    caller.take(
        turn(session_id="ada-session", user_id="ada-at-home"),
        turn(session_id="anonymous", device_id="ada-phone"),
        turn(session_id="bobs again", user_id="bob"),
    )
    assert {"ada-session", "anonymous"} == {row["session_id"] for row in caller.find("sessions")}


def test_a_contact_alone_is_kept_out_too(server: LocalServer) -> None:
    with Conversations("key", f"{server.url}/conversations/v2") as conversations:
        conversations.sessions.create("contact-only", "Ada")
    caller = Caller(server.url)
    forget(caller, "contact-only")
    caller.take(turn(user_id="contact-only"))
    assert [] == caller.find("sessions")


def test_another_project_keeps_its_users(server: LocalServer) -> None:
    record(server)
    other = Caller(server.url, app_id="other")
    other.take(turn("Hello", user_id="ada-lovelace"))
    forget(Caller(server.url))
    assert ["ada-lovelace"] == [row["id"] for row in other.find("users")]
    other.take(turn("Again", user_id="ada-lovelace"))
    assert 2 == other.one("sessions")["turn_count"]


def test_a_session_of_many_events_goes_in_steps(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindlytics.server.deleting.EVENTS_AT_ONCE", 7)
    monkeypatch.setattr("mindlytics.server.forgetting.EVENTS_AT_ONCE", 7)
    monkeypatch.setattr("mindlytics.server.forgetting.SESSIONS_AT_ONCE", 2)
    caller = Caller(server.url)
    for number in range(5):
        caller.take(*[turn(session_id=f"s{number}") for _ in range(10)])
    assert {"sessions": 5, "events": 60, "contacts": 0} == forget(caller, "u")
    assert [] == caller.find("events")


def test_contacts_of_the_conversations_api_go_too(server: LocalServer, place: Path) -> None:
    caller = record(server)
    with Conversations("key", f"{server.url}/conversations/v2") as conversations:
        session = conversations.sessions.create("ada-lovelace", "zebrafinch")
        conversations.sessions.messages.create(session.id, {"type": "text", "text": "quokka"})
        conversations.sessions.create("bob", "Bob")
        conversations.sessions.create("contact-only", "axolotl")
        assert 1 == forget(caller)["contacts"]
        assert {"axolotl"} == left_in(place)
        assert {"sessions": 0, "events": 0, "contacts": 1} == forget(caller, "contact-only")
        assert ["bob"] == [each.contact_id for each in conversations.sessions.search()]
    assert set() == left_in(place)


async def test_webhooks_that_wait_are_dropped() -> None:
    sender = WebhookSender("http://127.0.0.1:1/")  # nobody listens there
    sender.post([{"session_id": name, "body": {"id": "1", "type": "x", "name": name}} for name in ("a", "b", "a")])
    sender.drop(["a", "unknown"])
    assert {"b": [b'{"id":"1","type":"x","name":"b"}']} == {name: [*each] for name, each in sender._waiting.items()}
    assert 32 == sender._size
    await sender.close()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "id"),
        ({"id": ""}, 400, "id"),
        ({"id": "nobody"}, 404, "id"),
        ({"id": "u", "keep_out": -1}, 400, "keep_out"),
    ],
)
def test_what_is_wrong_is_named(caller: Caller, body: dict[str, Any], status: int, field: str) -> None:
    answered = caller.post(FORGET, body)
    assert (status, field) == (answered.status_code, answered.json()["field"])
