"""What both faces of an Align AI client share: its settings, and every call that records something, written once.

A call makes one event, checks it, and submits it. Each face decides what a call returns: None, or an awaitable.
Delivery is the same as for the other services.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from datetime import datetime
from typing import Generic, TypeVar, cast

from ..annotations import Unpack
from ..arguments import as_id
from ..delivery.account import Account, Reason
from ..delivery.privacy import is_sampled
from ..delivery.verdict import Wire
from ..errors import InvalidSetting
from ..pipeline.base import Pipeline
from ..service import ServiceClient
from ..settings import Options, Settings
from .events import (
    DEFAULT_ASSISTANT_ID,
    MAX_PROPERTIES,
    AlignEvent,
    FeedbackCreate,
    MessageCreate,
    SessionClose,
    SessionOpen,
    UserRecognize,
    checked_properties,
)
from .mirror import Mirror
from .settings import AlignSettings, Config

P = TypeVar("P", bound=Pipeline)
Done = TypeVar("Done")
"""What a call returns: None, or an awaitable of it."""


class BaseAlignAI(ServiceClient[P], Generic[P, Done]):
    """A client of Align AI."""

    name = "align"
    """Its name in :meth:`mindlytics.Client.stats_of_each`."""

    def __init__(
        self,
        project_id: str | None = None,
        api_key: str | None = None,
        api_host: str | None = None,
        config: Config | None = None,
        **settings: Unpack[Options],
    ) -> None:
        """
        :param project_id: your project. Default: ``ALIGNAI_PROJECT_ID`` in the environment.
        :param api_key: your API key. Default: ``ALIGNAI_API_KEY``.
        :param api_host: the service's address. Default: ``ALIGNAI_HOST``, else the production service.
        :param config: how events are delivered. It wins over the environment, which wins over the defaults of
            ``Config``.
        :param settings: any other setting of the package by its name. It wins over ``config``.
        :raises InvalidSetting: a value breaks a rule, or a credential is missing (a ``ValueError``).
        :raises ImportError: protobuf is not installed.
        """
        if config is not None and not isinstance(config, Config):
            raise InvalidSetting(f"config must be a Config or None, got a {type(config).__name__}")
        if not has_protobuf():
            raise ImportError("Align AI's protocol needs protobuf: pip install 'mindlytics[align]'")
        arguments = {"project_id": project_id, "api_key": api_key, "server_endpoint": api_host}
        chosen = {name: value for name, value in settings.items() if value is not None}
        configured = {} if config is None else config.settings
        self._begin(AlignSettings.load({**configured, **chosen, **arguments}))

    def _begin(self, settings: Settings) -> None:
        self._open(settings, _wire)
        self._account = self.pipeline.ledger.open_account()
        self._origin = settings.origin

    def _copied(self, settings: Settings, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._begin(settings)

    def _pickled(self) -> dict[str, object]:
        return {"is_closed": self.is_closed}

    def identify_user(  # noqa: PLR0917  the order of the service's own client
        self,
        user_id: str,
        display_name: str | None = None,
        email: str | None = None,
        ip: str | None = None,
        country_code: str | None = None,
        create_time: datetime | None = None,
        custom_properties: Mapping[str, str] | None = None,
    ) -> Done:
        """Record who a user is.

        :param user_id: 1 to 64 characters.
        :param display_name: at most 64 characters.
        :param email: at most 256 characters.
        :param ip: an IPv4 address, for the user's location.
        :param country_code: an ISO 3166-1 alpha-2 code. It wins over ``ip``.
        :param create_time: when the user signed up. A datetime without a time zone is in UTC.
        :param custom_properties: at most 10 texts of at most 256 characters. Names match
            ``^[a-zA-Z][a-zA-Z0-9_]{0,63}$``.
        :raises ValidationError: an argument breaks a rule.
        """
        return self._record(
            UserRecognize(
                user_id=self._id("user_id", user_id),
                display_name=display_name,
                email=email,
                ip=ip,
                country_code=country_code,
                create_time=create_time,
                custom_properties=custom_properties,
            )
        )

    def open_session(
        self,
        session_id: str,
        user_id: str,
        assistant_id: str = DEFAULT_ASSISTANT_ID,
        custom_properties: Mapping[str, str] | None = None,
    ) -> Done:
        """Record that a session begins. This identifies its user too.

        :param session_id: 1 to 64 characters.
        :param user_id: 1 to 64 characters.
        :param assistant_id: at most 64 characters.
        :param custom_properties: as for :meth:`identify_user`.
        :raises ValidationError: an argument breaks a rule.
        """
        return self._record(
            SessionOpen(
                session_id=self._id("session_id", session_id),
                user_id=self._id("user_id", user_id),
                assistant_id=self._id("assistant_id", assistant_id),
                custom_properties=self._with_origin(custom_properties),
            )
        )

    def create_message(
        self,
        session_id: str,
        message_index: int,
        role: str,
        content: str,
        custom_properties: Mapping[str, str] | None = None,
    ) -> Done:
        """Record one message of a session.

        :param session_id: 1 to 64 characters.
        :param message_index: its place in the session: a positive int, unique in the session.
        :param role: ``ROLE_USER`` or ``ROLE_ASSISTANT``.
        :param content: what was said, at least one character.
        :param custom_properties: as for :meth:`identify_user`.
        :raises ValidationError: an argument breaks a rule.
        """
        return self._record(
            MessageCreate(
                session_id=self._id("session_id", session_id),
                message_index=message_index,
                role=role,
                content=content,
                custom_properties=self._with_origin(custom_properties),
            )
        )

    def close_session(self, session_id: str) -> Done:
        """Record that a session ends. The service ends one by itself 30 minutes after its last event.

        :param session_id: 1 to 64 characters.
        :raises ValidationError: an argument breaks a rule.
        """
        return self._record(SessionClose(session_id=self._id("session_id", session_id)))

    def create_message_feedback(self, session_id: str, message_index: int, feedback_type: str) -> Done:
        """Record a rating of a message.

        :param session_id: 1 to 64 characters.
        :param message_index: the message's place in the session, a positive int.
        :param feedback_type: ``FEEDBACK_THUMBS_UP`` or ``FEEDBACK_THUMBS_DOWN``.
        :raises ValidationError: an argument breaks a rule.
        """
        if message_index is None:
            message_index = 0  # None would make it feedback on the session
        return self._record(
            FeedbackCreate(
                session_id=self._id("session_id", session_id), message_index=message_index, feedback_type=feedback_type
            )
        )

    def create_session_feedback(self, session_id: str, feedback_type: str) -> Done:
        """Record a rating of a session.

        :param session_id: 1 to 64 characters.
        :param feedback_type: ``FEEDBACK_THUMBS_UP`` or ``FEEDBACK_THUMBS_DOWN``.
        :raises ValidationError: an argument breaks a rule.
        """
        return self._record(FeedbackCreate(session_id=self._id("session_id", session_id), feedback_type=feedback_type))

    def _record(self, event: AlignEvent) -> Done:
        """Submit an event to the pipeline, and return what that returns."""
        pipeline, account = self.pipeline, self._account
        session_id = getattr(event, "session_id", None)
        if session_id is not None and not is_sampled(session_id, self.settings.sample_rate):
            pipeline.count_dropped(account, Reason.SAMPLED_OUT)
            done: Done = pipeline.done
        elif self.is_closed:
            done = pipeline.reject(account)
        else:
            done = pipeline.submit(event, event.size, account)
        return done

    def _with_origin(self, properties: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """Custom properties, and what the settings say of where they come from, as far as there is room."""
        if not self._origin:
            return properties
        own = checked_properties(properties)
        added = [each for each in self._origin.items() if each[0] not in own]
        return {**own, **dict(added[: MAX_PROPERTIES - len(own)])}

    def _id(self, name: str, value: object) -> str:
        """An id as text, see :func:`~mindlytics.arguments.as_id`. The event refuses what is no text."""
        return cast(str, as_id(name, value, self.pipeline.report_change))

    def _mirror(self, account: Account, settings: Settings) -> Mirror:
        """Copy a session to Align AI. Its client belongs to another service, and has these settings."""
        return Mirror(self.pipeline, account, settings)

    def _limit(self, timeout_seconds: float | None) -> float:
        return self.settings.shutdown_timeout if timeout_seconds is None else timeout_seconds


def has_protobuf() -> bool:
    """Whether the package that the protocol needs is installed."""
    try:
        return importlib.util.find_spec("google.protobuf") is not None
    except ModuleNotFoundError:
        return False


def _wire(settings: Settings) -> Wire:
    from .wire import AlignWire  # noqa: PLC0415  protobuf takes a while to import

    return AlignWire(settings.server_endpoint, settings.api_key, settings.project_id)
