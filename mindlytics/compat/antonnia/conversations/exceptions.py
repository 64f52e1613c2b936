"""The errors of the API, under the names of that package."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from ....antonnia.base import error_of
from ....antonnia.codec import to_json
from ....antonnia.exceptions import (
    AntonniaError,
    APIError,
    AuthenticationError,
    NotFoundError,
    RateLimitError,
    ValidationError,
)
from ....transport import Reply

__all__ = [
    "APIError",
    "AntonniaError",
    "AuthenticationError",
    "NotFoundError",
    "RateLimitError",
    "ValidationError",
    "create_error_from_response",
]


def create_error_from_response(status_code: int, response_data: Mapping[str, object]) -> AntonniaError:
    """Make the error of a status and the JSON object of its reply."""
    return error_of(Reply(status_code, {}, orjson.dumps(to_json(response_data)) if response_data else b""))
