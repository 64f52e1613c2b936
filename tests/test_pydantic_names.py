"""The names and the schema by which programs written for pydantic, and FastAPI, use the package's objects."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import Any

import attrs
import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter, ValidationError

from mindlytics import APIResponse, Cost, FlushResult, MLEvent, Stats, TokenBasedCost
from mindlytics.antonnia import types, webhooks
from mindlytics.antonnia.types import AIAgent, Message, MessageContent, MessageContentText, Session
from mindlytics.transcripts import Problem, Summary

SESSION = {
    "id": "s",
    "contact_id": "c",
    "organization_id": "o",
    "conversation_id": "v",
    "status": "open",
    "created_at": "2025-04-03T07:35:10Z",
    "agent": {
        "id": "a",
        "organization_id": "o",
        "name": "Ada",
        "type": "ai",
        "assistant_id": "x",
        "created_at": "2025-04-03T07:35:10.5Z",
    },
    "metadata": {"vip": True},
}
EMPTY = {"thread_id": None, "ending_survey_submission_id": None, "updated_at": None}
EVENT = {"session_id": "s", "timestamp": "2025-04-03T07:35:10Z", "event": "E", "properties": {"a": 1}}
TOKENS = {"model": "m", "prompt_tokens": 1, "completion_tokens": 2}


def made() -> Session:
    return Session.model_validate(SESSION)


def test_a_dump_has_the_fields_and_those_within() -> None:
    at = datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone.utc)
    agent = {**SESSION["agent"], "created_at": at.replace(microsecond=500_000)}
    assert {**SESSION, **EMPTY, "created_at": at, "agent": agent} == made().model_dump()


def test_a_dump_for_json_has_times_as_texts() -> None:
    assert {**SESSION, **EMPTY, "agent": {**SESSION["agent"], "created_at": "2025-04-03T07:35:10.500000Z"}} == (
        made().model_dump(mode="json")
    )
    assert '{"cost":0.5}' == Cost(0.5).model_dump_json()
    assert '{\n  "cost": 0.5\n}' == Cost(0.5).model_dump_json(indent=2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": {"id", "agent"}}, {"id", "agent"}),
        ({"exclude": {"agent", "metadata"}, "exclude_none": True}, set(SESSION) - {"agent", "metadata"}),
        ({"exclude_none": True}, set(SESSION)),
        ({"exclude_defaults": True}, set(SESSION)),
        ({"exclude_unset": True}, set(SESSION)),
    ],
)
def test_a_dump_leaves_out_what_is_asked(options: Any, expected: set[str]) -> None:
    assert expected == set(made().model_dump(**options))


def test_a_dump_chooses_within_a_field() -> None:
    assert {"agent": {"id": "a"}} == made().model_dump(include={"agent": {"id"}})
    assert set(SESSION["agent"]) - {"id"} == set(made().model_dump(exclude={"agent": {"id"}})["agent"])


def test_the_kind_of_an_object_is_always_in_its_dump() -> None:
    text = MessageContentText(type="text", text="Hi")
    assert {"type": "text", "text": "Hi"} == text.model_dump(exclude_defaults=True)


def test_objects_are_made_of_json_and_unknown_fields_do_not_matter() -> None:
    assert made() == attrs.evolve(Session.model_validate({**SESSION, "new": 1}), extra={})
    assert isinstance(made().agent, AIAgent)
    assert made() is not Session.model_validate(SESSION)
    same = made()
    assert same is Session.model_validate(same)
    assert Cost(0.5) == Cost.model_validate({"cost": 0.5, "new": 1}) == Cost.model_validate_json('{"cost": 0.5}')
    assert TokenBasedCost(**TOKENS) == TokenBasedCost.model_validate(TOKENS)
    assert EVENT == MLEvent.model_validate(EVENT).model_dump(exclude_defaults=True)
    assert "extra" not in MLEvent.model_validate({**EVENT, "new": 1}).model_dump()
    assert {"new": 1} == MLEvent.model_validate({**EVENT, "new": 1}).extra


@pytest.mark.parametrize(
    ("kind", "document", "words"),
    [
        (APIResponse, {"errored": True}, "APIResponse lacks status, message"),
        (APIResponse, [], "APIResponse must be an object, got list"),
        (Cost, {"cost": "much"}, "cost must be"),
        (MLEvent, {"event": "E"}, "a stored event lacks session_id, timestamp"),
        (Session, {**SESSION, "created_at": "today"}, "created_at must be an ISO 8601 date and time"),
    ],
)
def test_what_is_wrong_is_named(kind: Any, document: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind.model_validate(document)


def test_text_that_is_no_json_is_refused_without_being_quoted() -> None:
    with pytest.raises(ValueError, match="Cost must be JSON"):
        Cost.model_validate_json("secret")


def test_a_copy_may_differ() -> None:
    assert APIResponse(True, 404, "no") == APIResponse(True, 400, "no").model_copy(update={"status": 404})
    session = made()
    assert session.metadata is session.model_copy().metadata
    assert session.metadata is not session.model_copy(deep=True).metadata


def test_the_fields_of_a_class_have_their_names() -> None:
    assert [*TOKENS, "cached_tokens", "cache_write_tokens", "reasoning_tokens"] == list(TokenBasedCost.model_fields)
    assert "extra" not in Session.model_fields
    assert Cost.model_fields == Cost(1).model_fields


class Page(BaseModel):
    session: Session
    costs: list[Cost]
    parts: list[MessageContent]


def test_objects_are_fields_of_a_model() -> None:
    page = Page.model_validate(
        {"session": SESSION, "costs": [{"cost": 1}], "parts": [{"type": "text", "text": "Hi"}, {"type": "new", "x": 1}]}
    )
    assert [MessageContentText(text="Hi"), MessageContent(type="new", extra={"x": 1})] == page.parts
    assert (made(), [Cost(1)]) == (page.session, page.costs)
    assert page == Page.model_validate_json(page.model_dump_json()).model_copy(update={"parts": page.parts})


def test_pydantic_names_what_is_wrong_within() -> None:
    with pytest.raises(ValidationError, match="session"):
        Page.model_validate({"session": {**SESSION, "agent": {"type": "ai"}}, "costs": [], "parts": []})


KINDS = [APIResponse, FlushResult, Stats, Cost, TokenBasedCost, MLEvent, Summary, Problem] + [
    kind
    for module in (types, webhooks)
    for kind in vars(module).values()
    if isinstance(kind, type) and attrs.has(kind) and issubclass(kind, types.Model)
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_class_has_a_schema(kind: Any) -> None:
    for mode in ("validation", "serialization"):
        schema = TypeAdapter(kind).json_schema(mode=mode)
        assert {each.name for each in attrs.fields(kind)} - {"extra"} == set(schema.get("properties", {}))


app = FastAPI()


@app.post("/sessions")
def take(session: Session) -> Session:
    return session


@app.post("/costs")
def take_two(cost: Cost, message: Message | None = None) -> dict[str, Cost]:
    return {"cost": cost}


@app.get("/contents", response_model_exclude_none=True)
def contents() -> list[MessageContent]:
    return [MessageContentText(text="Hi")]


@app.get("/stats")
def stats() -> Stats:
    return Stats(1, 1, 0, 0, 0, {})


async def test_fastapi_takes_and_returns_them() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        assert made().model_dump(mode="json") == (await client.post("/sessions", json=SESSION)).json()
        assert {"cost": {"cost": 1}} == (await client.post("/costs", json={"cost": {"cost": 1}})).json()
        assert [{"type": "text", "text": "Hi"}] == (await client.get("/contents")).json()
        assert Stats(1, 1, 0, 0, 0, {}).model_dump() == (await client.get("/stats")).json()
        wrong = await client.post("/sessions", json={**SESSION, "status": "half"})
        assert (422, ["body", "status"]) == (wrong.status_code, wrong.json()["detail"][0]["loc"])
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
        assert {"Session", "Agent", "Cost", "Stats", "MessageContent"} <= set(schemas)


def test_a_copied_object_is_equal() -> None:
    assert made() == copy.deepcopy(made())
