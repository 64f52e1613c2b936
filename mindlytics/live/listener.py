"""Getting live events: get a key, open the WebSocket, read back missed events, pass events on, reconnect.

It is a coroutine on the loop of a face. It ends when it is cancelled, or when the service refuses for good. If a
connection breaks or leaves a ping unanswered, it reconnects with a new key after a pause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from ..callbacks import call, is_to_end
from ..delivery.reply import judge
from ..delivery.retry import wait_after
from ..delivery.verdict import Fate, Verdict
from ..errors import LiveError
from ..events import ML_ERROR, SESSION_STARTED
from ..secret import Secret
from ..settings import Settings
from ..transport import NoReply, Reply
from ..transport.asyncio import AsyncTransport
from ..transport.body import LONG, SHORT
from ..transport.websocket import WebSocket
from ..values import UTC, Timestamp
from ..wire import credentials
from . import wire
from .event import MLEvent
from .subscription import LOST, MAILBOX, MAX_READ_BACK, Subscription, logger, problem

LINGER = 30.0
"""Seconds after a session's end for which its listener still passes on what the service finds in it."""

AWAITED_BACKOFF = 0.5
"""Longest pause between two attempts in seconds while a caller waits for the session's end."""

REFUSALS = 2
"""Refusals of the WebSocket in a row that are final. A service that restarted and lost the key may refuse once."""


