"""LiteLLM: a callback that records completions and responses of any service.

    from mindlytics.integrations.litellm import MindlyticsCallback

    litellm.callbacks.append(MindlyticsCallback())

LiteLLM reports a request where it is sent, and its outcome later, from its own thread or task.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from weakref import finalize

from attrs import frozen
from litellm.integrations.custom_logger import CustomLogger

from ..values import now
from .dialogue import ABANDONED_AFTER, Asked, Dialogue, Exchange
from .fields import get
from .openai_chat import Chat
from .openai_responses import Responses
from .quiet import quiet
from .recording import Recorder

if TYPE_CHECKING:
    from .. import AsyncClient, Client
    from ..context import AnySession

MOST_ANSWERS = 10_000
"""Most requests that wait for their answers."""

_READERS: dict[str, Chat | Responses] = {
    "completion": Chat(),
    "acompletion": Chat(),
    "responses": Responses(),
    "aresponses": Responses(),
}


@frozen
class Sent:
    """A sent request."""

    at: datetime
    reader: Chat | Responses
    begin: Callable[[], Exchange | None]


class MindlyticsCallback(CustomLogger):
    """Records the questions through LiteLLM while it is one of ``litellm.callbacks``.

    The ``session_id`` or ``thread_id`` in a request's ``metadata`` becomes the ``conversation_id``.

    :param session: where to record turns. Default: the current session at each question.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        super().__init__()
        self._dialogue = Dialogue(Recorder(session, client))
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        self._recording: set[str] = set()
        finalize(self, _end_all, self._sent)

    @quiet
    def log_pre_api_call(self, model: object, messages: object, kwargs: dict[str, object]) -> None:
        """Called when a request is sent or retried."""
        reader = _READERS.get(str(kwargs.get("call_type")))
        id = str(kwargs.get("litellm_call_id") or "")
        if reader is None or not id or id in self._sent:
            return
        asked = _asked(reader, model, messages, kwargs)
        self._sent[id] = Sent(now(), reader, self._begin(asked))
        while self._sent:
            oldest = next(iter(self._sent))
            waited = (now() - self._sent[oldest].at).total_seconds()
            if len(self._sent) <= MOST_ANSWERS and waited < ABANDONED_AFTER:
                break
            _end(self._sent.pop(oldest))

    def _begin(self, asked: Asked) -> Callable[[], Exchange | None]:
        """Begin the exchange, or wait if it continues a question whose last answer is still being recorded."""
        if asked.results and (self._sent or self._recording) and not self._dialogue.is_waiting_for(asked.results):
            asked.at = now()
            context = contextvars.copy_context()
            return lambda: context.run(self._dialogue.begin, asked)
        exchange = self._dialogue.begin(asked)
        return lambda: exchange

    @contextmanager
    def _taken(self, kwargs: dict[str, object]) -> Iterator[Sent | None]:
        """Take the sent request out, to record its end once."""
        id = str(kwargs.get("litellm_call_id"))
        self._recording.add(id)
        try:
            yield self._sent.pop(id, None)
        finally:
            self._recording.discard(id)

    @quiet
    def log_success_event(
        self, kwargs: dict[str, object], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Called when the whole answer has come."""
        with self._taken(kwargs) as sent:
            exchange = None if sent is None else sent.begin()
            if sent is None or exchange is None:
                return
            first_piece = kwargs.get("completion_start_time")
            if kwargs.get("stream") and isinstance(first_piece, datetime):
                exchange.piece(first_piece.astimezone())
            answer = sent.reader.answer(response_obj)
            answer.at = end_time.astimezone() if isinstance(end_time, datetime) else None
            exchange.answered(answer)

    @quiet
    def log_failure_event(
        self, kwargs: dict[str, object], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Called when the request and its retries have failed."""
        error = kwargs.get("exception")
        with self._taken(kwargs) as sent:
            if sent is not None:
                _end(sent, error if isinstance(error, BaseException) else RuntimeError())

    async def async_log_success_event(
        self, kwargs: dict[str, object], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """The same for ``acompletion``."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: dict[str, object], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """The same for ``acompletion``."""
        self.log_failure_event(kwargs, response_obj, start_time, end_time)


def _asked(reader: Chat | Responses, model: object, messages: object, kwargs: dict[str, object]) -> Asked:
    options = kwargs.get("optional_params")
    content = {"input": kwargs.get("input")} if isinstance(reader, Responses) else {"messages": messages}
    asked = reader.asked({"model": model, **content, "tool_choice": get(options, "tool_choice")})
    metadata = kwargs.get("metadata") or get(kwargs.get("litellm_params"), "metadata")
    asked.thread_id = asked.thread_id or get(metadata, "session_id") or get(metadata, "thread_id")
    return asked


@quiet
def _end(sent: Sent, error: BaseException | None = None) -> None:
    exchange = sent.begin()
    if exchange is not None:
        exchange.failed(asyncio.CancelledError() if error is None else error)


def _end_all(sent: OrderedDict[str, Sent]) -> None:
    """End all questions, at exit or when the callback is garbage-collected."""
    while sent:
        _end(sent.popitem()[1])
