"""Every call on both faces: its request and answer, and arguments that break a rule."""

from __future__ import annotations

import inspect
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy
import pytest

from mindlytics.antonnia import types
from mindlytics.antonnia.agents import BaseAgents
from mindlytics.antonnia.exceptions import ValidationError
from mindlytics.antonnia.messages import BaseMessages
from mindlytics.antonnia.sessions import BaseSessions, BaseSurveySubmissions

from ..conftest import result
from .answers import AGENT, AT, MESSAGE, SCHEDULE, SESSION, SURVEY, says
from .conftest import TOKEN, Face, everything

LATER = datetime(2025, 4, 3, 9, 35, 10, tzinfo=timezone(timedelta(hours=2)))
TEXT = {"type": "text", "text": "Hello"}
WHOLE_TEXT = {**TEXT, "template_id": None, "template_parameters": None}
MESSAGES = "/sessions/sess_1/messages"

CALLS: list[Any] = [
    (
        "sessions.create",
        ("ada", "Ada"),
        {},
        "POST /sessions",
        {"contact_id": "ada", "contact_name": "Ada", "status": "open"},
        SESSION,
    ),
    (
        "sessions.create",
        (),
        {"contact_id": "ada", "contact_name": "Ada", "agent_id": "a", "status": "closed", "metadata": {"n": 1}},
        "POST /sessions",
        {"contact_id": "ada", "contact_name": "Ada", "status": "closed", "agent_id": "a", "metadata": {"n": 1}},
        SESSION,
    ),
    ("sessions.get", ("sess_1",), {}, "GET /sessions/sess_1", None, SESSION),
    ("sessions.get", ("a/b ?#",), {}, "GET /sessions/a%2Fb%20%3F%23", None, SESSION),
    (
        "sessions.update",
        ("sess_1", {"status": "closed"}),
        {},
        "PATCH /sessions/sess_1",
        {"fields": {"status": "closed"}},
        SESSION,
    ),
    (
        "sessions.update",
        ("sess_1",),
        {"metadata": {"n": 1}},
        "PATCH /sessions/sess_1",
        {"fields": {"metadata": {"n": 1}}},
        SESSION,
    ),
    ("sessions.transfer", ("sess_1", "a"), {}, "POST /sessions/sess_1/transfer", {"agent_id": "a"}, SESSION),
    ("sessions.transfer", ("sess_1",), {}, "POST /sessions/sess_1/transfer", {"agent_id": None}, SESSION),
    ("sessions.finish", ("sess_1",), {}, "POST /sessions/sess_1/finish", {}, SESSION),
    ("sessions.finish", ("sess_1", "s"), {}, "POST /sessions/sess_1/finish", {"ending_survey_id": "s"}, SESSION),
    ("sessions.reply", ("sess_1",), {}, "POST /sessions/sess_1/reply", {"debounce_time": 0}, SESSION),
    ("sessions.reply", ("sess_1", 60), {}, "POST /sessions/sess_1/reply", {"debounce_time": 60}, SESSION),
    ("sessions.search", (), {}, "POST /sessions/search", {}, [SESSION]),
    (
        "sessions.search",
        ("ada", "open", {"internal.user_id": 1}, 20, 10),
        {},
        "POST /sessions/search",
        {"contact_id": "ada", "status": "open", "metadata": {"internal.user_id": 1}, "offset": 20, "limit": 10},
        [SESSION, SESSION],
    ),
    (
        "sessions.schedule",
        ("sess_1", LATER, types.ScheduledNodeConfig(node_id="n")),
        {},
        "POST /sessions/sess_1/schedule",
        {"scheduled_for": AT, "config": {"type": "node", "node_id": "n"}},
        SCHEDULE,
    ),
    (
        "sessions.schedule",
        ("sess_1", AT, {"type": "message", "message": TEXT}),
        {},
        "POST /sessions/sess_1/schedule",
        {"scheduled_for": AT, "config": {"type": "message", "message": TEXT}},
        {**SCHEDULE, "config": {"type": "message", "message": TEXT}},
    ),
    ("sessions.messages.create", ("sess_1", TEXT), {}, f"POST {MESSAGES}", {"content": TEXT, "role": "user"}, MESSAGE),
    (
        "sessions.messages.create",
        ("sess_1", types.MessageContentText(type="text", text="Hello"), "assistant", "p", "r"),
        {},
        f"POST {MESSAGES}",
        {"content": WHOLE_TEXT, "role": "assistant", "provider_message_id": "p", "replied_provider_message_id": "r"},
        MESSAGE,
    ),
    ("sessions.messages.get", ("sess_1", "msg_1"), {}, f"GET {MESSAGES}/msg_1", None, MESSAGE),
    ("sessions.messages.get", ("sess_1", "msg_1"), {}, f"GET {MESSAGES}/msg_1", None, None),
    ("sessions.messages.update", ("sess_1", "msg_1"), {}, f"PATCH {MESSAGES}/msg_1", {}, MESSAGE),
    (
        "sessions.messages.update",
        ("sess_1", "msg_1", "p", "r", "failed", 131026, "gone", LATER),
        {},
        f"PATCH {MESSAGES}/msg_1",
        {
            "provider_message_id": "p",
            "replied_provider_message_id": "r",
            "delivery_status": "failed",
            "delivery_error_code": 131026,
            "delivery_error_message": "gone",
            "delivered_at": AT,
        },
        MESSAGE,
    ),
    ("sessions.messages.search", (), {"limit": 5}, "POST /messages/search", {"limit": 5}, [MESSAGE]),
    (
        "sessions.messages.search",
        ("sess_1", "p", "r", 0, 5),
        {},
        f"POST {MESSAGES}/search",
        {
            "session_id": "sess_1",
            "provider_message_id": "p",
            "replied_provider_message_id": "r",
            "offset": 0,
            "limit": 5,
        },
        [],
    ),
    (
        "agents.create",
        ("Ann", "ai", "asst_1"),
        {},
        "POST /agents",
        {"name": "Ann", "type": "ai", "assistant_id": "asst_1"},
        AGENT,
    ),
    (
        "agents.create",
        ("Bob", "human"),
        {"profile_id": "p"},
        "POST /agents",
        {"name": "Bob", "type": "human", "profile_id": "p"},
        {
            **{name: value for name, value in AGENT.items() if name != "assistant_id"},
            "type": "human",
            "profile_id": "p",
        },
    ),
    ("agents.get", ("agent_1",), {}, "GET /agents/agent_1", None, AGENT),
    (
        "agents.update",
        ("agent_1", "Eve", "asst_2", "p"),
        {},
        "PATCH /agents/agent_1",
        {"fields": {"name": "Eve", "assistant_id": "asst_2", "profile_id": "p"}},
        AGENT,
    ),
    ("agents.delete", ("agent_1",), {}, "DELETE /agents/agent_1", None, None),
    (
        "agents.search",
        ("ai", "asst_1", "p", 10, 20),
        {},
        "POST /agents/search",
        {"type": "ai", "assistant_id": "asst_1", "profile_id": "p", "limit": 10, "offset": 20},
        [AGENT],
    ),
    ("sessions.survey_submissions.get", ("sess_1", "subm_1"), {}, "GET /sessions/sess_1/surveys/subm_1", None, SURVEY),
    (
        "sessions.survey_submissions.reply",
        ("sess_1", "subm_1"),
        {},
        "POST /sessions/sess_1/surveys/subm_1/reply",
        None,
        SURVEY,
    ),
    (
        "sessions.survey_submissions.cancel",
        ("sess_1", "subm_1"),
        {},
        "POST /sessions/sess_1/surveys/subm_1/cancel",
        None,
        SURVEY,
    ),
]


