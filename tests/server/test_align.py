"""Align AI's protocol at the local server: in protobuf, in JSON, refused with reasons, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from mindlytics import Client
from mindlytics.align import ROLE_ASSISTANT, ROLE_USER, AlignAI, wire
from mindlytics.align.settings import COLLECT_PATH
from mindlytics.server.http import MAX_BODY
from mindlytics.server.run import LocalServer

from .calls import Caller
from .test_live import heard, listening


@pytest.fixture
def align(server: LocalServer, caller: Caller) -> Iterator[AlignAI]:
    """A client whose project is the caller's app."""
    project = str(caller.http.headers["X-App-ID"])[-60:]
    caller.http.headers["X-App-ID"] = project
    with AlignAI(project, "key", server.url) as made:
        yield made


def message(session_id: str = "s", index: int = 1, content: str = "x", **fields: Any) -> dict[str, Any]:
    message = {
        "sessionId": session_id,
        "messageIndexHint": index,
        "messageRole": "ROLE_USER",
        "messageContent": content,
    }
    return event("message_create", messageProperties={**message, **fields})


def event(kind: str, **properties: Any) -> dict[str, Any]:
    return {"id": "i", "type": kind, "projectId": "p", "properties": properties}


def post(caller: Caller, *events: dict[str, Any], **headers: str) -> requests.Response:
    caller.http.headers["X-App-ID"] = "p"
    body = {"requestId": "", "events": list(events)}
    return caller.post(COLLECT_PATH, body, **{"Content-Type": "application/json", **headers})


def test_the_path_is_that_of_the_wire() -> None:
    assert COLLECT_PATH == wire.COLLECT_PATH


def test_what_is_recorded_shows_in_every_read(align: AlignAI, caller: Caller) -> None:
    align.identify_user("ada", display_name="Ada", country_code="KR", custom_properties={"plan": "pro"})
    align.open_session("s", "ada", assistant_id="bot", custom_properties={"channel": "web"})
    align.create_message("s", 1, ROLE_USER, "Where is it?", {"lang": "en"})
    align.create_message("s", 5, ROLE_ASSISTANT, "On its way.")
    align.create_message_feedback("s", 5, "thumbs_up")
    align.create_session_feedback("s", "thumbs_down")
    align.close_session("s")
    assert 7 == align.flush(20).delivered
    session = caller.one("sessions", filter={"session_id": "s"}, include=["messages", "user"])
    assert {"assistant_id": "bot", "channel": "web"} == session["attributes"]
    assert session["ended_at"]
    assert ("ada", {"display_name": "Ada", "country_code": "KR", "plan": "pro"}) == (
        session["user"]["id"],
        session["user"]["traits"],
    )
    messages = [(it["index"], it["role"], it["content"]) for it in session["messages"]]
    assert [(1, "user", "Where is it?"), (5, "assistant", "On its way.")] == messages
    conversation = caller.one("conversations", filter={"conversation_id": "s"})
    assert (2, "s") == (conversation["turn_count"], conversation["session_id"])
    events = caller.find("events", filter={"session_id": "s"})
    feedback = [it["properties"] for it in events if it["event"] == "Feedback"]
    assert [{"feedback": "thumbs_up", "message_index": 5}, {"feedback": "thumbs_down"}] == feedback
    turn = next(it for it in events if it["event"] == "Conversation Turn")
    assert {"lang": "en", "user": "Where is it?", "assistant": ""} == turn["properties"]


async def test_those_who_listen_receive_it(caller: Caller) -> None:
    caller.http.headers["X-App-ID"] = "p"
    session = {"sessionId": "live", "userId": "u"}
    async with listening(caller, "live") as socket:
        post(
            caller,
            event("session_open", sessionProperties=session),
            message("live"),
            event("session_close", sessionProperties=session),
        )
        names = [it["event"] for it in await heard(socket, "Session Ended")]
    assert [
        "Session Started",
        "Conversation Started",
        "Conversation Turn",
        "Conversation Ended",
        "Session Ended",
    ] == names


def test_json_is_taken_as_well(caller: Caller) -> None:
    reply = post(caller, event("session_open", sessionProperties={"sessionId": "json", "userId": "u"}), message("json"))
    assert (200, {}, "application/json") == (
        reply.status_code,
        reply.json(),
        reply.headers["Content-Type"].partition(";")[0],
    )
    assert "u" == caller.one("sessions", filter={"session_id": "json"})["user_id"]


