"""The types of the Conversations API: sessions, agents, messages and their content, schedules, surveys.

They are plain values. You make them, or ``codec.py`` makes them from the service's JSON. A newer service works too:
``extra`` keeps unknown fields, and an unknown ``type`` gives an instance of the base class. Times are aware datetimes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

from attrs import field, frozen

from ..annotations import JsonMapping, Self
from ..pydantic_names import PydanticNames
from ..values import now

SessionStatus = Literal["open", "closed"]
AgentType = Literal["ai", "human"]
MessageRole = Literal["user", "assistant"]
MessageDeliveryStatus = Literal["pending", "sent", "delivered", "read", "failed", "rejected"]
SessionScheduleStatus = Literal["scheduled", "completed", "failed"]
SurveySubmissionStatus = Literal["pending", "finished", "cancelled"]


@frozen(kw_only=True)
class Model(PydanticNames):
    """The base of all types.

    :param extra: fields of the service's answer that are new to this version.
    """

    extra: JsonMapping = field(factory=dict, repr=False)

    @classmethod
    def _read(cls, document: JsonMapping) -> Self:
        from .codec import from_json  # noqa: PLC0415  it reads these types

        return from_json(cls, document)


# -- agents


@frozen(kw_only=True)
class Agent(Model):
    """Who answers in a session: an :class:`AIAgent`, a :class:`HumanAgent`, or one of a newer type."""

    id: str
    organization_id: str
    name: str
    type: str
    created_at: datetime


@frozen(kw_only=True)
class AIAgent(Agent):
    """An agent that an assistant speaks for."""

    type: Literal["ai"] = "ai"
    assistant_id: str


@frozen(kw_only=True)
class HumanAgent(Agent):
    """An agent that is a person."""

    type: Literal["human"] = "human"
    profile_id: str


# -- sessions


@frozen(kw_only=True)
class Session(Model):
    """A contact's time with agents. The sessions of one contact belong to one conversation.

    :param metadata: the application's own JSON.
    """

    id: str
    contact_id: str
    organization_id: str
    conversation_id: str
    status: SessionStatus
    created_at: datetime
    thread_id: str | None = None
    agent: Agent | None = None
    ending_survey_submission_id: str | None = None
    metadata: JsonMapping = field(factory=dict, repr=False)
    updated_at: datetime | None = None


class SessionUpdateFields(TypedDict, total=False):
    """The fields of a session that you can change. ``metadata`` is replaced as a whole."""

    thread_id: str | None
    status: SessionStatus
    agent_id: str | None
    ending_survey_submission_id: str | None
    metadata: JsonMapping | None
    organization_id: str


# -- messages


@frozen(kw_only=True)
class MessageContent(Model):
    """What a message holds: one of the classes below, or this class for a newer ``type``."""

    type: str

    @property
    def words(self) -> str:
        """Its words: a text, a transcript, or the address of a file. May be empty."""
        url = getattr(self, "url", None)
        return f"[{self.type}] {url}" if url else ""


@frozen(kw_only=True)
class MessageContentText(MessageContent):
    """A text, or a template and its parameters."""

    type: Literal["text"] = "text"
    text: str = field(repr=False)
    template_id: str | None = None
    template_parameters: JsonMapping | None = field(default=None, repr=False)

    @property
    def words(self) -> str:
        """The text."""
        return self.text


@frozen(kw_only=True)
class MessageContentImage(MessageContent):
    """A picture."""

    type: Literal["image"] = "image"
    url: str = field(repr=False)


@frozen(kw_only=True)
class MessageContentVideo(MessageContent):
    """A film."""

    type: Literal["video"] = "video"
    url: str = field(repr=False)


@frozen(kw_only=True)
class MessageContentAudio(MessageContent):
    """A recording, and what is said in it."""

    type: Literal["audio"] = "audio"
    url: str = field(repr=False)
    transcript: str | None = field(default=None, repr=False)

    @property
    def words(self) -> str:
        """The transcript, or the address of the recording."""
        return self.transcript or super().words


@frozen(kw_only=True)
class MessageContentFile(MessageContent):
    """Any other file."""

    type: Literal["file"] = "file"
    url: str = field(repr=False)
    mime_type: str
    name: str = field(repr=False)


@frozen(kw_only=True)
class MessageContentFunctionCall(MessageContent):
    """A function that an assistant calls.

    :param id: the id of the call, which its result shares.
    :param input: the arguments, as JSON text.
    """

    type: Literal["function_call"] = "function_call"
    id: str
    name: str
    input: str = field(repr=False)


@frozen(kw_only=True)
class MessageContentFunctionResult(MessageContent):
    """What a function returned.

    :param id: the id of the call.
    :param output: usually JSON text.
    """

    type: Literal["function_result"] = "function_result"
    id: str
    name: str
    output: str = field(repr=False)


@frozen(kw_only=True)
class MessageContentThought(MessageContent):
    """What an assistant thought. It is kept from the contact."""

    type: Literal["thought"] = "thought"
    thought: str = field(repr=False)


@frozen(kw_only=True)
class Message(Model):
    """One message of a session.

    :param provider_message_id: its id in its channel.
    :param run_id: the run of an assistant that made it.
    """

    id: str
    session_id: str
    conversation_id: str
    organization_id: str
    role: MessageRole
    content: MessageContent
    created_at: datetime
    provider_message_id: str | None = None
    replied_provider_message_id: str | None = None
    run_id: str | None = None
    delivery_status: MessageDeliveryStatus = "pending"
    delivery_error_code: int | None = None
    delivery_error_message: str | None = field(default=None, repr=False)
    delivered_at: datetime | None = None
    updated_at: datetime | None = None


# -- schedules


@frozen(kw_only=True)
class ScheduleConfig(Model):
    """What will happen: one of the classes below, or this class for a newer ``type``."""

    type: str


@frozen(kw_only=True)
class ScheduledMessageConfig(ScheduleConfig):
    """The agent sends a message."""

    type: Literal["message"] = "message"
    message: MessageContent


@frozen(kw_only=True)
class ScheduledNodeConfig(ScheduleConfig):
    """The agent continues at one of its nodes."""

    type: Literal["node"] = "node"
    node_id: str


@frozen(kw_only=True)
class SessionSchedule(Model):
    """Something scheduled in a session."""

    id: str
    session_id: str
    organization_id: str
    scheduled_for: datetime
    config: ScheduleConfig
    status: SessionScheduleStatus
    created_at: datetime


# -- apps


@frozen(kw_only=True)
class AppConnection(Model):
    """An app that an organization uses."""

    id: str
    app_id: str
    organization_id: str
    created_at: datetime
    updated_at: datetime | None = None


# -- surveys


@frozen(kw_only=True)
class SurveySubmission(Model):
    """A contact's answers to the survey at the end of a session."""

    id: str
    survey_id: str
    session_id: str
    organization_id: str
    status: SurveySubmissionStatus
    created_at: datetime
    expires_at: datetime
    finished_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether the contact can still answer: it is pending, and ``expires_at`` is ahead."""
        return self.status == "pending" and self.expires_at > now()
