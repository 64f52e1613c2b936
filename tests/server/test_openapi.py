"""The server's own description: valid, complete, and of one mind with what checks the requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

import mindlytics.compat.antonnia.conversations
import mindlytics.compat.antonnia.events  # noqa: F401  their types are in no answer, so the document stays the same
from mindlytics.align import wire
from mindlytics.errors import InvalidEvent
from mindlytics.server import find_routes
from mindlytics.server.app import SERVICES, create_app, described
from mindlytics.server.query import Filter, InvalidQuery
from mindlytics.server.run import LocalServer
from mindlytics.server.store import Store
from mindlytics.wire import decode

from .calls import AT, Caller, event, track, turn

DOCUMENT = described()
ROUTES = {f"{route.method} {route.path}": route for routes in SERVICES.values() for route in routes}


def schema(name: str) -> jsonschema.Draft202012Validator:
    """What the document says of this name."""
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **DOCUMENT})


def test_it_is_an_openapi_document() -> None:
    validate(DOCUMENT)


def test_it_is_answered_without_a_key(server: LocalServer) -> None:
    answered = requests.get(f"{server.url}/openapi.json", timeout=20)
    assert (200, json.loads(json.dumps(DOCUMENT))) == (answered.status_code, answered.json())


def test_every_route_is_described(tmp_path: Path) -> None:
    store = Store(tmp_path / "own.db")  # an application takes its store's commits for itself
    try:
        answered = {
            (route.method, route.resource.canonical)
            for route in create_app(store).router.routes()
            if route.method != "HEAD" and route.resource is not None and not is_page(route)
        }
    finally:
        store.close()
    assert {(route.method, route.path) for route in ROUTES.values()} == answered - {("GET", find_routes.UNKNOWN)}


def is_page(route: web.AbstractRoute) -> bool:
    """Whether it answers with a page for people, which the document leaves out."""
    handler = getattr(route.handler, "func", route.handler)
    return str(handler.__module__).startswith("mindlytics.server.page.")


WHOLE = [
    event("start_session", attributes={"a": 1}),
    event("end_session"),
    event("identify", id="i", traits={"t": True}),
    event("alias", id="i", previous_id="p"),
    track(properties={"own": "x"}),
    track("Conversation Started", conversation_id="c", attributes={"a": 1.5}),
    track("Conversation Ended", conversation_id="c"),
    turn(properties={"assistant_id": "a", "model": "m", "prompt_tokens": 1, "completion_tokens": 2}),
    turn(properties={"cost": 0.5, "own": 1}),
    track("Conversation Usage", conversation_id="c", properties={"cost": 1}),
    track(
        "Conversation Usage", conversation_id="c", properties={"model": "m", "prompt_tokens": 1, "completion_tokens": 0}
    ),
    track("Conversation Function", conversation_id="c", properties={"name": "f", "args": "{}", "runtime": 7.5}),
]
FIELDS = sorted({"unknown", *(name for whole in WHOLE for name in whole)})
INSIDE = sorted({"unknown", *(name for whole in WHOLE for name in whole.get("properties", {}))})
NAMES = ["", "x", "é", "x" * 100, "x" * 101, "track", "alias", "Conversation Turn"]
MOMENTS = ["noon", "2025-04-03T07:35:10Z", "2025-04-03 07:35+02"]
NUMBERS = [0, 1, -1, 0.5, -0.5, 2**64 - 1]
NESTED = [[], ["x"], {}, {"a": 1}, {"a": []}, {"a": None}]
VALUES = st.sampled_from([None, True, *NAMES, *MOMENTS, *NUMBERS, *NESTED])
CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from(FIELDS), st.sampled_from(INSIDE), VALUES), max_size=3)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.sampled_from(WHOLE), CHANGES)
@example(WHOLE[0], [])
def test_it_takes_the_very_events_that_the_server_takes(
    whole: dict[str, Any], changes: list[tuple[bool, str, str, object]]
) -> None:
    changed = json.loads(json.dumps(whole))
    for is_inside, field, name, value in changes:
        if is_inside and isinstance(changed.get("properties"), dict):
            changed["properties"][name] = value
        else:
            changed[field] = value
    assert accepts_event(changed) == schema("Event").is_valid(changed), changed


def accepts_event(event: object) -> bool:
    try:
        decode(event)
    except InvalidEvent:
        return False
    return True


@pytest.mark.parametrize("whole", WHOLE)
def test_each_field_that_must_be_given_is_required(whole: dict[str, Any]) -> None:
    assert schema("Event").is_valid(whole)
    assert accepts_event(whole)
    for field in whole:
        rest = {name: value for name, value in whole.items() if name != field}
        assert accepts_event(rest) == schema("Event").is_valid(rest), field
    for name in whole.get("properties", ()):
        inside = {other: value for other, value in whole["properties"].items() if other != name}
        rest = {**whole, "properties": inside}
        assert accepts_event(rest) == schema("Event").is_valid(rest), name


OPERANDS = [None, True, False, 0, 1, 2, 0.5, "x", [], [1, None], {}, [{}], [[]], {"$eq": 1}]
OPERATORS = ["$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists", "$regex", "eq", "$and", ""]
FILTERS = [
    {"a.b": None, "": 1},
    {"$": 1},
    {"a": {"$gt": 1, "$lt": 2}},
    {"a": {"$gt": 1, "x": 2}},
    *(
        {operator: operand}
        for operator in ("$and", "$or", "$nor", "a")
        for operand in (*OPERANDS, [{"a": {}}], [{"a": 1}])
    ),
    *({"a": {operator: operand}} for operator in OPERATORS for operand in OPERANDS),
]


def test_it_takes_the_very_filters_that_the_server_takes() -> None:
    described = schema("Filter")
    for filter in [*OPERANDS, *FILTERS, *({"$or": [filter, {}]} for filter in FILTERS)]:
        try:
            Filter(filter, {})
            accepted = True
        except InvalidQuery:
            accepted = False
        assert accepted == described.is_valid(filter), filter


def test_what_is_answered_is_as_described() -> None:
    with LocalServer() as server, (caller := Caller(server.url)).http:
        caller.take(
            event("start_session"),
            *(each for each in WHOLE if each["type"] == "track"),
            event("alias", id="v", previous_id="u"),
            turn("Where is my parcel?", conversation_id="parcel"),
            event("end_session"),
        )
        server.settle()
        check_answers(caller)


def check_answers(caller: Caller) -> None:
    for name in ROUTES:
        method, path = name.split()
        if method == "GET" and path.startswith("/bc/v1/db/") and path.endswith("/find"):
            answered = caller.get(path).json()
            assert answered
            validator = jsonschema.Draft202012Validator({**answer_schema(method, path), **DOCUMENT})
            assert [] == [error.message for error in validator.iter_errors(answered)]


def answer_schema(method: str, path: str) -> dict[str, Any]:
    """What the document says of an answer."""
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    found: dict[str, Any] = next(responses[status] for status in ("200", "201") if status in responses)
    schema: dict[str, Any] = found["content"]["application/json"]["schema"]
    return schema


SAID = {"type": "text", "text": "Hello"}
CONTACT = {"contact_id": "c", "contact_name": "C"}
SESSIONS = "/conversations/v2/sessions"
ONE = f"{SESSIONS}/{{session_id}}"
BODIES: list[tuple[str, dict[str, Any]]] = [
    *((SESSIONS, {**CONTACT, **more}) for more in ({}, {"metadata": None}, {"metadata": []}, {"status": None})),
    *((SESSIONS, {**CONTACT, name: value}) for name in CONTACT for value in (None, "", 1, "x" * 300)),
    *((f"{SESSIONS}/search", {"limit": limit, "offset": 1}) for limit in (None, 0, 1, 1.5, True, "1")),
    *((f"{SESSIONS}/search", {"status": status}) for status in (None, "open", "ajar", [])),
    *((ONE, {"fields": fields}) for fields in (None, {}, {"thread_id": None}, {"thread_id": ""}, {"created_at": "x"})),
    *((f"{ONE}/reply", {"debounce_time": seconds}) for seconds in (None, -1, 0, 61, "1")),
    *((f"{ONE}/messages", {"role": role, "content": SAID}) for role in (None, "user", "assistant", "nobody")),
    *(
        (f"{ONE}/messages", {"role": "user", "content": content})
        for content in (None, "x", {}, {"type": "text"}, {"type": "poem"}, {**SAID, "template_id": None, "more": []})
    ),
    *((f"{ONE}/schedule", {"scheduled_for": AT, "config": config}) for config in ({}, {"type": "node"})),
    *(
        (f"{ONE}/schedule", {"scheduled_for": when, "config": {"type": "message", "message": SAID}})
        for when in (AT, "soon", "2025-04-03", 5, None)
    ),
    *(("/conversations/v2/agents", {"name": "A", "type": kind, "profile_id": "p"}) for kind in ("ai", "human", "it")),
]


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_it_takes_the_very_conversations_that_the_server_takes(caller: Caller, path: str, body: dict[str, Any]) -> None:
    session_id = caller.post(SESSIONS, CONTACT).json()["id"]
    method = "PATCH" if path == ONE else "POST"
    place = caller.url + path.format(session_id=session_id)
    answered = caller.http.request(method, place, json=body, timeout=20)
    assert answered.status_code in (200, 201, 422)
    described = DOCUMENT["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    assert (answered.status_code != 422) == is_valid(described, body), answered.text
    if answered.status_code != 422:
        assert is_valid(answer_schema(method, path), answered.json())


ASKED = {"sessionId": "s", "messageIndexHint": 1, "messageRole": "ROLE_USER", "messageContent": "x"}
LIKED = {"sessionId": "s", "feedbackTarget": "TARGET_MESSAGE", "messageIndexHint": 1, "type": "thumbs_up"}
ALIGN: list[tuple[str, str, dict[str, Any]]] = [
    *(("message_create", "messageProperties", {**ASKED, "messageIndexHint": index}) for index in (1, 0, -1, 2**31 - 1)),
    *(("message_create", "messageProperties", {**ASKED, "messageRole": role}) for role in ("ROLE_ASSISTANT", "robot")),
    *(("message_create", "messageProperties", {**ASKED, "messageContent": text}) for text in ("", "x" * 9000)),
    *(("message_create", "messageProperties", {**ASKED, "sessionId": id}) for id in ("", "x" * 64, "x" * 65)),
    ("message_create", "sessionProperties", {"sessionId": "s"}),
    ("message_eat", "messageProperties", ASKED),
    *(("session_open", "sessionProperties", {"sessionId": "s", "userId": id}) for id in ("u", "")),
    ("session_open", "sessionProperties", {"sessionId": "s"}),
    *(("user_recognize", "userProperties", {"userId": "u", "userEmail": "e" * length}) for length in (256, 257)),
    *(
        ("user_recognize", "userProperties", {"userId": "u", "userLocation": {"countryCode": code}})
        for code in ("KR", "kr", "XX", "")
    ),
    *(("feedback_create", "feedbackProperties", {**LIKED, "type": kind}) for kind in ("thumbs_down", "thumbs", "")),
    ("feedback_create", "feedbackProperties", {**LIKED, "feedbackTarget": "TARGET_UNSPECIFIED"}),
    ("feedback_create", "feedbackProperties", {**LIKED, "messageIndexHint": 0}),
    ("feedback_create", "feedbackProperties", {**LIKED, "feedbackTarget": "TARGET_SESSION"}),
]


@pytest.mark.parametrize(("kind", "place", "properties"), ALIGN)
@pytest.mark.parametrize(
    "custom", [{}, {"a": "x" * 256}, {"a": "x" * 257}, {"1": "x"}, {f"p{i}": "" for i in range(11)}]
)
def test_it_takes_the_very_events_of_align_that_the_server_takes(
    kind: str, place: str, properties: dict[str, Any], custom: dict[str, str]
) -> None:
    texts = {name: {"stringValue": value} for name, value in custom.items()}
    event = {"type": kind, "projectId": "p", "properties": {place: properties, "customProperties": texts}}
    try:
        _, (message,) = wire.decode_request(json.dumps({"events": [event]}).encode(), as_json=True)
        wire.decode(message)
        accepted = True
    except (InvalidEvent, wire.Undecodable):  # an unknown role is either, by protobuf's version
        accepted = False
    assert accepted == schema("align.Event").is_valid(event)


def is_valid(schema: dict[str, Any], value: object) -> bool:
    return jsonschema.Draft202012Validator({**schema, **DOCUMENT}).is_valid(value)
