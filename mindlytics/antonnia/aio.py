"""The asyncio face: you await a call's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

from attrs import Factory, frozen
from tenacity import AsyncRetrying

from ..annotations import Awaited, Self
from ..delivery.verdict import Verdict
from ..transport.asyncio import AsyncTransport
from ..transport.body import LONG
from ..transport.httpx import AsyncHttpxTransport
from .agents import BaseAgents
from .base import BaseConversations, Exchange
from .calls import Call, Face
from .messages import BaseMessages
from .sessions import BaseSessions, BaseSurveySubmissions
from .types import Agent, Message, Session, SessionSchedule, SurveySubmission

MAX_CONNECTIONS = 100
"""Concurrent calls on one loop. The others wait for their turn, and their ``timeout`` starts after that."""


class AsyncMessages(
    BaseMessages[
        Awaited[Message],
        Awaited["Message | None"],
        Awaited[list[Message]],
        AsyncIterator[Message],
    ]
):
    """The messages of sessions."""


class AsyncSurveySubmissions(BaseSurveySubmissions[Awaited[SurveySubmission]]):
    """The answers to the surveys at the end of sessions."""


class AsyncSessions(
    BaseSessions[
        Awaited[Session],
        Awaited[list[Session]],
        AsyncIterator[Session],
        Awaited[SessionSchedule],
    ]
):
    """Sessions, with their messages and survey submissions."""

    def __init__(self, face: Face) -> None:
        super().__init__(face)
        self.messages: AsyncMessages = AsyncMessages(face)
        self.survey_submissions: AsyncSurveySubmissions = AsyncSurveySubmissions(face)


class AsyncAgents(
    BaseAgents[
        Awaited[Agent],
        Awaited[None],
        Awaited[list[Agent]],
        AsyncIterator[Agent],
    ]
):
    """The agents, who answer in sessions."""


@frozen
class _Line:
    """The connections of one loop, and a limit on concurrent calls."""

    transport: AsyncTransport | AsyncHttpxTransport
    turns: asyncio.Semaphore = Factory(lambda: asyncio.Semaphore(MAX_CONNECTIONS))


class AsyncConversations(BaseConversations):
    """The Conversations API for asyncio. You may use it on several loops. It has connections of its own on each.

    Use it as a context manager, which closes the connections. Your own ``http_client`` stays open.
    """

    _is_async = True

    def _begin(self) -> None:
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}
        self.sessions: AsyncSessions = AsyncSessions(self)
        self.agents: AsyncAgents = AsyncAgents(self)

    async def _send(self, call: Call[object]) -> object:
        """Send a call and return its answer.

        :raises AntonniaError: the service refused, or could not be reached.
        """
        exchange = Exchange(self, call)
        line = await self._open()
        await AsyncRetrying(**exchange.rules(asyncio.sleep))(_post, line, exchange)
        return exchange.answer()

    async def _walk(self, call: Call[object]) -> AsyncIterator[object]:
        """Iterate over all that a search finds, page by page."""
        offset = 0
        while page := cast("list[object]", await self._send(call.at(offset))):
            for item in page:
                yield item
            offset += len(page)

    async def close(self) -> None:
        """Close the connections of this loop. A later call opens new ones."""
        self._forget_ended_loops()
        line = self._lines.pop(asyncio.get_running_loop(), None)
        if line is not None:
            await line.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _open(self) -> _Line:
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            self._forget_ended_loops()
            made = _Line(await self._connect())
            line = self._lines.setdefault(loop, made)
            if line is not made:
                await made.transport.close()
        return line

    async def _connect(self) -> AsyncTransport | AsyncHttpxTransport:
        if self._httpx is not None:
            return AsyncHttpxTransport(self._httpx)
        return AsyncTransport(self._settings, again=False)

    def _forget_ended_loops(self) -> None:
        for loop in [loop for loop in self._lines if loop.is_closed()]:
            self._lines.pop(loop).transport.forget()


async def _post(line: _Line, exchange: Exchange) -> Verdict:
    async with line.turns:
        return exchange.judge(await line.transport.request(*exchange.request, limit=LONG))
