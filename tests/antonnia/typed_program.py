"""A user's program, for ``mypy --strict`` alone: every call has a type of its own on both faces, and misuse is seen.

It is never run. An error that mypy no longer sees is one itself: an ignore that nothing needs.
"""

from __future__ import annotations

from datetime import datetime, timezone

from typing_extensions import assert_type

from mindlytics import AsyncClient, Client
from mindlytics.antonnia import AsyncConversations, Conversations, record
from mindlytics.antonnia.exceptions import AntonniaError, RateLimitError
from mindlytics.antonnia.types import (
    Agent,
    Message,
    MessageContentText,
    ScheduledMessageConfig,
    Session,
    SessionSchedule,
    SurveySubmission,
)
from mindlytics.antonnia.webhooks import AsyncWebhooks, MessageCreated, SessionFinished, WebhookEvent, Webhooks, parse


def blocking(client: Client) -> None:
    with Conversations(token="t", base_url="https://api.antonnia.com", timeout=5.0, max_retries=0) as conversations:
        sessions, messages, agents = conversations.sessions, conversations.sessions.messages, conversations.agents
        session = assert_type(sessions.create("ada", "Ada", metadata={"n": [1]}), Session)
        assert_type(sessions.get(session.id), Session)
        assert_type(sessions.update(session.id, fields={"status": "closed", "agent_id": None}), Session)
        assert_type(sessions.update(session.id, metadata={"n": 1}), Session)
        assert_type(sessions.transfer(session.id), Session)
        assert_type(sessions.finish(session.id, ending_survey_id="s"), Session)
        assert_type(sessions.reply(session.id, debounce_time=5), Session)
        assert_type(sessions.search(status="open", metadata={"internal.user_id": "u"}), list[Session])
        assert_type([each for each in sessions.iter(page_size=5)], list[Session])  # noqa: C416
        config = ScheduledMessageConfig(message=MessageContentText(text="Hi"))
        assert_type(sessions.schedule(session.id, datetime.now(timezone.utc), config), SessionSchedule)
        message = assert_type(messages.create(session.id, {"type": "text", "text": "Hello"}), Message)
        assert_type(messages.create(session.id, MessageContentText(text="Hello"), role="assistant"), Message)
        assert_type(messages.get(session.id, message.id), "Message | None")
        assert_type(messages.update(session.id, message.id, delivery_status="read"), Message)
        assert_type(messages.search(limit=10), list[Message])
        assert_type([each for each in messages.iter(session.id)], list[Message])  # noqa: C416
        assert_type(agents.create("Ann", "ai", assistant_id="a"), Agent)
        assert_type(agents.update("a", name="Eve"), Agent)
        assert_type(agents.search(type="human"), list[Agent])
        agents.delete("a")
        assert_type(sessions.survey_submissions.get(session.id, "s"), SurveySubmission)
        assert_type(record(client.create_session(), messages.iter(session.id)), None)
        if isinstance(message.content, MessageContentText):
            assert_type(message.content.text, str)

        sessions.create("ada", "Ada", status="ajar")  # type: ignore[arg-type]
        sessions.update(session.id, fields={"contact_id": "bob"})  # type: ignore[arg-type]
        sessions.create(contact="ada")  # type: ignore[call-arg]
        messages.create(session.id, "Hello")  # type: ignore[arg-type]
        messages.update(session.id, message.id, delivery_status="lost")  # type: ignore[arg-type]
        agents.create("Ann", "robot")  # type: ignore[arg-type]


async def asyncio(client: AsyncClient) -> float | None:
    async with AsyncConversations(token="t") as conversations:
        sessions, messages = conversations.sessions, conversations.sessions.messages
        session = assert_type(await sessions.create("ada", "Ada"), Session)
        assert_type(await sessions.search(), list[Session])
        assert_type([each async for each in sessions.iter()], list[Session])
        assert_type(await messages.get(session.id, "m"), "Message | None")
        assert_type(await conversations.agents.create("Bob", "human", profile_id="p"), Agent)
        assert_type(await sessions.survey_submissions.cancel(session.id, "s"), SurveySubmission)
        await conversations.agents.delete("a")
        await record(client.create_session(), [each async for each in messages.iter(session.id)])
        try:
            await sessions.reply(session.id)
        except RateLimitError as error:
            return assert_type(error.retry_after, "float | None")
        except AntonniaError as error:
            assert_type(error.status_code, "int | None")

        assert sessions.get(session.id).id  # type: ignore[attr-defined]
    return None


webhooks, async_webhooks = Webhooks(), AsyncWebhooks()


@webhooks.on("message.created")
def answer(event: MessageCreated) -> None:
    assert_type(event.message, Message)


@async_webhooks.on("session.finished")
async def analyse(event: SessionFinished) -> None:
    assert_type(event.session, Session)


@webhooks.on("session.created")  # type: ignore[arg-type]
def confused(event: MessageCreated) -> None: ...


@async_webhooks.on("session.finished")  # type: ignore[arg-type]
def forgotten(event: SessionFinished) -> None: ...


def read(body: bytes) -> str:
    event = assert_type(parse(body), WebhookEvent)
    return event.message.session_id if isinstance(event, MessageCreated) else event.type
