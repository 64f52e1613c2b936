"""Clients on both faces: credentials, direct requests, sharing, closing, the account."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import mindlytics
from mindlytics import AsyncHTTPClient, ClientClosed, HTTPClient, InvalidEvent, InvalidSetting, MLHTTPError
from mindlytics.aio import AsyncClient, AsyncSession
from mindlytics.client import Client, Session
from mindlytics.settings import Options, Settings

from . import sink as faults
from .conftest import Face, entered, result
from .programs import ASYNC, BLOCKING, run
from .sink import Sink


@pytest.mark.parametrize("kind", [Client, AsyncClient, HTTPClient, AsyncHTTPClient])
@pytest.mark.parametrize(("name", "variable"), [("api_key", "MLSDK_API_KEY"), ("project_id", "MLSDK_PROJECT_ID")])
def test_a_missing_credential_names_both_ways_to_give_it(kind: Any, name: str, variable: str) -> None:
    other = {"api_key": "k", "project_id": "p"}
    del other[name]
    with pytest.raises(ValueError, match=f"{name} is missing: pass {name}=… or set {variable}"):
        kind(**other)


def test_all_credentials_that_are_missing_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match=r"set MLSDK_API_KEY in the environment; .* set MLSDK_PROJECT_ID in"):
        Client()


def test_the_environment_gives_what_arguments_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSDK_API_KEY", "env-key\n")
    monkeypatch.setenv("MLSDK_PROJECT_ID", "env-project")
    monkeypatch.setenv("MLSDK_SERVER_BASE", "http://localhost:3000/")
    monkeypatch.setenv("MLSDK_FLUSH_INTERVAL", "0")
    monkeypatch.setenv("MLSDK_STRICT", "yes")
    client = Client(project_id="given", flush_interval=None)
    chosen = client.settings
    assert ("env-key", "given") == (chosen.api_key.reveal(), chosen.project_id)
    assert "http://localhost:3000" == chosen.server_endpoint
    assert (0, True) == (chosen.flush_interval, chosen.strict)
    assert "env-key" not in repr(client) + repr(chosen)
    client.close()


async def test_blanks_around_what_the_environment_gives_do_not_count(
    face: Face, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"API_KEY": "k", "PROJECT_ID": "p", "SERVER_BASE": sink.url, "WSS_ENDPOINT": "ws://h"}.items():
        monkeypatch.setenv(f"MLSDK_{name}", f" {value}\r\n")
    client = face.client(api_key=None, project_id=None, server_endpoint=None)
    await result(client.create_session(id="u").track_event(event="e"))
    assert 1 == (await result(client.flush(20))).delivered
    assert (sink.url, "ws://h") == (client.settings.server_endpoint, client.settings.wss_endpoint)
    assert {"status": "ok"} == await result(client.user_identify(id="u"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"server_endpoint": "localhost:3000"},
            r"server_endpoint \(environment: MLSDK_SERVER_BASE\) must be of the form",
        ),
        ({"server_endpoint": "http://host:port"}, "server_endpoint"),
        ({"server_endpoint": "http://ho st"}, "server_endpoint .* must be of the form"),
        ({"server_endpoint": "http://host/a\nb"}, "server_endpoint .* must be of the form"),
        ({"server_endpoint": "http://host/\x00"}, "server_endpoint .* must be of the form"),
        ({"wss_endpoint": "wss://ho\tst"}, "wss_endpoint .* must be of the form wss://host"),
        ({"server_endpoint": "ftp://host"}, "server_endpoint"),
        ({"server_endpoint": 5}, "server_endpoint"),
        ({"flush_interval": -1}, "flush_interval .* must be a number of seconds from 0 to .*, got -1"),
        ({"flush_interval": float("nan")}, "flush_interval"),
        ({"max_batch_events": 0}, "max_batch_events .* must be an int of at least 1"),
        ({"max_batch_events": 1.5}, "max_batch_events"),
        ({"on_full": "panic"}, "on_full .* must be one of drop_newest, drop_oldest, block"),
        ({"request_timeout": 0}, "request_timeout .* above 0"),
        ({"strict": "yes"}, "strict .* must be True or False"),
        ({"on_error": 5}, "on_error must be a function or None"),
        ({"verify": "/no/such/bundle.pem"}, "verify"),
        ({"http_client": 5}, "http_client must be a requests.Session"),
        ({"environment": "x" * 101}, "environment .* must be a str of 1 to 100 printable characters, got a str"),
        ({"release": 4}, "release .* must be a str of 1 to 100 printable characters, got 4"),
        ({"api_key": "two\nlines"}, "api_key .* must be a str of printable ASCII"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words) as raised:
        Client(**{"api_key": "k", "project_id": "p", **settings})
    assert "two" not in str(raised.value)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSDK_MAX_BATCH_EVENTS", "many")
    with pytest.raises(
        InvalidSetting, match="max_batch_events: MLSDK_MAX_BATCH_EVENTS in the environment must be an int"
    ):
        Client(api_key="k", project_id="p")
    with pytest.raises(TypeError, match="unknown setting: flush_every"):
        Client(api_key="k", project_id="p", max_batch_events=1, flush_every=3)  # type: ignore[call-arg]


def test_every_setting_is_an_option_of_the_clients() -> None:
    explicit = {"api_key", "project_id", "server_endpoint", "wss_endpoint", "debug"}
    assert {attribute.name for attribute in Settings.__attrs_attrs__} == explicit | set(Options.__annotations__)


async def test_identify_and_alias_answer_with_the_user(face: Face, sink: Sink) -> None:
    client = face.client()
    sink.faults(lambda exchange: exchange.reply(body=b'{"id": "jj", "aliases": ["jj"]}'))
    assert {
        "id": "jj",
        "aliases": ["jj"],
    } == await result(client.user_identify(id="jj", traits={"vip": True, "gone": None}))
    await result(client.user_alias(id="jjacob", previous_id="jj"))
    assert [
        ("/bc/v1/user/identify", {"id": "jj", "traits": {"vip": True}}),
        ("/bc/v1/user/alias", {"id": "jjacob", "previous_id": "jj"}),
    ] == [(request.path, request.json) for request in sink.requests]


async def test_direct_requests_raise_what_went_wrong(face: Face, sink: Sink) -> None:
    client = face.client(request_timeout=0.3)
    sink.faults(faults.status(404, "no such user"), faults.hang)
    with pytest.raises(MLHTTPError) as raised:
        await result(client.user_alias(id="a", previous_id="b"))
    assert (404, "no such user") == (raised.value.status, raised.value.message)
    with pytest.raises(MLHTTPError, match="no reply") as raised:
        await result(client.user_identify(id="a"))
    assert 0 == raised.value.status
    with pytest.raises(InvalidEvent, match="id must be given, or device_id"):
        await result(client.user_identify(traits={"a": 1}))
    with pytest.raises(InvalidEvent, match="previous_id must be"):
        await result(client.user_alias(id="a"))


@pytest.mark.parametrize("kind", [HTTPClient, AsyncHTTPClient])
async def test_any_endpoint_can_be_reached(kind: Any, sink: Sink) -> None:
    async with entered(kind(api_key="k", project_id="p", server_endpoint=sink.url)) as http:
        sink.faults(lambda exchange: exchange.reply(body=b'[{"session_id": "s"}]'), faults.status(403, "wrong key"))
        query = {"filter": {"user_id": "ü"}, "limit": 3}
        found = await result(http.send_request(method="get", url="/bc/v1/db/sessions/find", data=query))
        refused = await result(http.send_request(method="POST", url="/bc/v1/orgkeys", data={"organization_id": "o"}))
        with pytest.raises(ValueError, match="url must be a path"):
            await result(http.send_request(method="GET", url="https://elsewhere.example/"))
    assert [{"session_id": "s"}] == found
    assert {"errored": True, "status": 403, "message": "wrong key"} == refused
    path, _, query_string = sink.requests[0].path.partition("?")
    assert "/bc/v1/db/sessions/find" == path
    assert {"filter": ['{"user_id":"ü"}'], "limit": ["3"]} == parse_qs(query_string)
    assert {"organization_id": "o"} == sink.requests[1].json
    unreachable = kind(api_key="k", project_id="p", server_endpoint="http://127.0.0.1:9")
    assert (await result(unreachable.send_request(method="GET", url="/")))["errored"]
    with pytest.raises(MLHTTPError) as caught:
        await result(unreachable.send_request(method="GET", url="/", raise_errors=True))
    assert 0 == caught.value.status


async def test_equal_clients_share_one_pipeline_until_the_last_is_closed(face: Face, sink: Sink) -> None:
    first, second, third = face.client(), face.client(), face.client(flush_interval=0.1)
    assert first.pipeline is second.pipeline
    assert first.pipeline is not third.pipeline
    session = second.create_session(id="u")
    await result(first.close())
    await result(session.track_event(event="e"))
    outcome = await result(second.close())
    assert (1, 0) == (outcome.delivered, outcome.dropped)
    assert face.client().pipeline is not first.pipeline


async def test_an_event_after_close_is_dropped_counted_and_reported_once(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    client, other = face.client(), face.client()
    session = client.create_session(id="u")
    await result(session.track_event(event="before"))
    assert 1 == (await result(client.close())).delivered
    with caplog.at_level(logging.WARNING, "mindlytics"):
        await result(session.track_event(event="after"))
        await result(session.track_event(event="after"))
    assert {"closed": 2} == client.stats().reasons
    assert session.has_errors()
    assert 1 == sum("after close()" in record.getMessage() for record in caplog.records)
    assert 2 == (await result(client.close())).dropped
    assert 1 == (await result(other.close())).delivered
    assert ["before"] == sink.names()


async def test_strict_raises_for_an_event_after_close(face: Face) -> None:
    client = face.client(strict=True)
    session = client.create_session(id="u")
    await result(client.close())
    with pytest.raises(ClientClosed):
        await result(session.track_event(event="after"))


async def test_a_disabled_client_needs_no_credentials_and_sends_nothing(face: Face, sink: Sink) -> None:
    client = face.kind(enabled=False, server_endpoint=sink.url)
    async with entered(client), entered(client.create_session(id="u")) as session:
        await result(session.track_event(event="e"))
        with pytest.raises(InvalidEvent):
            await result(session.track_event(event=""))
    assert {"disabled": 2} == client.stats().reasons
    assert [] == sink.requests
    assert not client.has_errors()


async def test_loss_is_named_to_the_session_that_lost(face: Face, sink: Sink) -> None:
    errors: list[Exception] = []
    client = face.client()
    good = client.create_session(id="good")
    bad = client.create_session(id="bad", on_error=errors.append)
    sink.always = faults.refuse_marked
    await result(good.track_event(event="fine"))
    await result(bad.track_event(event="poison"))
    await result(bad.track_event(event="fine too"))
    assert await result(bad.flush()) == mindlytics.FlushResult(delivered=1, refused=1, dropped=0, pending=0)
    assert (False, True) == (good.has_errors(), bad.has_errors())
    (error,) = bad.get_errors()
    assert (True, 400, "poison is not allowed") == (error.errored, error.status, error.message)
    assert client.get_errors() == bad.get_errors()
    await result(client.close())
    assert [("refused", 1, 400)] == [(error.reason, error.count, error.status) for error in errors]  # type: ignore[attr-defined]


async def test_an_error_handler_may_be_a_coroutine_function_and_may_fail(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[str] = []

    async def handler(error: Exception) -> None:
        errors.append(str(error))
        raise RuntimeError("the handler's own")

    client = face.client(on_error=handler)
    sink.always = faults.status(403, "wrong key")
    session = client.create_session(id="u")
    for _ in range(2):
        await result(session.track_event(event="e"))
        await result(client.flush())
    sink.always = faults.fine
    await result(session.track_event(event="e"))
    assert 1 == (await result(client.close())).delivered
    assert ["1 event not delivered, refused (status 403): wrong key"] * 2 == errors
    assert 1 == sum("handler failed" in record.getMessage() for record in caplog.records)
    assert 1 == caplog.text.count("wrong key"), "what the service said of the request, and not of an event"


# -- the two faces -------------------------------------------------------------------------------------------------


PAIRS = [(Client, AsyncClient), (Session, AsyncSession), (HTTPClient, AsyncHTTPClient)]


@pytest.mark.parametrize(("blocking", "awaited"), PAIRS, ids=["client", "session", "http"])
def test_the_faces_have_the_same_names_signatures_and_words(blocking: type, awaited: type) -> None:
    def public(kind: type) -> dict[str, Any]:
        return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_") and callable(value)}

    assert public(blocking).keys() == public(awaited).keys()
    for name, method in public(blocking).items():
        twin = public(awaited)[name]
        parameters = [(p.name, p.kind, p.default, p.annotation) for p in inspect.signature(method).parameters.values()]
        assert parameters == [
            (p.name, p.kind, p.default, p.annotation) for p in inspect.signature(twin).parameters.values()
        ], name
        assert inspect.getdoc(method) == inspect.getdoc(twin), name
        assert inspect.getdoc(method), name


def test_the_public_names_are_these() -> None:
    assert set(mindlytics.__all__) >= {
        "Client", "AsyncClient", "Session", "AsyncSession", "HTTPClient", "AsyncHTTPClient", "TokenBasedCost", "Cost",
        "MLEvent", "APIResponse", "FlushResult", "Stats", "MindlyticsError", "MLHTTPError", "InvalidEvent",
        "ClientClosed",
    }  # fmt: skip
    assert all(getattr(mindlytics, name) for name in mindlytics.__all__)
    assert set(mindlytics.__all__) <= set(dir(mindlytics))
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        mindlytics.Clint  # noqa: B018


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("import mindlytics", ["requests", "aiohttp", "attrs", "cattrs", "orjson", "tenacity", "asyncio", "queue"]),
        ("from mindlytics import Client; Client(api_key='k', project_id='p').create_session()",
         ["requests", "aiohttp", "cattrs", "orjson", "tenacity", "asyncio", "urllib3", "click", "sqlite3",
          "mindlytics.live.listener"]),
        ("from mindlytics import AsyncClient; AsyncClient(api_key='k', project_id='p').create_session()",
         ["requests", "urllib3", "click", "sqlite3"]),
        ("from mindlytics import TokenBasedCost, Cost, MLEvent, InvalidEvent, Stats",
         ["requests", "aiohttp", "cattrs", "orjson", "tenacity", "asyncio"]),
    ],
)  # fmt: skip
def test_a_name_loads_only_what_it_needs(program: str, absent: list[str]) -> None:
    # What measures coverage is loaded before.
    loaded = f"[name for name in {absent!r} if name in sys.modules and name not in before]"
    check = f"import sys; before = set(sys.modules); {program}; print(*{loaded})"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert [] == ran.stdout.split()


FIRST_EVENT = (
    "from mindlytics import Client\nclient = Client(api_key='k', project_id='p')\n"
    "client.pipeline._attend = lambda: None  # no sender\n"
    "client.create_session(id='u').track_conversation_turn(user='u', assistant='a')\n"
)


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        (FIRST_EVENT, ["requests", "aiohttp", "asyncio", "cattrs", "tenacity", "urllib3"]),
        (BLOCKING + "session.track_event(event='e')\nclient.close()\n", ["aiohttp", "cattrs", "tenacity"]),
        (
            ASYNC + "async def main():\n    await session.track_event(event='e')\n    await client.close()\n"
            "asyncio.run(main())\n",
            ["requests", "urllib3", "cattrs"],
        ),
    ],
    ids=["the first event", "a delivery", "a delivery by asyncio"],
)
def test_what_is_done_loads_only_what_it_needs(sink: Sink, program: str, absent: list[str]) -> None:
    check = f"import os, sys\nprint([name for name in {absent!r} if name in sys.modules], flush=True)\nos._exit(0)"
    ran = run(sink, program + check)
    assert (0, "", "[]\n") == (ran.returncode, ran.stderr, ran.stdout)


def test_no_thread_is_started_before_the_first_event(sink: Sink) -> None:
    before = threading.active_count()
    client = Client(api_key="k", project_id="p", server_endpoint="http://127.0.0.1:9", request_timeout=3.21)
    client.create_session(id="u")
    assert threading.active_count() == before
    client.close()


def test_a_file_gives_what_the_environment_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MLSDK_API_KEY='of the file'\nMLSDK_PROJECT_ID=file\nMLSDK_FLUSH_INTERVAL=7\n".replace(" ", "-"))
    monkeypatch.setenv("MLSDK_DOTENV", str(file))
    monkeypatch.setenv("MLSDK_PROJECT_ID", "environment")
    monkeypatch.delenv("MLSDK_API_KEY", raising=False)
    settings = Settings.load({"flush_interval": None})
    assert ("of-the-file", "environment", 7.0) == (
        settings.api_key.reveal(), settings.project_id, settings.flush_interval,
    )  # fmt: skip
    assert "MLSDK_API_KEY" not in os.environ


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLSDK_DOTENV", str(tmp_path))
    with pytest.raises(InvalidSetting, match=r"MLSDK_DOTENV: cannot read .*: Is a directory"):
        Settings.load({})
    file = tmp_path / ".env"
    file.write_text("")
    monkeypatch.setenv("MLSDK_DOTENV", str(file))
    monkeypatch.setitem(sys.modules, "dotenv", None)
    with pytest.raises(InvalidSetting, match="needs python-dotenv"):
        Settings.load({})
