"""The types of that package that no call of the API takes or returns, and what belongs to the types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypedDict

from attrs import field, frozen

from ....annotations import JsonMapping
from ....antonnia.codec import KINDS
from ....antonnia.types import Agent, Model, SessionScheduleStatus

MESSAGE_ERROR_CODES: Mapping[int, str] = {
    130429: "The number sends too many messages.",
    130472: "The contact's number is part of an experiment of the channel.",
    131000: "The channel failed for an unknown reason.",
    131026: "The contact cannot receive the message.",
    131042: "The business account has a problem with its payment.",
    131045: "The number is not registered, or its certificate is wrong.",
    131047: "The contact last wrote more than 24 hours ago, so only a template may be sent.",
    131048: "The number is limited because its messages were reported as spam.",
    131049: "The channel chose not to deliver the message.",
    131050: "The contact does not want marketing messages.",
    131051: "The channel does not know this kind of message.",
    131052: "The file of the contact could not be downloaded.",
    131053: "The file of the message could not be uploaded.",
    131056: "The number sends too many messages to this contact.",
    131057: "The business account is in maintenance.",
}
"""What a ``delivery_error_code`` of WhatsApp means, in words of our own."""


def create_agent(data: Mapping[str, object]) -> Agent:
    """Make an agent of its JSON: an :class:`AIAgent` or a :class:`HumanAgent`.

    :raises ValueError: the ``type`` is another one, or a field is missing.
    """
    if data.get("type") not in ("ai", "human"):
        raise ValueError('type must be "ai" or "human"')
    return Agent.model_validate(data)


@frozen(kw_only=True)
class AgentUpdateFields(Model):
    """The fields of an agent that you can change."""

    name: str | None = None
    assistant_id: str | None = None
    profile_id: str | None = None


class SessionScheduleUpdateFields(TypedDict, total=False):
    """The fields of a schedule that can change."""

    status: SessionScheduleStatus | None


# -- conversations


@frozen(kw_only=True)
class Conversation(Model):
    """All sessions of a contact in a channel."""

    id: str
    organization_id: str
    channel_id: str
    channel_user_id: str
    channel_type: str
    contact_id: str
    current_session_id: str | None = None
    last_message_id: str | None = None
    last_message_at: datetime | None = None
    created_at: datetime


class ConversationUpdateFields(TypedDict, total=False):
    """The fields of a conversation that can change."""

    current_session_id: str | None
    last_message_id: str | None
    last_message_at: str | None


TagColor = Literal["slate", "red", "orange", "green", "blue", "yellow", "purple", "pink"]


@frozen(kw_only=True)
class Tag(Model):
    """A label for conversations."""

    id: str
    organization_id: str
    name: str
    color: TagColor
    created_at: datetime


class TagUpdateFields(TypedDict, total=False):
    """The fields of a tag that can change."""

    name: str | None
    color: TagColor | None


@frozen(kw_only=True)
class ConversationTag(Model):
    """That a conversation has a tag."""

    conversation_id: str
    tag_id: str
    created_at: datetime


# -- surveys


@frozen(kw_only=True)
class Survey(Model):
    """Questions for a contact."""

    id: str
    organization_id: str
    created_at: datetime
    title: str
    first_question_id: str | None = None


class SurveyUpdateFields(TypedDict, total=False):
    """The fields of a survey that can change."""

    title: str | None
    first_question_id: str | None


QuestionType = Literal["boolean", "options", "open_ended"]


@frozen(kw_only=True)
class SurveyQuestion(Model):
    """A question of a survey.

    :param config: which question is next, by the answer. Its form depends on ``type``.
    """

    id: str
    message: str = field(repr=False)
    type: QuestionType
    config: JsonMapping = field(repr=False)


@frozen(kw_only=True)
class SurveyAnswer(Model):
    """A contact's answer to a question."""

    id: str
    submission_id: str
    question_id: str
    type: QuestionType
    answer: str = field(repr=False)
    submitted_at: datetime


# -- settings

ConfigKeys = Literal[
    "session.autoclose.after_inactivity", "session.recovery.after_inactivity", "organization.working_hours"
]


@frozen(kw_only=True)
class Config(Model):
    """A setting: one of the classes below, or this class for a newer ``type``."""

    type: str


@frozen(kw_only=True)
class SessionAutoCloseAfterInactivityConfig(Config):
    """After how many minutes a silent session is closed."""

    type: Literal["session.autoclose.after_inactivity"] = "session.autoclose.after_inactivity"
    expires_in_minutes: int


@frozen(kw_only=True)
class WorkingHoursConfig(Config):
    """When an organization works.

    :param weekly_hours: for each day, such as ``mon``, a list of mappings with ``start`` and ``end``.
    """

    type: Literal["organization.working_hours"] = "organization.working_hours"
    timezone: str
    weekly_hours: JsonMapping
    overrides: list[JsonMapping] | None = field(factory=list)


KINDS[Config] = {
    "session.autoclose.after_inactivity": SessionAutoCloseAfterInactivityConfig,
    "organization.working_hours": WorkingHoursConfig,
}


@frozen(kw_only=True)
class ConversationsConfig(Model):
    """A setting of an organization."""

    key: ConfigKeys
    organization_id: str
    config: Config
    created_at: datetime
    updated_at: datetime
