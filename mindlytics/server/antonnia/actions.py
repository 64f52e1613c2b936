"""What each request does: from its body to the document in the answer. The checks are those of the client.

Every function takes :class:`Rows`, a body and the ids of the path, and runs within one transaction. A broken rule
raises :class:`ValidationError` (422), and an unknown id :class:`NotFoundError` (404).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from ...antonnia.calls import PAGE, mapping, one_of, shaped, text, timestamp_param, whole
from ...antonnia.codec import CONFIGS, CONTENTS, from_json
from ...antonnia.exceptions import NotFoundError, ValidationError
from ...antonnia.types import MessageContent, ScheduleConfig, SurveySubmission
from .rows import Document, Rows, moment, new_id

SURVEY_TIME = timedelta(hours=24)
"""How long a survey can be answered."""

MOST_NAMES = 100
LONGEST_NAME = 500
"""Most names in a search for metadata, and most characters of one."""

UPDATABLE = ("thread_id", "status", "agent_id", "ending_survey_submission_id", "metadata", "organization_id")
DELIVERY = ("pending", "sent", "delivered", "read", "failed", "rejected")


def known(rows: Rows, kind: str, id: object, session_id: str | None = None) -> Document:
    """The document with this id, in this session if one is given.

    :raises NotFoundError: it does not exist.
    """
    found = rows.find(kind, text(f"{kind}_id", id))
    if found is None or (session_id is not None and found["session_id"] != session_id):
        raise NotFoundError(f"{kind} not found")
    return found


def _optional(name: str, value: object) -> str | None:
    return None if value is None else text(name, value)


# -- sessions


def session_to_json(rows: Rows, session: Document) -> Document:
    """A session as the API returns it: with its agent, without the contact's name."""
    agent = rows.find("agent", session["agent_id"]) if session["agent_id"] else None
    hidden = ("agent_id", "contact_name")
    return {**{name: value for name, value in session.items() if name not in hidden}, "agent": agent}


def open_session(rows: Rows, session_id: str) -> Document:
    """The session with this id.

    :raises ValidationError: it is closed.
    """
    session = known(rows, "session", session_id)
    if session["status"] != "open":
        raise ValidationError("the session must be open, it is closed")
    return session


def create_session(rows: Rows, given: Document) -> Document:
    contact_id = text("contact_id", given.get("contact_id"))
    earlier = next(rows.each("session", contact_id=contact_id), None)
    session: Document = {
        "id": new_id("sess"),
        "contact_id": contact_id,
        "contact_name": text("contact_name", given.get("contact_name")),
        "organization_id": rows.organization_id,
        "thread_id": None,
        "conversation_id": new_id("conv") if earlier is None else earlier["conversation_id"],
        "status": one_of("status", given.get("status", "open"), "open", "closed"),
        "agent_id": _agent_id(rows, given.get("agent_id")),
        "ending_survey_submission_id": None,
        "metadata": mapping("metadata", given.get("metadata")) or {},
        "created_at": moment(),
        "updated_at": None,
    }
    answer = session_to_json(rows, rows.add("session", session))
    rows.happened("session.created", session["id"], answer)
    return answer


def get_session(rows: Rows, _: Document, session_id: str) -> Document:
    """One session."""
    return session_to_json(rows, known(rows, "session", session_id))


def update_session(rows: Rows, given: Document, session_id: str) -> Document:
    session = known(rows, "session", session_id)
    fields = _fields(given, UPDATABLE)
    if "status" in fields:
        one_of("fields.status", fields["status"], "open", "closed")
    if "metadata" in fields:
        fields["metadata"] = mapping("fields.metadata", fields["metadata"]) or {}
    if "agent_id" in fields:
        _agent_id(rows, fields["agent_id"])
    for name in ("thread_id", "ending_survey_submission_id"):
        if name in fields:
            _optional(f"fields.{name}", fields[name])
    if fields.get("organization_id", rows.organization_id) != rows.organization_id:
        raise ValidationError("fields.organization_id must be that of the token")
    return session_to_json(rows, rows.put("session", {**session, **fields, "updated_at": moment()}))


def transfer_session(rows: Rows, given: Document, session_id: str) -> Document:
    session = open_session(rows, session_id)
    agent_id = _agent_id(rows, given.get("agent_id"))
    answer = session_to_json(rows, rows.put("session", {**session, "agent_id": agent_id, "updated_at": moment()}))
    rows.happened("session.transferred", session_id, answer)
    return answer


