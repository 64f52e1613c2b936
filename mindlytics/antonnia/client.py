"""The blocking face: a call waits for its answer on the calling thread."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from typing import cast

from tenacity import Retrying

from ..annotations import Self
from ..delivery.verdict import Verdict
from ..transport.blocking import BlockingTransport
from ..transport.body import LONG
from ..transport.httpx import HttpxTransport
from .agents import BaseAgents
from .base import BaseConversations, Exchange
from .calls import Call, Face
from .messages import BaseMessages
from .sessions import BaseSessions, BaseSurveySubmissions
from .types import Agent, Message, Session, SessionSchedule, SurveySubmission


class Messages(BaseMessages[Message, "Message | None", list[Message], Iterator[Message]]):
    """The messages of sessions."""


class SurveySubmissions(BaseSurveySubmissions[SurveySubmission]):
    """The answers to the surveys at the end of sessions."""


class Sessions(BaseSessions[Session, list[Session], Iterator[Session], SessionSchedule]):
    """Sessions, with their messages and survey submissions."""

    def __init__(self, face: Face) -> None:
        super().__init__(face)
        self.messages: Messages = Messages(face)
        self.survey_submissions: SurveySubmissions = SurveySubmissions(face)


class Agents(BaseAgents[Agent, None, list[Agent], Iterator[Agent]]):
    """The agents, who answer in sessions."""


class Conversations(BaseConversations):
    """The Conversations API, blocking. Any thread may call. Concurrent calls use separate kept-alive connections.

    Use it as a context manager, which closes the connections. Your own ``http_client`` stays open. A forked child opens
    its own connections, also with your own ``requests.Session`` (an ``httpx.Client`` shares its parent's).
    """

    _is_async = False

    def _begin(self) -> None:
        self._idle: deque[BlockingTransport | HttpxTransport] = deque()
        self._process = os.getpid()
        self.sessions: Sessions = Sessions(self)
        self.agents: Agents = Agents(self)

    def _send(self, call: Call[object]) -> object:
        """Send a call and return its answer.

        :raises AntonniaError: the service refused, or could not be reached.
        """
        exchange = Exchange(self, call)
        transport = self._open()
        try:
            Retrying(**exchange.rules(time.sleep))(_post, transport, exchange)
        finally:
            self._idle.append(transport)
        return exchange.answer()

    def _walk(self, call: Call[object]) -> Iterator[object]:
        """Iterate over all that a search finds, page by page."""
        offset = 0
        while page := cast("list[object]", self._send(call.at(offset))):
            yield from page
            offset += len(page)

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> BlockingTransport | HttpxTransport:
        if self._process != os.getpid():  # a forked child: the idle ones are the parent's
            self._idle, self._process = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return BlockingTransport(self._settings) if self._httpx is None else HttpxTransport(self._httpx)


def _post(transport: BlockingTransport | HttpxTransport, exchange: Exchange) -> Verdict:
    return exchange.judge(transport.request(*exchange.request, limit=LONG))