def test_protobuf_is_answered_with_an_empty_message(caller: Caller) -> None:
    reply = caller.post(COLLECT_PATH, b"", **{"Content-Type": "application/proto"})
    assert (200, b"", "application/proto") == (reply.status_code, reply.content, reply.headers["Content-Type"])


@pytest.mark.parametrize("header", [True, False], ids=["Idempotency-Key", "request_id"])
def test_a_request_that_comes_twice_is_stored_once(caller: Caller, header: bool) -> None:
    caller.http.headers["X-App-ID"] = "p"
    key = f"key-{header}"
    body = {"requestId": "" if header else key, "events": [message(key)]}
    headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if header else {})}
    assert [200, 200] == [caller.post(COLLECT_PATH, body, **headers).status_code for _ in range(2)]
    assert 1 == caller.names(key).count("Conversation Turn")


def test_a_key_that_comes_again_with_another_body_is_refused(caller: Caller) -> None:
    caller.http.headers["X-App-ID"] = "p"
    headers = {"Content-Type": "application/json", "Idempotency-Key": "reused"}
    assert 200 == caller.post(COLLECT_PATH, {"events": [message("reused")]}, **headers).status_code
    reply = caller.post(COLLECT_PATH, {"events": [message("other")]}, **headers)
    assert (422, "invalid_argument") == (reply.status_code, reply.json()["code"])
    assert "Idempotency-Key" in reply.json()["message"]
    assert [] == caller.names("other")


@pytest.mark.parametrize(
    ("field", "properties"),
    [
        ("type", event("session_begin")),
        ("properties", event("session_open")),
        ("project_id", {**message(), "projectId": ""}),
        ("session_id", message("s" * 65)),
        ("message_index", message(index=0)),
        ("message_index", message(index=-3)),
        ("content", message(content="")),
        ("role", message(messageRole="ROLE_UNSPECIFIED")),
        ("role", message(messageRole=7)),
        ("user_id", event("session_open", sessionProperties={"sessionId": "s"})),
        ("assistant_id", event("session_open", sessionProperties={
            "sessionId": "s", "userId": "u", "assistantId": "a" * 65})),
        ("email", event("user_recognize", userProperties={"userId": "u", "userEmail": "e" * 257})),
        ("display_name", event("user_recognize", userProperties={"userId": "u", "userDisplayName": "e" * 65})),
        ("ip", event("user_recognize", userProperties={"userId": "u", "userIp": "1.2.3.400"})),
        ("country_code", event("user_recognize", userProperties={"userId": "u", "userLocation": {
            "countryCode": "XX"}})),
        ("feedback_type", event("feedback_create", feedbackProperties={
            "sessionId": "s", "feedbackTarget": "TARGET_SESSION", "type": "meh"})),
        ("feedback_target", event("feedback_create", feedbackProperties={"sessionId": "s", "type": "thumbs_up"})),
        ("message_index", event("feedback_create", feedbackProperties={
            "sessionId": "s", "feedbackTarget": "TARGET_MESSAGE", "type": "thumbs_up"})),
        ("custom_properties", event("session_close", sessionProperties={"sessionId": "s"},
            customProperties={f"p{number}": {"stringValue": "x"} for number in range(11)})),
        ("a name in custom_properties", event("session_close", sessionProperties={"sessionId": "s"},
            customProperties={"1st": {"stringValue": "x"}})),
        ("custom_properties.p", event("session_close", sessionProperties={"sessionId": "s"},
            customProperties={"p": {"stringValue": "x" * 257}})),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_with_the_field_and_the_rule(
    caller: Caller, field: str, properties: dict[str, Any]
) -> None:
    reply = post(caller, message("refused"), properties)
    answer = reply.json()
    assert (400, "invalid_argument", field, 1) == (reply.status_code, answer["code"], answer["field"], answer["index"])
    assert answer["message"].startswith(f"event 1: {field} must be {answer['rule']}")
    assert [] == caller.find("sessions", filter={"session_id": "refused"}), "all are stored, or none"


def test_an_index_is_taken_once_in_a_session(caller: Caller) -> None:
    assert 200 == post(caller, message("taken", 1), message("taken", 2), message("other", 1)).status_code
    for events in ([message("taken", 2)], [message("taken", 3), message("taken", 3)]):
        reply = post(caller, *events)
        assert (400, "message_index") == (reply.status_code, reply.json()["field"])
    assert 200 == post(caller, message("taken", 3)).status_code


def test_the_turns_of_mindlytics_in_the_same_session_take_no_index(align: AlignAI, caller: Caller) -> None:
    settings = align.settings
    with Client(
        api_key=settings.api_key, project_id=settings.project_id, server_endpoint=settings.server_endpoint
    ) as client:
        session = client.create_session(session_id="s", id="ada")
        for _ in range(3):
            session.track_conversation_turn(user="q", assistant="a")
    for index in range(1, 7):
        align.create_message("s", index, ROLE_USER, "q")
    assert (6, 0) == ((flushed := align.flush(20)).delivered, flushed.refused)


def test_a_session_that_was_never_opened_has_a_user(caller: Caller) -> None:
    feedback = {"sessionId": "lost", "feedbackTarget": "TARGET_SESSION", "type": "thumbs_up"}
    assert 200 == post(caller, event("feedback_create", feedbackProperties=feedback), message("lost")).status_code
    assert caller.one("sessions", filter={"session_id": "lost"})["user_id"].startswith("ml_")


def test_a_session_that_is_opened_late_is_its_users(caller: Caller) -> None:
    assert 200 == post(caller, message("late")).status_code
    opened = {"sessionId": "late", "userId": "late-ada", "assistantId": "bot"}
    assert 200 == post(caller, event("session_open", sessionProperties=opened), message("late", 2)).status_code
    session = caller.one("sessions", filter={"session_id": "late"}, include=["user", "events"])
    assert ("late-ada", {"assistant_id": "bot"}) == (session["user"]["id"], session["attributes"])
    assert {session["user_id"]} == {stored["user_id"] for stored in session["events"]}


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"no protobuf", "application/proto", 400, "invalid_argument"),
        (b"{", "application/json", 400, "invalid_argument"),
        (b"[]", "application/json", 400, "invalid_argument"),
        (b"{}", "application/json; charset=utf-8", 200, None),
        (b"{}", "text/plain", 415, "invalid_argument"),
        (b"x" * (MAX_BODY + 1), "application/proto", 413, "resource_exhausted"),
        (b"[1]", "application/json", 400, "invalid_argument"),
        (b'{"events": 5}', "application/json", 400, "invalid_argument"),
        (b'{"events": [{"properties": null, "id": []}]}', "application/json", 400, "invalid_argument"),
        (json.dumps({"requestId": "r" * 256}).encode(), "application/json", 400, "invalid_argument"),
        (json.dumps({"events": [{"createTime": "yesterday"}]}).encode(), "application/json", 400, "invalid_argument"),
    ],
)
def test_an_invalid_request_is_answered_in_connects_form(
    caller: Caller, body: bytes, kind: str, status: int, code: str | None
) -> None:
    reply = caller.post(COLLECT_PATH, body, **{"Content-Type": kind})
    assert (status, code) == (reply.status_code, reply.json().get("code"))


