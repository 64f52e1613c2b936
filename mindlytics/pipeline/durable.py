"""The queue of a client with a spool. It copies an event to the porch before the call returns, so a kill spares it.

The copy is one of the steps that nothing interrupts (see ``intake.py``), so the porch has the order of the queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..delivery.account import Account
from ..delivery.outbox import NEVER
from ..spool.porch import NOWHERE, Porch, Prepared
from .intake import Intake, exclusive

if TYPE_CHECKING:
    from ..events import AnyEvent

LOOK_AGAIN = 0.0005
"""Seconds between two looks for room on the porch."""


class NoPorch:
    """Stands for a porch that is missing. It takes no copies."""

    tail = 0
    buffer: bytearray = bytearray()

    def prepare(self, number: int, account: int, data: bytes) -> Prepared:
        return NOWHERE, b"", NOWHERE, b"", 0

    def is_for(self, data: bytes) -> bool:
        return False

    def carried(self, number: int, end: int) -> None: ...

    def leave(self) -> None: ...

    def remove(self) -> None: ...


class DurableIntake(Intake):
    """The queue, which also copies events to the porch. Its entries end with the tail of the porch behind the event."""

    porch: Porch | NoPorch = NoPorch()
    """Holds copies of events. Some events in the queue may have none."""
    is_opened = False
    """Whether opening a porch was tried."""
    is_stuck: bool = False
    """Whether a call has waited in vain for room on the porch. Later calls then wait no more until there is room."""
    open_porch: Callable[[], object]
    """Tries to open a porch."""
    encode: Callable[[Any], bytes | None]
    """Encodes an event now. Returns None if the sender has to do it."""
    patience: Callable[[], float]
    """Returns for how many seconds the present call may wait for room on the porch."""

    def carried(self, entry: Any) -> None:
        """Free the room of this event, and of all before it, on the porch."""
        self.porch.carried(entry[0], entry[4])
        self.is_stuck = False

    @exclusive
    def put(self, payload: bytes | AnyEvent, size: int, account: Account) -> int:
        if not self.is_opened:
            self.open_porch()
        if type(payload) is not bytes:
            payload = self.encode(payload) or payload
        total, ledger = self._total, self.ledger
        until = 0.0
        while True:
            porch, number = self.porch, total.accepted + 1
            place, data, head_place, head, tail = NOWHERE, b"", NOWHERE, b"", porch.tail
            if type(payload) is bytes:
                place, data, head_place, head, tail = porch.prepare(number, account.number, payload)
                if place is NOWHERE and not self.is_stuck and porch.is_for(payload):
                    now = time.monotonic()
                    until = until or now + self.patience()
                    self.is_stuck = now >= until
                    self._wake()
                    time.sleep(LOOK_AGAIN)
                    continue
            entry: Any = (number, account.number, size, payload, tail)  # see Intake.put, also for the lines below
            if (
                total.accepted - total.delivered - total.refused - total.dropped - total.spooled >= self._max_events
                or ledger.held_in - ledger.held_out >= self._max_bytes
            ):
                return 0
            if total.accepted + 1 == number:
                total.accepted = number
                account.accepted += 1
                ledger.held_in += size
                ledger.busy[account.number] = account
                porch.buffer[place] = data
                porch.buffer[head_place] = head  # last, since it says that the event is whole
                porch.tail = tail
                self._put(entry)
                if self._wake_count <= self._qsize():
                    self._wake_count = NEVER
                    self._wake()
                return number
