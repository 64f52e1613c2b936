"""The blocking face: what waits does so on the calling thread. Sending is the pipeline's, on a thread of its own."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from .base import BaseClient
from .delivery.ledger import FlushResult
from .errors import ClientClosed
from .events import Event
from .pipeline import lifecycle
from .pipeline.thread import ThreadPipeline
from .session import REQUIRED, BaseSession, Properties

if TYPE_CHECKING:
    from .http import HTTPClient


class Session(BaseSession[None, str]):
    """A session whose calls return at once."""

    __slots__ = ()

    def _submit(self, event: Event) -> None:
        client = self._client
        client.pipeline.submit(event, self._account, client.is_closed)

    def _submit_all(self, *events: Event) -> None:
        for event in events:
            self._submit(event)

    def _answer(self, done: None, id: str) -> str:
        return id

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending of this session and wait until the service has answered.

        :param timeout: seconds to wait at most; None waits until every event is settled.
        :returns: how the session's account stands; ``pending`` is above 0 where the time was too short.
        """
        result: FlushResult = self._client.pipeline.flush(timeout, self._account)
        return result

    def flush_and_continue(self, timeout: float | None = None) -> FlushResult:
        """The same as :meth:`flush`; a session goes on after either."""
        return self.flush(timeout)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session and wait for its delivery, ``shutdown_timeout`` seconds at most."""
        if not self._used:
            return
        try:
            self.end_session()
        except ClientClosed:
            if kind is None:
                raise
        self.flush(self._client.settings.shutdown_timeout)


class Client(BaseClient[ThreadPipeline, Session]):
    """Records sessions and delivers them in the background.

    Use it as a context manager, or :meth:`close` it; a program that just ends delivers what is pending as well.
    The arguments are those of :class:`~mindlytics.base.BaseClient`.
    """

    _pipeline_type = ThreadPipeline
    _session_type = Session
    _http: HTTPClient | None = None

    def user_identify(
        self, *, id: str | None = None, device_id: str | None = None, traits: Properties | None = None
    ) -> dict[str, Any]:
        """Make a user known, or merge traits into a known one's, at once and outside of any session.

        :param id: the user's id; this or ``device_id`` is required.
        :param traits: strings, numbers and booleans by name; one of the same name is overwritten.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service said no, or could not be reached.
        """
        return self._direct().identify(self._identify_body(id, device_id, traits))

    def user_alias(self, *, id: str = REQUIRED, previous_id: str = REQUIRED) -> dict[str, Any]:
        """Give a user a new id, at once and outside of any session; the earlier ones stay as aliases.

        :param id: the new id.
        :param previous_id: the id under which the user is known.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service said no, or could not be reached.
        """
        return self._direct().alias(self._alias_body(id, previous_id))

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout: seconds to wait at most; None waits until every event is settled.
        :returns: how the account stands; ``pending`` is above 0 where the time was too short.
        """
        return self.pipeline.flush(timeout)

    def close(self, timeout: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. What comes later is dropped and counted; closing twice is harmless.

        :param timeout: seconds to wait at most; default ``shutdown_timeout``.
        :returns: how the account stands.
        """
        if timeout is None:
            timeout = self.settings.shutdown_timeout
        if self._http is not None:
            self._http.close()
        if self._leave():
            self.pipeline.close(timeout)
            lifecycle.remember(self.pipeline)
            return self.pipeline.ledger.result()
        return self.pipeline.flush(timeout)

    def _direct(self) -> HTTPClient:
        from .http import HTTPClient  # noqa: PLC0415  requests takes a while to import

        if self._http is None:
            self._http = HTTPClient.of(self.settings)
        return self._http

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
