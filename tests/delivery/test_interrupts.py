"""Signal handlers and finalizers that record or wait in the midst of a step on the account, at each place where the
interpreter may run one: where a function begins, after a call, and where an allocation may collect garbage."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from mindlytics.delivery.account import Account, Reason
from mindlytics.pipeline import intake as intakes
from mindlytics.pipeline.intake import Intake

FILES = ("intake.py", "ledger.py", "account.py")
BOUND = 4
SIZE = 100

Step = Callable[[], object]


def interrupted(step: Step, place: int, interrupt: Step, files: tuple[str, ...] = FILES) -> bool:
    """Run the step, and the interrupt in the midst of it, at the moment of that number; False where it has fewer."""
    left = place
    before: dict[FrameType, str] = {}

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(files):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        may = event == "call"
        if event == "opcode":
            name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            may = name.startswith("BUILD_") or (before.get(frame, "").startswith("CALL") and name != "CALL")
            before[frame] = name
        if may:
            left -= 1
            if left == -1:
                sys.settrace(None)
                interrupt()
                sys.settrace(trace)
        return trace

    known = sys.gettrace()
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(known)
    return left < 0


class Queue:
    """Four events of two sessions, two of each, which is all there is room for."""

    def __init__(self) -> None:
        self.intake = Intake(BOUND, 10**9, lambda: None)
        self.ledger = self.intake.ledger
        self.first, self.second, self.other = (self.ledger.open_account() for _ in range(3))
        for account in (self.first, self.first, self.second, self.second):
            assert self.intake.put(b"", SIZE, account)
        self.woken: set[str] = set()

    def record(self, account: Account) -> None:
        """As a pipeline does that drops the oldest."""
        if not self.intake.put(b"", SIZE, account):
            with self.ledger.lock:
                self.ledger.dropped(self.intake.evict(), Reason.QUEUE_FULL)
                if not self.intake.put(b"", SIZE, account):
                    self.ledger.dropped_at_once(account, Reason.QUEUE_FULL)

    def record_others(self) -> None:
        for _ in range(2):
            self.record(self.other)

    def wait(self, account: Account | None, name: str) -> None:
        if self.ledger.wait(account, lambda: self.woken.add(name)) is None:
            self.woken.add(name)

    def wait_for_all(self) -> None:
        self.wait(None, "all")
        self.wait(self.first, "first")

    def deliver_rest(self) -> None:
        self.ledger.delivered(self.intake.pop_many(100, 10**9))

    def check(self) -> None:
        """Nothing is pending any more, and every count says so."""
        ledger, accounts = self.ledger, (self.first, self.second, self.other)
        assert [0, 0, 0, 0] == [each.pending for each in (ledger.total, *accounts)]
        assert ledger.held_in == ledger.held_out
        assert {} == ledger.busy
        for each in (ledger.total, *accounts):
            assert each.dropped == sum(each.reasons.values())
        assert ledger.total.dropped + ledger.total.refused == sum(error.count for _, error in ledger.take_losses())
        for name in ("accepted", "delivered", "refused", "dropped"):
            assert getattr(ledger.total, name) == sum(getattr(each, name) for each in accounts)


def step_of(queue: Queue, name: str) -> Step:
    if name == "recorded":
        return lambda: queue.record(queue.first)
    if name == "waited for":
        return queue.wait_for_all
    entries = queue.intake.pop_many(1, SIZE)
    if name == "delivered":
        return lambda: queue.ledger.delivered(entries)
    return lambda: queue.ledger.refused(entries, 400, "no")


@pytest.mark.parametrize("name", ["recorded", "waited for", "delivered", "refused"])
def test_the_account_adds_up_whatever_records_in_the_midst_of_a_step(name: str) -> None:
    place, in_the_midst = 0, True
    while in_the_midst:
        queue = Queue()
        queue.wait_for_all()
        in_the_midst = interrupted(step_of(queue, name), place, queue.record_others)
        queue.deliver_rest()
        queue.check()
        assert {"all", "first"} == queue.woken
        place += 1
    assert place > 3


def test_a_waiter_wakes_whatever_records_while_it_begins_to_wait() -> None:
    place, in_the_midst = 0, True
    while in_the_midst:
        queue = Queue()
        in_the_midst = interrupted(queue.wait_for_all, place, queue.record_others)
        queue.deliver_rest()
        assert {"all", "first"} == queue.woken
        place += 1


def test_what_is_pending_can_be_sent_whatever_waits_in_the_midst_of_a_call() -> None:
    """A finalizer that flushes would wait for an event that is accepted, but in no queue until the finalizer ends."""
    place, in_the_midst = 0, True
    while in_the_midst:
        queue = Queue()
        queue.deliver_rest()
        unsent = []

        def flush(queue: Queue = queue, unsent: list[int] = unsent) -> None:
            queue.deliver_rest()
            unsent.append(queue.ledger.pending)

        in_the_midst = interrupted(lambda queue=queue: queue.intake.put(b"", SIZE, queue.first), place, flush)  # type: ignore[misc]
        assert unsent in ([], [0])
        queue.deliver_rest()
        queue.check()
        place += 1


def test_who_asks_for_room_is_interrupted_without_waiting_for_the_sender() -> None:
    """The sender that made room has to take the same lock, to say so."""
    held: list[bool] = []
    intake = Intake(BOUND, 10**9, lambda: held.append(intake.is_held_here()))
    assert intake.wake_at(1)
    assert intake.put_within(b"", SIZE, intake.ledger.open_account(), 0)
    assert [True] == held
    assert not intake.is_held_here()


def test_nothing_comes_between_while_an_event_is_accepted() -> None:
    """CPython looks for other threads and for signals at calls, and at jumps that are taken: 3.10 at each of these."""
    steps = [step for step in dis.get_instructions(Intake.put) if step.opname not in ("CACHE", "EXTENDED_ARG")]
    begin = next(at for at, step in enumerate(steps) if (step.opname, step.argval) == ("STORE_ATTR", "accepted"))
    end = next(at for at, step in enumerate(steps) if at > begin and step.opname.startswith("CALL"))
    assert [] == [step.opname for step in steps[begin:end] if "JUMP" in step.opname]
    stored = [step.argval for step in steps[begin:end] if step.opname == "STORE_ATTR"]
    assert ["accepted", "accepted", "held_in"] == stored
    checked = max(at for at, step in enumerate(steps[:begin]) if "JUMP" in step.opname)
    assert "IF_FALSE" in steps[checked].opname, "where the number is still the next one, no jump is taken"
    assert steps[checked].argval > steps[end].offset


def test_without_the_global_lock_events_are_accepted_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "IS_LOCKED", False)
    made = Intake(10, 1000, lambda: None)
    lock: Any = made.ledger.lock
    owned = intakes.exclusive(lambda self, payload, size, account: int(self.ledger.lock._is_owned()))
    assert (1, False) == (owned(made, b"", 1, Account()), lock._is_owned())
