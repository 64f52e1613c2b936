"""What the service answers, for tests that look at requests and at how replies are read."""

from __future__ import annotations

import json
from typing import Any

from ..sink import Exchange, Fault

AT = "2025-04-03T07:35:10+00:00"

AGENT = {
    "id": "agent_1",
    "organization_id": "org",
    "name": "Ann",
    "type": "ai",
    "assistant_id": "asst_1",
    "created_at": AT,
}
SESSION = {
    "id": "sess_1",
    "contact_id": "ada",
    "organization_id": "org",
    "thread_id": None,
    "conversation_id": "conv_1",
    "status": "open",
    "agent": AGENT,
    "ending_survey_submission_id": None,
    "metadata": {"priority": "high"},
    "created_at": AT,
    "updated_at": None,
}
MESSAGE = {
    "id": "msg_1",
    "session_id": "sess_1",
    "conversation_id": "conv_1",
    "organization_id": "org",
    "role": "user",
    "content": {"type": "text", "text": "Hello"},
    "created_at": AT,
    "delivery_status": "sent",
}
CONNECTION = {"id": "conn_1", "app_id": "app_1", "organization_id": "org", "created_at": AT, "updated_at": AT}
SCHEDULE = {
    "id": "sched_1",
    "session_id": "sess_1",
    "organization_id": "org",
    "scheduled_for": AT,
    "config": {"type": "node", "node_id": "n"},
    "status": "scheduled",
    "created_at": AT,
}
SURVEY = {
    "id": "subm_1",
    "survey_id": "survey_1",
    "session_id": "sess_1",
    "organization_id": "org",
    "status": "pending",
    "created_at": AT,
    "expires_at": AT,
}


def says(body: Any, status: int = 200, **headers: str) -> Fault:
    """A reply of that JSON, or of that text."""
    sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def answer(exchange: Exchange) -> None:
        exchange.reply(status, sent, **headers)

    return answer
