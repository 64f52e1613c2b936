"""What the two processes of a soak run agree on: which events of a session there are, and what each holds."""

from __future__ import annotations

from zlib import crc32

POISON_ONE_IN = 1500
"""How rare the events are that the service refuses."""

MAX_TEXT = 1000
"""Characters of an event's text at most."""


def is_poison(session: str, number: int) -> bool:
    """Whether the service refuses this event of a session."""
    return crc32(f"poison {session} {number}".encode()) % POISON_ONE_IN == 0


def text(session: str, number: int) -> str:
    """The content of the event, computed again on arrival instead of being remembered."""
    kernel = f"{session}:{number}:"
    return kernel + "x" * (crc32(kernel.encode()) % MAX_TEXT)


def next_wanted(session: str, number: int) -> int:
    """The first event from that number on that has to arrive."""
    while is_poison(session, number):
        number += 1
    return number
