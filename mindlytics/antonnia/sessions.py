"""The calls about sessions, and about the surveys that their end begins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from .calls import (
    PAGE,
    Call,
    Each,
    Many,
    One,
    R,
    Resource,
    given,
    key,
    mapping,
    moment,
    one_of,
    path,
    shaped,
    text,
    whole,
)
from .exceptions import ValidationError
from .types import ScheduleConfig, Session, SessionSchedule, SessionStatus, SessionUpdateFields, SurveySubmission

Planned = TypeVar("Planned")
"""A schedule, as a face hands it back."""

LONGEST_DEBOUNCE = 60
"""Seconds."""


class BaseSessions(Resource, Generic[One, Many, Each, Planned]):
    """Sessions; ``messages`` and ``survey_submissions`` are those of a session."""

    def create(
        self,
        contact_id: str,
        contact_name: str,
        agent_id: str | None = None,
        status: SessionStatus = "open",
        metadata: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> One:
        """Begin a session with a contact.

        :param contact_id: the contact's id in the channel, such as a telephone number.
        :param contact_name: what to call the contact.
        :param agent_id: who is to answer.
        :param metadata: JSON of your own; sessions can be searched by it.
        :param idempotency_key: a text, unique to this session; with it the call is tried again like a read.
        """
        body = {
            "contact_id": text("contact_id", contact_id),
            "contact_name": text("contact_name", contact_name),
            "status": one_of("status", status, "open", "closed"),
            **given(agent_id=agent_id, metadata=mapping("metadata", metadata)),
        }
        return self._send(Call("POST", "/sessions", Session, body, key=key(idempotency_key)))

    def get(self, session_id: str) -> One:
        """The session of this id.

        :raises NotFoundError: there is none.
        """
        return self._send(Call("GET", path("/sessions/{session_id}", session_id=session_id), Session, repeatable=True))

    def update(
        self, session_id: str, fields: SessionUpdateFields | None = None, metadata: Mapping[str, Any] | None = None
    ) -> One:
        """Change fields of a session.

        :param fields: the fields and their new values; ``metadata`` among them is replaced as a whole.
        :param metadata: the former spelling of ``fields={"metadata": …}``; one of the two is required.
        """
        if (fields is None) == (metadata is None):
            raise ValidationError("fields or metadata must be given, and not both")
        where = path("/sessions/{session_id}", session_id=session_id)
        mapping("metadata", metadata)
        changed = mapping("fields", fields) if metadata is None else {"metadata": metadata}
        return self._send(Call("PATCH", where, Session, {"fields": changed}, repeatable=True))

    def transfer(self, session_id: str, agent_id: str | None = None) -> One:
        """Hand a session to another agent.

        :param agent_id: None takes the agent away.
        """
        where = path("/sessions/{session_id}/transfer", session_id=session_id)
        return self._send(Call("POST", where, Session, {"agent_id": agent_id}))

    def finish(self, session_id: str, ending_survey_id: str | None = None) -> One:
        """Close a session.

        :param ending_survey_id: the survey that begins with it; see ``ending_survey_submission_id`` of the session.
        """
        where = path("/sessions/{session_id}/finish", session_id=session_id)
        return self._send(Call("POST", where, Session, given(ending_survey_id=ending_survey_id)))

    def reply(self, session_id: str, debounce_time: int = 0) -> One:
        """Have the agent answer what the contact said.

        :param debounce_time: seconds, 0 to 60, to wait for more of it; a later call begins the time anew.
        """
        where = path("/sessions/{session_id}/reply", session_id=session_id)
        seconds = whole("debounce_time", debounce_time, 0, LONGEST_DEBOUNCE)
        return self._send(Call("POST", where, Session, {"debounce_time": seconds}))

    def search(
        self,
        contact_id: str | None = None,
        status: SessionStatus | None = None,
        metadata: Mapping[str, str | int | float] | None = None,
        offset: int | None = None,
        limit: int | None = None,
    ) -> Many:
        """The sessions to which all of this applies.

        :param metadata: values by name; a name may be a path, as in ``"internal.user_id"``.
        :param offset: so many are passed over.
        :param limit: so many at most, from 1; where it is None the service gives up to 100.
        """
        return self._send(self._search(contact_id, status, metadata, offset, limit))

    def iter(
        self,
        contact_id: str | None = None,
        status: SessionStatus | None = None,
        metadata: Mapping[str, str | int | float] | None = None,
        *,
        page_size: int = PAGE,
    ) -> Each:
        """The same as :meth:`search`, one by one and without an end: the next page is asked for when it is needed.

        A loop that changes whether a session is found passes others over, since pages are found by their offset: make a
        ``list`` of all first.

        :param page_size: sessions of one request.
        """
        whole("page_size", page_size, 1)
        return self._walk(self._search(contact_id, status, metadata, 0, page_size))

    def _search(
        self,
        contact_id: str | None,
        status: SessionStatus | None,
        metadata: Mapping[str, str | int | float] | None,
        offset: int | None,
        limit: int | None,
    ) -> Call[R]:
        if status is not None:
            one_of("status", status, "open", "closed")
        body = given(
            contact_id=contact_id,
            status=status,
            metadata=mapping("metadata", metadata),
            offset=whole("offset", offset, 0),
            limit=whole("limit", limit, 1),
        )
        return Call("POST", "/sessions/search", list[Session], body, repeatable=True)

    def schedule(
        self,
        session_id: str,
        scheduled_for: datetime | str,
        config: ScheduleConfig | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> Planned:
        """Have something happen in a session later.

        :param scheduled_for: an aware datetime or an ISO 8601 text (in UTC where it names no offset).
        :param config: a :class:`ScheduledMessageConfig` or :class:`ScheduledNodeConfig`, or a mapping of such a shape.
        :param idempotency_key: a text, unique to this schedule; with it the call is tried again like a read.
        """
        body = {
            "scheduled_for": moment("scheduled_for", scheduled_for),
            "config": shaped("config", ScheduleConfig, config),
        }
        where = path("/sessions/{session_id}/schedule", session_id=session_id)
        return self._send(Call("POST", where, SessionSchedule, body, key=key(idempotency_key)))


class BaseSurveySubmissions(Resource, Generic[One]):
    """The answers to surveys that begin when a session ends."""

    def get(self, session_id: str, survey_submission_id: str) -> One:
        """The submission of this id.

        :raises NotFoundError: there is none in this session.
        """
        where = _survey(session_id, survey_submission_id)
        return self._send(Call("GET", where, SurveySubmission, repeatable=True))

    def reply(self, session_id: str, survey_submission_id: str) -> One:
        """Have the survey go on after what the contact said.

        :raises ValidationError: it is not active any more.
        """
        where = _survey(session_id, survey_submission_id)
        return self._send(Call("POST", f"{where}/reply", SurveySubmission))

    def cancel(self, session_id: str, survey_submission_id: str) -> One:
        """Give an active survey up.

        :raises ValidationError: it is not active any more.
        """
        where = _survey(session_id, survey_submission_id)
        return self._send(Call("POST", f"{where}/cancel", SurveySubmission))


def _survey(session_id: str, survey_submission_id: str) -> str:
    ids = {"session_id": session_id, "survey_submission_id": survey_submission_id}
    return path("/sessions/{session_id}/surveys/{survey_submission_id}", **ids)
