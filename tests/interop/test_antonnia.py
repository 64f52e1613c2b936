"""The existing client of the Conversations API, unmodified: against the local server, and beside both faces of ours."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta, timezone
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from mindlytics.antonnia import AsyncConversations, Conversations
from mindlytics.antonnia import types as ours
from mindlytics.antonnia.codec import to_json
from mindlytics.compat.antonnia.conversations import types as moved_types
from mindlytics.server.run import LocalServer

from ..antonnia.answers import AGENT, CONNECTION, MESSAGE, SCHEDULE, SESSION, SURVEY, says
from ..antonnia.answers import AT as AT_TEXT
from ..conftest import result
from ..sink import Request, Sink

antonnia = pytest.importorskip("antonnia.conversations")
theirs = pytest.importorskip("antonnia.conversations.types")
exceptions = pytest.importorskip("antonnia.conversations.exceptions")
pytest.importorskip("antonnia.events")

PACKAGES = ("antonnia", "mindlytics.compat.antonnia")
"""Theirs, and the one to which programs move by their import lines alone."""

AT = datetime(2030, 4, 3, 7, 35, 10, tzinfo=timezone.utc)
TEXT = {"type": "text", "text": "Hello"}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture(params=PACKAGES)
def peer(request: pytest.FixtureRequest) -> Any:
    """A package of the names that programs import."""
    names = ("conversations", "conversations.types", "conversations.exceptions", "events")
    return SimpleNamespace(
        **{name.rpartition(".")[2]: import_module(f"{request.param}.{name}") for name in names}, name=request.param
    )


@pytest.fixture
async def client(peer: Any, server: LocalServer) -> AsyncIterator[Any]:
    async with peer.conversations.Conversations(token="a-token", base_url=f"{server.url}/conversations/v2") as made:
        yield made


# -- against the local server


async def test_the_program_of_its_readme(peer: Any, client: Any) -> None:
    session = await client.sessions.create(
        contact_id="user_12345", contact_name="John Doe", metadata={"priority": "high", "department": "support"}
    )
    content = peer.types.MessageContentText(type="text", text="Hello, I need help with my account")
    message = await client.sessions.messages.create(session_id=session.id, content=content, role="user")
    updated = await client.sessions.reply(session_id=session.id, debounce_time=0)
    messages = await client.sessions.messages.search(session_id=session.id, limit=10)
    assert (session.id, "open") == (updated.id, updated.status)
    assert [message.id] == [found.id for found in messages if found.role == "user"]
    assert ["Hello, I need help with my account", "You said: Hello, I need help with my account"] == [
        found.content.text for found in messages
    ]


async def test_sessions(client: Any) -> None:
    agent = await client.agents.create("Ann", "ai", assistant_id="asst")
    session = await client.sessions.create("ada", "Ada", agent_id=agent.id, metadata={"internal": {"user_id": "u"}})
    assert agent == session.agent
    assert session == await client.sessions.get(session.id)
    changed = await client.sessions.update(session.id, fields={"metadata": {"a": {"b": 1}}, "thread_id": "t"})
    assert ({"a": {"b": 1}}, "t") == (changed.metadata, changed.thread_id)
    assert {"c": 2} == (await client.sessions.update(session.id, metadata={"c": 2})).metadata
    assert (await client.sessions.transfer(session.id)).agent is None
    assert agent == (await client.sessions.transfer(session.id, agent.id)).agent
    await client.sessions.create("bob", "Bob", metadata={"internal": {"user_id": "u"}})
    found = await client.sessions.search(contact_id="bob", status="open", metadata={"internal.user_id": "u"})
    assert ["bob"] == [each.contact_id for each in found]
    assert ["bob"] == [each.contact_id for each in await client.sessions.search(offset=1, limit=1)]
    assert "closed" == (await client.sessions.finish(session.id)).status


async def test_messages(peer: Any, client: Any) -> None:
    session = await client.sessions.create("ada", "Ada")
    contents = [
        TEXT,
        peer.types.MessageContentImage(type="image", url="u"),
        peer.types.MessageContentVideo(type="video", url="u"),
        peer.types.MessageContentAudio(type="audio", url="u", transcript="said"),
        peer.types.MessageContentFile(type="file", url="u", mime_type="application/pdf", name="n.pdf"),
        peer.types.MessageContentFunctionCall(type="function_call", id="c", name="n", input="{}"),
        peer.types.MessageContentFunctionResult(type="function_result", id="c", name="n", output="{}"),
        peer.types.MessageContentThought(type="thought", thought="hm"),
    ]
    made = [await client.sessions.messages.create(session.id, content, "assistant") for content in contents]
    assert contents[1:] == [message.content for message in made][1:]
    assert made == await client.sessions.messages.search(session.id)
    assert made[2:4] == await client.sessions.messages.search(session.id, offset=2, limit=2)
    first = made[0]
    assert first == await client.sessions.messages.get(session.id, first.id)
    now = datetime.now(timezone.utc)
    updated = await client.sessions.messages.update(
        session.id, first.id, "p", "r", "failed", 131026, "gone", delivered_at=now
    )
    assert ("p", "r", "failed", 131026, "gone", now) == (
        updated.provider_message_id,
        updated.replied_provider_message_id,
        updated.delivery_status,
        updated.delivery_error_code,
        updated.delivery_error_message,
        updated.delivered_at,
    )
    assert [first.id] == [each.id for each in await client.sessions.messages.search(provider_message_id="p")]


async def test_agents(peer: Any, client: Any) -> None:
    ann = await client.agents.create("Ann", "ai", assistant_id="a")
    bob = await client.agents.create("Bob", "human", profile_id="p")
    assert [ann, bob] == await client.agents.search()
    assert [bob] == await client.agents.search(type="human", profile_id="p", limit=5, offset=0)
    assert "Eve" == (await client.agents.update(ann.id, name="Eve", assistant_id="b")).name
    assert "Eve" == (await client.agents.get(ann.id)).name
    assert await client.agents.delete(ann.id) is None
    with pytest.raises(peer.exceptions.NotFoundError):
        await client.agents.get(ann.id)


async def test_schedules_and_surveys(peer: Any, client: Any) -> None:
    session = await client.sessions.create("ada", "Ada")
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    message = peer.types.ScheduledMessageConfig(message=peer.types.MessageContentText(type="text", text="Hi"))
    schedule = await client.sessions.schedule(session.id, later, message)
    assert ("scheduled", later, message) == (schedule.status, schedule.scheduled_for, schedule.config)
    node = await client.sessions.schedule(session.id, later, peer.types.ScheduledNodeConfig(node_id="n"))
    assert "n" == node.config.node_id
    closed = await client.sessions.finish(session.id, ending_survey_id="survey")
    surveys = client.sessions.survey_submissions
    submission = await surveys.get(session.id, closed.ending_survey_submission_id)
    assert submission.is_active
    assert "pending" == (await surveys.reply(session.id, submission.id)).status
    assert "cancelled" == (await surveys.cancel(session.id, submission.id)).status


async def test_errors(peer: Any, client: Any, server: LocalServer) -> None:
    with pytest.raises(peer.exceptions.NotFoundError, match="session not found") as raised:
        await client.sessions.get("nope")
    assert 404 == raised.value.status_code
    session = await client.sessions.create("ada", "Ada", status="closed")
    with pytest.raises(peer.exceptions.ValidationError, match="the session must be open"):
        await client.sessions.reply(session.id)
    async with antonnia.Conversations(token="two words", base_url=f"{server.url}/conversations/v2") as other:
        await other.sessions.search()
    async with peer.conversations.Conversations(token="x" * 300, base_url=f"{server.url}/conversations/v2") as other:
        with pytest.raises(peer.exceptions.AuthenticationError):
            await other.sessions.search()


# -- the same requests


CALLS: list[tuple[Callable[[Any, Any], Any], Any]] = [
    (lambda c, t: c.sessions.create("ada", "Ada"), SESSION),
    (lambda c, t: c.sessions.create("ada", "Ada", "a", "closed", {"n": {"m": 1}}), SESSION),
    (lambda c, t: c.sessions.get("s"), SESSION),
    (lambda c, t: c.sessions.update("s", {"status": "open", "metadata": {"a": 1}}), SESSION),
    (lambda c, t: c.sessions.update("s", metadata={"a": 1}), SESSION),
    (lambda c, t: c.sessions.transfer("s", "a"), SESSION),
    (lambda c, t: c.sessions.transfer("s"), SESSION),
    (lambda c, t: c.sessions.finish("s"), SESSION),
    (lambda c, t: c.sessions.finish("s", "survey"), SESSION),
    (lambda c, t: c.sessions.reply("s", 5), SESSION),
    (lambda c, t: c.sessions.search(), [SESSION]),
    (lambda c, t: c.sessions.search("ada", "open", {"a.b": 1}, 2, 3), [SESSION]),
    (lambda c, t: c.sessions.schedule("s", AT, t.ScheduledNodeConfig(node_id="n")), SCHEDULE),
    (
        lambda c, t: c.sessions.schedule(
            "s", AT, t.ScheduledMessageConfig(message=t.MessageContentText(type="text", text="Hi"))
        ),
        SCHEDULE,
    ),
    (lambda c, t: c.sessions.messages.create("s", TEXT), MESSAGE),
    (lambda c, t: c.sessions.messages.create("s", t.MessageContentText(type="text", text="Hi")), MESSAGE),
    (lambda c, t: c.sessions.messages.create("s", t.MessageContentAudio(type="audio", url="u"), "user"), MESSAGE),
    (
        lambda c, t: c.sessions.messages.create(
            "s", t.MessageContentFunctionCall(type="function_call", id="i", name="n", input="{}"), "assistant", "p", "r"
        ),
        MESSAGE,
    ),
    (lambda c, t: c.sessions.messages.get("s", "m"), MESSAGE),
    (lambda c, t: c.sessions.messages.get("s", "m"), None),
    (lambda c, t: c.sessions.messages.update("s", "m"), MESSAGE),
    (lambda c, t: c.sessions.messages.update("s", "m", "p", "r", "failed", 1, "x", AT), MESSAGE),
    (lambda c, t: c.sessions.messages.search(), [MESSAGE]),
    (lambda c, t: c.sessions.messages.search("s", "p", "r", 1, 2), [MESSAGE]),
    (lambda c, t: c.agents.create("Ann", "ai", "a"), AGENT),
    (lambda c, t: c.agents.get("a"), AGENT),
    (lambda c, t: c.agents.update("a", "n", "a", "p"), AGENT),
    (lambda c, t: c.agents.delete("a"), ""),
    (lambda c, t: c.agents.search("ai", "a", "p", 1, 2), [AGENT]),
    (lambda c, t: c.sessions.survey_submissions.get("s", "x"), SURVEY),
    (lambda c, t: c.sessions.survey_submissions.reply("s", "x"), SURVEY),
    (lambda c, t: c.sessions.survey_submissions.cancel("s", "x"), SURVEY),
]


LIBRARYS = {"Accept", "Accept-Encoding", "Connection", "Content-Length", "Host", "User-Agent"}
"""Headers that are not of this API, but of the HTTP library that sends them."""


def _status(request: Request) -> int:
    if request.method == "DELETE":
        return 204
    return 201 if (request.method, request.path) == ("POST", "/agents") else 200


async def test_both_faces_ask_for_the_same_in_the_same_way(sink: Sink) -> None:
    recorded: list[list[Any]] = []
    compat = import_module("mindlytics.compat.antonnia.conversations").Conversations
    compat_types = import_module("mindlytics.compat.antonnia.conversations.types")
    kinds = (antonnia.Conversations, theirs), (Conversations, ours), (AsyncConversations, ours), (compat, compat_types)
    for kind, types in kinds:
        del sink.requests[:]
        client = kind("token", sink.url)
        for call, answer in CALLS:
            sink.faults(lambda exchange, answer=answer: says(answer, _status(exchange.request))(exchange))
            await result(call(client, types))
        await result(client.close())
        recorded.append(
            [
                (
                    request.method,
                    request.path,
                    {name.title(): value for name, value in request.headers.items() if name.title() not in LIBRARYS},
                    json.loads(request.body) if request.body else None,
                )
                for request in sink.requests
            ]
        )
    expected, blocking, asyncio, moved = recorded
    assert len(CALLS) == len(expected)
    assert expected == blocking
    assert expected == asyncio
    assert expected == moved


@pytest.mark.parametrize("kind", [Conversations, AsyncConversations])
@pytest.mark.parametrize("code", [400, 401, 403, 404, 422, 429, 500])
async def test_errors_are_of_the_same_name(sink: Sink, kind: Any, code: int) -> None:
    body = {"detail": "no", "retry_after": 3}
    sink.always = says(body, code)
    errors = []
    for client in (antonnia.Conversations("token", sink.url), kind("token", sink.url, max_retries=0)):
        with pytest.raises(Exception, match="no") as error:
            await result(client.sessions.get("s"))
        await result(client.close())
        value: Any = error.value
        names = [type(value).__name__, value.message, value.status_code, value.response_data]
        errors.append([*names, getattr(value, "retry_after", None)])
    assert errors[0] == errors[1]


def test_the_names_are_theirs() -> None:
    for name in ("conversations", "conversations.types", "events", "events.types"):
        found = import_module(f"mindlytics.compat.antonnia.{name}")
        wanted = import_module(f"antonnia.{name}").__all__
        assert [] == [each for each in wanted if not hasattr(found, each)]
    found = import_module("mindlytics.compat.antonnia.conversations.exceptions")
    assert {name for name in vars(exceptions) if "rror" in name} <= set(vars(found))
    assert set(theirs.MESSAGE_ERROR_CODES) == set(moved_types.MESSAGE_ERROR_CODES)


def test_the_defaults_are_theirs(peer: Any) -> None:
    client = peer.conversations.Conversations("a-token")
    assert ("a-token", "https://services.antonnia.com/conversations/v2") == (client.token, client.base_url)
    assert 12 == inspect.signature(client.sessions.reply).parameters["debounce_time"].default


TAG = {"id": "t", "organization_id": "org", "name": "late", "color": "red", "created_at": AT_TEXT}
SURVEY_TYPE = {"id": "s", "organization_id": "org", "created_at": AT_TEXT, "title": "How was it?"}
HOURS = {"type": "organization.working_hours", "timezone": "UTC", "weekly_hours": {"mon": []}}
CONFIG = {
    "key": "organization.working_hours",
    "organization_id": "org",
    "config": HOURS,
    "created_at": AT_TEXT,
    "updated_at": AT_TEXT,
}
CONVERSATION = {
    "id": "c",
    "organization_id": "org",
    "channel_id": "1",
    "channel_user_id": "2",
    "channel_type": "whatsapp",
    "contact_id": "ada",
    "created_at": AT_TEXT,
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Session", SESSION),
        ("Message", MESSAGE),
        ("AIAgent", AGENT),
        ("SessionSchedule", SCHEDULE),
        ("SurveySubmission", SURVEY),
        ("MessageContentText", TEXT),
        ("Tag", TAG),
        ("Survey", SURVEY_TYPE),
        ("ConversationsConfig", CONFIG),
        ("Conversation", CONVERSATION),
        ("AgentUpdateFields", {"name": "Eve"}),
        ("create_agent", AGENT),
    ],
)
def test_what_a_type_holds_is_dumped_alike(name: str, answer: dict[str, Any]) -> None:
    mine, other = (
        getattr(module, name)(**answer) if name != "create_agent" else module.create_agent(answer)
        for module in (moved_types, theirs)
    )
    assert other.model_dump() == mine.model_dump()
    dumped = json.dumps(other.model_dump(mode="json", exclude_none=True)).replace("+00:00", "Z")  # in most types
    assert json.loads(dumped) == mine.model_dump(mode="json", exclude_none=True)
    assert json.loads(dumped) == json.loads(mine.model_dump_json(exclude_none=True))
    assert type(other).model_fields.keys() == type(mine).model_fields.keys()
    assert other == type(other)(**to_json(mine))
    kind = type(mine) if name == "create_agent" else getattr(moved_types, name)
    assert isinstance(mine, kind)
    assert mine == kind(**mine.model_dump()) == kind.model_validate_json(other.model_dump_json())


@pytest.mark.parametrize("answer", [SESSION, {**SESSION, "newer": 1}])
def test_a_type_takes_what_it_does_not_know(peer: Any, answer: dict[str, Any]) -> None:
    assert "ada" == peer.types.Session(**answer).contact_id
    with pytest.raises(ValueError, match="status"):
        peer.types.Session(**{**answer, "status": 5})


EVENTS = {
    "session.created": SESSION,
    "session.transferred": SESSION,
    "session.finished": SESSION,
    "message.created": MESSAGE,
    "app.connection.created": CONNECTION,
}


async def post(app: FastAPI, path: str, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("kind", EVENTS)
async def test_an_app_takes_events_and_returns_what_is_in_them(peer: Any, kind: str) -> None:
    heard: list[Any] = []

    def hook(event: Any) -> Any:
        heard.append(event)
        return event.data.object

    event_types = import_module(f"{peer.name}.events.types")
    expected = getattr(event_types, "".join(part.title() for part in kind.split(".")))
    hook.__annotations__ = {"event": peer.events.Event}
    app = FastAPI()
    app.post("/hook")(hook)
    posted = {"id": "evt", "created_at": AT_TEXT, "type": kind, "data": {"object": EVENTS[kind]}}
    reply = await post(app, "/hook", posted)
    (event,) = heard
    assert isinstance(event, expected)
    assert (200, "evt", EVENTS[kind]["id"]) == (reply.status_code, event.id, event.data.object.id)
    assert EVENTS[kind]["id"] == reply.json()["id"]
    assert event == TypeAdapter(peer.events.Event).validate_python(event.model_dump())


async def test_an_app_returns_sessions_and_takes_contents(peer: Any) -> None:
    def answer(content: Any) -> Any:
        assert isinstance(content, peer.types.MessageContentText)
        return peer.types.Session(**SESSION)

    answer.__annotations__ = {"content": peer.types.MessageContentText, "return": peer.types.Session}
    app = FastAPI()
    app.post("/answer", response_model_exclude_none=True)(answer)
    reply = await post(app, "/answer", TEXT)
    assert 200 == reply.status_code
    assert {name for name, value in SESSION.items() if value is not None} == set(reply.json())
    assert 422 == (await post(app, "/answer", {"type": "image"})).status_code