def method(client: Any, name: str) -> Any:
    for part in name.split("."):
        client = getattr(client, part)
    return client


@pytest.mark.parametrize("call", CALLS, ids=[f"{call[0]}-{i}" for i, call in enumerate(CALLS)])
async def test_each_call_makes_its_request(face: Face, call: Any) -> None:
    name, arguments, options, line, body, answer = call
    face.sink.faults(says("" if answer is None and "delete" in name else answer, 204 if "delete" in name else 200))
    returned = await result(method(face.client(), name)(*arguments, **options))
    (request,) = face.sink.requests
    assert line == f"{request.method} {request.path}"
    assert f"Bearer {TOKEN}" == request.headers["Authorization"]
    assert body == (request.json if request.body else None)
    assert ("application/json" if body is not None else None) == request.headers.get("Content-Type")
    if isinstance(answer, list):
        assert [item["id"] for item in answer] == [item.id for item in returned]
    else:
        assert (answer and answer["id"]) == (returned and returned.id)


def test_every_call_is_in_the_table() -> None:
    places = {
        "sessions": BaseSessions,
        "sessions.messages": BaseMessages,
        "sessions.survey_submissions": BaseSurveySubmissions,
        "agents": BaseAgents,
    }
    calls = {
        f"{place}.{name}"
        for place, kind in places.items()
        for name, value in vars(kind).items()
        if inspect.isfunction(value) and not name.startswith("_") and name != "iter"
    }
    assert {call[0] for call in CALLS} == calls


