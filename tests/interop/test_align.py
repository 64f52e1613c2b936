"""Align AI's own client beside ours: equal messages for the same arguments, and the local server behind both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest

from mindlytics.align import AlignAI, ValidationError
from mindlytics.align.events import AlignEvent
from mindlytics.align.wire import AlignWire
from mindlytics.secret import Secret
from mindlytics.server.run import LocalServer

from ..server.calls import Caller

alignai = pytest.importorskip("alignai")

Call = Callable[[Any], Any]

CALLS: dict[str, Call] = {
    "identify_user": lambda it: it.identify_user("u"),
    "identify_user, all of it": lambda it: it.identify_user(
        "u",
        display_name="Ünal",
        email="u@example.org",
        ip="192.0.2.7",
        country_code="KR",
        create_time=datetime(2020, 2, 29, 12, 0, 0, 123456, timezone(timedelta(hours=9))),
        custom_properties={"plan": "pro", "empty": ""},
    ),
    "identify_user, a time without a zone": lambda it: it.identify_user("u", create_time=datetime(1969, 12, 31, 23)),
    "open_session": lambda it: it.open_session("s", "u"),
    "open_session, all of it": lambda it: it.open_session(
        "s", "u", assistant_id="bot", custom_properties={f"p{number}": "x" * 256 for number in range(10)}
    ),
    "open_session, no assistant": lambda it: it.open_session("s", "u", assistant_id=""),
    "create_message, user": lambda it: it.create_message("s", 1, "user", "Where is it? 🚚"),
    "create_message, assistant": lambda it: it.create_message("s", 2**31 - 1, "assistant", "x" * 5000, {"a": "b"}),
    "create_message_feedback": lambda it: it.create_message_feedback("s", 2, "thumbs_up"),
    "create_session_feedback": lambda it: it.create_session_feedback("s", "thumbs_down"),
    "close_session": lambda it: it.close_session("s"),
}

MISUSES: dict[str, Call] = {
    "no session id": lambda it: it.close_session(""),
    "a long session id": lambda it: it.close_session("s" * 65),
    "a long user id": lambda it: it.open_session("s", "u" * 65),
    "a long assistant id": lambda it: it.open_session("s", "u", "a" * 65),
    "a long display name": lambda it: it.identify_user("u", "n" * 65),
    "a long email": lambda it: it.identify_user("u", email="e" * 257),
    "three letters for a country": lambda it: it.identify_user("u", country_code="KOR"),
    "eleven properties": lambda it: it.identify_user("u", custom_properties={f"p{n}": "" for n in range(11)}),
    "an index of 0": lambda it: it.create_message("s", 0, "user", "x"),
    "another role": lambda it: it.create_message("s", 1, "system", "x"),
    "no content": lambda it: it.create_message("s", 1, "user", ""),
    "another feedback": lambda it: it.create_session_feedback("s", "meh"),
}


class Recorded:
    """In place of a client's queue: what was put into it."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def push(self, event: Any) -> None:
        self.events.append(event)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Their client, which sends nothing."""
    client = alignai.AlignAI("proj", "key", "http://127.0.0.1:9")
    client.close()
    return client


@pytest.mark.parametrize("name", CALLS)
def test_the_same_arguments_make_equal_messages(theirs: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alignai.proto.ingestion.v1alpha.ingestion_pb2 import CollectEventsRequest

    recorded = Recorded()
    monkeypatch.setattr(theirs, "buffer_storage", recorded)
    CALLS[name](theirs)
    ours: list[AlignEvent] = []
    with AlignAI("proj", "key", "http://127.0.0.1:9", before_send=lambda _: None) as client:
        monkeypatch.setattr(client, "_record", ours.append)
        CALLS[name](client)
    wire = AlignWire("http://127.0.0.1:9", Secret("key"), "proj")
    request = CollectEventsRequest.FromString(wire.body([wire.encode(ours[0])], bare=False, key="k" * 32))
    (made,), (wanted,) = request.events, recorded.events
    assert "k" * 32 == request.request_id
    assert 32 == len(made.id) == len(wanted.id)
    assert abs(made.create_time.ToNanoseconds() - wanted.create_time.ToNanoseconds()) < 60e9
    for message in (made, wanted):
        message.ClearField("id")
        message.ClearField("create_time")
    assert wanted == made


def test_the_constants_are_the_same() -> None:
    theirs, ours = (vars(import_module(name)) for name in ("alignai.constants", "mindlytics.compat.alignai.constants"))
    kinds = [
        {name: value for name, value in vars(each["EventTypes"]).items() if name.isupper()} for each in (theirs, ours)
    ]
    assert kinds[0] == kinds[1]
    wanted = {name: value for name, value in theirs.items() if name.isupper()}
    assert wanted == {name: value for name, value in ours.items() if name.isupper() and not name.startswith("_")}


@pytest.mark.parametrize("package", ["alignai", "mindlytics.compat.alignai"])
def test_a_program_does_the_same_with_either_import_line(package: str) -> None:
    client_of, config, constants, validate = (
        import_module(f"{package}{name}") for name in ("", ".config", ".constants", ".validate")
    )
    chosen = config.Config(flush_interval_ms=50)
    chosen.flush_timeout_seconds = 20
    with LocalServer() as server:
        client = client_of.AlignAI(project_id="proj", api_key="key", api_host=server.url, config=chosen)
        assert ("proj", "key", server.url, chosen) == (
            client.project_id,
            client.api_key,
            client.api_host,
            client.config,
        )
        client.open_session("s", "u", constants.DEFAULT_ASSISTANT_ID)
        client.create_message("s", 1, constants.ROLE_USER, "Where is it?")
        with pytest.raises(validate.ValidationError) as refused:
            client.create_message("s", 1, "system", "x")
        assert refused.value.message
        client.flush()
        client.close()
        caller = Caller(server.url, "key", "proj")
        with caller.http:
            session = caller.one("sessions", filter={"session_id": "s"}, include=["messages"])
    assert ["Where is it?"] == [message["content"] for message in session["messages"]]


@pytest.mark.parametrize("name", MISUSES)
def test_what_they_refuse_we_refuse(theirs: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        MISUSES[name](theirs)
    assert "ValidationError" == type(refused.value).__name__
    with AlignAI("proj", "key", "http://127.0.0.1:9") as client, pytest.raises(ValidationError):
        MISUSES[name](client)


def test_their_client_speaks_to_the_local_server() -> None:
    with LocalServer() as server:
        client = alignai.AlignAI("proj", "key", server.url)
        for call in CALLS.values():
            call(client)
        client.close()
        caller = Caller(server.url, "key", "proj")
        with caller.http:
            session = caller.one("sessions", filter={"session_id": "s"}, include=["messages", "user"])
            events = caller.names()
    assert [1, 2**31 - 1] == [message["index"] for message in session["messages"]]
    assert ("Where is it? 🚚", "pro") == (session["messages"][0]["content"], session["user"]["traits"]["plan"])
    assert 2 == events.count("Feedback")
    assert "Session Ended" in events


def test_both_clients_live_in_one_process() -> None:
    with LocalServer() as server, AlignAI("proj", "key", server.url) as ours:
        their = alignai.AlignAI("proj", "key", server.url)
        for number in range(1, 21):
            (their if number % 2 else ours).create_message("s", number, "user", f"{number}")
        their.close()
        assert 10 == ours.close().delivered
        caller = Caller(server.url, "key", "proj")
        with caller.http:
            session = caller.one("sessions", filter={"session_id": "s"}, include=["messages"])
    assert [*range(1, 21)] == sorted(message["index"] for message in session["messages"])
