"""Webhooks: bodies as typed events, and the functions that want them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mindlytics.antonnia.exceptions import ValidationError
from mindlytics.antonnia.webhooks import (
    AppConnectionCreated,
    AsyncWebhooks,
    MessageCreated,
    SessionCreated,
    SessionFinished,
    SessionTransferred,
    UnknownEvent,
    Webhooks,
    parse,
)

from .answers import AT, CONNECTION, MESSAGE, SESSION


def body(type: str, object: Any, **data: Any) -> dict[str, Any]:
    return {"id": "evt_1", "created_at": AT, "type": type, "data": {"object": object, **data}}


@pytest.mark.parametrize(
    ("type", "kind", "object", "name"),
    [
        ("session.created", SessionCreated, SESSION, "session"),
        ("session.transferred", SessionTransferred, SESSION, "session"),
        ("session.finished", SessionFinished, SESSION, "session"),
        ("message.created", MessageCreated, MESSAGE, "message"),
        ("app.connection.created", AppConnectionCreated, CONNECTION, "connection"),
    ],
)
def test_each_type_has_its_class(type: str, kind: Any, object: Any, name: str) -> None:
    posted = body(type, object)
    for form in (posted, json.dumps(posted), json.dumps(posted).encode()):
        event = parse(form)
        assert (kind, "evt_1", type) == (event.__class__, event.id, event.type)
        assert object["id"] == getattr(event, name).id


def test_what_python_writes_as_json_is_read() -> None:
    event = parse(json.dumps(body("session.created", {**SESSION, "metadata": {"score": float("nan")}})))
    assert isinstance(event, SessionCreated)
    assert {"score": None} == event.session.metadata


def test_a_session_that_expired() -> None:
    events = [parse(body("session.finished", SESSION, **data)) for data in ({"action": "expired"}, {})]
    assert [("expired", True), (None, False)] == [(event.action, event.expired) for event in events]  # type: ignore[union-attr]


def test_what_is_not_known_is_kept() -> None:
    event = parse({**body("contact.created", {"id": "c"}), "attempt": 2})
    assert isinstance(event, UnknownEvent)
    assert ("contact.created", {"object": {"id": "c"}}, {"attempt": 2}) == (event.type, event.data, event.extra)
    known = parse({**body("session.created", SESSION), "attempt": 2})
    assert {"attempt": 2} == known.extra
    finished = parse(body("session.finished", SESSION, action="expired", after={"minutes": 5}))
    assert {"data": {"after": {"minutes": 5}}} == finished.extra


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        (b"", "body must be JSON"),
        ("<html>", "body must be JSON"),
        (b"\xff", "body must be JSON"),
        ("[]", "body must be a JSON object, got list"),
        (None, "body must be bytes, a str or a mapping, got NoneType"),
        ({}, "id is missing; created_at is missing; type is missing"),
        ({**body("x.y", {}), "type": 3}, "type must be a str, got int"),
        ({**body("message.created", {}), "data": None}, "data.object must be an object"),
        (body("message.created", "Hello"), "data.object must be an object"),
        (body("message.created", {**MESSAGE, "content": {"type": "text"}}), "message.content.text is missing"),
        (body("session.created", {**SESSION, "created_at": 3}), "session.created_at must be an ISO 8601"),
    ],
)
async def test_a_body_without_an_event_is_refused(posted: Any, words: str) -> None:
    called: list[Any] = []
    webhooks, asyncio_webhooks = Webhooks(), AsyncWebhooks()
    webhooks.on("*")(called.append)
    for read in (parse, webhooks.handle):
        with pytest.raises(ValidationError) as raised:
            read(posted)
        assert words in raised.value.message
    with pytest.raises(ValidationError):
        await asyncio_webhooks.handle(posted)
    assert [] == called


def test_functions_get_what_they_want() -> None:
    webhooks = Webhooks()
    called: list[Any] = []

    @webhooks.on("message.created")
    def first(event: MessageCreated) -> None:
        called.append(("first", event.message.id))

    @webhooks.on("message.created")
    def second(event: MessageCreated) -> None:
        called.append(("second", event.message.id))

    @webhooks.on("*")
    def rest(event: Any) -> None:
        called.append(("rest", event.type))

    assert isinstance(webhooks.handle(json.dumps(body("message.created", MESSAGE))), MessageCreated)
    webhooks.handle(body("session.created", SESSION))
    webhooks.handle(body("contact.created", {}))
    wanted = [("first", "msg_1"), ("second", "msg_1"), ("rest", "session.created"), ("rest", "contact.created")]
    assert wanted == called
    event = parse(body("message.created", MESSAGE))
    assert isinstance(event, MessageCreated)
    first(event)
    assert ("first", "msg_1") == called[-1]


async def test_coroutine_functions_are_awaited() -> None:
    webhooks = AsyncWebhooks()
    called: list[str] = []

    @webhooks.on("session.finished")
    async def analyse(event: SessionFinished) -> None:
        called.append(event.session.id)

    await webhooks.handle(body("session.finished", SESSION))
    await webhooks.handle(body("session.created", SESSION))
    assert ["sess_1"] == called


def test_a_type_that_does_not_exist_is_reported() -> None:
    with pytest.raises(ValidationError, match=r"type must be one of session\.created, .*app\.connection\.created, \*"):
        Webhooks().on("message.create")  # type: ignore[call-overload]


def test_a_coroutine_function_for_plain_webhooks_is_refused() -> None:
    async def answer(event: MessageCreated) -> None: ...

    with pytest.raises(ValidationError, match="handler must be a plain function; AsyncWebhooks awaits"):
        Webhooks().on("message.created")(answer)


def test_what_a_function_raises_comes_through() -> None:
    webhooks = Webhooks()

    @webhooks.on("session.created")
    def fail(event: SessionCreated) -> None:
        raise LookupError(event.id)

    with pytest.raises(LookupError, match="evt_1"):
        webhooks.handle(body("session.created", SESSION))
