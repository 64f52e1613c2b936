"""Requests to any endpoint of the service."""

from __future__ import annotations

from typing import Any

from ...http import AsyncHTTPClient, Data
from .types import NO_REPLY


class HTTPClient(AsyncHTTPClient):
    """Requests to any endpoint of the service."""

    @property
    def api_key(self) -> str:
        """The workspace's key."""
        return self._settings.api_key.reveal()

    @property
    def project_id(self) -> str:
        """The project that requests are about."""
        return self._settings.project_id

    @property
    def server_endpoint(self) -> str:
        """The service's address."""
        return self._settings.server_endpoint

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request, with the key."""
        return {"Authorization": f"Bearer {self.api_key}", "X-App-ID": self.project_id}

    async def send_request(self, *, method: str, url: str, data: Data = None, raise_errors: bool = False) -> Any:
        """Send one request.

        :param raise_errors: raise ``MLHTTPError`` instead of returning a failure.
        :returns: the reply's JSON, or ``{"errored": True, "status": …, "message": …}``, with status -1 without a reply.
        """
        reply = await super().send_request(method=method, url=url, data=data, raise_errors=raise_errors)
        if isinstance(reply, dict) and reply.get("errored") is True and reply.get("status") == 0:
            reply["status"] = NO_REPLY
        return reply
