"""What requests and answers hold: the types by which bodies are read, and documents of the shapes in ``types.py``."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from ...antonnia.sessions import LONGEST_DEBOUNCE
from ...antonnia.types import AgentType, MessageDeliveryStatus, MessageRole, SessionStatus
from ..parameters import Object, Text, Timestamp, named
from .documents import Document

Session = Annotated[Document, named("antonnia.Session")]
Message = Annotated[Document, named("antonnia.Message")]
Agent = Annotated[Document, named("antonnia.Agent")]
SessionSchedule = Annotated[Document, named("antonnia.SessionSchedule")]
SurveySubmission = Annotated[Document, named("antonnia.SurveySubmission")]
Content = Annotated[Object, named("antonnia.MessageContent")]
Config = Annotated[Object, named("antonnia.ScheduleConfig")]

Metadata = Object | None
Id = Text | None


def given(fields: Struct) -> dict[str, Any]:
    """The fields that a request has."""
    return {name: value for name, value in asdict(fields).items() if value is not UNSET}


class NewSession(Struct):
    """A session with a contact."""

    contact_id: Text
    contact_name: Text
    agent_id: Id = None
    status: SessionStatus = "open"
    metadata: Metadata = None


class SessionFields(Struct, forbid_unknown_fields=True):
    """The fields of a session that can change. ``metadata`` is replaced as a whole."""

    thread_id: Id | UnsetType = UNSET
    status: SessionStatus | UnsetType = UNSET
    agent_id: Id | UnsetType = UNSET
    ending_survey_submission_id: Id | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    organization_id: Text | UnsetType = UNSET


class SessionChange(Struct):
    """New values of fields."""

    fields: SessionFields


class Transfer(Struct):
    """The agent from now on, or none."""

    agent_id: Id = None


class Finish(Struct):
    """The survey that begins."""

    ending_survey_id: Id = None


class ReplyRequest(Struct):
    """How long to wait for more from the contact."""

    debounce_time: Annotated[int, Meta(ge=0, le=LONGEST_DEBOUNCE, description="Seconds.")] | None = None


class NewSchedule(Struct):
    """A time, and what happens then."""

    scheduled_for: Timestamp
    config: Config


class NewMessage(Struct):
    """A message of the contact or the agent."""

    role: MessageRole
    content: Content
    provider_message_id: Id = None
    replied_provider_message_id: Id = None


class MessageChange(Struct):
    """What became of a message. What is left out stays."""

    provider_message_id: Id = None
    replied_provider_message_id: Id = None
    delivery_status: MessageDeliveryStatus | None = None
    delivery_error_code: int | None = None
    delivery_error_message: Id = None
    delivered_at: Timestamp | None = None


class Page(Struct, kw_only=True):
    """A part of what there is."""

    offset: Annotated[int, Meta(ge=0)] | None = None
    limit: Annotated[int, Meta(ge=1, description="Default: 100.")] | None = None


class SessionSearch(Page, kw_only=True):
    """Sessions that agree in all of this. A name of ``metadata`` may be a path with dots."""

    contact_id: Id = None
    status: SessionStatus | None = None
    metadata: Metadata = None


class MessageSearch(Page, kw_only=True):
    """Messages that agree in all of this."""

    provider_message_id: Id = None
    replied_provider_message_id: Id = None


class AllMessageSearch(MessageSearch, kw_only=True):
    """The same in all sessions, or in one."""

    session_id: Id = None


class AgentSearch(Page, kw_only=True):
    """Agents that agree in all of this."""

    type: AgentType | None = None
    assistant_id: Id = None
    profile_id: Id = None


class NewAI(Struct, tag_field="type", tag="ai"):
    """An agent that an assistant speaks for."""

    name: Text
    assistant_id: Text


class NewHuman(Struct, tag_field="type", tag="human"):
    """An agent that is a person."""

    name: Text
    profile_id: Text


class AgentFields(Struct, forbid_unknown_fields=True):
    """The fields of an agent that can change: its name, and the id that its type has."""

    name: Text | UnsetType = UNSET
    assistant_id: Text | UnsetType = UNSET
    profile_id: Text | UnsetType = UNSET


class AgentChange(Struct):
    """New values of fields."""

    fields: AgentFields
