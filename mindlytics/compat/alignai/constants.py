"""The constants of that package."""

from __future__ import annotations

from ...align import (
    DEFAULT_ASSISTANT_ID,
    FEEDBACK_THUMBS_DOWN,
    FEEDBACK_THUMBS_UP,
    ROLE_ASSISTANT,
    ROLE_USER,
    Config,
)
from ...align.events import FeedbackCreate, MessageCreate, SessionClose, SessionOpen, UserRecognize
from ...align.settings import PRODUCTION as SERVER_BASE_URL

__all__ = [
    "API_MAX_RETIRES",
    "DEFAULT_ASSISTANT_ID",
    "FEEDBACK_THUMBS_DOWN",
    "FEEDBACK_THUMBS_UP",
    "FLUSH_BATCH_SIZE",
    "FLUSH_INTERVAL_MS",
    "FLUSH_TIMEOUT_SECONDS",
    "MAX_BUFFER_SIZE",
    "ROLE_ASSISTANT",
    "ROLE_USER",
    "SERVER_BASE_URL",
    "EventTypes",
]

_DEFAULTS = Config()
FLUSH_INTERVAL_MS = _DEFAULTS.flush_interval_ms
FLUSH_BATCH_SIZE = _DEFAULTS.flush_batch_size
FLUSH_TIMEOUT_SECONDS = _DEFAULTS.flush_timeout_seconds
MAX_BUFFER_SIZE = _DEFAULTS.max_buffer_size
API_MAX_RETIRES = _DEFAULTS.api_max_retries  # spelled as there


class EventTypes:
    """The types of events."""

    SESSION_OPEN = SessionOpen.type
    SESSION_CLOSE = SessionClose.type
    USER_RECOGNIZE = UserRecognize.type
    MESSAGE_CREATE = MessageCreate.type
    FEEDBACK_CREATE = FeedbackCreate.type