class Listener:
    """Serves one subscription on the running loop.

    :param changed: called after each change of the subscription.
    :param own_loop: True on a loop of our own, which a name lookup may block.
    """

    def __init__(
        self, settings: Settings, subscription: Subscription, changed: Callable[[], None], *, own_loop: bool
    ) -> None:
        self._settings = settings
        self._subscription = subscription
        self._changed = changed
        self._own_loop = own_loop
        self._headers = credentials(settings.api_key, settings.project_id)
        self._attempts = 0
        self._refusals = 0
        self._is_awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Listen."""
        transport = AsyncTransport(self._settings, own_loop=self._own_loop)
        try:
            while not self._subscription.is_over:
                try:
                    verdict = await self._listen(transport)
                except Exception:
                    logger.exception("the listener failed; restarting it")
                    verdict = Verdict(Fate.RETRY)
                if verdict.fate is not Fate.RETRY:
                    await self._give_up(LiveError(verdict.message, verdict.status))
                elif not self._subscription.is_over:
                    self._subscription.warn_once(
                        LOST, f"status {verdict.status}" if verdict.status else verdict.message
                    )
                    await self._pause(verdict.wait)
        finally:
            await transport.close()

    def shorten_pauses(self) -> None:
        """Keep pauses short from now on, since a caller waits for the session's end."""
        if not self._is_awaited.done():
            self._is_awaited.set_result(None)

    async def _listen(self, transport: AsyncTransport) -> Verdict:
        """Use one connection until it ends, and return why it ended."""
        subscription, settings = self._subscription, self._settings
        self._attempts += 1
        reply = await self._get(transport, wire.token_url(settings.server_endpoint, subscription.session_id))
        if not isinstance(reply, bytes):
            return reply
        try:
            key, advertised = wire.read_token(reply)
        except ValueError:
            return Verdict(Fate.REFUSED, 200, "the reply lacks an authorization_key")
        url = wire.address(settings.server_endpoint, settings.wss_endpoint, advertised)
        opened = await transport.connect(url, {"Authorization": Secret(f"Bearer {key}")}, settings.request_timeout)
        if not isinstance(opened, WebSocket):
            return self._judge_refusal(url, opened)
        self._refusals = 0
        try:
            unread = await self._read_back(transport)
            if unread is None:
                await self._receive(opened)
        finally:
            await opened.close()
        return unread or Verdict(Fate.RETRY, 0, "the connection ended")

    async def _receive(self, socket: WebSocket) -> None:
        """Pass on what comes, until the connection ends."""
        subscription = self._subscription
        subscription.connected()
        self._changed()
        logger.debug("listening for live events")
        try:
            while not subscription.is_over and (text := await socket.receive()) is not None:
                self._attempts = 1
                await self._take(text)
        finally:
            subscription.heard_until = socket.caught_up_at

    async def _get(self, transport: AsyncTransport, url: str, limit: int = SHORT) -> bytes | Verdict:
        """The body of a successful reply, or the verdict on any other."""
        reply = await transport.request("GET", url, None, self._headers, self._settings.request_timeout, limit=limit)
        verdict = self._judge(url, reply)
        return reply.body if isinstance(reply, Reply) and verdict.fate is Fate.DELIVERED else verdict

    def _judge_refusal(self, url: str, reply: Reply | NoReply) -> Verdict:
        verdict = self._judge(url, reply)
        if verdict.fate is Fate.RETRY:
            return verdict
        self._refusals += 1
        fate = Fate.REFUSED if self._refusals >= REFUSALS else Fate.RETRY
        return Verdict(fate, verdict.status, "the WebSocket was refused")

    def _judge(self, url: str, reply: Reply | NoReply) -> Verdict:
        if isinstance(reply, NoReply):
            return Verdict(Fate.RETRY, 0, reply.cause)
        key = self._settings.api_key
        return judge(url, reply.status, reply.headers, reply.body, wall=time.time(), secret=key)

    async def _read_back(self, transport: AsyncTransport) -> Verdict | None:
        """Pass on the events from before the connection, if the service can list them.

        It lists the newest first, so pages are read until one holds only known events. Returns the verdict if the
        service fails: the caller then retries, or it would miss events.
        """
        subscription = self._subscription
        since = subscription.read_back_from
        until: Timestamp = datetime.now(UTC) + wire.AHEAD
        missed: list[MLEvent] = []
        while True:
            page = await self._read_page(transport, since, until)
            if isinstance(page, Verdict):
                if page.fate is Fate.RETRY:
                    return page
                break
            events = page.events
            missed[:0] = events
            if not page.is_full or len(missed) >= MAX_READ_BACK or all(map(subscription.has_seen, events)):
                break
            if until == events[0].timestamp or events[0].event_id is None:
                break  # cannot tell which events of the next page would be new
            until = events[0].timestamp
        for event in missed:
            await self._hand_over(event)
        return None

    async def _read_page(self, transport: AsyncTransport, since: datetime, until: Timestamp) -> wire.Page | Verdict:
        """The newest events in a time range."""
        url = wire.events_url(self._settings.server_endpoint, self._subscription.session_id, since, until)
        body = await self._get(transport, url, LONG)
        if not isinstance(body, bytes):
            return body
        try:
            return wire.read_page(body)
        except ValueError:
            return wire.Page([], is_full=False)

    async def _take(self, text: str | bytes) -> None:
        try:
            event = wire.read_event(text)
        except ValueError:
            self._subscription.warn_once("a live message is not an event; skipping it")
            return
        await self._hand_over(event)

    async def _hand_over(self, event: MLEvent) -> None:
        subscription = self._subscription
        if subscription.is_over or not subscription.wants(event):
            return
        if subscription.on_event is None:
            await self._post(event)
        elif event.event == ML_ERROR:
            await self._report(problem(event))
        else:
            try:
                await call(subscription.on_event, event)
            except BaseException as error:
                if is_to_end(error):
                    raise
                subscription.warn_once("an on_event handler failed (%s)", type(error).__name__)
                await self._report(error)
        if event.event == SESSION_STARTED:
            subscription.has_begun = True
        if subscription.ends_session(event):
            subscription.ends_seen += 1
            self._changed()
            if subscription.of_session:
                self._end_after_linger()

    async def _post(self, event: MLEvent) -> None:
        """Put it into the mailbox, once that has room."""
        while len(self._subscription.mailbox) >= MAILBOX:  # noqa: ASYNC110  its reader may be another thread
            await asyncio.sleep(0.01)
        self._subscription.mailbox.append(event)
        self._changed()

    async def _report(self, error: BaseException) -> None:
        """Call the error handler. If it fails, log a warning."""
        handler = self._subscription.on_error
        if handler is None:
            return
        try:
            await call(handler, error)
        except BaseException as failure:
            if is_to_end(failure):
                raise
            self._subscription.warn_once("an on_error handler failed itself (%s)", type(failure).__name__)

    async def _give_up(self, failure: LiveError) -> None:
        subscription = self._subscription
        subscription.failure = failure
        if subscription.on_event is not None:
            subscription.warn_once("live events are refused (status %d)", failure.status)
            await self._report(failure)
        subscription.is_over = True
        self._changed()

    def _end_after_linger(self) -> None:
        """End the listener ``LINGER`` after its session, unless that starts again. Findings still arrive until then."""
        subscription, ends = self._subscription, self._subscription.ends_seen
        task = asyncio.current_task()

        def leave() -> None:
            if subscription.ends_asked <= ends == subscription.ends_seen:
                subscription.is_over = True
                if task is not None:
                    task.cancel()

        asyncio.get_running_loop().call_later(LINGER, leave)

    async def _pause(self, asked: float | None) -> None:
        """Wait before the next attempt."""
        if self._subscription.is_awaited:
            self.shorten_pauses()
        longest = self._settings.max_retry_wait
        began = time.monotonic()
        wait = wait_after(self._attempts, asked, longest)
        await asyncio.wait({self._is_awaited}, timeout=wait)
        wait = min(wait, max(AWAITED_BACKOFF, min(asked or 0.0, longest)))
        await asyncio.sleep(began + wait - time.monotonic())