class Moment(datetime):
    """A moment of another library's, which writes it in a way of its own."""

    def isoformat(self, *_: Any) -> str:
        return "noon"

    def astimezone(self, *_: Any) -> Moment:  # type: ignore[override]
        return self


async def test_numbers_and_times_of_other_libraries_are_taken(face: Face) -> None:
    client = face.client()
    face.sink.faults(says([SESSION]), says(SCHEDULE), says(SESSION))
    await result(client.sessions.search(limit=numpy.int64(3)))
    at = Moment(2025, 4, 3, 9, tzinfo=timezone(timedelta(hours=2)))
    await result(client.sessions.schedule("sess_1", at, {"type": "node", "node_id": "n"}))
    await result(client.sessions.create("ada", "Ada", metadata={"n": numpy.float64(0.5), "m": [numpy.int64(1)]}))
    searched, scheduled, created = (request.json for request in face.sink.requests)
    assert (3, "2025-04-03T07:00:00+00:00") == (searched["limit"], scheduled["scheduled_for"])
    assert {"n": 0.5, "m": [1]} == created["metadata"]


ENDLESS: dict[str, Any] = {}
ENDLESS["again"] = ENDLESS

WRONG: list[Any] = [
    ("sessions.create", ("", "Ada"), "contact_id must be a non-empty str"),
    ("sessions.create", ("ada", None), "contact_name must be a non-empty str, got NoneType"),
    ("sessions.create", ("ada", "Ada", None, "ajar"), "status must be one of open, closed"),
    ("sessions.create", ("ada", "Ada", None, "open", []), "metadata must be a mapping, got list"),
    ("sessions.create", ("ada", "Ada", None, "open", {"x": object()}), "metadata must hold only what JSON can hold"),
    ("sessions.create", ("ada", "Ada", None, "open", {"x": math.nan}), "metadata must hold only what JSON can hold"),
    ("sessions.create", ("ada", "Ada", None, "open", {"x": numpy.float64("inf")}), "metadata must hold only what JSON"),
    ("sessions.create", ("ada", "Ada", None, "open", {"x": 2**64}), "metadata must hold only what JSON can hold"),
    ("sessions.create", ("ada", "Ada", None, "open", ENDLESS), "metadata must hold only what JSON can hold"),
    ("sessions.create", ("ada", "\ud800"), "contact_name must hold only what JSON can hold"),
    ("sessions.update", ("s", {"metadata": {1: 2}}), "fields must hold only what JSON can hold"),
    ("sessions.get", ("\ud800",), "session_id must be an id"),
    ("sessions.get", ("",), "session_id must be an id, got an empty str"),
    ("sessions.get", ("..",), "session_id must be an id"),
    ("sessions.get", (None,), "session_id must be an id, got NoneType"),
    ("sessions.update", ("s",), "exactly one of fields and metadata is required"),
    ("sessions.update", ("s", {"status": "open"}, {"a": 1}), "exactly one of fields and metadata is required"),
    ("sessions.update", ("s", "open"), "fields must be a mapping, got str"),
    ("sessions.reply", ("s", 61), "debounce_time must be an int from 0 to 60"),
    ("sessions.reply", ("s", -1), "debounce_time must be an int from 0 to 60"),
    ("sessions.reply", ("s", True), "debounce_time must be an int from 0 to 60"),
    ("sessions.search", (None, None, None, -1), "offset must be an int of at least 0"),
    ("sessions.search", (None, None, None, None, 0), "limit must be an int of at least 1"),
    (
        "sessions.schedule",
        ("s", datetime(2025, 1, 1), {"type": "node", "node_id": "n"}),
        "scheduled_for must be an aware",
    ),
    ("sessions.schedule", ("s", "soon", {"type": "node", "node_id": "n"}), "scheduled_for must be an ISO 8601"),
    ("sessions.schedule", ("s", AT, {"type": "node"}), "config.node_id is missing"),
    (
        "sessions.schedule",
        ("s", datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), {"type": "node", "node_id": "n"}),
        "scheduled_for must be a time within the years 1 to 9999",
    ),
    (
        "sessions.schedule",
        ("s", AT, {"type": "message", "message": {"type": "text"}}),
        "config.message.text is missing",
    ),
    ("sessions.messages.create", ("s", "Hello"), "content must be an object, got str"),
    ("sessions.messages.create", ("s", {"text": "Hello"}), "content.type is missing"),
    (
        "sessions.messages.create",
        ("s", {**TEXT, "template_parameters": {"n": math.inf}}),
        "content must hold only what JSON can hold",
    ),
    ("sessions.messages.create", ("s", {"type": "text", "text": 1}), "content.text must be a str, got int"),
    (
        "sessions.messages.create",
        ("s", {"type": "file", "url": "u"}),
        "content.mime_type is missing; content.name is missing",
    ),
    ("sessions.messages.create", ("s", TEXT, "system"), "role must be one of user, assistant"),
    ("sessions.messages.search", ("s", None, None, None, 0), "limit must be an int of at least 1"),
    ("agents.create", ("Ann", "robot"), "type must be one of ai, human"),
    ("agents.create", ("Ann", "ai", None, "p"), 'assistant_id is required if type is "ai"'),
    ("agents.create", ("Ann", "human", "a"), 'profile_id is required if type is "human"'),
    ("agents.search", (None, None, None, 0), "limit must be an int of at least 1"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), WRONG, ids=[f"{call[0]}-{i}" for i, call in enumerate(WRONG)])
