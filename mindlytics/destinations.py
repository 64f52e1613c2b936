"""Sessions that are recorded for several services at once: what is submitted is shown to a mirror of each destination.

A destination is a client of another service with a method ``mirror(account, settings)``. It has a queue, retries and an
account of its own, so that none waits for another.
"""

from __future__ import annotations

from typing import Any, Protocol

from .delivery.ledger import Account
from .events import Event


class Mirror(Protocol):
    """What a destination makes of a session's events."""

    account: Account

    def take(self, event: Event, *, closed: bool) -> None:
        """Queue what the destination's service is to have of it; raises nothing and waits for nothing.

        :param closed: the client is: then it is counted, and dropped.
        """


def mirrors(client: Any, account: Account) -> list[Mirror]:
    """A mirror at each of a client's destinations, for a session with that account."""
    found: list[Mirror] = []
    for destination in client.destinations:
        its_account = destination.pipeline.ledger.open_account()
        its_account.on_error = account.on_error
        if client.settings.on_error != destination.settings.on_error:
            its_account.clients_on_error = client.settings.on_error
        found.append(destination.mirror(its_account, client.settings))
    return found
