"""The calls about sessions, and about the surveys at their end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, TypeVar

from ..values import present
from .calls import (
    PAGE,
    Call,
    Each,
    Many,
    One,
    R,
    Resource,
    key,
    mapping,
    one_of,
    path,
    shaped,
    text,
    timestamp_param,
    whole,
)
from .exceptions import ValidationError
from .types import ScheduleConfig, Session, SessionSchedule, SessionStatus, SessionUpdateFields, SurveySubmission

Planned = TypeVar("Planned")
"""A schedule, or an awaitable of it."""

LONGEST_DEBOUNCE = 60
"""Seconds."""


class BaseSessions(Resource, Generic[One, Many, Each, Planned]):
    """Sessions, with their ``messages`` and ``survey_submissions``."""

    def create(
        self,
        contact_id: str,
        contact_name: str,
        agent_id: str | None = None,
        status: SessionStatus = "open",
        metadata: Mapping[str, object] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> One:
        """Begin a session with a contact.

        :param contact_id: the contact's id in the channel, such as a telephone number.
        :param contact_name: what to call the contact.
        :param agent_id: who will answer.
        :param metadata: JSON of your own. You can search sessions by it.
        :param idempotency_key: a text, unique to this session. With it the call is retried like a read.
        """
        body = {
            "contact_id": text("contact_id", contact_id),
            "contact_name": text("contact_name", contact_name),
            "status": one_of("status", status, "open", "closed"),
            **present(agent_id=agent_id, metadata=mapping("metadata", metadata)),
        }
        return self._send(Call("POST", "/sessions", Session, body, key=key(idempotency_key)))

    def get(self, session_id: str) -> One:
        """Get the session with this id.

        :raises NotFoundError: the session does not exist.
        """
        return self._send(Call("GET", path("/sessions/{session_id}", session_id=session_id), Session, repeatable=True))

    def update(
        self, session_id: str, fields: SessionUpdateFields | None = None, metadata: Mapping[str, object] | None = None
    ) -> One:
        """Change fields of a session.

        :param fields: the fields and their new values. ``metadata`` among them is replaced as a whole.
        :param metadata: the former spelling of ``fields={"metadata": …}``. One of the two is required.
        """
        if (fields is None) == (metadata is None):
            raise ValidationError("exactly one of fields and metadata is required")
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

        :param ending_survey_id: the survey to start. Its submission is ``ending_survey_submission_id`` of the session.
        """
        where = path("/sessions/{session_id}/finish", session_id=session_id)
        return self._send(Call("POST", where, Session, present(ending_survey_id=ending_survey_id)))

    def reply(self, session_id: str, debounce_time: int = 0) -> One:
        """Have the agent answer what the contact said.

        :param debounce_time: seconds, 0 to 60, to wait for more from the contact. A later call restarts the wait.
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
        """Find the sessions that match all arguments.

        :param metadata: values by name. A name may be a path, as in ``"internal.user_id"``.
        :param offset: how many to skip.
        :param limit: how many to return at most, from 1. None means 100.
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
        """Iterate over all that :meth:`search` finds. It requests the next page when the loop gets there.

        If your loop changes which sessions match, make a ``list`` first. Pages go by offset, so the loop would skip
        some.

        :param page_size: sessions per request.
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
        body = present(
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
        config: ScheduleConfig | Mapping[str, object],
        *,
        idempotency_key: str | None = None,
    ) -> Planned:
        """Schedule something in a session.

        :param scheduled_for: an aware datetime or an ISO 8601 text (in UTC unless it names an offset).
        :param config: a :class:`ScheduledMessageConfig` or :class:`ScheduledNodeConfig`, or a mapping of such a shape.
        :param idempotency_key: a text, unique to this schedule. With it the call is retried like a read.
        """
        body = {
            "scheduled_for": timestamp_param("scheduled_for", scheduled_for),
            "config": shaped("config", ScheduleConfig, config),
        }
        where = path("/sessions/{session_id}/schedule", session_id=session_id)
        return self._send(Call("POST", where, SessionSchedule, body, key=key(idempotency_key)))


class BaseSurveySubmissions(Resource, Generic[One]):
    """The answers to the surveys at the end of sessions."""

    def get(self, session_id: str, survey_submission_id: str) -> One:
        """Get the submission with this id.

        :raises NotFoundError: the session has no such submission.
        """
        where = _survey(session_id, survey_submission_id)
        return self._send(Call("GET", where, SurveySubmission, repeatable=True))

    def reply(self, session_id: str, survey_submission_id: str) -> One:
        """Continue the survey after what the contact said.

        :raises ValidationError: the survey is over.
        """
        where = _survey(session_id, survey_submission_id)
        return self._send(Call("POST", f"{where}/reply", SurveySubmission))

    def cancel(self, session_id: str, survey_submission_id: str) -> One:
        """Cancel an active survey.

        :raises ValidationError: the survey is over.
        """
        where = _survey(session_id, survey_submission_id)
        return self._send(Call("POST", f"{where}/cancel", SurveySubmission))


def _survey(session_id: str, survey_submission_id: str) -> str:
    ids = {"session_id": session_id, "survey_submission_id": survey_submission_id}
    return path("/sessions/{session_id}/surveys/{survey_submission_id}", **ids)
