"""Align AI's clients on both faces: credentials, config, environment, the account, privacy, imports."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

from mindlytics import InvalidSetting, align
from mindlytics.align import ROLE_USER, AlignAI, AsyncAlignAI, Config
from mindlytics.align.events import AlignEvent, MessageCreate

from .. import sink as faults
from ..conftest import Face, eventually, result
from ..sink import Sink

CALLS = [
    "identify_user",
    "open_session",
    "create_message",
    "close_session",
    "create_message_feedback",
    "create_session_feedback",
    "flush",
    "close",
]


def decoded(sink: Sink) -> list[Any]:
    return [event["decoded"] for event in sink.events]


async def test_every_call_arrives_as_it_was_made(align_face: Face, sink: Sink) -> None:
    client = align_face.client()
    await result(client.identify_user("u", display_name="U", country_code="KR"))
    await result(client.open_session("s", "u"))
    await result(client.create_message("s", 1, ROLE_USER, "hello"))
    await result(client.create_message_feedback("s", 1, align.FEEDBACK_THUMBS_UP))
    await result(client.create_session_feedback("s", align.FEEDBACK_THUMBS_DOWN))
    await result(client.close_session("s"))
    assert 6 == (await result(client.flush())).delivered
    user, opened, message, of_message, of_session, closed = decoded(sink)
    assert ("u", "U", "KR", None) == (user.user_id, user.display_name, user.country_code, user.ip)
    assert ("s", "u", "DEFAULT") == (opened.session_id, opened.user_id, opened.assistant_id)
    assert ("s", 1, "user", "hello") == (message.session_id, message.message_index, message.role, message.content)
    assert ("thumbs_up", 1) == (of_message.feedback_type, of_message.message_index)
    assert ("thumbs_down", None) == (of_session.feedback_type, of_session.message_index)
    assert ("session_close", "s") == (closed.type, closed.session_id)


def test_the_faces_are_alike_and_as_the_reference_has_them() -> None:
    for name in CALLS:
        blocking, asyncio = (inspect.signature(getattr(kind, name)) for kind in (AlignAI, AsyncAlignAI))
        assert list(blocking.parameters.values()) == list(asyncio.parameters.values())
        assert getattr(AlignAI, name).__doc__ == getattr(AsyncAlignAI, name).__doc__
    arguments = list(inspect.signature(AlignAI).parameters)
    assert ["project_id", "api_key", "api_host", "config"] == arguments[:4]
    assert "DEFAULT" == inspect.signature(AlignAI.open_session).parameters["assistant_id"].default
    constants = {name: getattr(align, name) for name in align.__all__ if name.isupper()}
    assert {
        "ROLE_USER": "user",
        "ROLE_ASSISTANT": "assistant",
        "FEEDBACK_THUMBS_UP": "thumbs_up",
        "FEEDBACK_THUMBS_DOWN": "thumbs_down",
        "DEFAULT_ASSISTANT_ID": "DEFAULT",
    } == constants


def test_the_environment_gives_what_arguments_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="api_key is missing: pass api_key=… or set ALIGNAI_API_KEY"):
        AlignAI("p")
    monkeypatch.setenv("ALIGNAI_PROJECT_ID", "env-project")
    monkeypatch.setenv("ALIGNAI_API_KEY", "env-key\n")
    monkeypatch.setenv("MLSDK_API_KEY", "another service's")
    with AlignAI() as client:
        assert ("env-project", "env-key") == (
            client.settings.project_id,
            client.settings.api_key.reveal(),
        )
        assert "https://api.impaction.ai" == client.settings.server_endpoint
        assert "env-key" not in repr(client) + repr(client.settings)
    monkeypatch.setenv("ALIGNAI_HOST", "http://127.0.0.1:9/\n")
    with AlignAI("p", "k") as client:
        assert ("p", "k", "http://127.0.0.1:9") == (
            client.settings.project_id,
            client.settings.api_key.reveal(),
            client.settings.server_endpoint,
        )
    with pytest.raises(InvalidSetting, match=r"api_host \(environment: ALIGNAI_HOST\) must be of the form"):
        AlignAI(api_host="localhost:80")


def test_a_config_becomes_settings() -> None:
    with AlignAI("p", "k") as client:
        chosen = client.settings
        assert (3.0, 50, 5, 33) == (
            chosen.flush_interval,
            chosen.max_batch_events,
            chosen.shutdown_timeout,
            chosen.retry_for,
        )
        assert 10_000 == chosen.max_queue_events
    config = Config(
        flush_interval_ms=100, flush_batch_size=7, flush_timeout_seconds=2, max_buffer_size=20_000, api_max_retries=0
    )
    with AlignAI("p", "k", config=config, max_batch_bytes=1000) as client:
        chosen = client.settings
        assert (0.1, 7, 2, 0) == (
            chosen.flush_interval,
            chosen.max_batch_events,
            chosen.shutdown_timeout,
            chosen.retry_for,
        )
        assert (20_000, 1000) == (chosen.max_queue_events, chosen.max_batch_bytes)
    with AlignAI("p", "k", config=Config(max_buffer_size=5)) as client:
        assert 5 == client.settings.max_batch_events


def test_the_environment_wins_over_the_defaults_of_a_config_and_over_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLSDK_FLUSH_INTERVAL", "0.1")
    monkeypatch.setenv("MLSDK_MAX_BATCH_EVENTS", "10")
    monkeypatch.setenv("MLSDK_SHUTDOWN_TIMEOUT", "30")
    monkeypatch.setenv("MLSDK_RETRY_FOR", "600")
    names = ("flush_interval", "max_batch_events", "shutdown_timeout", "retry_for")
    configs: list[tuple[dict[str, Any], tuple[float, ...]]] = [
        ({}, (0.1, 10, 30, 600)),
        ({"flush_interval": 2}, (2, 10, 30, 600)),
        ({"config": Config(flush_batch_size=7)}, (3, 7, 5, 33)),
        ({"config": Config(flush_batch_size=7), "retry_for": 1}, (3, 7, 5, 1)),
    ]
    for arguments, expected in configs:
        with AlignAI("p", "k", **arguments) as client:
            assert expected == tuple(getattr(client.settings, name) for name in names)


@pytest.mark.parametrize(
    "options",
    [
        {"flush_interval_ms": -1},
        {"flush_interval_ms": 0.5},
        {"flush_batch_size": 0},
        {"flush_timeout_seconds": -1},
        {"flush_timeout_seconds": "5"},
        {"max_buffer_size": True},
        {"api_max_retries": None},
    ],
)
def test_a_config_that_cannot_be_used_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=next(iter(options))):
        Config(**options)
    with pytest.raises(InvalidSetting, match="config must be a Config"):
        AlignAI("p", "k", config=options)  # type: ignore[arg-type]


async def test_a_burst_neither_waits_nor_loses(align_face: Face, sink: Sink) -> None:
    client = align_face.kind("p", "k", sink.url)
    align_face.clients.append(client)
    for number in range(1, 601):
        await result(client.create_message("s", number, ROLE_USER, f"{number}"))
    assert 600 == (await result(client.close(20))).delivered
    assert [f"{number}" for number in range(1, 601)] == sink.names()
    assert 12 == len(sink.requests)


async def test_clients_of_equal_settings_share_a_queue_and_none_with_another_service(face: Face, sink: Sink) -> None:
    kind = AsyncAlignAI if face.is_async else AlignAI
    one, two = (kind("proj-1", "key-1", sink.url) for _ in range(2))
    other = face.client(flush_interval=3.0, max_batch_events=50, retry_for=33, max_retry_wait=30)
    assert one.pipeline is two.pipeline
    assert one.pipeline is not other.pipeline
    await result(one.close())
    await result(two.close_session("s"))
    assert 1 == (await result(two.close())).delivered


async def test_what_must_not_leave_does_not(align_face: Face, sink: Sink) -> None:
    def censored(event: AlignEvent) -> AlignEvent | None:
        return None if isinstance(event, MessageCreate) and event.content == "secret" else event

    client = align_face.client(before_send=censored, content_mode="metadata_only")
    for number, content in enumerate(("secret", "a question"), 1):
        await result(client.create_message("s", number, ROLE_USER, content))
    await result(client.flush(10))
    assert ["(10 characters)"] == [event.content for event in decoded(sink)]
    assert {"before_send": 1} == client.stats().reasons


async def test_sessions_are_sampled_whole(align_face: Face, sink: Sink) -> None:
    client = align_face.client(sample_rate=0.5)
    for session in range(40):
        await result(client.open_session(f"s{session}", "u"))
        await result(client.close_session(f"s{session}"))
    await result(client.identify_user("u"))
    await result(client.flush(10))
    per_session = [event["session_id"] for event in sink.events]
    assert 1 == per_session.count(None), "a user is in no session"
    assert {2} == {per_session.count(each) for each in per_session if each}
    assert 81 - len(per_session) == client.stats().reasons["sampled_out"] > 0


async def test_events_after_close_are_dropped_and_counted(align_face: Face, sink: Sink) -> None:
    client = align_face.client()
    await result(client.close())
    assert 0 == (await result(client.close())).pending
    await result(client.close_session("s"))
    assert {"closed": 1} == client.stats().reasons
    assert [] == sink.requests


async def test_nothing_is_sent_and_nothing_needed_where_it_is_disabled(align_face: Face) -> None:
    client = align_face.kind(enabled=False)
    await result(client.close_session("s"))
    assert {"disabled": 1} == client.stats().reasons


async def test_a_refused_key_is_reported(align_face: Face, sink: Sink) -> None:
    sink.always = faults.status(401, "no such key")
    client = align_face.client(flush_interval=0)
    await result(client.close_session("s"))
    await eventually(lambda: client.stats().refused == 1)
    assert [(401, "no such key")] == [(error.status, error.message) for error in client.get_errors()]


@pytest.mark.parametrize(
    ("name", "absent"),
    [("AlignAI", "aiohttp"), ("AlignAI", "google.protobuf"), ("AsyncAlignAI", "requests"), ("Config", "aiohttp")],
)
def test_a_name_loads_only_what_it_needs(name: str, absent: str) -> None:
    program = f"import sys; from mindlytics.align import {name}; print({absent!r} in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "False" == ran.stdout.strip()


def test_without_protobuf_the_client_says_what_is_missing() -> None:
    program = """
import sys
sys.modules["google"] = None
import mindlytics.align
for name in ("AlignAI", "AsyncAlignAI"):
    try:
        getattr(mindlytics.align, name)("p", "k")
    except ImportError as error:
        print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ["Align AI's protocol needs protobuf: pip install 'mindlytics[align]'"] * 2 == ran.stdout.splitlines()


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = align.Nothing
    assert set(align.__all__) <= set(dir(align))


async def test_environment_and_release_are_custom_properties_where_there_is_room(align_face: Face, sink: Sink) -> None:
    client = align_face.client(environment="staging", release="1.4")
    full = {f"p{number}": "x" for number in range(9)}
    await result(client.open_session("s", "u", custom_properties={"release": "mine"}))
    await result(client.create_message("s", 1, ROLE_USER, "hello"))
    await result(client.create_message("s", 2, ROLE_USER, "hello", custom_properties=full))
    await result(client.flush())
    opened, bare, crowded = (dict(each.custom_properties) for each in decoded(sink))
    assert {"release": "mine", "environment": "staging"} == opened
    assert {"environment": "staging", "release": "1.4"} == bare
    assert {**full, "environment": "staging"} == crowded
