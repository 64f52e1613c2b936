"""What each request does: from its body to the document in the answer. The checks are those of the client.

Every function takes :class:`Documents`, a body and the ids of the path, and runs within one transaction. A broken rule
raises :class:`ValidationError` (422), and an unknown id :class:`NotFoundError` (404).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import islice

from msgspec import to_builtins
from msgspec.structs import asdict

from ...antonnia import types
from ...antonnia.calls import PAGE, one_of, shaped, text, timestamp_param
from ...antonnia.codec import CONFIGS, CONTENTS, from_json
from ...antonnia.exceptions import NotFoundError, ValidationError
from .documents import Document, Documents, new_id, timestamp
from .shapes import (
    Agent,
    AgentChange,
    AgentSearch,
    AllMessageSearch,
    Finish,
    Message,
    MessageChange,
    MessageSearch,
    NewAI,
    NewHuman,
    NewMessage,
    NewSchedule,
    NewSession,
    Page,
    Session,
    SessionChange,
    SessionSchedule,
    SessionSearch,
    SurveySubmission,
    Transfer,
    given,
)

SURVEY_TIME = timedelta(hours=24)
"""How long a survey can be answered."""

MOST_NAMES = 100
LONGEST_NAME = 500
"""Most names in a search for metadata, and most characters of one."""


def known(documents: Documents, kind: str, id: object, session_id: str | None = None) -> Document:
    """The document with this id, in this session if one is body.

    :raises NotFoundError: it does not exist.
    """
    found = documents.find(kind, text(f"{kind}_id", id))
    if found is None or (session_id is not None and found["session_id"] != session_id):
        raise NotFoundError(f"{kind} not found")
    return found


# -- sessions


def session_to_json(documents: Documents, session: Document) -> Document:
    """A session as the API returns it: with its agent, without the contact's name."""
    agent = documents.find("agent", session["agent_id"]) if session["agent_id"] else None
    hidden = ("agent_id", "contact_name")
    return {**{name: value for name, value in session.items() if name not in hidden}, "agent": agent}


def open_session(documents: Documents, session_id: str) -> Document:
    """The session with this id.

    :raises ValidationError: it is closed.
    """
    session = known(documents, "session", session_id)
    if session["status"] != "open":
        raise ValidationError("the session must be open, it is closed")
    return session


def create_session(documents: Documents, body: NewSession) -> Session:
    """Open a session."""
    earlier = next(documents.each("session", contact_id=body.contact_id), None)
    session: Document = {
        "id": new_id("sess"),
        "contact_id": body.contact_id,
        "contact_name": body.contact_name,
        "organization_id": documents.organization_id,
        "thread_id": None,
        "conversation_id": new_id("conv") if earlier is None else earlier["conversation_id"],
        "status": body.status,
        "agent_id": _agent_id(documents, body.agent_id),
        "ending_survey_submission_id": None,
        "metadata": body.metadata or {},
        "created_at": timestamp(),
        "updated_at": None,
    }
    answer = session_to_json(documents, documents.add("session", session))
    documents.happened("session.created", session["id"], answer)
    return answer


def get_session(documents: Documents, session_id: str) -> Session:
    """A session."""
    return session_to_json(documents, known(documents, "session", session_id))


def update_session(documents: Documents, body: SessionChange, session_id: str) -> Session:
    """Change fields of a session."""
    session = known(documents, "session", session_id)
    fields = given(body.fields)
    if "metadata" in fields:
        fields["metadata"] = fields["metadata"] or {}
    if "agent_id" in fields:
        _agent_id(documents, fields["agent_id"])
    if fields.get("organization_id", documents.organization_id) != documents.organization_id:
        raise ValidationError("fields.organization_id must be that of the token")
    return _changed_session(documents, session, **fields)


def transfer_session(documents: Documents, body: Transfer, session_id: str) -> Session:
    """Give a session to an agent."""
    session = open_session(documents, session_id)
    agent_id = _agent_id(documents, body.agent_id)
    answer = _changed_session(documents, session, agent_id=agent_id)
    documents.happened("session.transferred", session_id, answer)
    return answer


