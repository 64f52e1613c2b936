"""What may go wrong with the Conversations API; the tree at a glance.

MindlyticsError
 └── AntonniaError
      ├── AuthenticationError   401: the token is not accepted
      ├── NotFoundError         404: there is no such session, message, agent or survey submission
      ├── ValidationError       422, or an argument breaks a rule before any request (also a ValueError)
      ├── RateLimitError        429: too many requests
      └── APIError              any other status that is no success, or a reply that cannot be read
           └── APIConnectionError   no reply came
                └── APITimeoutError     not in time

Messages are the service's own words, or name an argument and its rule. They never hold the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MindlyticsError


class AntonniaError(MindlyticsError):
    """The root of the errors of this API.

    :param message: the service's ``detail``, or what happened, in words.
    :param status_code: the HTTP status; None where there was no reply.
    :param response_data: the JSON object of the reply; empty where there was none.
    """

    def __init__(
        self, message: str, status_code: int | None = None, response_data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.response_data: dict[str, Any] = dict(response_data or {})


class AuthenticationError(AntonniaError):
    """The token is not accepted (401)."""


class NotFoundError(AntonniaError):
    """What an id names does not exist (404)."""


class ValidationError(AntonniaError, ValueError):
    """An argument breaks a rule. Where ``status_code`` is None it was told at the call, and no request was made."""


class RateLimitError(AntonniaError):
    """Too many requests (429).

    :param retry_after: seconds after which the service wants to be asked again; None where it does not say.
    """

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        status_code: int | None = None,
        response_data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, status_code, response_data)
        self.retry_after = retry_after


class APIError(AntonniaError):
    """The service answered with another error, or with what cannot be read.

    :param response_text: a reply of success that is no JSON, 500 characters at most; it may hold what people said.
    """

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        response_data: Mapping[str, Any] | None = None,
        response_text: str = "",
    ) -> None:
        super().__init__(message, status_code, response_data)
        self.response_text = response_text


class APIConnectionError(APIError):
    """No whole reply came: no connection, or it broke. Whether the service did what it was asked is not known."""


class APITimeoutError(APIConnectionError):
    """No whole reply came in time."""
