"""The blocking face, which waits on the calling thread. The pipeline sends on a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, cast

from .annotations import JsonObject, Self
from .arguments import reports_missing
from .base import BaseClient
from .delivery.account import FlushResult
from .errors import ClientClosed, LiveError
from .live.event import MLEvent
from .pipeline.blocking import BlockingPipeline
from .pipeline.waiting import LONGEST_TIMEOUT
from .service import total
from .session import BaseSession
from .session_state import Properties

if TYPE_CHECKING:
    from .http import HTTPClient
    from .live.subscription import Subscription
    from .live.thread import ThreadListening


class Session(BaseSession[None, str]):
    """A session whose calls return at once."""

    __slots__ = ()
    _client: Client

    def _all(self, done: list[None]) -> None: ...

    def _answer(self, done: None, id: str) -> str:
        return id

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending of this session and wait until the service has answered.

        If the session has an ``on_event`` and has ended, this also waits for its ``Session Ended``, ``live_timeout``
        seconds at most.

        :param timeout: seconds to wait at most. None waits until every event is settled.
        :returns: the session's account. ``pending`` is above 0 if the time was too short.
        """
        until = time.monotonic() + (LONGEST_TIMEOUT if timeout is None else timeout)
        result = self.flush_and_continue(timeout)
        self._see_its_end(until - time.monotonic())
        return result

    def flush_and_continue(self, timeout: float | None = None) -> FlushResult:
        """Like :meth:`flush`, without waiting for live events. You can use the session after either."""
        return self._flush(timeout)

    def _flush(self, timeout: float | None, *, ending: bool = False) -> FlushResult:
        places = zip(self._client._each(timeout), self._accounts(), strict=False)
        return total([each.pipeline.flush(left, account, ending=ending) for (each, left), account in places])

    def _see_its_end(self, timeout: float) -> None:
        """After the last flush, wait for the session's end as a live event, then stop listening."""
        live = cast("ThreadListening | None", self._live)
        if live is not None and self._is_to_see_its_end():
            live.wait_for_end(min(timeout, self._client.settings.live_timeout))
            if live.subscription.has_ended:
                live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session and wait for its delivery, ``shutdown_timeout`` seconds at most.

        With an ``on_event``, it also waits for the ``Session Ended``, ``live_timeout`` seconds at most.
        """
        if not self._used:
            return
        try:
            try:
                self.end_session()
            except ClientClosed:
                if kind is None:
                    raise
            self._flush(self._client.settings.shutdown_timeout, ending=True)
            if kind is None or issubclass(kind, Exception):
                self._see_its_end(self._client.settings.live_timeout)
        finally:
            if self._live is not None:
                self._live.cancel()


class Client(BaseClient[BlockingPipeline, Session, "ThreadListening"]):
    """Records sessions and delivers them in the background.

    Use it as a context manager, or :meth:`close` it. A program that just ends delivers what is pending as well.
    """

    _pipeline_type = BlockingPipeline
    _session_type = Session
    _http: object = None  # an HTTPClient, which frameworks that read the hints could not import

    def user_identify(
        self, *, id: str | None = None, device_id: str | None = None, traits: Properties | None = None
    ) -> JsonObject:
        """Identify a user, or merge traits into a known one's, at once and outside of any session.

        :param id: the user's id. This or ``device_id`` is required.
        :param traits: strings, numbers and booleans by name. They replace traits of the same name.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return self._direct().identify(self._identify_body(id, device_id, traits))

    @reports_missing
    def user_alias(self, *, id: str, previous_id: str) -> JsonObject:
        """Give a user a new id, at once and outside of any session. The earlier ones stay as aliases.

        :param id: the new id.
        :param previous_id: the id under which the service knows the user.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return self._direct().alias(self._alias_body(id, previous_id))

    def start_listening(
        self,
        on_event: Callable[[MLEvent], object],
        on_error: Callable[[LiveError], object] | None = None,
        *,
        session_id: str | None = None,
    ) -> None:
        """Call ``on_event`` with live events from now on, until :meth:`stop_listening` or :meth:`close`.

        Returns once it is connected, or after ``request_timeout`` seconds. Then it keeps trying in the background.

        :param on_event: a function or coroutine function. It is called with each ``MLEvent``.
        :param on_error: called with a ``LiveError`` for each problem that the service reports, and with exceptions
            of ``on_event``.
        :param session_id: listen to this session only. Default: the whole project.
        :raises InvalidEvent: an argument breaks a rule.
        :raises LiveError: the service refuses.
        :raises ClientClosed: the client is closed.
        """
        listening = self._start_listening(session_id, on_event, on_error)
        try:
            listening.wait(lambda: listening.subscription.is_connected, self.settings.request_timeout)
            if listening.subscription.failure is not None:
                raise listening.subscription.failure
        except BaseException:
            self._no_longer(listening)
            raise

    def stop_listening(self) -> None:
        """Stop everything that :meth:`start_listening` started, if anything."""
        while self._started:
            self._started.pop().stop()

    def events(self, session_id: str | None = None) -> Iterator[MLEvent]:
        """Iterate over live events from now on, until you leave the loop or close the client.

        A problem that the service reports is an event too, named ``MLError``.

        :param session_id: listen to this session only. Default: the whole project.
        :raises InvalidEvent: an argument breaks a rule.
        :raises LiveError: the service refuses. The iteration raises it.
        :raises ClientClosed: the client is closed.
        """
        return self._begin_listening(session_id, None, None).events()

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout: seconds to wait at most. None waits until every event is settled.
        :returns: the account. ``pending`` is above 0 if the time was too short.
        """
        return total([each.pipeline.flush(left) for each, left in self._each(timeout)])

    def close(self, timeout: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. Later events are dropped and counted. Closing twice is harmless.

        :param timeout: seconds to wait at most. Default: ``shutdown_timeout``.
        :returns: the account.
        """
        ending = timeout is None
        if timeout is None:
            timeout = self.settings.shutdown_timeout
        until = time.monotonic() + timeout
        if self._http is not None:
            self._direct().close()
        result = total([each._close(left, ending=ending) for each, left in self._each(timeout)])
        self._hang_up(until)
        return result

    def _hang_up(self, until: float) -> None:
        """Stop all listeners. Those of ended sessions first wait until then for the session's end."""
        listenings = self._all_listenings()
        if not listenings:
            return
        from .live.subscription import GRACE  # noqa: PLC0415  few programs listen

        try:
            for listening in listenings:
                if listening.subscription.ends_asked:
                    listening.wait_for_end(until - time.monotonic())
        finally:
            for listening in listenings:
                listening.cancel()
        over = time.monotonic() + GRACE
        for listening in listenings:
            listening.stop(max(0.0, over - time.monotonic()))

    def _listening(self, subscription: Subscription) -> ThreadListening:
        from .live.thread import ThreadListening  # noqa: PLC0415  few programs listen

        return ThreadListening(self.settings, subscription)

    def _direct(self) -> HTTPClient:
        from .http import HTTPClient  # noqa: PLC0415  requests takes a while to import

        if self._http is None:
            self._http = HTTPClient._of(self.settings)
        return cast("HTTPClient", self._http)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
