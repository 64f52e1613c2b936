"""A user's program, for ``mypy --strict`` alone: what the documentation writes has the types that it says.

It is never run. An error that mypy no longer sees is one itself: an ignore that nothing needs.
"""

from __future__ import annotations

from asyncio import Task, create_task
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from typing_extensions import assert_type

import mindlytics
from mindlytics import (
    AsyncClient,
    AsyncHTTPClient,
    AsyncSession,
    Client,
    Cost,
    DeliveryError,
    FlushResult,
    HTTPClient,
    LiveError,
    MindlyticsError,
    MLEvent,
    Session,
    Stats,
    TokenBasedCost,
)
from mindlytics.align import AlignAI, AsyncAlignAI
from mindlytics.compat import mlsdk
from mindlytics.events import Event


def on_loss(error: DeliveryError) -> None:
    assert_type(error.status, int)


async def on_loss_awaited(error: DeliveryError) -> None:
    assert_type(error.reason, str)


def on_any(error: Exception) -> None: ...


def on_ours(error: MindlyticsError) -> str:
    return str(error)


def on_problem(error: LiveError) -> None: ...


def on_event(event: MLEvent) -> None: ...


def on_number(number: int) -> None: ...


def keep(event: Event) -> Event | None:
    return event


@dataclass
class LibrarysUsage:
    """As OpenAI's."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass
class OthersUsage:
    """As Anthropic's."""

    input_tokens: int
    output_tokens: int


def blocking() -> None:
    assert mindlytics.Clint  # type: ignore[attr-defined]
    Client(on_error=on_any)
    Client(on_error=on_ours)
    Client(on_error=print)
    Client(on_error=lambda error: error.status)
    AlignAI(on_error=on_loss)
    with Client(on_error=on_loss, before_send=keep, flush_interval=1, verify="ca.pem") as client:
        client.create_session(on_event=on_event, on_error=on_loss)
        client.create_session(on_event=on_event, on_error=on_any)
        client.start_listening(on_event, on_problem)
        client.start_listening(on_event, on_any)
        assert_type(client.stats(), Stats)
        assert_type(client.flush(), FlushResult)
        with client.create_session(id="ada", attributes={"plan": "pro"}) as session:
            assert_type(session, Session)
            assert_type(session.start_session(), str)
            session.track_conversation_turn(user="Hi", assistant=None, usage=LibrarysUsage(1, 2, 3))
            session.track_conversation_turn(user="Hi", assistant="Hello", usage=OthersUsage(1, 2))
            session.track_conversation_usage(usage={"model": "m", "prompt_tokens": 1, "completion_tokens": 2})
            session.track_conversation_usage(cost=Decimal("0.1"))
            session.track_conversation_usage(usage=TokenBasedCost("m", 1, 2, cached_tokens=3))
            session.track_conversation_usage(usage=Cost(0.1))
            session.track_function_call(name="f", args={"a": [1]}, result=[2], runtime=timedelta(seconds=1))

            session.track_event(event=5)  # type: ignore[arg-type]
            session.track_conversation_turn(user=None, assistant="a")  # type: ignore[arg-type]
            session.track_conversation_usage(usage="much")  # type: ignore[call-overload]
            session.track_function_call(name="f", time=1)  # type: ignore[call-arg]

            session.track_event()  # type: ignore[call-arg]
            session.track_conversation_turn(assistant="Hello")  # type: ignore[call-arg]
            session.track_conversation_turn(user="Hi")  # type: ignore[call-arg]
            session.track_conversation_usage()  # type: ignore[call-overload]
            session.track_function_call()  # type: ignore[call-arg]
            session.user_alias(id="ada")  # type: ignore[call-arg]
            session.user_alias(previous_id="ada")  # type: ignore[call-arg]
            assert_type(session.track_event(event="e"), None)
            assert_type(session.track_feedback("thumbs_up"), None)
            assert_type(session.start_conversation(), str)
            assert_type(session.flush_and_continue(), FlushResult)
        client.user_identify(id=5)  # type: ignore[arg-type]
        client.user_alias(id="ada")  # type: ignore[call-arg]
        client.start_listening()  # type: ignore[call-arg]
        assert_type(client.user_alias(id="ada", previous_id="a"), dict[str, Any])
        assert_type([each for each in client.events()], list[MLEvent])  # noqa: C416
    with HTTPClient() as http:
        http.send_request(url="/bc/v1/user/list")  # type: ignore[call-arg]
        http.identify()  # type: ignore[call-arg]
        assert_type(http.alias({"id": "ada", "previous_id": "a"}), dict[str, Any])
    Client(on_error=on_number)  # type: ignore[arg-type]
    Client(flush_intervall=1)  # type: ignore[call-arg]
    Client(flush_interval="1")  # type: ignore[arg-type]


async def asyncio() -> None:
    async with AsyncClient(on_error=on_loss_awaited) as client:
        await client.start_listening(on_event, on_problem)
        assert_type(await client.close(), FlushResult)
        async with client.create_session(on_error=on_loss_awaited) as session:
            assert_type(session, AsyncSession)
            assert_type(await session.start_conversation(), str)
            assert_type(await session.track_event(event="e"), None)
            assert_type(await session.start_session(), str)
            assert_type(await session.flush(1), FlushResult)
            assert_type(create_task(session.track_feedback("thumbs_up")), Task[None])
            await session.track_event()  # type: ignore[call-arg]
            await session.track_conversation_usage()  # type: ignore[call-overload]
            session.start_session().upper()  # type: ignore[attr-defined]
            assert session.flush().pending  # type: ignore[attr-defined]
        await client.user_alias(id="ada")  # type: ignore[call-arg]
        assert client.close().pending  # type: ignore[attr-defined]
        assert_type(await client.user_identify(id="ada"), dict[str, Any])
        async for event in client.events():
            assert_type(event, MLEvent)
    async with AsyncHTTPClient() as http:
        assert_type(await http.identify({"id": "ada"}), dict[str, Any])
        http.send_request(method="GET", url="/").get("errored")  # type: ignore[attr-defined]
    assert_type(mlsdk.Client(api_key="k", on_error=on_loss).create_session(on_error=on_loss), mlsdk.Session)


def align() -> None:
    with AlignAI() as client:
        assert_type(client, AlignAI)
        assert_type(client.open_session("s", "ada"), None)
        assert_type(client.flush(), FlushResult)
        client.open_session("s")  # type: ignore[call-arg]
        client.create_message("s", 1, "user")  # type: ignore[call-arg]
        client.identify_user()  # type: ignore[call-arg]
        client.close_session()  # type: ignore[call-arg]
        client.create_message_feedback("s", "thumbs_up")  # type: ignore[call-arg]
        client.create_session_feedback("s")  # type: ignore[call-arg]


async def async_align() -> None:
    async with AsyncAlignAI() as client:
        assert_type(client, AsyncAlignAI)
        assert_type(await client.open_session("s", "ada"), None)
        assert_type(await client.close(), FlushResult)
        await client.close_session()  # type: ignore[call-arg]
        assert client.flush().pending  # type: ignore[attr-defined]
