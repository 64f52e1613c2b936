"""The names of ``antonnia.conversations`` and ``antonnia.events``. Beside these packages: ``interop/``."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from mindlytics.antonnia import types as ours
from mindlytics.compat.antonnia import events
from mindlytics.compat.antonnia.conversations import Conversations, exceptions, types

from ..sink import Sink
from .answers import AGENT, AT, CONNECTION, MESSAGE, SCHEDULE, SESSION, says

NAIVE = datetime(2030, 4, 3, 7, 35, 10)


async def test_a_client_has_its_defaults() -> None:
    async with Conversations("a-token") as client:
        assert ("a-token", "https://services.antonnia.com/conversations/v2") == (client.token, client.base_url)
        assert "a-token" not in repr(client)
    async with Conversations("a-token", "http://127.0.0.1:9/") as client:
        assert "http://127.0.0.1:9" == client.base_url


@pytest.mark.parametrize(
    ("call", "answer", "expected"),
    [
        (lambda c: c.sessions.reply("s"), SESSION, {"debounce_time": 12}),
        (
            lambda c: c.sessions.update("s", {"status": "closed"}, {"a": 1}),
            SESSION,
            {"fields": {"status": "closed"}},
        ),
        (lambda c: c.sessions.update("s", metadata={"a": 1}), SESSION, {"fields": {"metadata": {"a": 1}}}),
        (
            lambda c: c.sessions.schedule("s", NAIVE, types.ScheduledNodeConfig(node_id="n")),
            SCHEDULE,
            {"scheduled_for": "2030-04-03T07:35:10+00:00", "config": {"type": "node", "node_id": "n"}},
        ),
        (
            lambda c: c.sessions.messages.update("s", "m", delivered_at=NAIVE),
            MESSAGE,
            {"delivered_at": "2030-04-03T07:35:10+00:00"},
        ),
    ],
)
async def test_calls_send_what_that_client_sends(
    sink: Sink, call: Callable[[Any], Any], answer: Any, expected: Any
) -> None:
    sink.always = says(answer)
    async with Conversations("a-token", sink.url) as client:
        await call(client)
    assert [expected] == [json.loads(request.body) for request in sink.requests]


def test_types_read_json() -> None:
    session = types.Session(**SESSION, newer=1)
    assert ours.Session.model_validate({**SESSION, "newer": 1}) == session
    assert isinstance(session, types.Session)
    assert isinstance(session.agent, types.AIAgent)
    assert not isinstance(session.agent, types.HumanAgent)
    assert session == types.Session(**session.model_dump(), newer=1)
    assert session == pickle.loads(pickle.dumps(session))
    assert session.agent == types.create_agent(AGENT)
    tag = types.Tag(id="t", organization_id="o", name="late", color="red", created_at=AT)
    assert ("late", tag) == (tag.name, pickle.loads(pickle.dumps(tag)))
    with pytest.raises(ValueError, match="contact_id is missing"):
        types.Session(**{name: value for name, value in SESSION.items() if name != "contact_id"})
    with pytest.raises(ValueError, match='type must be "ai" or "human"'):
        types.create_agent({**AGENT, "type": "new"})


@pytest.mark.parametrize(
    ("kind", "answer", "of"),
    [
        (events.SessionCreated, SESSION, types.Session),
        (events.SessionTransferred, SESSION, types.Session),
        (events.SessionFinished, SESSION, types.Session),
        (events.MessageCreated, MESSAGE, types.Message),
        (events.AppConnectionCreated, CONNECTION, ours.AppConnection),
    ],
)
def test_events_are_read(kind: Any, answer: Any, of: Any) -> None:
    made = kind(data={"object": answer})
    event = events.Event.model_validate({"id": "e", "created_at": AT, "type": made.type, "data": {"object": answer}})
    assert isinstance(event, kind)
    assert isinstance(event.data.object, of)
    assert ("e", answer["id"]) == (event.id, event.data.object.id)
    assert (made.type, made.data) == (event.type, event.data)
    assert event == pickle.loads(pickle.dumps(event))


def test_a_session_that_expired_and_an_event_of_a_newer_type_are_read() -> None:
    data = {"object": SESSION, "action": "expired"}
    assert "expired" == events.SessionFinished(data=data).data.action
    newer = events.Event.model_validate({"id": "e", "created_at": AT, "type": "newer", "data": {"a": 1}})
    assert (events.Event, {"a": 1}) == (type(newer), newer.data)
    with pytest.raises(ValueError, match=r"data\.object\.id must be a str"):
        events.Event.model_validate({"type": "session.created", "data": {"object": {**SESSION, "id": None}}})


@pytest.mark.parametrize(
    ("status", "data", "kind", "words"),
    [
        (401, {"detail": "no"}, exceptions.AuthenticationError, "no"),
        (404, {}, exceptions.NotFoundError, "status 404"),
        (422, {"detail": [{"loc": ["body", "a"], "msg": "wrong"}]}, exceptions.ValidationError, "body.a: wrong"),
        (429, {"detail": "wait", "retry_after": 3}, exceptions.RateLimitError, "wait"),
        (503, {"detail": "later"}, exceptions.APIError, "later"),
    ],
)
def test_errors_are_made_of_replies(status: int, data: Any, kind: Any, words: str) -> None:
    error = exceptions.create_error_from_response(status, data)
    assert (kind, status, data) == (type(error), error.status_code, error.response_data)
    assert words in error.message
    assert data.get("retry_after") == getattr(error, "retry_after", None)
