"""Recording a session for several services at once: a mirror at each destination sees every event.

A destination is a client of another service with a method ``_mirror``. Each has its own queue,
retries and account, so it never waits for another.
"""

from __future__ import annotations

from typing import Any, Protocol

from .delivery.account import Account
from .events import Event


class Mirror(Protocol):
    """Copies a session's events to a destination."""

    account: Account

    def take(self, event: Event, *, closed: bool) -> None:
        """Queue an event for the destination. Never raises and never waits.

        :param closed: whether the client is closed. Then the event is counted as dropped.
        """


def mirrors(client: Any, account: Account) -> list[Mirror]:
    """Make a mirror at each of a client's destinations, for a session with that account."""
    found: list[Mirror] = []
    for destination in client.destinations:
        its_account = destination.pipeline.ledger.open_account()
        its_account.on_error = account.on_error
        if client.settings.on_error != destination.settings.on_error:
            its_account.clients_on_error = client.settings.on_error
        found.append(destination._mirror(its_account, client.settings))
    return found