def finish_session(documents: Documents, body: Finish, session_id: str) -> Session:
    """Close a session."""
    session = open_session(documents, session_id)
    survey_id = body.ending_survey_id
    if survey_id is not None:
        survey = {
            "id": new_id("subm"),
            "survey_id": survey_id,
            "session_id": session_id,
            "organization_id": documents.organization_id,
            "status": "pending",
            "created_at": timestamp(),
            "expires_at": timestamp(SURVEY_TIME),
            "finished_at": None,
            "updated_at": None,
        }
        documents.add("survey", survey, session_id)
        session["ending_survey_submission_id"] = survey["id"]
    answer = _changed_session(documents, session, status="closed")
    documents.happened("session.finished", session_id, answer)
    return answer


def search_sessions(documents: Documents, body: SessionSearch) -> list[Session]:
    """Sessions."""
    wanted = _wanted(body)
    found = documents.each("session", contact_id=body.contact_id, status=body.status)
    fitting = (session for session in found if _has(session["metadata"], wanted))
    return [session_to_json(documents, session) for session in _page(fitting, body)]


def _changed_session(documents: Documents, session: Document, **fields: object) -> Document:
    """Store the changed fields of a session. Returns it as the API returns it."""
    return session_to_json(documents, documents.put("session", {**session, **fields, "updated_at": timestamp()}))


def _wanted(body: SessionSearch) -> Mapping[str, object]:
    """Check the metadata to search for. Names must be few and short, since a lookup takes the square of their
    length.
    """
    wanted = body.metadata or {}
    if len(wanted) > MOST_NAMES or any(len(name) > LONGEST_NAME for name in wanted):
        raise ValidationError(f"metadata must be at most {MOST_NAMES} names of {LONGEST_NAME} characters")
    return wanted


def _has(metadata: object, wanted: Mapping[str, object]) -> bool:
    """Whether the metadata has these values. A name may be a path with dots."""
    return all(any(_same(value, found) for found in _at(metadata, name)) for name, value in wanted.items())


def _at(metadata: object, path: str) -> Iterator[object]:
    if not isinstance(metadata, dict):
        return
    if path in metadata:
        yield metadata[path]
    for index, letter in enumerate(path):
        if letter == "." and path[:index] in metadata:
            yield from _at(metadata[path[:index]], path[index + 1 :])


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _agent_id(documents: Documents, agent_id: object) -> str | None:
    return None if agent_id is None else str(known(documents, "agent", agent_id)["id"])


def _page(found: Iterator[Document], body: Page) -> Iterator[Document]:
    offset, limit = body.offset or 0, body.limit or PAGE
    return islice(found, min(offset, sys.maxsize), min(offset + limit, sys.maxsize))


# -- messages


def create_message(documents: Documents, body: NewMessage, session_id: str, run_id: str | None = None) -> Message:
    """Add a message."""
    session = known(documents, "session", session_id)
    if session["status"] != "open" and not any(_is_active(survey) for survey in documents.each("survey", session_id)):
        raise ValidationError("the session must be open, it is closed")
    message = {
        "id": new_id("msg"),
        "session_id": session_id,
        "conversation_id": session["conversation_id"],
        "organization_id": documents.organization_id,
        "provider_message_id": body.provider_message_id,
        "replied_provider_message_id": body.replied_provider_message_id,
        "run_id": run_id,
        "role": body.role,
        "content": _content("content", body.content),
        "created_at": timestamp(),
        "delivery_status": "pending",
        "delivery_error_code": None,
        "delivery_error_message": None,
        "delivered_at": None,
        "updated_at": None,
    }
    documents.happened("message.created", session_id, message)
    return documents.add("message", message, session_id)


def get_message(documents: Documents, session_id: str, message_id: str) -> Message:
    """A message."""
    known(documents, "session", session_id)
    return known(documents, "message", message_id, session_id)


def update_message(documents: Documents, body: MessageChange, session_id: str, message_id: str) -> Message:
    """Note what became of a message."""
    message = get_message(documents, session_id, message_id)
    changed = {name: value for name, value in asdict(body).items() if value is not None}
    if body.delivered_at is not None:
        changed["delivered_at"] = timestamp_param("delivered_at", body.delivered_at)
    return documents.put("message", {**message, **changed, "updated_at": timestamp()})