async def test_what_breaks_a_rule_is_reported_before_any_request(
    face: Face, name: str, arguments: Any, words: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        await result(method(face.client(), name)(*arguments))
    assert words in raised.value.message
    assert isinstance(raised.value, ValueError)
    assert (None, {}) == (raised.value.status_code, raised.value.response_data)
    assert [] == face.sink.requests


@pytest.mark.parametrize("key", ["", "two\nlines", "ü", "k" * 256, 7])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sessions.create", ("ada", "Ada")),
        ("sessions.schedule", ("s", AT, {"type": "node", "node_id": "n"})),
        ("sessions.messages.create", ("s", TEXT)),
        ("agents.create", ("Ann", "ai", "a")),
    ],
)
async def test_a_key_that_no_header_can_hold_is_reported(face: Face, name: str, arguments: Any, key: Any) -> None:
    with pytest.raises(ValidationError, match="idempotency_key must be a str of 1 to 255 printable ASCII characters"):
        await result(method(face.client(), name)(*arguments, idempotency_key=key))
    assert [] == face.sink.requests


async def test_a_mapping_of_a_content_type_that_is_not_known_yet_is_sent_as_it_is(face: Face) -> None:
    poem = {"type": "poem", "lines": ["a", "b"]}
    face.sink.faults(says({**MESSAGE, "content": poem}))
    message = await result(face.client().sessions.messages.create("sess_1", poem))
    assert poem == face.sink.requests[0].json["content"]
    assert ("poem", {"lines": ["a", "b"]}) == (message.content.type, message.content.extra)


@pytest.mark.parametrize("name", ["sessions", "sessions.messages", "agents"])
async def test_iteration_asks_for_pages_as_they_are_needed(face: Face, name: str) -> None:
    one = {"sessions": SESSION, "sessions.messages": MESSAGE, "agents": AGENT}[name]
    pages = [[{**one, "id": str(i)} for i in page] for page in ((0, 1), (2, 3), (4,))]
    face.sink.faults(*map(says, pages), says([]))
    resource = method(face.client(), name)
    found = resource.iter(page_size=2)
    assert [] == face.sink.requests
    first = await anext(found) if face.is_async else next(found)
    assert 1 == len(face.sink.requests)
    assert ["0", "1", "2", "3", "4"] == [first.id, *(item.id for item in await everything(found))]
    assert [(0, 2), (2, 2), (4, 2), (5, 2)] == [(r.json["offset"], r.json["limit"]) for r in face.sink.requests]
    with pytest.raises(ValidationError, match="page_size must be an int of at least 1"):
        resource.iter(page_size=0)
