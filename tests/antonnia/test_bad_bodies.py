"""Whatever is sent to the local server's Conversations API, the answer is JSON and never the server's own fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from mindlytics.server.antonnia import app
from mindlytics.server.antonnia.app import PREFIX
from mindlytics.server.run import LocalServer


def nested(levels: int, made: Any = 0) -> Any:
    for _ in range(levels):
        made = {"a": made}
    return made


TEXT = {"type": "text", "text": "Hello"}
CONFIG = {"type": "node", "node_id": "n"}
ODD: list[Any] = [
    None, True, 0, -1, 2**63, 1.5, "", "\0", "ä" * 400, [], [1], {}, {"": {".": 1}}, nested(240), nested(254),
    {"type": []}, {"type": "message", "message": {}}, {**TEXT, "template_parameters": nested(254)},
    "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00",
]  # fmt: skip
FIELDS: dict[str, dict[str, Any]] = {
    "/sessions": {"contact_id": "a", "contact_name": "A", "agent_id": None, "status": "open", "metadata": {}},
    "/sessions/search": {"contact_id": "a", "status": "open", "metadata": {"a.b": 1}, "offset": 0, "limit": 1},
    "/sessions/{session_id}": {"fields": {"status": "open"}},
    "/sessions/{session_id}/transfer": {"agent_id": None},
    "/sessions/{session_id}/reply": {"debounce_time": 0},
    "/sessions/{session_id}/schedule": {"scheduled_for": "2100-01-01T00:00:00Z", "config": CONFIG},
    "/sessions/{session_id}/messages": {"content": TEXT, "role": "assistant", "provider_message_id": "p"},
    "/sessions/{session_id}/messages/search": {"provider_message_id": "p", "replied_provider_message_id": "p"},
    "/sessions/{session_id}/messages/{message_id}": {
        "provider_message_id": "p",
        "delivery_status": "failed",
        "delivery_error_code": 1,
        "delivery_error_message": "m",
        "delivered_at": "2025-04-03T09:00:00Z",
    },
    "/messages/search": {"session_id": "s", "provider_message_id": "p", "offset": 0, "limit": 1},
    "/agents": {"name": "A", "type": "ai", "assistant_id": "a"},
    "/agents/search": {"type": "ai", "assistant_id": "a", "profile_id": "p", "offset": 0, "limit": 1},
    "/agents/{agent_id}": {"fields": {"name": "A"}},
}
ROUTES = [
    (route.method, path)
    for route in app.ROUTES
    if (path := route.path.removeprefix(PREFIX)) in FIELDS and route.method not in {"GET", "DELETE"}
]


class Place:
    """A server with one of each."""

    def __init__(self, server: LocalServer) -> None:
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Authorization"] = "Bearer bad-bodies"
        self.base = server.url + PREFIX
        session_id = self.send("POST", "/sessions", FIELDS["/sessions"]).json()["id"]
        message = self.send("POST", f"/sessions/{session_id}/messages", FIELDS["/sessions/{session_id}/messages"])
        agent_id = self.send("POST", "/agents", FIELDS["/agents"]).json()["id"]
        self.ids = {"session_id": session_id, "message_id": message.json()["id"], "agent_id": agent_id}

    def send(self, method: str, path: str, body: Any, **headers: Any) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body)
        return self.http.request(method, self.base + path, data=data, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def place(home: LocalServer) -> Iterator[Place]:
    made = Place(home)
    yield made
    made.http.close()


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_is_taken_or_refused(place: Place, method: str, path: str) -> None:
    wrong = []
    for name in FIELDS[path]:
        for value in ODD:
            reply = place.send(method, path.format(**place.ids), {**FIELDS[path], name: value})
            answer = reply.json()
            if reply.status_code >= 500 or (reply.status_code >= 400 and not isinstance(answer["detail"], str)):
                wrong.append((name, str(value)[:40], reply.status_code, answer))
    assert [] == wrong


@pytest.mark.parametrize(
    "body", [b"\xff", b"[]", b"3", b"{", b'{"a": "\\ud800"}', b"[" * 100_000, json.dumps(nested(254)).encode()]
)
def test_a_body_other_than_an_object_is_refused(place: Place, body: bytes) -> None:
    for method, path in ROUTES:
        reply = place.send(method, path.format(**place.ids), body)
        assert (422, True) == (reply.status_code, reply.json()["detail"].startswith("the body must "))


@pytest.mark.parametrize("key", ["ä".encode("latin-1"), "k" * 256])
def test_a_key_other_than_a_text_is_refused(place: Place, key: Any) -> None:
    headers = {"Idempotency-Key": key}
    reply = place.send("POST", "/agents", FIELDS["/agents"], **headers)
    assert (422, "Idempotency-Key must be 1 to 255 printable characters") == (reply.status_code, reply.json()["detail"])


def test_the_methods_of_a_path_are_listed(place: Place) -> None:
    reply = place.send("PUT", "/sessions", {})
    assert (405, "POST") == (reply.status_code, reply.headers["Allow"])
