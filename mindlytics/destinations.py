"""Sessions that are recorded for several services at once: what is submitted is shown to a mirror of each destination.

A destination is a client of another service with a method ``mirror(account, settings)``. It has a queue, retries and an
account of its own, so that none waits for another. Sessions of clients without destinations know nothing of all this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from .delivery.ledger import Account, APIResponse
from .events import Event


class Mirror(Protocol):
    """What a destination makes of a session's events."""

    account: Account

    def take(self, event: Event, *, closed: bool) -> None:
        """Queue what the destination's service is to have of it; raises nothing and waits for nothing.

        :param closed: the client is: then it is counted, and dropped.
        """


class Mirrored:
    """What a session of either face does beside, where its client has destinations."""

    __slots__ = ()

    _client: Any
    _account: Account
    _mirrors: list[Mirror]

    def __init__(self, client: Any, **given: Any) -> None:
        super().__init__(client, **given)  # type: ignore[call-arg]
        mirrors = self._mirrors = []  # type: ignore[misc]  # the slot is the faces' own
        for destination in client.destinations:
            account = destination.pipeline.ledger.open_account()
            account.on_error = self._account.on_error
            if client.settings.on_error != destination.settings.on_error:
                account.clients_on_error = client.settings.on_error
            mirrors.append(destination.mirror(account, client.settings))

    def _submit(self, event: Event) -> Any:
        done = super()._submit(event)  # type: ignore[misc]
        for mirror in self._mirrors:
            mirror.take(event, closed=self._client.is_closed)
        return done

    def has_errors(self) -> bool:
        """As that of every session, at all services."""
        return bool(self.get_errors())

    def get_errors(self) -> list[APIResponse]:
        """As that of every session, at all services."""
        return [error for each, _, account in self._places(0) for error in each.pipeline.ledger.errors(account)]

    def _places(self, timeout: float | None) -> Iterator[tuple[Any, float, Account]]:
        """The client and its destinations, the seconds that are left for each, and the session's account there."""
        accounts = [self._account, *(mirror.account for mirror in self._mirrors)]
        for (each, left), account in zip(self._client._each(timeout), accounts, strict=True):
            yield each, left, account