def test_credentials_are_asked_for(server: LocalServer) -> None:
    with requests.Session() as http:
        http.trust_env = False
        reply = http.post(server.url + COLLECT_PATH, headers={"Content-Type": "application/proto"}, timeout=20)
    assert (401, "unauthenticated") == (reply.status_code, reply.json()["code"])


def test_another_key_is_refused() -> None:
    with LocalServer(api_key="right") as server, AlignAI("p", "wrong", server.url) as client:
        client.close_session("s")
        assert 1 == client.flush(20).refused
        assert [403] == [error.status for error in client.get_errors()]


def test_one_bad_event_among_good_ones_is_refused_alone(align: AlignAI, caller: Caller) -> None:
    for number in range(1, 41):
        align.create_message("halved", 7 if number == 23 else number, ROLE_USER, f"{number}")
    outcome = align.flush(20)
    assert (39, 1) == (outcome.delivered, outcome.refused)
    (error,) = align.get_errors()
    assert error.message.startswith("event 0: message_index must be another than the session has")
    session = caller.one("sessions", filter={"session_id": "halved"}, include=["messages"])
    assert [n for n in range(1, 41) if n != 23] == [it["index"] for it in session["messages"]]


def test_without_protobuf_the_server_says_what_is_missing(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    import mindlytics.align

    monkeypatch.delattr(mindlytics.align, "wire")
    monkeypatch.setitem(__import__("sys").modules, "mindlytics.align.wire", None)
    reply = caller.post(COLLECT_PATH, b"", **{"Content-Type": "application/proto"})
    assert (501, "unimplemented") == (reply.status_code, reply.json()["code"])
