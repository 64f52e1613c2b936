"""What both faces of a client share: its settings, its place at a pipeline, its account. No waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet, finalize

from .delivery.ledger import APIResponse, Stats
from .delivery.verdict import Wire
from .errors import ClientClosed, InvalidEvent
from .events import check_name
from .live.subscription import Listening, Subscription
from .pipeline import lifecycle
from .pipeline.base import Pipeline
from .session import BaseSession, Properties
from .settings import Settings
from .stored import MLEvent
from .values import UTC, Timestamp, clean_scalars

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .settings import Options

P = TypeVar("P", bound=Pipeline)
S = TypeVar("S", bound=BaseSession[Any, Any])
L = TypeVar("L", bound=Listening)

logger = logging.getLogger("mindlytics")
logger.addHandler(logging.NullHandler())


class BaseClient(Generic[P, S, L]):
    """A client's credentials and settings, and the pipeline that it shares with all clients of equal ones.

    :param api_key: the workspace's key; default ``MLSDK_API_KEY`` in the environment.
    :param project_id: the project that events belong to; default ``MLSDK_PROJECT_ID``.
    :param server_endpoint: the service's address; default ``MLSDK_SERVER_BASE``, else the production service.
    :param wss_endpoint: the address of live events; derived from ``server_endpoint`` where it is not given.
    :param debug: log what is done.
    :param settings: every other setting by its name, see the reference page of settings.
    :raises InvalidSetting: a value breaks a rule, or a credential is given nowhere (a ``ValueError``).
    """

    _pipeline_type: type[P]
    _session_type: type[S]
    _listening_type: type[L]

    def __init__(
        self,
        *,
        api_key: str | None = None,
        project_id: str | None = None,
        server_endpoint: str | None = None,
        wss_endpoint: str | None = None,
        debug: bool | None = None,
        **settings: Unpack[Options],
    ) -> None:
        self.settings = chosen = Settings.load(
            {
                "api_key": api_key,
                "project_id": project_id,
                "server_endpoint": server_endpoint,
                "wss_endpoint": wss_endpoint,
                "debug": debug,
                **settings,
            }
        )
        if chosen.debug:
            log_to_stderr()
        if chosen.flush_on_sigterm:
            from .pipeline.signals import flush_on_sigterm  # noqa: PLC0415  few programs ask for it

            flush_on_sigterm()
        make = self._pipeline_type
        self.pipeline: P = lifecycle.acquire(self, _key(make, chosen), lambda: make(chosen, lambda: _wire(chosen)))
        self.is_closed = False
        """Whether :meth:`close` was called."""
        self._listenings: WeakSet[L] | None = None
        self._started: list[L] = []

    def create_session(
        self,
        *,
        session_id: str | None = None,
        conversation_id: str | None = None,
        id: str | None = None,
        device_id: str | None = None,
        user_id: str | None = None,
        attributes: Properties | None = None,
        on_event: Callable[[MLEvent], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> S:
        """A session of this client. Nothing is sent before its first event.

        :param session_id: 1 to 100 characters, globally unique; default a uuid4.
        :param conversation_id: what the session's events belong to, where they name no other.
        :param id: the user's id, if known; ``user_id`` is another spelling of it.
        :param device_id: a globally unique device id. With neither, an anonymous one is made up.
        :param attributes: scalars that the session starts with.
        :param on_event: called with each live event of the session, an ``MLEvent``: what was recorded, and what the
            service finds in it; a function or a coroutine function.
        :param on_error: called with a ``DeliveryError`` for every loss among this session's events, and, where there is
            an ``on_event``, with a ``LiveError`` for what the service reports, and with what ``on_event`` raised.
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

    def stats(self) -> Stats:
        """The account of every event since this client's pipeline began; it always adds up."""
        return self.pipeline.ledger.stats()

    def has_errors(self) -> bool:
        """Whether events were lost (refused by the service, or dropped)."""
        return bool(self.get_errors())

    def get_errors(self) -> list[APIResponse]:
        """What went wrong with events, oldest first; at most the last 100."""
        return self.pipeline.ledger.errors()

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<{type(self).__name__} {self.settings.server_endpoint} {state}>"

    def _leave(self) -> bool:
        """Note that the client is closed; True where the pipeline is to be closed with it."""
        first = not self.is_closed
        self.is_closed = True
        return first and lifecycle.release(self, self.pipeline)

    def _begin_listening(
        self,
        session_id: str | None,
        on_event: Callable[[MLEvent], Any] | None,
        on_error: Callable[[Exception], Any] | None,
    ) -> L:
        """A listening that the program asked for by itself, from now on; not started yet.

        :raises InvalidEvent: an argument breaks a rule.
        :raises ClientClosed: the client is closed.
        """
        if session_id is not None:
            check_name("session_id", session_id)
        if on_error is not None and not callable(on_error):
            raise InvalidEvent("on_error", "a function or None", on_error)
        if self.is_closed:
            raise ClientClosed("the client is closed; nothing is listened to")
        return self._follow(session_id, datetime.now(UTC), on_event, on_error, of_session=False)

    def _follow(
        self,
        session_id: str | None,
        since: Timestamp,
        on_event: Callable[[MLEvent], Any] | None,
        on_error: Callable[[Exception], Any] | None,
        *,
        of_session: bool = True,
    ) -> L:
        """A listening that ends with this client; over already where the client is closed or disabled."""
        subscription = Subscription(session_id, since, on_event, on_error, of_session)
        subscription.is_over = self.is_closed or not self.settings.enabled
        listening = self._listening_type(self.settings, subscription)
        if self._listenings is None:
            self._listenings = WeakSet()
            finalize(self, _cancel, self._listenings).atexit = False
        self._listenings.add(listening)
        return listening

    def _identify_body(self, id: str | None, device_id: str | None, traits: Mapping[str, Any] | None) -> dict[str, Any]:
        """The body of a direct identify request, checked."""
        if id is None and device_id is None:
            raise InvalidEvent("id", "given, or device_id", None)
        body = {
            name: check_name(name, value) for name, value in (("id", id), ("device_id", device_id)) if value is not None
        }
        cleaned = None if traits is None else clean_scalars("traits", traits, self.pipeline.report_change)
        return body if cleaned is None else {**body, "traits": cleaned}

    def _alias_body(self, id: str, previous_id: str) -> dict[str, Any]:
        """The body of a direct alias request, checked."""
        return {"id": check_name("id", id), "previous_id": check_name("previous_id", previous_id)}


def _cancel(listenings: WeakSet[Any]) -> None:
    """Nobody holds the client any more."""
    for listening in list(listenings):
        listening.cancel()


def _key(kind: type[Pipeline], settings: Settings) -> Hashable:
    """What clients have in common that share a pipeline; a client whose handlers are not hashable shares with none."""
    try:
        hash(settings)
    except TypeError:
        return kind, id(settings)
    return kind, settings


def _wire(settings: Settings) -> Wire:
    from .wire.mindlytics import MindlyticsWire  # noqa: PLC0415  cattrs and orjson take a while to import

    return MindlyticsWire(settings.server_endpoint, settings.api_key, settings.project_id)


def log_to_stderr() -> None:
    """Show what the package logs, debug messages included, where the program has not set up logging itself."""
    logger.setLevel(logging.DEBUG)
    shown = any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    if not shown and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
