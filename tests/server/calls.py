"""What the tests of the server send and read: a caller over a real socket, and events as a client sends them."""

from __future__ import annotations

import json
from typing import Any

import requests

QUEUE = "/bc/v1/events/queue"
AT = "2025-04-03T07:35:10.000Z"


class Caller:
    """Requests to one server on behalf of one app."""

    def __init__(self, url: str, api_key: str = "key", app_id: str = "app") -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers.update({"Authorization": f"Bearer {api_key}", "X-App-ID": app_id})

    def post(self, path: str, body: object, **headers: str) -> requests.Response:
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.http.post(self.url + path, data=data, headers=headers, timeout=20)

    def queue(self, *events: dict[str, Any], key: str | None = None) -> requests.Response:
        return self.post(QUEUE, list(events), **({"Idempotency-Key": key} if key else {}))

    def take(self, *events: dict[str, Any]) -> None:
        reply = self.queue(*events)
        assert (200, {"status": "ok"}) == (reply.status_code, reply.json())

    def get(self, path: str, **parameters: object) -> requests.Response:
        query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
        return self.http.get(self.url + path, params=query, timeout=20)

    def find(self, collection: str, **parameters: object) -> Any:
        reply = self.get(f"/bc/v1/db/{collection}/find", **parameters)
        assert 200 == reply.status_code, reply.text
        return reply.json()

    def one(self, collection: str, **parameters: object) -> Any:
        reply = self.get(f"/bc/v1/db/{collection}/findOne", **parameters)
        assert 200 == reply.status_code, reply.text
        return reply.json()

    def names(self, session_id: str = "s") -> list[str]:
        return [event["event"] for event in self.find("events", filter={"session_id": session_id})]


def event(kind: str = "track", session_id: str = "s", **fields: Any) -> dict[str, Any]:
    """An event as a client sends it, on behalf of user ``u`` unless a user or device is given."""
    whom = {} if {"user_id", "device_id", "id"} & set(fields) else {"user_id": "u"}
    return {"type": kind, "session_id": session_id, "timestamp": AT, **whom, **fields}


def track(name: str = "Bought", **fields: Any) -> dict[str, Any]:
    return event(event=name, **fields)


def turn(user: str = "hi", assistant: str = "hello", conversation_id: str = "c", **fields: Any) -> dict[str, Any]:
    properties = {"user": user, "assistant": assistant, **fields.pop("properties", {})}
    return track("Conversation Turn", conversation_id=conversation_id, properties=properties, **fields)
