"""A user's program, for ``mypy --strict`` alone: what the documentation writes has the types that it says.

It is never run. An error that mypy no longer sees is one itself: an ignore that nothing needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from typing_extensions import assert_type

from mindlytics import (
    AsyncClient,
    AsyncSession,
    Client,
    Cost,
    DeliveryError,
    FlushResult,
    LiveError,
    MindlyticsError,
    MLEvent,
    Session,
    Stats,
    TokenBasedCost,
)
from mindlytics.align import AlignAI
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
            session.track_conversation_usage(usage="much")  # type: ignore[arg-type]
            session.track_function_call(name="f", time=1)  # type: ignore[call-arg]
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
        async for event in client.events():
            assert_type(event, MLEvent)
    assert_type(mlsdk.Client(api_key="k", on_error=on_loss).create_session(on_error=on_loss), mlsdk.Session)
