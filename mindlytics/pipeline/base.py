"""What the pipelines of both faces share: which events are accepted, and how losses are reported."""

from __future__ import annotations

import inspect
import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from ..delivery.account import Account, FlushResult, Reason
from ..delivery.ledger import Ledger
from ..delivery.outbox import Outbox
from ..delivery.verdict import Wire
from ..errors import ClientClosed, DeliveryError, InvalidEvent, InvalidSetting, OnError
from ..events import AnyEvent
from ..settings import Settings
from . import fork, sharing, shutdown
from .intake import Intake
from .sender import Sender
from .waiting import clock

logger: logging.Logger = logging.getLogger("mindlytics")

MAX_WARNINGS = 1000
PATIENCE = 0.1
"""Seconds that a call waits for room on the porch, at most, where a program records faster than a disk takes it."""


class Pipeline(Sender):
    """Queue, sender, connections and account of all clients of equal settings."""

    is_async: bool
    """Whether it is the asyncio face's."""
    done: Any = None
    """What a call returns unless it has to wait."""

    def __init__(self, settings: Settings, make_wire: Callable[[], Wire]) -> None:
        self.owners: WeakSet[object] = WeakSet()
        self.is_open: bool = settings.enabled
        """Whether events are accepted for delivery."""
        self._blocks = settings.on_full == "block"
        self._warned: set[str] = set()
        self._reporting: set[int] = set()
        self._process = os.getpid()
        self.intake: Intake = self._make_intake(settings)
        self.ledger: Ledger = self.intake.ledger
        super().__init__(settings, make_wire)
        if settings.spool is not None and settings.enabled:
            self._open_spool()
        shutdown.pipelines.add(self)

    def renew(self) -> None:
        """Start empty in a forked child. The parent sends what was pending."""
        settings = self.settings
        self._process = os.getpid()
        self._reporting = set()
        if self.spooler is not None:
            self.spooler.run.leave()
        self.intake = self._make_intake(settings, self.ledger)
        self._begin_sending()
        if self.spooler is not None:
            try:
                self._open_spool()
            except InvalidSetting as error:  # the directory was replaced since
                self.spooler = self.leftovers = None
                self.warn_once("spool", "%s", error)

    def _make_intake(self, settings: Settings, ledger: Ledger | None = None) -> Intake:
        make: type[Intake] = Intake
        if settings.spool is not None and settings.enabled:
            from .durable import DurableIntake  # noqa: PLC0415  most programs have no spool

            make = DurableIntake
        return make(settings.max_queue_events, settings.max_queue_bytes, self._event_waits, ledger)

    def check_process(self) -> None:
        """Start anew in a child that was forked without Python's hooks, for example by a server written in C."""
        if self._process != os.getpid():
            fork.begin_in_child()

    def is_used(self) -> bool:
        return bool(self.owners)

    def _retire(self) -> bool:
        return sharing.retire(self)

    def _event_waits(self) -> None:
        """Wake the sender or spooler, since an event waits in the queue."""
        self._at_hub(self._wake.set if self.spooler is None else self.spooler.wake)

    def _open_spool(self) -> None:
        from .durable import DurableIntake  # noqa: PLC0415  most programs have no spool
        from .leftovers import Leftovers  # noqa: PLC0415
        from .own_run import open_directory  # noqa: PLC0415
        from .spooler import Spooler  # noqa: PLC0415

        settings = self.settings
        directory = open_directory(settings)
        assert isinstance(self.intake, DurableIntake)
        self.spooler = Spooler(
            settings,
            directory,
            self.intake,
            outbox=self.import_outbox,
            wake_sender=self._wake_sender,
            room_made=self._room_made,
        )
        self.intake.open_porch = self._open_porch
        self.intake.encode = self._encode_at_once
        self.intake.patience = self._patience
        self.leftovers = Leftovers(
            settings, directory, self.ledger, lambda ledger, pop: Outbox(settings, self.outbox.wire, ledger, pop)
        )

    def _open_porch(self) -> None:
        if self.spooler is not None and not (self._hub is not None and self._hub.is_elsewhere()):
            self.spooler.open_porch()

    def _encode_at_once(self, event: AnyEvent) -> bytes | None:
        with suppress(ImportError):  # the sender says so
            return self.import_outbox().encoded_at_once(event)
        return None

    def _patience(self) -> float:
        """Seconds that a call may wait until the spooler makes room on the porch."""
        return 0.0 if self.is_own_thread() or self.intake.is_held_here() else PATIENCE

    def begin(self) -> None:
        """Prepare for a new client. With a spool, import what encoding needs, so that the first event is on disk soon,
        and deliver what earlier processes left.
        """
        if self.spooler is not None:
            with suppress(ImportError):  # the sender fails for the same reason, and logs it
                self.import_outbox()
            if self.is_absent and self.spooler.run.directory.others():
                self.ensure_sender()

    def submit(self, payload: bytes | AnyEvent, size: int, account: Account, *, best_effort: bool = False) -> Any:
        """Accept an event. It never raises for the network, and waits only with ``on_full="block"``.

        :param payload: the encoded event, or the event if the sender has to encode it.
        :param size: the bytes of memory, roughly, that it holds.
        :param best_effort: the event is a copy from another client's call, which must neither wait nor raise for it.
        """
        if self._process != os.getpid():
            self.check_process()
        if not self.is_open:
            return self.reject(account, best_effort=best_effort)
        if self.attempts.is_posting and self.is_own_log():
            return self.done
        if not self.intake.put(payload, size, account):
            self.flush_up_to = self.ledger.total.accepted
            self._wake_sender()
            if self.is_absent:
                self._attend()
            if self._blocks and not best_effort:
                return self._submit_with_room(payload, size, account)
            self._overflow(payload, size, account)
        if self.is_absent:
            self._attend()
        return self.done

    @abstractmethod
    def _submit_with_room(self, payload: bytes | AnyEvent, size: int, account: Account) -> Any:
        """Accept an event once there is room, within ``block_timeout`` seconds. Returns like :meth:`submit`."""

    @abstractmethod
    def flush(self, timeout: float | None, account: Account | None = None, *, ending: bool = False) -> Any:
        """Send what is pending, of that account or of all, and wait for it. Returns a result or an awaitable of it.

        :param timeout: seconds to wait at most.
        :param ending: the wait comes from the end of a block or program, and ends early if it is in vain.
        """

    @abstractmethod
    def close(self, timeout: float, *, ending: bool = False) -> Any:
        """Stop accepting, deliver what is pending, and end the sender. Returns like :meth:`flush`."""

    def flush_from_outside(self, timeout: float) -> None:
        """Deliver what is pending within so many seconds, called from a thread that may block."""
        from .blocking import wait_until_settled  # noqa: PLC0415  it imports this file

        wait_until_settled(self, timeout)

    def _begin_closing(self, timeout: float, *, ending: bool) -> None:
        self.closed, self.is_open = True, False
        self.end_by(clock() + timeout, patient=not ending)

    def _give_up_rest(self) -> None:
        """Drop what the sender left unsettled when the time to close is over, except what is on disk."""
        self.give_up()

    def _closed_with(self) -> FlushResult:
        """The account of a closed pipeline. If it lost events, it is kept for the line at exit."""
        shutdown.remember(self)
        return self.ledger.result()

    # -- acceptance

    def _attend(self) -> None:
        """Start the sender after an event was accepted. While the program ends, deliver here."""
        if shutdown.began is None:
            self.ensure_sender()
        else:
            self.end_by(shutdown.began + self.settings.shutdown_timeout, patient=False)
            self.finish()
            shutdown.report_late()

    def reject(self, account: Account, *, best_effort: bool = False) -> Any:
        """Count an event of a client that is closed or disabled.

        :raises ClientClosed: the client is closed, and strict.
        """
        if self.settings.enabled:
            if self.settings.strict and not best_effort:
                raise ClientClosed("the client is closed; this event was not queued")
            self.warn_once("closed", "an event came after close(); it and all later ones are dropped")
        self.count_dropped(account, Reason.CLOSED if self.settings.enabled else Reason.DISABLED)
        if self.is_open:  # other clients use it, and their sender reports losses
            self.ensure_sender()
            self._wake_sender()
        else:
            self._report_here()
        return self.done

    def _overflow(self, payload: bytes | AnyEvent, size: int, account: Account) -> None:
        """Drop an event, since too many are pending."""
        is_spool_full = self.spooler is not None and self.spooler.run.is_full
        reason = Reason.SPOOL_FULL if is_spool_full else Reason.QUEUE_FULL
        with self.ledger.lock:
            if self.settings.on_full == "drop_oldest":
                self.ledger.dropped(self.intake.evict(), reason)
            if not self.intake.put(payload, size, account):
                self.count_dropped(account, reason)
        self.warn_once("overflow", "too many events are pending; some are dropped (on_full=%s)", self.settings.on_full)

    def count_dropped(self, account: Account, reason: Reason) -> None:
        """Count an event that is dropped before it is queued."""
        self.ledger.dropped_at_once(account, reason)
        if self.closed:
            shutdown.remember(self)

    # -- reporting

    def warn_once(self, topic: str, words: str, *values: object) -> None:
        """Log a warning once for each topic."""
        if topic not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add(topic)
            logger.warning(words, *values)

    def report_change(self, name: str, value: object, done: str) -> None:
        """A value had to be changed. Warn once for each name, or raise if the client is strict."""
        if self.settings.strict:
            rule = "a plain string, number or boolean" if "." in name else f"given so that it is not {done}"
            raise InvalidEvent(name, f"{rule} (strict)", value)
        self.warn_once(name, "%s was %s", name, done)

    def report_losses(self) -> None:
        """Call the error handlers here, coroutine functions included. If one fails, log a warning."""
        if not self.ledger.has_losses:
            return
        for handler, error in self._losses():
            try:
                outcome = handler(error)
                if inspect.isawaitable(outcome):
                    _run(outcome)
            except KeyboardInterrupt:
                raise
            except BaseException as failure:
                self._handler_failed(failure)

    def _losses(self) -> Iterator[tuple[OnError, DeliveryError]]:
        """The handlers to call for the losses since the last time. Logs each kind of loss once."""
        cause = self.ledger.last_cause
        for account, error in self.ledger.take_losses():
            said = f" ({cause})" if cause and error.status else ""
            self.warn_once(f"lost {error.reason} {error.status}", "events are lost: %s%s", error.reason, said)
            for handler in (account.on_error, account.clients_on_error, self.settings.on_error):
                if handler is not None:
                    yield handler, error

    def _report_here(self) -> None:
        """Call the error handlers here, since no sender is left to do so. Coroutine functions are skipped."""
        me = threading.get_ident()
        if me in self._reporting:  # a handler recorded an event that was lost too
            return
        self._reporting.add(me)
        try:
            for handler, error in self._losses():
                try:
                    outcome = handler(error)
                    if inspect.iscoroutine(outcome):
                        outcome.close()
                except KeyboardInterrupt:
                    raise
                except BaseException as failure:
                    self._handler_failed(failure)
        finally:
            self._reporting.discard(me)

    def _handler_failed(self, error: BaseException) -> None:
        self.warn_once("on_error", "an on_error handler failed (%s)", type(error).__name__)


def _run(awaitable: Awaitable[object]) -> None:
    import asyncio  # noqa: PLC0415  slow to import, and few handlers are coroutine functions

    async def awaited() -> None:
        await awaitable

    asyncio.run(awaited())
