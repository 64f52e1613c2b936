"""What the local server does without a request: replies after their debounce time, schedules, webhooks."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import Connection

from mindlytics.antonnia import Conversations
from mindlytics.antonnia.exceptions import ValidationError
from mindlytics.antonnia.types import MessageContent, MessageContentText, ScheduledMessageConfig, ScheduledNodeConfig
from mindlytics.antonnia.webhooks import parse
from mindlytics.server.antonnia import desk
from mindlytics.server.antonnia.desk import ReplyContext
from mindlytics.server.run import LocalServer, ServerError
from mindlytics.server.unavailable import Unavailable
from mindlytics.values import now

from ..sink import Exchange, Sink, hang, status
from .conftest import client_of, texts, wait_for

TEXT = {"type": "text", "text": "Hello"}


# -- replies


@pytest.mark.parametrize("reply", [None, lambda context: f"You said: {context.messages[-1].content.words}"])
def test_an_agent_answers_what_the_contact_said_last(reply: Any) -> None:
    with LocalServer(reply=reply) as server, client_of(server) as api:
        session = api.sessions.create("ada", "Ada")
        api.sessions.reply(session.id)
        assert [] == texts(api, session.id)
        api.sessions.messages.create(session.id, TEXT)
        api.sessions.reply(session.id)
        api.sessions.reply(session.id)
        said = api.sessions.messages.search(session.id)
        assert ["Hello", "You said: Hello"] == [message.content.words for message in said]
        assert ("assistant", True) == (said[1].role, bool(said[1].run_id))


def test_a_person_answers_by_themselves(api: Conversations) -> None:
    agent = api.agents.create("Bob", "human", profile_id="p")
    session = api.sessions.create("ada", "Ada", agent.id)
    api.sessions.messages.create(session.id, TEXT)
    api.sessions.reply(session.id)
    assert ["Hello"] == texts(api, session.id)


def test_more_that_is_said_meanwhile_is_answered_at_once(api: Conversations) -> None:
    session = api.sessions.create("ada", "Ada")
    for text, seconds in (("one", 60), ("two", 1)):
        api.sessions.messages.create(session.id, {"type": "text", "text": text})
        api.sessions.reply(session.id, debounce_time=seconds)
    wait_for(lambda: len(texts(api, session.id)) > 2)
    one, two, answer = api.sessions.messages.search(session.id)
    assert ["one", "two", "You said: two"] == [message.content.words for message in (one, two, answer)]
    assert answer.created_at - two.created_at >= timedelta(seconds=1)


def test_what_an_agent_says_can_be_plugged_in() -> None:
    def answer(context: ReplyContext) -> Any:
        last = context.messages[-1].content.words
        if last == "fail":
            raise RuntimeError("SECRET")
        call = {"type": "function_call", "id": "c", "name": "who", "input": "{}"}
        return [call, f"{context.session.contact_id}: {len(context.messages)}"] if last != "hush" else None

    with LocalServer(reply=answer) as server, client_of(server) as api:
        session = api.sessions.create("ada", "Ada")
        for text in ("hi", "hush"):
            api.sessions.messages.create(session.id, {"type": "text", "text": text})
            api.sessions.reply(session.id)
        said = api.sessions.messages.search(session.id)
        assert ["text", "function_call", "text", "text"] == [message.content.type for message in said]
        assert "ada: 1" == said[2].content.words
        api.sessions.messages.create(session.id, {"type": "text", "text": "fail"})
        with pytest.raises(ValidationError, match=r"the reply function failed: RuntimeError$"):
            api.sessions.reply(session.id)

    async def later(context: ReplyContext) -> str:
        return "later"

    class Bot:
        async def __call__(self, context: ReplyContext) -> Any:
            return MessageContentText(text=context.messages[0].role)

    for reply, words in ((later, "later"), (Bot(), "user"), ("Noted: {text}", "Noted: Hello")):
        with LocalServer(reply=reply) as server, client_of(server) as api:
            session = api.sessions.create("ada", "Ada")
            api.sessions.messages.create(session.id, TEXT)
            api.sessions.reply(session.id)
            assert ["Hello", words] == texts(api, session.id)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (5, "content must be an object, got int"),
        ([5], "content must be an object, got int"),
        ({"type": "text"}, "content.text is missing"),
        (MessageContent(type="poem"), "content.type must be one of text, image"),
    ],
)
def test_what_cannot_be_said_is_told(said: Any, words: str) -> None:
    with LocalServer(reply=lambda context: said) as server, client_of(server) as api:
        session = api.sessions.create("ada", "Ada")
        api.sessions.messages.create(session.id, TEXT)
        with pytest.raises(ValidationError, match=words):
            api.sessions.reply(session.id)
        assert ["Hello"] == texts(api, session.id)


def reply_under(api: Conversations, session_id: str, key: str, **body: Any) -> Any:
    """What a call of reply with an Idempotency-Key is answered with."""
    headers = {"Authorization": "Bearer any", "Idempotency-Key": key}
    with requests.Session() as http:
        http.trust_env = False
        return http.post(f"{api.base_url}/sessions/{session_id}/reply", json=body, headers=headers, timeout=30).json()


def test_what_is_asked_twice_under_a_key_is_answered_once() -> None:
    said: list[str] = []

    def answer(context: ReplyContext) -> str:
        said.append(f"answer {len(said)}")
        return said[-1]

    with LocalServer(reply=answer) as server, client_of(server) as api:
        session = api.sessions.create("ada", "Ada")
        api.sessions.messages.create(session.id, TEXT)
        first = reply_under(api, session.id, "k")
        assert session.id == first["id"]
        api.sessions.update(session.id, metadata={"seen": True})
        api.sessions.messages.create(session.id, TEXT)
        assert first == reply_under(api, session.id, "k")
        assert ["Hello", "answer 0", "Hello"] == texts(api, session.id)
        for _ in range(2):
            assert session.id == reply_under(api, session.id, "later", debounce_time=1)["id"]
        wait_for(lambda: len(texts(api, session.id)) > 3)
        api.sessions.messages.create(session.id, TEXT)
        reply_under(api, session.id, "later", debounce_time=0)
        reply_under(api, session.id, "other")
        assert [f"answer {number}" for number in range(3)] == texts(api, session.id)[1::2]
        assert {"detail"} == set(reply_under(api, session.id, "k" * 20_000))


def test_what_is_asked_again_before_it_is_answered_is_said_once() -> None:
    both = threading.Barrier(2, timeout=30)

    def answer(context: ReplyContext) -> str:
        both.wait()
        return "Yes"

    with LocalServer(reply=answer) as server, client_of(server) as api, ThreadPoolExecutor(2) as threads:
        session = api.sessions.create("ada", "Ada")
        api.sessions.messages.create(session.id, TEXT)
        one, two = threads.map(lambda _: reply_under(api, session.id, "k"), range(2))
        assert one == two
        assert ["Hello", "Yes"] == texts(api, session.id)


# -- schedules


def test_what_is_scheduled_happens_when_it_is_due(api: Conversations) -> None:
    session = api.sessions.create("ada", "Ada")
    message = ScheduledMessageConfig(message={"type": "text", "text": "Are you there?"})  # type: ignore[arg-type]
    api.sessions.schedule(session.id, now() + timedelta(hours=1), ScheduledNodeConfig(node_id="later"))
    schedule = api.sessions.schedule(session.id, now() + timedelta(seconds=0.3), message)
    assert ("scheduled", session.id) == (schedule.status, schedule.session_id)
    wait_for(lambda: texts(api, session.id))
    assert api.sessions.messages.search(session.id)[0].created_at >= schedule.scheduled_for
    api.sessions.schedule(session.id, now(), ScheduledNodeConfig(node_id="greet"))
    wait_for(lambda: len(texts(api, session.id)) == 2)
    assert ["Are you there?", "[greet]"] == texts(api, session.id)


def test_schedules_are_carried_out_although_they_could_not_be_read_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    read, failures = desk._scheduled, iter(range(3))

    def flaky(connection: Connection) -> Any:
        if next(failures, None) is not None:
            raise Unavailable("other reads take all readers")
        return read(connection)

    monkeypatch.setattr(desk, "_scheduled", flaky)
    monkeypatch.setattr(desk, "RETRY_SECONDS", 0.05)
    with LocalServer() as server, client_of(server) as api:
        session = api.sessions.create("ada", "Ada")
        api.sessions.schedule(session.id, now(), ScheduledNodeConfig(node_id="greet"))
        wait_for(lambda: texts(api, session.id) == ["[greet]"])


def schedules(db: Path) -> list[str]:
    with sqlite3.connect(db) as connection:
        query = "SELECT json_extract(document, '$.status') FROM antonnia WHERE kind = 'schedule' ORDER BY seq"
        found = [row[0] for row in connection.execute(query)]
    connection.close()
    return found


def test_schedules_outlive_the_server_and_fail_in_closed_sessions(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    config = ScheduledMessageConfig(message={"type": "text", "text": "Hi"})  # type: ignore[arg-type]
    with LocalServer(db) as server, client_of(server) as api:
        open_, closed = (api.sessions.create(contact, "A") for contact in ("ada", "bob"))
        for session in (open_, closed):
            api.sessions.schedule(session.id, now() + timedelta(hours=1), config)
        api.sessions.finish(closed.id)
    assert ["scheduled", "scheduled"] == schedules(db)
    with sqlite3.connect(db) as connection:  # an hour passes
        due = "json_set(document, '$.scheduled_for', '2025-04-03T09:00:00Z')"
        connection.execute(f"UPDATE antonnia SET document = {due} WHERE kind = 'schedule'")
    connection.close()
    with LocalServer(db) as server, client_of(server) as api:
        wait_for(lambda: schedules(db) == ["completed", "failed"])
        assert ["Hi"] == texts(api, open_.id)
        assert [] == texts(api, closed.id)


# -- webhooks


def test_webhooks_tell_what_happened_in_order(sink: Sink) -> None:
    sink.faults(status(500), status(503))
    with LocalServer(webhook=f"{sink.url}/hooks") as server, client_of(server) as api:
        agent = api.agents.create("Ann", "ai", "asst")
        session = api.sessions.create("ada", "Ada")
        api.sessions.messages.create(session.id, TEXT)
        api.sessions.reply(session.id)
        api.sessions.transfer(session.id, agent.id)
        api.sessions.finish(session.id)
        sink.wait(lambda: len(sink.requests) == 7)
    events = [parse(request.body) for request in sink.requests]
    assert 1 == len({event.id for event in events[:3]})
    types = ["session.created", "message.created", "message.created", "session.transferred", "session.finished"]
    assert types == [event.type for event in events[2:]]
    assert [session.id] * 3 == [getattr(events[i], "session").id for i in (2, 5, 6)]  # noqa: B009
    assert "You said: Hello" == getattr(events[4], "message").content.words  # noqa: B009
    assert {"/hooks"} == {request.path for request in sink.requests}


def test_the_sessions_do_not_wait_for_each_other(sink: Sink) -> None:
    held = threading.Event()
    sink.faults(lambda exchange: (held.wait(20), exchange.reply())[1])
    with LocalServer(webhook=sink.url) as server, client_of(server) as api:
        api.sessions.create("ada", "Ada")
        sink.wait(lambda: len(sink.requests) == 1)
        bob = api.sessions.create("bob", "Bob")
        sink.wait(lambda: len(sink.requests) == 2)
        assert bob.id == getattr(parse(sink.requests[1].body), "session").id  # noqa: B009
        held.set()


@pytest.mark.parametrize("address", ["localhost:80", "ftp://localhost/", "http://", "http://[", "http://a:99999", ""])
def test_an_address_for_webhooks_that_is_none(address: str) -> None:
    with pytest.raises(ServerError, match="the webhook's address must be of the form"):
        LocalServer(webhook=address).start()


def test_webhooks_that_nobody_takes_are_bounded(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mindlytics.server.antonnia.webhooks.MAX_WAITING", 20_000)
    sink.always = hang
    with LocalServer(webhook=sink.url) as server, client_of(server) as api:
        for _ in range(20):
            api.sessions.create("ada", "Ada", metadata={"note": "x" * 5_000})
    logged = [record.message for record in caplog.records if "webhook" in record.message]
    assert logged[0].startswith("webhooks are dropped: ")
    assert ["webhooks not posted before the server stopped: 20"] == logged[1:]


def test_of_the_answer_to_a_webhook_only_the_status_is_used(sink: Sink) -> None:
    sent: list[int] = []

    def answer(exchange: Exchange) -> None:
        write = exchange.handler.wfile.write
        with suppress(OSError):
            exchange.reply(body=b"", length=2**40, Content_Encoding="gzip", Set_Cookie="a=b")
            while True:
                sent.append(write(b"x" * 65536))

    sink.always = answer
    with LocalServer(webhook=sink.url) as server, client_of(server) as api:
        session = api.sessions.create("ada", "Ada")
        api.sessions.finish(session.id)
        sink.wait(lambda: len(sink.requests) == 2)
    assert {"identity"} == {request.headers["Accept-Encoding"] for request in sink.requests}
    assert [] == [request.headers["Cookie"] for request in sink.requests if "Cookie" in request.headers]
    assert sum(sent) < 64 * 1024 * 1024