def search_messages(documents: Documents, body: MessageSearch, session_id: str) -> list[Message]:
    """Messages of a session."""
    known(documents, "session", session_id)
    return _found_messages(documents, body, session_id)


def search_all_messages(documents: Documents, body: AllMessageSearch) -> list[Message]:
    """Messages of all sessions, or of one."""
    return _found_messages(documents, body, body.session_id)


def _found_messages(documents: Documents, body: MessageSearch, session_id: str | None) -> list[Message]:
    fields = {name: getattr(body, name) for name in ("provider_message_id", "replied_provider_message_id")}
    return list(_page(documents.each("message", session_id, **fields), body))


def _content(name: str, value: object) -> Document:
    answer = shaped(name, types.MessageContent, value)
    one_of(f"{name}.type", answer["type"], *CONTENTS)
    return answer


# -- agents


def create_agent(documents: Documents, body: NewAI | NewHuman) -> Agent:
    """Make an agent."""
    agent = {
        "id": new_id("agent"),
        "organization_id": documents.organization_id,
        **to_builtins(body),
        "created_at": timestamp(),
    }
    return documents.add("agent", agent)


def update_agent(documents: Documents, body: AgentChange, agent_id: str) -> Agent:
    """Change fields of an agent."""
    agent, fields = known(documents, "agent", agent_id), given(body.fields)
    wrong = "profile_id" if agent["type"] == "ai" else "assistant_id"
    if wrong in fields:
        raise ValidationError(f"fields.{wrong} is no field of an agent of the type {agent['type']}")
    return documents.put("agent", {**agent, **fields})


def get_agent(documents: Documents, agent_id: str) -> Agent:
    """An agent."""
    return known(documents, "agent", agent_id)


def delete_agent(documents: Documents, agent_id: str) -> None:
    """Remove an agent."""
    documents.remove("agent", known(documents, "agent", agent_id)["id"])


def search_agents(documents: Documents, body: AgentSearch) -> list[Agent]:
    """Agents."""
    fields = {name: getattr(body, name) for name in ("type", "assistant_id", "profile_id")}
    return list(_page(documents.each("agent", **fields), body))


# -- schedules and surveys


def create_schedule(documents: Documents, body: NewSchedule, session_id: str) -> SessionSchedule:
    """Have something happen later."""
    open_session(documents, session_id)
    config = shaped("config", types.ScheduleConfig, body.config)
    if one_of("config.type", config["type"], *CONFIGS) == "message":
        config = {**config, "message": _content("config.message", config["message"])}
    schedule = {
        "id": new_id("sched"),
        "session_id": session_id,
        "organization_id": documents.organization_id,
        "scheduled_for": timestamp_param("scheduled_for", body.scheduled_for),
        "config": config,
        "status": "scheduled",
        "created_at": timestamp(),
    }
    return documents.add("schedule", schedule, session_id)


def _is_active(survey: Document) -> bool:
    return from_json(types.SurveySubmission, survey).is_active


def active_survey(documents: Documents, session_id: str, survey_id: str) -> Document:
    """The survey submission with this id.

    :raises ValidationError: the survey is over.
    """
    survey = get_survey(documents, session_id, survey_id)
    if not _is_active(survey):
        raise ValidationError("the survey submission must be active (pending, and not expired)")
    return survey


def get_survey(documents: Documents, session_id: str, survey_id: str) -> SurveySubmission:
    """A survey's submission."""
    known(documents, "session", session_id)
    return known(documents, "survey", survey_id, session_id)


def reply_to_survey(documents: Documents, session_id: str, survey_id: str) -> SurveySubmission:
    """Go on with a survey.

    It is finished once the contact has said something since its start.
    """
    survey = active_survey(documents, session_id, survey_id)
    answers = documents.each("message", session_id, role="user")
    at = timestamp()
    if any(answer["created_at"] > survey["created_at"] for answer in answers):
        survey |= {"status": "finished", "finished_at": at}
    return documents.put("survey", {**survey, "updated_at": at})


def cancel_survey(documents: Documents, session_id: str, survey_id: str) -> SurveySubmission:
    """Give up a survey."""
    survey = active_survey(documents, session_id, survey_id)
    return documents.put("survey", {**survey, "status": "cancelled", "updated_at": timestamp()})
