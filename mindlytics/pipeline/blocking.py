"""The blocking face's pipeline: it posts through requests, and waits on the calling thread."""

from __future__ import annotations

from ..delivery.account import Account, FlushResult
from ..events import AnyEvent
from . import shutdown
from .attempts import Transport
from .base import Pipeline
from .waiting import GRACE, LONGEST_TIMEOUT, WakeUp, clock

LOOK_AGAIN = 0.25
"""Seconds after which the wait of an ending program checks its condition again."""


class BlockingPipeline(Pipeline):
    """The pipeline behind :class:`mindlytics.Client`."""

    is_async = False

    def _submit_with_room(self, payload: bytes | AnyEvent, size: int, account: Account) -> None:
        seconds = min(self.settings.block_timeout, LONGEST_TIMEOUT)
        if self.is_own_thread() or not self.intake.put_within(payload, size, account, seconds):
            self._overflow(payload, size, account)
        if self.is_absent:
            self._attend()

    def flush(self, timeout: float | None, account: Account | None = None, *, ending: bool = False) -> FlushResult:
        wait_until_settled(self, timeout, account, ending=ending)
        return self.ledger.result(account)

    def close(self, timeout: float, *, ending: bool = False) -> FlushResult:
        self.check_process()
        if self.closed:
            return self._closed_with()
        timeout = min(timeout, LONGEST_TIMEOUT)
        self._begin_closing(timeout, ending=ending)
        if not _may_wait(self):  # the sender continues after this
            shutdown.closing_was_cut_short(self)
            return self._closed_with()
        try:
            ended = WakeUp()
            if (self.has_sender() or self.ledger.pending) and self.ensure_sender():
                if self.call_when_ended(ended.set):
                    while (left := self.ending.deadline + GRACE - clock()) > 0 and not ended.wait(left):
                        pass
            else:
                self.deliver_here(self.ending.deadline)
        except BaseException:  # usually Ctrl-C
            shutdown.closing_was_cut_short(self)
            raise
        self._give_up_rest()
        self.report_losses()
        return self._closed_with()

    def _open_transport(self) -> Transport:
        import encodings.idna  # noqa: PLC0415, F401  for names of hosts
        import netrc  # noqa: PLC0415, F401  for a caller's own session

        from ..transport.blocking import BlockingTransport  # noqa: PLC0415  requests takes a while to import

        return BlockingTransport(self.settings)


def wait_until_settled(
    pipeline: Pipeline, timeout: float | None, account: Account | None = None, *, ending: bool = False
) -> None:
    """Send what is pending, of that account or of all, and wait until it is settled, ``timeout`` seconds at most."""
    pipeline.check_process()
    done = WakeUp()
    waiter = pipeline.ledger.wait(account, done.set)
    if waiter is None or not _may_wait(pipeline):
        return
    began = clock()
    until = began + pipeline.wait_limit(timeout)
    if ending and pipeline.ending.was_just_waited_for():
        until = began
    try:
        pipeline.flush_soon(waiter.last)
        if not pipeline.ensure_sender():
            pipeline.deliver_here(until)
            return
        while (left := until - clock()) > 0 and not done.wait(min(left, LOOK_AGAIN) if ending else left):
            if ending and pipeline.ending.is_hopeless(began):
                break
    finally:
        pipeline.ledger.cancel(waiter)
    if ending and (account or pipeline.ledger.total).pending:
        pipeline.ending.waited_in_vain()


def _may_wait(pipeline: Pipeline) -> bool:
    """Whether the caller may wait for the sender. An error handler, which the sender calls, may not. Nor may a signal
    handler that interrupted a step on the queue.
    """
    return not pipeline.is_own_thread() and not pipeline.intake.is_held_here()
