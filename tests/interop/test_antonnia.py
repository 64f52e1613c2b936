"""The existing client of the Conversations API, unmodified: against the local server, and beside both faces of ours."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest

from mindlytics.antonnia import AsyncConversations, Conversations
from mindlytics.antonnia import exceptions as our_exceptions
from mindlytics.antonnia import types as ours
from mindlytics.antonnia.codec import from_json, to_json
from mindlytics.server.run import LocalServer

from ..antonnia.answers import AGENT, MESSAGE, SCHEDULE, SESSION, SURVEY, says
from ..conftest import result
from ..sink import Request, Sink

antonnia = pytest.importorskip("antonnia.conversations")
theirs = pytest.importorskip("antonnia.conversations.types")
exceptions = pytest.importorskip("antonnia.conversations.exceptions")

ROOT = Path(__file__).parents[2]
AT = datetime(2030, 4, 3, 7, 35, 10, tzinfo=timezone.utc)
TEXT = {"type": "text", "text": "Hello"}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
async def client(server: LocalServer, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    url = f"{server.url}/conversations/v2"
    async with antonnia.Conversations(token=request.node.name, base_url=url) as made:
        yield made


# -- against the local server


async def test_the_program_of_its_readme(client: Any) -> None:
    session = await client.sessions.create(
        contact_id="user_12345", contact_name="John Doe", metadata={"priority": "high", "department": "support"}
    )
    content = theirs.MessageContentText(type="text", text="Hello, I need help with my account")
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


async def test_messages(client: Any) -> None:
    session = await client.sessions.create("ada", "Ada")
    contents = [
        TEXT,
        theirs.MessageContentImage(type="image", url="u"),
        theirs.MessageContentVideo(type="video", url="u"),
        theirs.MessageContentAudio(type="audio", url="u", transcript="said"),
        theirs.MessageContentFile(type="file", url="u", mime_type="application/pdf", name="n.pdf"),
        theirs.MessageContentFunctionCall(type="function_call", id="c", name="n", input="{}"),
        theirs.MessageContentFunctionResult(type="function_result", id="c", name="n", output="{}"),
        theirs.MessageContentThought(type="thought", thought="hm"),
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


async def test_agents(client: Any) -> None:
    ann = await client.agents.create("Ann", "ai", assistant_id="a")
    bob = await client.agents.create("Bob", "human", profile_id="p")
    assert [ann, bob] == await client.agents.search()
    assert [bob] == await client.agents.search(type="human", profile_id="p", limit=5, offset=0)
    assert "Eve" == (await client.agents.update(ann.id, name="Eve", assistant_id="b")).name
    assert "Eve" == (await client.agents.get(ann.id)).name
    assert await client.agents.delete(ann.id) is None
    with pytest.raises(exceptions.NotFoundError):
        await client.agents.get(ann.id)


async def test_schedules_and_surveys(client: Any) -> None:
    session = await client.sessions.create("ada", "Ada")
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    message = theirs.ScheduledMessageConfig(message=theirs.MessageContentText(type="text", text="Hi"))
    schedule = await client.sessions.schedule(session.id, later, message)
    assert ("scheduled", later, message) == (schedule.status, schedule.scheduled_for, schedule.config)
    node = await client.sessions.schedule(session.id, later, theirs.ScheduledNodeConfig(node_id="n"))
    assert "n" == node.config.node_id
    closed = await client.sessions.finish(session.id, ending_survey_id="survey")
    surveys = client.sessions.survey_submissions
    submission = await surveys.get(session.id, closed.ending_survey_submission_id)
    assert submission.is_active
    assert "pending" == (await surveys.reply(session.id, submission.id)).status
    assert "cancelled" == (await surveys.cancel(session.id, submission.id)).status


async def test_errors(client: Any, server: LocalServer) -> None:
    with pytest.raises(exceptions.NotFoundError, match="session not found") as raised:
        await client.sessions.get("nope")
    assert 404 == raised.value.status_code
    session = await client.sessions.create("ada", "Ada", status="closed")
    with pytest.raises(exceptions.ValidationError, match="the session must be open"):
        await client.sessions.reply(session.id)
    async with antonnia.Conversations(token="two words", base_url=f"{server.url}/conversations/v2") as other:
        await other.sessions.search()
    async with antonnia.Conversations(token="x" * 300, base_url=f"{server.url}/conversations/v2") as other:
        with pytest.raises(exceptions.AuthenticationError):
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
    for kind, types in ((antonnia.Conversations, theirs), (Conversations, ours), (AsyncConversations, ours)):
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
    expected, blocking, asyncio = recorded
    assert len(CALLS) == len(expected)
    assert expected == blocking
    assert expected == asyncio


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


def test_the_names_are_theirs_but_for_those_that_are_documented() -> None:
    text = (ROOT / "docs/migrating.md").read_text("utf-8").partition("## From antonnia-conversations")[2]
    rows = (line.split("|")[1] for line in text.splitlines() if "not there" in line)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    missing = {name for name in theirs.__all__ if not hasattr(ours, name)}
    assert missing == {"create_agent"} | (named & set(theirs.__all__))
    assert {name for name in vars(exceptions) if name.endswith("Error")} <= set(vars(our_exceptions))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Session", SESSION),
        ("Message", MESSAGE),
        ("AIAgent", AGENT),
        ("SessionSchedule", SCHEDULE),
        ("SurveySubmission", SURVEY),
    ],
)
def test_what_a_type_holds_is_reported_alike(name: str, answer: dict[str, Any]) -> None:
    """In the words of the page on migrating."""
    mine, other = from_json(getattr(ours, name), answer), getattr(theirs, name)(**answer)
    assert other.model_dump() == attrs.asdict(mine, filter=lambda field, _: field.name != "extra")
    assert other == type(other)(**to_json(mine))
