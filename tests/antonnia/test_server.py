"""The API of the local server: what each request does, who sees what, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import event

from mindlytics.antonnia import Conversations
from mindlytics.antonnia.exceptions import AuthenticationError, NotFoundError, ValidationError
from mindlytics.antonnia.types import AIAgent, MessageContentImage
from mindlytics.server.antonnia.app import PREFIX
from mindlytics.server.antonnia.documents import Documents
from mindlytics.server.apps import App
from mindlytics.server.run import LocalServer
from mindlytics.server.sqlite import SQLiteFile
from mindlytics.values import now

from .conftest import client_of

TEXT = {"type": "text", "text": "Hello"}


@pytest.fixture
def http(server: LocalServer) -> Iterator[Callable[..., requests.Response]]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer raw"

        def send(method: str, path: str, **options: Any) -> requests.Response:
            return session.request(method, f"{server.url}/conversations/v2{path}", timeout=20, **options)

        yield send


# -- sessions


def test_a_session_from_its_beginning_to_its_end(api: Conversations) -> None:
    agent = api.agents.create("Ann", "ai", assistant_id="asst")
    session = api.sessions.create("ada", "Ada", agent_id=agent.id, metadata={"priority": "high"})
    assert ("ada", "open", agent, {"priority": "high"}, None, {}) == (
        session.contact_id,
        session.status,
        session.agent,
        session.metadata,
        session.updated_at,
        session.extra,
    )
    assert session == api.sessions.get(session.id)
    changed = api.sessions.update(session.id, {"metadata": {"a": 1}, "thread_id": "t"})
    assert ({"a": 1}, "t") == (changed.metadata, changed.thread_id)
    assert changed.updated_at is not None
    assert api.sessions.transfer(session.id).agent is None
    assert agent == api.sessions.transfer(session.id, agent.id).agent
    closed = api.sessions.finish(session.id)
    assert ("closed", None) == (closed.status, closed.ending_survey_submission_id)
    assert "open" == api.sessions.update(session.id, {"status": "open"}).status


def test_the_sessions_of_a_contact_share_a_conversation(api: Conversations) -> None:
    first, second, other = (api.sessions.create(contact, "A") for contact in ("ada", "ada", "bob"))
    assert first.conversation_id == second.conversation_id != other.conversation_id


def test_search_by_contact_status_and_metadata(api: Conversations) -> None:
    maps: list[dict[str, Any]] = [
        {"priority": "high", "internal": {"user_id": "u1", "n": 1}},
        {"priority": "low", "internal.user_id": "u1"},
        {"priority": "high", "internal": {"user_id": "u2", "n": 1.0, "deep": {"er": True}}},
        {"n": "1", "internal": "u1"},
    ]
    ids = [api.sessions.create(f"c{i % 2}", "C", metadata=metadata).id for i, metadata in enumerate(maps)]
    api.sessions.finish(ids[3])

    def found(**filters: Any) -> list[int]:
        return [ids.index(session.id) for session in api.sessions.search(**filters)]

    assert [0, 1, 2, 3] == found()
    assert [0, 2] == found(contact_id="c0")
    assert [3] == found(status="closed")
    assert [1] == found(contact_id="c1", status="open")
    assert [0, 2] == found(metadata={"priority": "high"})
    assert [0, 1] == found(metadata={"internal.user_id": "u1"})
    assert [0, 2] == found(metadata={"internal.n": 1})
    assert [2] == found(metadata={"internal.deep.er": True})
    assert [] == found(metadata={"internal.deep.er": 1})
    assert [0] == found(metadata={"priority": "high", "internal.user_id": "u1"})
    assert [] == found(metadata={"priority": "none"})
    assert [1, 2] == found(offset=1, limit=2)
    assert [2] == found(metadata={"priority": "high"}, offset=1, limit=1)
    assert [] == found(offset=10)


def test_a_search_without_a_limit_gives_a_hundred(api: Conversations) -> None:
    ids = [api.sessions.create("ada", "Ada").id for _ in range(103)]
    assert ids[:100] == [session.id for session in api.sessions.search()]
    assert 103 == len(api.sessions.search(limit=1000))
    assert ids == [session.id for session in api.sessions.iter(page_size=50)]


# -- messages


def test_messages_and_what_became_of_them(api: Conversations) -> None:
    session = api.sessions.create("ada", "Ada")
    image = MessageContentImage(url="https://example.com/a.jpg")
    first = api.sessions.messages.create(session.id, TEXT, provider_message_id="p1")
    second = api.sessions.messages.create(session.id, image, "assistant", "p2", "p1")
    assert [first, second] == api.sessions.messages.search(session.id)
    assert (session.id, session.conversation_id, "pending", "p1") == (
        second.session_id,
        second.conversation_id,
        second.delivery_status,
        second.replied_provider_message_id,
    )
    assert image == second.content
    assert second == api.sessions.messages.get(session.id, second.id)
    failed = api.sessions.messages.update(
        session.id, second.id, delivery_status="failed", delivery_error_code=131026, delivery_error_message="gone"
    )
    assert ("failed", 131026, "gone", "p2") == (
        failed.delivery_status,
        failed.delivery_error_code,
        failed.delivery_error_message,
        failed.provider_message_id,
    )
    at = now()
    assert at == api.sessions.messages.update(session.id, second.id, delivered_at=at).delivered_at
    other = api.sessions.create("bob", "Bob")
    third = api.sessions.messages.create(other.id, TEXT, provider_message_id="p1")
    assert [first.id, third.id] == [m.id for m in api.sessions.messages.search(provider_message_id="p1")]
    assert [second.id] == [m.id for m in api.sessions.messages.search(replied_provider_message_id="p1")]
    assert [second.id] == [m.id for m in api.sessions.messages.search(session.id, offset=1, limit=5)]
    with pytest.raises(NotFoundError, match="message not found"):
        api.sessions.messages.get(other.id, first.id)


# -- agents


def test_agents(api: Conversations) -> None:
    ann = api.agents.create("Ann", "ai", assistant_id="asst")
    bob = api.agents.create("Bob", "human", profile_id="prof")
    assert isinstance(ann, AIAgent)
    assert [ann, bob] == api.agents.search()
    assert [bob] == api.agents.search(type="human") == api.agents.search(profile_id="prof")
    assert [ann] == api.agents.search(assistant_id="asst", limit=1)
    assert [bob] == api.agents.search(offset=1)
    eve = api.agents.update(ann.id, name="Eve", assistant_id="asst2")
    assert ("Eve", "asst2") == (eve.name, getattr(eve, "assistant_id", None))
    session = api.sessions.create("ada", "Ada", ann.id)
    api.agents.delete(ann.id)
    assert api.sessions.get(session.id).agent is None
    with pytest.raises(NotFoundError, match="agent not found"):
        api.agents.delete(ann.id)
    with pytest.raises(ValidationError, match=r"fields\.profile_id is no field of an agent of the type ai"):
        api.agents.update(api.agents.create("A", "ai", "a").id, profile_id="p")


# -- surveys


def test_a_survey_begins_with_the_end_of_a_session(api: Conversations) -> None:
    session = api.sessions.create("ada", "Ada")
    closed = api.sessions.finish(session.id, ending_survey_id="survey_1")
    surveys = api.sessions.survey_submissions
    assert closed.ending_survey_submission_id is not None
    submission = surveys.get(session.id, closed.ending_survey_submission_id)
    assert ("survey_1", "pending", True) == (submission.survey_id, submission.status, submission.is_active)
    assert "pending" == surveys.reply(session.id, submission.id).status
    api.sessions.messages.create(session.id, {"type": "text", "text": "5 stars"})
    finished = surveys.reply(session.id, submission.id)
    assert ("finished", True) == (finished.status, finished.finished_at is not None)
    for call in (surveys.reply, surveys.cancel):
        with pytest.raises(ValidationError, match="must be active"):
            call(session.id, submission.id)
    with pytest.raises(ValidationError, match="the session must be open"):
        api.sessions.messages.create(session.id, TEXT)
    other = api.sessions.finish(api.sessions.create("bob", "Bob").id, "survey_1")
    cancelled = surveys.cancel(other.id, other.ending_survey_submission_id or "")
    assert "cancelled" == cancelled.status
    with pytest.raises(NotFoundError, match="survey not found"):
        surveys.get(session.id, cancelled.id)


# -- who sees what


def test_each_organization_has_its_own() -> None:
    with LocalServer(super_key="super", api_key="first") as server, client_of(server, "first") as first:
        chosen = {"organization_id": "other", "apikey": "second"}
        headers = {"Authorization": "Bearer super"}
        assert 200 == requests.put(f"{server.url}/bc/v1/orgkeys", json=chosen, headers=headers, timeout=20).status_code
        _see_nothing_of_each_other(first, server)


def _see_nothing_of_each_other(first: Conversations, server: LocalServer) -> None:
    with client_of(server, "second") as second:
        session = first.sessions.create("ada", "Ada")
        agent = first.agents.create("Ann", "ai", "a")
        message = first.sessions.messages.create(session.id, TEXT)
        assert ([], [], []) == (second.sessions.search(), second.agents.search(), second.sessions.messages.search())
        second.sessions.create("bob", "Bob")
        for call in (
            lambda: second.sessions.get(session.id),
            lambda: second.sessions.messages.get(session.id, message.id),
            lambda: second.sessions.messages.create(session.id, TEXT),
            lambda: second.agents.delete(agent.id),
            lambda: second.sessions.create("ada", "Ada", agent.id),
            lambda: second.sessions.reply(session.id),
        ):
            with pytest.raises(NotFoundError):
                call()
        with pytest.raises(ValidationError, match="organization_id must be that of the token"):
            first.sessions.update(session.id, {"organization_id": second.sessions.search()[0].organization_id})
        assert "any" not in first.sessions.update(session.id, {"organization_id": session.organization_id}).metadata


def test_a_server_with_a_key_takes_no_other_token() -> None:
    with LocalServer(api_key="right") as server:
        with (
            client_of(server, "wrong") as api,
            pytest.raises(AuthenticationError, match="no organization has this API key"),
        ):
            api.sessions.search()
        with client_of(server, "right") as api:
            assert [] == api.sessions.search()


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "x.db") as server, client_of(server) as api:
        session = api.sessions.create("ada", "Ada")
        message = api.sessions.messages.create(session.id, TEXT)
    with LocalServer(tmp_path / "x.db") as server, client_of(server) as api:
        assert [session] == api.sessions.search()
        assert [message] == api.sessions.messages.search(session.id)


def test_no_search_sorts_all_that_there_is(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []

    def listen(_: object, __: object, sql: str, parameters: Any, *___: object) -> None:
        asked.append((sql, parameters))

    connection = SQLiteFile(tmp_path / "x.db").open()
    event.listen(connection, "before_cursor_execute", listen)
    documents = Documents(connection, App(1, "org", "antonnia"))
    for fields in ({}, {"contact_id": "ada"}, {"provider_message_id": "p"}, {"status": "open"}):
        assert [] == list(documents.each("session", **fields))
    assert [] == list(documents.each("message", "sess_1"))
    selects = [statement for statement in asked if statement[0].startswith("SELECT")]
    plans = [str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()) for sql, values in selects]
    connection.close()
    assert [] == [plan for plan in plans if "TEMP B-TREE" in plan or "SCAN antonnia" in plan]
    for plan, index in ((plans[1], "by_contact"), (plans[2], "by_provider"), (plans[4], "by_session")):
        assert f"antonnia_{index}" in plan


def test_an_idempotency_key_creates_once(api: Conversations) -> None:
    first, again = (api.sessions.create("ada", "Ada", idempotency_key="k") for _ in range(2))
    assert first == again
    messages = [api.sessions.messages.create(first.id, TEXT, idempotency_key="k").id for _ in range(2)]
    assert 1 == len(set(messages)) == len(api.sessions.messages.search(first.id)) == len(api.sessions.search())
    assert "bob" == api.sessions.create("bob", "Bob", idempotency_key="another").contact_id


def test_an_idempotency_key_with_another_body_is_refused(api: Conversations) -> None:
    first = api.sessions.create("ada", "Ada", idempotency_key="k")
    with pytest.raises(ValidationError, match="another body"):
        api.sessions.create("bob", "Bob", idempotency_key="k")
    assert [first] == api.sessions.search()


def test_an_idempotency_key_of_one_api_is_free_in_another(api: Conversations) -> None:
    url = api.base_url.removesuffix(PREFIX)
    headers = {"Authorization": "Bearer any", "X-App-ID": "antonnia"}
    path = f"{PREFIX}/sessions"
    body = {"contact_id": "ada", "contact_name": "Ada"}
    with requests.Session() as http:
        http.trust_env = False
        http.headers.update(headers)

        def post(path: str, body: object, key: str) -> int:
            return http.post(f"{url}{path}", json=body, headers={"Idempotency-Key": key}, timeout=20).status_code

        event = {"type": "identify", "session_id": "s", "id": "u", "traits": {}}
        queue = "/bc/v1/events/queue"
        assert [200, 200] == [post(queue, [event], f"POST {path} k"), post(path, body, "k")]
        assert [200, 200] == [post(path, body, "l"), post(queue, [event], f"POST {path} l")]


def test_the_answer_to_a_key_outlives_the_server_but_not_what_it_created(tmp_path: Path) -> None:
    def deleted(api: Conversations, agent_id: str) -> int:
        headers = {"Authorization": "Bearer any", "Idempotency-Key": "k"}
        with requests.Session() as session:
            session.trust_env = False
            return session.delete(f"{api.base_url}/agents/{agent_id}", headers=headers, timeout=20).status_code

    with LocalServer(tmp_path / "x.db") as server, client_of(server) as api:
        agent = api.agents.create("Ann", "ai", "a", idempotency_key="k")
        assert 204 == deleted(api, agent.id)
    with LocalServer(tmp_path / "x.db") as server, client_of(server) as api:
        assert agent == api.agents.create("Ann", "ai", "a", idempotency_key="k")
        assert 204 == deleted(api, agent.id)
        assert [] == api.agents.search()


# -- what is refused

REFUSED: list[Any] = [
    ("POST", "/sessions", {}, 422, "contact_id is missing"),
    ("POST", "/sessions", {"contact_id": "a", "contact_name": 3}, 422, "contact_name must be a str, got int"),
    ("POST", "/sessions", {"contact_id": "a", "contact_name": "A", "status": "ajar"}, 422, "status must be one of"),
    (
        "POST",
        "/sessions",
        {"contact_id": "a", "contact_name": "A", "metadata": 1},
        422,
        "metadata must be an object, got int",
    ),
    ("POST", "/sessions", {"contact_id": "a", "contact_name": "A", "agent_id": "x"}, 404, "agent not found"),
    ("POST", "/sessions", [], 422, "the body must be a JSON object, got list"),
    ("POST", "/sessions", "{", 422, "the body must be JSON"),
    ("GET", "/sessions/x", None, 404, "session not found"),
    ("PATCH", "/sessions/{s}", {}, 422, "fields is missing"),
    ("PATCH", "/sessions/{s}", {"fields": {"contact_id": "b"}}, 422, "fields.contact_id is no field here"),
    ("PATCH", "/sessions/{s}", {"fields": {"status": "ajar"}}, 422, "fields.status must be one of open, closed"),
    ("PATCH", "/sessions/{s}", {"fields": {"agent_id": "x"}}, 404, "agent not found"),
    ("POST", "/sessions/{s}/transfer", {"agent_id": "x"}, 404, "agent not found"),
    ("POST", "/sessions/{s}/reply", {"debounce_time": 61}, 422, "debounce_time must be an int of at most 60"),
    ("POST", "/sessions/{s}/schedule", {"scheduled_for": "soon"}, 422, "config is missing"),
    (
        "POST",
        "/sessions/{s}/schedule",
        {"scheduled_for": "soon", "config": {"type": "node", "node_id": "n"}},
        422,
        "scheduled_for must be an ISO 8601",
    ),
    (
        "POST",
        "/sessions/{s}/schedule",
        {"scheduled_for": "2030-01-01T00:00Z", "config": {"type": "call"}},
        422,
        "config.type must be one of message, node",
    ),
    ("POST", "/sessions/{s}/messages", {"content": TEXT}, 422, "role is missing"),
    ("POST", "/sessions/{s}/messages", {"role": "user"}, 422, "content is missing"),
    ("POST", "/sessions/{s}/messages", {"role": "user", "content": {"type": "text"}}, 422, "content.text is missing"),
    (
        "POST",
        "/sessions/{s}/messages",
        {"role": "user", "content": {"type": "poem"}},
        422,
        "content.type must be one of",
    ),
    ("POST", "/sessions/x/messages", {"role": "user", "content": TEXT}, 404, "session not found"),
    ("POST", "/sessions/x/messages/search", {}, 404, "session not found"),
    ("POST", "/sessions/search", {"limit": 0}, 422, "limit must be an int of at least 1"),
    ("POST", "/sessions/search", {"offset": "1"}, 422, "offset must be an int, got str"),
    ("POST", "/messages/search", {"limit": True}, 422, "limit must be an int, got bool"),
    ("POST", "/agents", {"name": "A", "type": "ai"}, 422, "assistant_id is missing"),
    ("POST", "/agents", {"name": "A", "type": "human", "assistant_id": "a"}, 422, "profile_id is missing"),
    ("POST", "/agents", {"name": "A", "type": "robot"}, 422, "type must be one of ai, human"),
    ("GET", "/agents/x", None, 404, "agent not found"),
    ("GET", "/sessions/{s}/surveys/x", None, 404, "survey not found"),
    ("GET", "/nowhere", None, 404, "/nowhere: Not Found"),
    ("PUT", "/sessions", None, 405, "Method Not Allowed"),
    ("POST", "/sessions", " " * (1024 * 1024 + 1), 413, "Too Large"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]} {case[1]} {case[4]}")
def test_what_breaks_a_rule_is_refused(http: Callable[..., requests.Response], case: Any) -> None:
    method, path, body, code, words = case
    session = http("POST", "/sessions", json={"contact_id": "ada", "contact_name": "Ada"}).json()
    options = {"data": body} if isinstance(body, str) else {} if body is None else {"json": body}
    reply = http(method, path.replace("{s}", session["id"]), **options)
    assert code == reply.status_code
    assert words in reply.json()["detail"]


def test_a_closed_session_takes_nothing(http: Callable[..., requests.Response]) -> None:
    session = http("POST", "/sessions", json={"contact_id": "a", "contact_name": "A", "status": "closed"}).json()
    bodies = {"transfer": {}, "finish": {}, "reply": {}, "messages": {"role": "user", "content": TEXT}}
    for path, body in {**bodies, "schedule": {"scheduled_for": "2030-01-01T00:00Z", "config": {}}}.items():
        reply = http("POST", f"/sessions/{session['id']}/{path}", json=body)
        assert (422, "the session must be open, it is closed") == (reply.status_code, reply.json()["detail"])


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer " + "x" * 256])
def test_without_a_token_there_is_no_answer(http: Callable[..., requests.Response], header: str) -> None:
    reply = http("POST", "/sessions/search", json={}, headers={"Authorization": header})
    assert 401 == reply.status_code
    assert "Authorization must" in reply.json()["detail"]
