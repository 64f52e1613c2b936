"""What both faces of a client share: its sessions, its destinations and its listeners. The faces wait.

``service.py`` holds what the clients of all services share: an entry in a pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet, finalize

from .annotations import Unpack
from .arguments import as_id, checked_id
from .cleaning import clean_scalars
from .delivery.account import Account, APIResponse, Stats
from .delivery.privacy import redaction
from .delivery.verdict import Wire
from .errors import MISSING, ClientClosed, DeliveryError, InvalidEvent, InvalidSetting, OnError
from .live.event import MLEvent
from .pipeline import fork
from .pipeline.base import Pipeline
from .pipeline.waiting import LONGEST_TIMEOUT, clock
from .service import ServiceClient
from .session import BaseSession
from .session_state import Encode, Properties
from .settings import Options, Settings
from .validators import check_name
from .values import UTC, Timestamp, present

if TYPE_CHECKING:
    from .destinations import Mirror
    from .live.subscription import Listening, Subscription

P = TypeVar("P", bound=Pipeline)
S = TypeVar("S", bound=BaseSession[Any, Any])
L = TypeVar("L", bound="Listening")


class BaseClient(ServiceClient[P], Generic[P, S, L]):
    """A client's credentials and settings, and the pipeline that it shares with all clients of equal settings."""

    _session_type: type[S]

    def __init__(
        self,
        *,
        api_key: str | None = None,
        project_id: str | None = None,
        server_endpoint: str | None = None,
        wss_endpoint: str | None = None,
        debug: bool | None = None,
        destinations: Sequence[ServiceClient[P]] = (),
        **settings: Unpack[Options],
    ) -> None:
        """
        :param api_key: the workspace's key. Default: ``MLSDK_API_KEY`` in the environment.
        :param project_id: the project that events belong to. Default: ``MLSDK_PROJECT_ID``.
        :param server_endpoint: the service's address. Default: ``MLSDK_SERVER_BASE``, else the production service.
        :param wss_endpoint: the address of live events. Default: derived from ``server_endpoint``.
        :param debug: log each step.
        :param destinations: clients of other services to record sessions for too, see the page on Align AI. This client
            owns them, and closes them with itself.
        :param settings: any other setting by its name, see the reference page of settings.
        :raises InvalidSetting: a value breaks a rule, or a credential is missing (a ``ValueError``).
        """
        fitting = self._fit(destinations)
        arguments = {
            "api_key": api_key,
            "project_id": project_id,
            "server_endpoint": server_endpoint,
            "wss_endpoint": wss_endpoint,
            "debug": debug,
        }
        self._begin(Settings.load({**arguments, **settings}), fitting)

    def _begin(self, settings: Settings, destinations: tuple[ServiceClient[P], ...]) -> None:
        self.destinations = destinations
        self._open(settings, _wire)
        self._origin = settings.origin
        self._encode: Encode | None = None
        self._listenings: WeakSet[L] | None = None
        self._started: list[L] = []

    def _copied(self, settings: Settings, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.__dict__.pop("_http", None)
        self._begin(settings, self.destinations)

    def _pickled(self) -> dict[str, object]:
        return {"destinations": self.destinations, "is_closed": self.is_closed}

    def create_session(
        self,
        *,
        session_id: str | None = None,
        conversation_id: str | None = None,
        id: str | None = None,
        device_id: str | None = None,
        user_id: str | None = None,
        attributes: Properties | None = None,
        on_event: Callable[[MLEvent], object] | None = None,
        on_error: Callable[[DeliveryError], object] | None = None,
    ) -> S:
        """Make a session. Its first event starts it.

        :param session_id: 1 to 100 characters, globally unique. Default: a uuid4.
        :param conversation_id: the default conversation of the session's events. Without it, the first turn begins one.
            If you pass a ``session_id``, that conversation has the same id, also in other session objects of that id.
        :param id: the user's id, if known. ``user_id`` is another spelling of it.
        :param device_id: a globally unique device id. A session without user and device gets an anonymous one.
        :param attributes: scalars by name, for the session's start.
        :param on_event: a function or coroutine function. It is called with each live event of the session, an
            ``MLEvent``: what was recorded, and what the service finds in it.
        :param on_error: called with a ``DeliveryError`` for every loss among this session's events. With an
            ``on_event``, also with a ``LiveError`` for each problem that the service reports, and with exceptions
            of ``on_event``.
        :raises InvalidEvent: an argument breaks a rule.
        """
        return self._session_type(
            self,
            session_id=session_id,
            conversation_id=conversation_id,
            id=id,
            device_id=device_id,
            user_id=user_id,
            attributes=attributes,
            on_event=on_event,
            on_error=on_error,
        )

    def _fit(self, destinations: object) -> tuple[ServiceClient[P], ...]:
        """Check the destinations. They must be of this client's face, which waits for them."""
        chosen = tuple(destinations) if isinstance(destinations, (list, tuple)) else (destinations,)
        for each in chosen:
            if not (isinstance(each, ServiceClient) and hasattr(each, "_mirror")):
                raise InvalidSetting("destinations must be a list of clients of other services")
            if each._pipeline_type is not self._pipeline_type:
                raise InvalidSetting("destinations must be of this client's own face, blocking or asyncio")
        return chosen

    def stats(self) -> Stats:
        """The account of every event since this client's pipeline began. It always adds up.

        With destinations, it is the sum over all services.
        """
        return reduce(add, self.stats_of_each().values())

    def stats_of_each(self) -> dict[str, Stats]:
        """The accounts by name of the service: ``mindlytics``, and the destinations."""
        found = {"mindlytics": super().stats()}
        for destination in self.destinations:
            name, number = destination.name, 1
            while name in found:
                number += 1
                name = f"{destination.name} {number}"
            found[name] = destination.stats()
        return found

    def get_errors(self) -> list[APIResponse]:
        """The losses, oldest first, at most the last 100 of each service."""
        return [error for each in self._services for error in each.pipeline.ledger.errors()]

    @property
    def _services(self) -> tuple[ServiceClient[P], ...]:
        """This client and its destinations."""
        return (self, *self.destinations)

    def _mirrors(self, account: Account) -> Sequence[Mirror]:
        """Make the mirrors that copy events of a session with that account to the destinations."""
        if not (self.destinations and self.settings.enabled):
            return ()
        from .destinations import mirrors  # noqa: PLC0415  few clients have destinations

        return mirrors(self, account)

    def _encoder(self) -> Encode | None:
        """The function that encodes events at the call, or None if a hook or destination has to see them first."""
        if self._encode is not None:
            return self._encode
        settings = self.settings
        sees_events = bool(self.destinations or settings.redact) or settings.before_send is not None
        sees_events |= settings.content_mode != "full"
        if not sees_events:
            with suppress(ImportError), fork.importing:  # the sender fails for the same reason, and logs it
                from .wire import encode_parts  # noqa: PLC0415  orjson takes a while to import

                self._encode = encode_parts
        return self._encode

    def _each(self, timeout: float | None) -> Iterator[tuple[ServiceClient[P], float]]:
        """This client and its destinations, each with the seconds that are left for it. All flush from the start.

        Once the time is up, the seconds are negative, so that all share one grace period.
        """
        until = clock() + (LONGEST_TIMEOUT if timeout is None else timeout)
        for destination in self.destinations:
            if destination.pipeline.ledger.pending:
                destination.pipeline.flush_soon()
                destination.pipeline.ensure_sender()
        for each in self._services:
            yield each, until - clock()

    def _begin_listening(
        self,
        session_id: str | None,
        on_event: Callable[[MLEvent], object] | None,
        on_error: OnError | None,
    ) -> L:
        """Make the listener for ``start_listening`` or ``events``, from now on. The caller starts it.

        :raises InvalidEvent: an argument breaks a rule.
        :raises ClientClosed: the client is closed.
        """
        session_id = checked_id("session_id", session_id, self.pipeline.report_change)
        if on_error is not None and not callable(on_error):
            raise InvalidEvent("on_error", "a function or None", on_error)
        if self.is_closed:
            raise ClientClosed("the client is closed and cannot listen")
        return self._follow(session_id, datetime.now(UTC), on_event, on_error, of_session=False)

    def _follow(
        self,
        session_id: str | None,
        since: Timestamp,
        on_event: Callable[[MLEvent], object] | None,
        on_error: OnError | None,
        *,
        of_session: bool = True,
    ) -> L:
        """Make a listener that ends with this client. If the client is closed or disabled, it is over already."""
        from .live.subscription import Subscription  # noqa: PLC0415  few programs listen

        subscription = Subscription(session_id, since, on_event, on_error, of_session)
        subscription.is_over = self.is_closed or not self.settings.enabled
        listening = self._listening(subscription)
        with fork.listening:
            if self._listenings is None:
                self._listenings = WeakSet()
                finalize(self, _cancel, self._listenings).atexit = False
            self._listenings.add(listening)
        return listening

    def _all_listenings(self) -> list[L]:
        with fork.listening:
            return list(self._listenings or ())

    def _start_listening(
        self, session_id: str | None, on_event: Callable[[MLEvent], object], on_error: OnError | None
    ) -> L:
        """Start the listener of ``start_listening``, which then waits for its connection."""
        if not callable(on_event):
            raise InvalidEvent("on_event", "a function", on_event)
        listening = self._begin_listening(session_id, on_event, on_error)
        self._started.append(listening)
        listening.start()
        return listening

    def _no_longer(self, listening: L) -> None:
        """Remove a listener that failed to start, or whose start was cancelled."""
        listening.cancel()
        with suppress(ValueError):
            self._started.remove(listening)

    def _listening(self, subscription: Subscription) -> L:
        """Make the face's listener for a subscription."""
        raise NotImplementedError

    def _identify_body(
        self, id: str | None, device_id: str | None, traits: Mapping[str, object] | None
    ) -> dict[str, object]:
        """Check the arguments of a direct identify request, and make its body."""
        report = self.pipeline.report_change
        body: dict[str, object] = present(
            id=checked_id("id", id, report), device_id=checked_id("device_id", device_id, report)
        )
        if not body:
            raise InvalidEvent("id", "given, or device_id", MISSING)
        cleaned = None if traits is None else clean_scalars("traits", traits, report)
        redact = redaction(self.settings)
        if cleaned and redact is not None:
            from .redaction import redacted_map  # noqa: PLC0415  most programs redact nothing

            cleaned = redacted_map(cleaned, redact)
        return body if cleaned is None else {**body, "traits": cleaned}

    def _alias_body(self, id: str, previous_id: str) -> dict[str, object]:
        """Check the arguments of a direct alias request, and make its body."""
        ids = {"id": id, "previous_id": previous_id}
        return {name: check_name(name, as_id(name, each, self.pipeline.report_change)) for name, each in ids.items()}


def _cancel(listenings: WeakSet[L]) -> None:
    """Cancel the listeners of a client that was garbage-collected."""
    for listening in list(listenings):
        listening.cancel()


def _wire(settings: Settings) -> Wire:
    from .wire import MindlyticsWire  # noqa: PLC0415  orjson takes a while to import

    return MindlyticsWire(settings.server_endpoint, settings.api_key, settings.project_id)
