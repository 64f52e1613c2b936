"""The errors of the Conversations API, as a tree.

MindlyticsError
 └── AntonniaError
      ├── AuthenticationError   401: the service rejects the token
      ├── NotFoundError         404: the session, message, agent or survey submission does not exist
      ├── ValidationError       422, or an argument breaks a rule before any request (also a ValueError)
      ├── RateLimitError        429: too many requests
      └── APIError              any other error status, or an unreadable reply
           └── APIConnectionError   no reply
                └── APITimeoutError     no reply in time

A message is the service's own, or names an argument and its rule. It never holds the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MindlyticsError


class AntonniaError(MindlyticsError):
    """The root of the errors of this API.

    :param message: the service's ``detail``, or what happened, in words.
    :param status_code: the HTTP status, or None without a reply.
    :param response_data: the JSON object of the reply, or an empty dict.
    """

    def __init__(
        self, message: str, status_code: int | None = None, response_data: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.response_data: dict[str, Any] = dict(response_data or {})


class AuthenticationError(AntonniaError):
    """The service rejects the token (401)."""


class NotFoundError(AntonniaError):
    """An id names something that does not exist (404)."""


class ValidationError(AntonniaError, ValueError):
    """An argument breaks a rule. If ``status_code`` is None, the call raised it before any request."""


class RateLimitError(AntonniaError):
    """Too many requests (429).

    :param retry_after: seconds that the service asks to wait, or None.
    """

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        status_code: int | None = None,
        response_data: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, status_code, response_data)
        self.retry_after = retry_after


class APIError(AntonniaError):
    """The service answered with another error, or with an unreadable reply.

    :param response_text: the first 500 characters of a successful reply that is not JSON. It may hold what people said.
    """

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        response_data: Mapping[str, object] | None = None,
        response_text: str = "",
    ) -> None:
        super().__init__(message, status_code, response_data)
        self.response_text = response_text


class APIConnectionError(APIError):
    """The connection failed or broke before the whole reply. The service may have done what you asked."""


class APITimeoutError(APIConnectionError):
    """The whole reply did not come in time."""