def finish_session(rows: Rows, given: Document, session_id: str) -> Document:
    session = open_session(rows, session_id)
    survey_id = _optional("ending_survey_id", given.get("ending_survey_id"))
    if survey_id is not None:
        survey = {
            "id": new_id("subm"),
            "survey_id": survey_id,
            "session_id": session_id,
            "organization_id": rows.organization_id,
            "status": "pending",
            "created_at": moment(),
            "expires_at": moment(SURVEY_TIME),
            "finished_at": None,
            "updated_at": None,
        }
        rows.add("survey", survey, session_id)
        session["ending_survey_submission_id"] = survey["id"]
    answer = session_to_json(rows, rows.put("session", {**session, "status": "closed", "updated_at": moment()}))
    rows.happened("session.finished", session_id, answer)
    return answer


def search_sessions(rows: Rows, given: Document) -> list[Document]:
    wanted = _wanted(given)
    status = given.get("status")
    if status is not None:
        one_of("status", status, "open", "closed")
    found = rows.each("session", contact_id=_optional("contact_id", given.get("contact_id")), status=status)
    fitting = (session for session in found if _has(session["metadata"], wanted))
    return [session_to_json(rows, session) for session in _page(fitting, given)]


def _wanted(given: Document) -> Mapping[str, Any]:
    """Check the metadata to search for. Names must be few and short, since a lookup takes the square of their
    length.
    """
    wanted = mapping("metadata", given.get("metadata")) or {}
    if len(wanted) > MOST_NAMES or any(len(name) > LONGEST_NAME for name in wanted):
        raise ValidationError(f"metadata must be at most {MOST_NAMES} names of {LONGEST_NAME} characters")
    return wanted


def _has(metadata: Mapping[str, Any], wanted: Any) -> bool:
    """Whether the metadata has these values. A name may be a path with dots."""
    return all(any(_same(value, found) for found in _at(metadata, name)) for name, value in wanted.items())


def _at(metadata: Any, path: str) -> Iterator[Any]:
    if not isinstance(metadata, dict):
        return
    if path in metadata:
        yield metadata[path]
    for index, letter in enumerate(path):
        if letter == "." and path[:index] in metadata:
            yield from _at(metadata[path[:index]], path[index + 1 :])


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _agent_id(rows: Rows, agent_id: object) -> str | None:
    return None if agent_id is None else str(known(rows, "agent", agent_id)["id"])


def _fields(given: Document, allowed: tuple[str, ...]) -> Document:
    fields = given.get("fields")
    if not isinstance(fields, dict):
        raise ValidationError("fields must be an object")
    unknown = sorted(fields.keys() - set(allowed))
    if unknown:
        raise ValidationError(f"fields.{unknown[0]} cannot be changed; {', '.join(allowed)} can")
    return dict(fields)


def _page(found: Iterator[Document], given: Document) -> Iterator[Document]:
    offset, limit = whole("offset", given.get("offset"), 0) or 0, whole("limit", given.get("limit"), 1)
    return islice(found, min(offset, sys.maxsize), min(offset + (PAGE if limit is None else limit), sys.maxsize))


# -- messages


def create_message(rows: Rows, given: Document, session_id: str, run_id: str | None = None) -> Document:
    session = known(rows, "session", session_id)
    if session["status"] != "open" and not any(_is_active(survey) for survey in rows.each("survey", session_id)):
        raise ValidationError("the session must be open, it is closed")
    message = {
        "id": new_id("msg"),
        "session_id": session_id,
        "conversation_id": session["conversation_id"],
        "organization_id": rows.organization_id,
        "provider_message_id": _optional("provider_message_id", given.get("provider_message_id")),
        "replied_provider_message_id": _optional(
            "replied_provider_message_id", given.get("replied_provider_message_id")
        ),
        "run_id": run_id,
        "role": one_of("role", given.get("role"), "user", "assistant"),
        "content": _content("content", given.get("content")),
        "created_at": moment(),
        "delivery_status": "pending",
        "delivery_error_code": None,
        "delivery_error_message": None,
        "delivered_at": None,
        "updated_at": None,
    }
    rows.happened("message.created", session_id, message)
    return rows.add("message", message, session_id)


def get_message(rows: Rows, _: Document, session_id: str, message_id: str) -> Document:
    """One message, of its session only."""
    known(rows, "session", session_id)
    return known(rows, "message", message_id, session_id)


