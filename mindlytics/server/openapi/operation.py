"""A request and its answers in the document. The services' files list all requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from .shapes import HEADER, TEXT, Schema, ref

REASONS = {
    101: "The WebSocket.",
    400: "A rule is broken; `field` names where.",
    401: "The key or the project id is missing.",
    403: "The key is not taken.",
    404: "It does not exist.",
    408: "The body did not come in time.",
    413: "The body is longer than 1 MiB.",
    415: "The body is of another type.",
    422: "A rule is broken, or the Idempotency-Key was used with another body.",
    426: "This address is a WebSocket's.",
    501: "A library that this needs is not installed.",
    503: "The store cannot do this for now; `message` or `detail` says why.",
}

JSON = "application/json"


@frozen
class Operation:
    """A request and its answers.

    :param answer: the schema of the answer with ``status``. None: no body.
    :param query: the parameters. Those other than plain texts and numbers are JSON.
    :param required: the required ones among them.
    :param takes: the type of the body. ``media``: other accepted types, which are answered in the same type.
    :param key: whether it needs an API key. ``app``: whether it needs a project id, too.
    :param error: the schema of the answer with the statuses in ``refusals`` and ``others``.
    """

    summary: str
    answer: Schema | None
    query: Mapping[str, Schema] = field(factory=dict)
    required: Sequence[str] = ()
    body: Schema | None = None
    headers: Mapping[str, Schema] = field(factory=dict)
    takes: str = JSON
    media: Sequence[str] = ()
    key: bool = True
    app: bool = True
    status: int = 200
    error: Schema = field(factory=lambda: ref("Error"))
    refusals: Sequence[int] = (400, 401, 403)
    others: Sequence[int] = ()

    def to_openapi(self, path: str, service: str) -> dict[str, Any]:
        """The operation in the document, below its path."""
        described: dict[str, Any] = {
            "summary": self.summary,
            "tags": [service],
            "parameters": self._parameters(path),
            "responses": self._responses(),
            "security": [{"key": []}] if self.key else [],
        }
        if self.body is not None:
            described["requestBody"] = {"required": True, "content": self._content(self.body, self.takes)}
        return described

    def _parameters(self, path: str) -> list[dict[str, Any]]:
        found = [
            {"name": name, "in": "path", "required": True, "schema": TEXT} for name in re.findall(r"\{(\w+)\}", path)
        ]
        headers = {**({"X-App-ID": HEADER} if self.key and self.app else {}), **self.headers}
        for name, schema in headers.items():
            found.append({"name": name, "in": "header", "required": name == "X-App-ID", "schema": schema})
        for name, schema in self.query.items():
            as_text = schema.get("type") in ("string", "integer") or name.endswith("]")
            shape = {"schema": schema} if as_text else {"content": {JSON: {"schema": schema}}}
            found.append({"name": name, "in": "query", "required": name in self.required, **shape})
        return found

    def _responses(self) -> dict[str, Any]:
        refused = {
            *self.others,
            *((*self.refusals, 503) if self.key else ()),
            *([408, 413] if self.body is not None else ()),
        }
        described: dict[str, Any] = {}
        if 101 not in refused:
            described[str(self.status)] = {"description": "The answer."}
            if self.answer is not None:
                described[str(self.status)]["content"] = self._content(self.answer)
        for status in sorted(refused):
            described[str(status)] = {"description": REASONS[status]}
            if status != 101:
                described[str(status)]["content"] = {JSON: {"schema": self.error}}
        return described

    def _content(self, schema: Schema, media: str = JSON) -> dict[str, Any]:
        return {media: {"schema": schema}, **{other: {} for other in self.media}}
