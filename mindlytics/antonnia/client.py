"""The blocking face: a call waits for its answer on the calling thread."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

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
    """The answers to surveys that begin when a session ends."""


class Sessions(BaseSessions[Session, list[Session], Iterator[Session], SessionSchedule]):
    """Sessions, and what is in them."""

    def __init__(self, face: Face) -> None:
        super().__init__(face)
        self.messages = Messages(face)
        self.survey_submissions = SurveySubmissions(face)


class Agents(BaseAgents[Agent, None, list[Agent], Iterator[Agent]]):
    """Who answers in sessions."""


class Conversations(BaseConversations):
    """The Conversations API, blocking. Any thread may call; each call has a kept-alive connection of its own.

    A context manager, which closes the connections; an own ``http_client`` is left open. A forked child opens
    connections of its own, with an own ``requests.Session`` too (but not with an own ``httpx.Client``).
    The arguments are those of :class:`~mindlytics.antonnia.base.BaseConversations`.
    """

    _is_async = False

    def _begin(self) -> None:
        self._idle: deque[BlockingTransport | HttpxTransport] = deque()
        self._process = os.getpid()
        self.sessions = Sessions(self)
        self.agents = Agents(self)

    def send(self, call: Call[Any]) -> Any:
        """Send a call; its answer.

        :raises AntonniaError: the service said no, or could not be reached.
        """
        exchange = Exchange(self, call)
        transport = self._open()
        try:
            Retrying(**exchange.rules(time.sleep))(_post, transport, exchange)
        finally:
            self._idle.append(transport)
        return exchange.answer()

    def walk(self, call: Call[Any]) -> Iterator[Any]:
        """All that a search finds, page by page."""
        offset = 0
        while page := self.send(call.at(offset)):
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
        if self._process != os.getpid():  # those that are idle here are the parent's
            self._idle, self._process = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return BlockingTransport(self._settings) if self._httpx is None else HttpxTransport(self._httpx)


def _post(transport: BlockingTransport | HttpxTransport, exchange: Exchange) -> Verdict:
    return exchange.judge(transport.request(*exchange.request, limit=LONG))