def update_message(rows: Rows, given: Document, session_id: str, message_id: str) -> Document:
    message = get_message(rows, {}, session_id, message_id)
    changed = {
        name: text(name, given[name])
        for name in ("provider_message_id", "replied_provider_message_id", "delivery_error_message")
        if given.get(name) is not None
    }
    if given.get("delivery_status") is not None:
        changed["delivery_status"] = one_of("delivery_status", given["delivery_status"], *DELIVERY)
    code = given.get("delivery_error_code")
    if code is not None and (not isinstance(code, int) or isinstance(code, bool)):
        raise ValidationError("delivery_error_code must be an int")
    if given.get("delivered_at") is not None:
        changed["delivered_at"] = timestamp_param("delivered_at", given["delivered_at"])
    codes = {} if code is None else {"delivery_error_code": code}
    return rows.put("message", {**message, **changed, **codes, "updated_at": moment()})


def search_messages(rows: Rows, given: Document, session_id: str | None = None) -> list[Document]:
    if session_id is not None:
        known(rows, "session", session_id)
    else:
        session_id = _optional("session_id", given.get("session_id"))
    names = ("provider_message_id", "replied_provider_message_id")
    fields = {name: _optional(name, given.get(name)) for name in names}
    return list(_page(rows.each("message", session_id, **fields), given))


def _content(name: str, value: object) -> Document:
    answer = shaped(name, MessageContent, value)
    one_of(f"{name}.type", answer["type"], *CONTENTS)
    return answer


# -- agents


def create_agent(rows: Rows, given: Document) -> Document:
    kind = one_of("type", given.get("type"), "ai", "human")
    name = "assistant_id" if kind == "ai" else "profile_id"
    agent = {
        "id": new_id("agent"),
        "organization_id": rows.organization_id,
        "name": text("name", given.get("name")),
        "type": kind,
        name: text(name, given.get(name)),
        "created_at": moment(),
    }
    return rows.add("agent", agent)


def update_agent(rows: Rows, given: Document, agent_id: str) -> Document:
    agent = known(rows, "agent", agent_id)
    fields = _fields(given, ("name", "assistant_id" if agent["type"] == "ai" else "profile_id"))
    return rows.put("agent", {**agent, **{name: text(f"fields.{name}", value) for name, value in fields.items()}})


def get_agent(rows: Rows, _: Document, agent_id: str) -> Document:
    """One agent."""
    return known(rows, "agent", agent_id)


def delete_agent(rows: Rows, _: Document, agent_id: str) -> None:
    rows.remove("agent", known(rows, "agent", agent_id)["id"])


def search_agents(rows: Rows, given: Document) -> list[Document]:
    if given.get("type") is not None:
        one_of("type", given["type"], "ai", "human")
    names = ("type", "assistant_id", "profile_id")
    fields = {name: _optional(name, given.get(name)) for name in names}
    return list(_page(rows.each("agent", **fields), given))


# -- schedules and surveys


def create_schedule(rows: Rows, given: Document, session_id: str) -> Document:
    open_session(rows, session_id)
    config = shaped("config", ScheduleConfig, given.get("config"))
    if one_of("config.type", config["type"], *CONFIGS) == "message":
        config = {**config, "message": _content("config.message", config["message"])}
    schedule = {
        "id": new_id("sched"),
        "session_id": session_id,
        "organization_id": rows.organization_id,
        "scheduled_for": timestamp_param("scheduled_for", given.get("scheduled_for")),
        "config": config,
        "status": "scheduled",
        "created_at": moment(),
    }
    return rows.add("schedule", schedule, session_id)


def _is_active(survey: Document) -> bool:
    return from_json(SurveySubmission, survey).is_active


def active_survey(rows: Rows, session_id: str, survey_id: str) -> Document:
    """The survey submission with this id.

    :raises ValidationError: the survey is over.
    """
    survey = get_survey(rows, {}, session_id, survey_id)
    if not _is_active(survey):
        raise ValidationError("the survey submission must be active (pending, and not expired)")
    return survey


def get_survey(rows: Rows, _: Document, session_id: str, survey_id: str) -> Document:
    """One survey submission, of its session only."""
    known(rows, "session", session_id)
    return known(rows, "survey", survey_id, session_id)


def reply_to_survey(rows: Rows, _: Document, session_id: str, survey_id: str) -> Document:
    """Finish it once the contact has said something since its start."""
    survey = active_survey(rows, session_id, survey_id)
    answers = rows.each("message", session_id, role="user")
    at = moment()
    if any(answer["created_at"] > survey["created_at"] for answer in answers):
        survey |= {"status": "finished", "finished_at": at}
    return rows.put("survey", {**survey, "updated_at": at})


def cancel_survey(rows: Rows, _: Document, session_id: str, survey_id: str) -> Document:
    survey = active_survey(rows, session_id, survey_id)
    return rows.put("survey", {**survey, "status": "cancelled", "updated_at": moment()})
